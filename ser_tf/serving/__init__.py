"""A trained model outside Python: SavedModels for TensorFlow Serving, LiteRT, and a client."""
