"""Answers of trained models: the model folder, recordings, streams, the shipped model."""
