"""One frozen configuration of a training run: its settings, their rules, to JSON and back."""

from ser_tf.config.changes import refuse_changes
from ser_tf.config.configuration import GROUPS, Config
from ser_tf.config.groups import Augmentation, Export, Features, Model, Split, Training
from ser_tf.config.resolving import Layer, Resolved, layered, parse, resolve
from ser_tf.config.settings import UsageError, toml
from ser_tf.config.stored import FORMAT, UnknownValueError, from_json, read, to_json

__all__ = [
    "FORMAT",
    "GROUPS",
    "Augmentation",
    "Config",
    "Export",
    "Features",
    "Layer",
    "Model",
    "Resolved",
    "Split",
    "Training",
    "UnknownValueError",
    "UsageError",
    "from_json",
    "layered",
    "parse",
    "read",
    "refuse_changes",
    "resolve",
    "to_json",
    "toml",
]
