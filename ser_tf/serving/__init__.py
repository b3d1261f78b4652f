"""A trained model as a SavedModel that answers WAV files in TensorFlow Serving, without Python."""
