"""All that determines a training run, checked, to JSON and back."""

import argparse
import dataclasses
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ser_tf.commandline import command
from ser_tf.config import options, rules
from ser_tf.config.options import UsageError
from ser_tf.corpora import REAL_CORPORA
from ser_tf.corpora.splits import KINDS, PROTOCOLS
from ser_tf.errors import InputError
from ser_tf.models import MEMORIES, MODELS, of_features
from ser_tf.models.augmentations import AUGMENTATIONS
from ser_tf.models.features import FEATURES

if TYPE_CHECKING:
    import keras


def _flag(default: Any, text: str, **argument: Any) -> Any:
    """A field of `Config` that `add_flags` turns into a flag with this help text."""
    return field(default=default, metadata={"help": text, "argument": argument})


class UnknownValueError(ValueError):
    """A stored configuration has a value that this version does not know."""


@dataclass(frozen=True)
class Config:
    """All that determines a training run; `data_dir` alone only says where the clips lie.

    `feature_options` and `model_options` override the registry entries' hyperparameters; in JSON
    they are complete, so that a later change of a default cannot change what a file means.
    """

    preset: str | None = _flag(
        None,
        "published: the setting of the published experiment, whose rows split leaks",
        choices=("published",),
    )
    corpora: tuple[str, ...] = REAL_CORPORA
    data_dir: str | None = None
    features: str = _flag("mfcc", "what the encoder sees", choices=tuple(FEATURES))
    feature_options: Mapping[str, Any] = _flag(
        None,
        "hyperparameters of the features",
        nargs="+",
        type=command.option,
        metavar="NAME=VALUE",
    )
    model: str = _flag("lmu", "encoder", choices=tuple(MODELS))
    model_options: Mapping[str, Any] = _flag(
        None, "hyperparameters of the encoder", nargs="+", type=command.option, metavar="NAME=VALUE"
    )
    lmu: str = _flag("ser_tf", "implementation of the LMU layer", choices=tuple(MEMORIES))
    augment: tuple[str, ...] = _flag(
        (), "augmentations of training clips", nargs="*", choices=tuple(AUGMENTATIONS)
    )
    augment_copies: int | None = _flag(
        None,
        "augment waveforms so many times a clip once and for all, not anew in every epoch",
        type=command.at_least(int, 1),
        metavar="N",
    )
    sounds: int = _flag(
        0,
        "learn also so many synthetic sounds that are no speech, as of no emotion at all",
        type=command.at_least(int, 0),
        metavar="N",
    )
    mixup: float = _flag(
        0.0, "share of training clips that are mixed with another", type=command.share, metavar="X"
    )
    teachers: tuple[str, ...] = _flag(
        (),
        "trained models of the same features and corpora whose answers on training clips are "
        "learnt beside the labels",
        nargs="+",
        metavar="DIR",
    )
    teacher_share: float = _flag(
        0.5, "how much of what is learnt is the teachers' answer", type=command.share, metavar="X"
    )
    copies: str = _flag(
        "none",
        "published: clean, noisy, pitched, and pitched noisy copy a clip",
        choices=("none", "published"),
    )
    split: str = _flag("speakers", "what test and training must not share", choices=KINDS)
    split_seed: int = _flag(0, "seed of the split", type=command.seed, metavar="N")
    folds: int | None = _flag(
        None, "cross-validation over K folds", type=command.at_least(int, 2), metavar="K"
    )
    protocol: str | None = _flag(
        None,
        "published folds of speakers to cross-validate over",
        choices=tuple(PROTOCOLS),
    )
    fold: int | None = None
    test_speakers: tuple[str, ...] = _flag((), "speakers to test on", nargs="+", metavar="ID")
    validation_speakers: tuple[str, ...] = _flag(
        (), "speakers to validate on", nargs="+", metavar="ID"
    )
    validation: bool = _flag(
        True,
        "hold out validation clips, which choose the epoch and calibrate",
        action=argparse.BooleanOptionalAction,
    )
    test: bool = _flag(
        True,
        "hold out test clips, which are scored at the end",
        action=argparse.BooleanOptionalAction,
    )
    watch_test: bool = _flag(
        False,
        "note the test clips' scores after every epoch, where none of them is chosen by it",
        action=argparse.BooleanOptionalAction,
    )
    all_classes: bool = _flag(
        False, "all eight classes, even where a corpus lacks some", action="store_true"
    )
    epochs: int = _flag(60, "epochs at most", type=command.at_least(int, 1), metavar="N")
    patience: int | None = _flag(
        20,
        "epochs without a better validation UAR before training stops, with --keep best",
        type=command.at_least(int, 1),
        metavar="N",
    )
    keep: str = _flag(
        "best", "the epoch of the best validation UAR, or the last", choices=("best", "last")
    )
    batch_size: int = _flag(32, "clips a step", type=command.at_least(int, 1), metavar="N")
    learning_rate: float = _flag(2e-3, "Adam's (initial) rate", type=command.positive, metavar="X")
    schedule: str = _flag("cosine", "course of the learning rate", choices=("cosine", "constant"))
    epsilon: float = _flag(1e-7, "Adam's epsilon", type=command.positive, metavar="X")
    ema_momentum: float | None = _flag(
        None,
        "validate and keep not the weights, but a moving average of them over the steps",
        type=command.share,
        metavar="X",
    )
    balance_corpora: float = _flag(
        0.0,
        "how far to draw from small corpora oftener in training: from 0, every clip equally often, "
        "to 1, every corpus, which is what the flag alone says",
        type=command.share,
        nargs="?",
        const=1.0,
        metavar="X",
    )
    class_weights: bool = _flag(
        False, "weigh classes by their inverse frequency", action="store_true"
    )
    seed: int = _flag(0, "seed of weights, order and augmentation", type=command.seed, metavar="N")

    def __post_init__(self) -> None:
        rules.check(self)
        features = options.complete(
            FEATURES[self.features], self.feature_options, "--feature-options"
        )
        object.__setattr__(self, "feature_options", features)
        entry = rules.model_entry(self)
        chosen = dict(self.model_options or {})
        if hasattr(entry, "memory") and chosen.setdefault("memory", self.lmu) != self.lmu:
            raise UsageError("--model-options: memory is what --lmu sets.")
        model = options.complete(entry, chosen, "--model-options")
        object.__setattr__(self, "model_options", model)

    @property
    def fold_count(self) -> int:
        """Over how many folds this is a cross-validation; 0: it is none."""
        return len(PROTOCOLS[self.protocol]) if self.protocol else self.folds or 0

    @property
    def feature_entry(self) -> Any:
        """The entry of `FEATURES` with this configuration's hyperparameters."""
        return dataclasses.replace(FEATURES[self.features], **self.feature_options)

    @property
    def model_entry(self) -> Any:
        """The model's registry entry with this configuration's hyperparameters."""
        return dataclasses.replace(of_features(self.features)[self.model], **self.model_options)

    def build_front_end(self) -> "keras.Layer":
        """The layers from waveform to features.

        Raises:
            InputError: if the features' hyperparameters break a rule.
        """
        return _built(self.feature_entry.build, "--feature-options")

    def build_network(self, classes: int) -> "keras.Model":
        """The untrained network from normalised features to the logits of so many classes.

        Raises:
            InputError: if the model's hyperparameters break a rule.
        """
        build = functools.partial(self.model_entry.build, self.feature_entry.shape, classes)
        return _built(build, "--model-options")

    @property
    def name(self) -> str:
        """The model folder's default name, as in `lmu-ravdess`."""
        return "-".join((self.model, *self.corpora))

    def to_json(self) -> dict[str, Any]:
        """Builtins only; `from_json` restores the equal configuration."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Config":
        """The configuration that `to_json` described.

        Raises:
            UnknownValueError: if a value is unknown to this version.
        """
        fields = {name: _tuples(value) for name, value in values.items()}
        try:
            return cls(**fields)
        except (TypeError, KeyError, ValueError) as error:
            raise UnknownValueError(str(error)) from error


def _tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _tuples(item) for name, item in value.items()}
    return tuple(value) if isinstance(value, list) else value


def _built(build: Callable[[], Any], named: str) -> Any:
    try:
        return build()
    except ValueError as error:
        raise InputError(f"{named}: {error}") from error
