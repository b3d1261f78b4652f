"""Settings of TensorFlow Serving for one model folder."""

LARGEST_BATCH = 32
"""Clips that a server merges into one batch at most, and that its warm-up asks about at once."""
