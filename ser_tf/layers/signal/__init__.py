"""Waveforms in the graph: WAV decoding and resampling."""
