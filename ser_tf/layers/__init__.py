"""Keras layers of the models and of their front ends."""
