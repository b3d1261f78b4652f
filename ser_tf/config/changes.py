"""What must not change between a run that is there and the command that goes on with it."""

from collections.abc import Collection
from pathlib import Path

from ser_tf.config.configuration import Config
from ser_tf.config.settings import toml
from ser_tf.errors import InputError


def refuse_changes(
    stored: Config, wanted: Config, keys: Collection[str], folder: Path, advice: str
) -> None:
    """Checks that the run in `folder` has the settings that are wanted now; data may have moved.

    Args:
        stored: the configuration in `folder`.
        wanted: the configuration that a command asks for.
        keys: dotted keys of the settings that must not differ, or names of whole groups.
        folder: where the run is.
        advice: how else to go on; ends the message.

    Raises:
        InputError: naming the first setting that differs.
    """
    had = dict(stored.items())
    # In their order: what a model is comes before its hyperparameters.
    for key, asked in wanted.items():
        if key == "data_dir" or not {key, key.partition(".")[0]} & {*keys}:
            continue
        if key not in had or had[key] != asked:
            told = toml(had[key]) if key in had else "no such setting"
            raise InputError(
                f"{key}: the run in {folder} has {told}, this command says {toml(asked)}; {advice}"
            )
