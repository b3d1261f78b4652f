"""Answers of trained models: model folders, recordings, streams, the shipped models."""
