"""Waveforms in the graph: WAV bytes and resampling."""
