"""All that determines a training run, checked, to JSON and back."""

import argparse
import dataclasses
import functools
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ser_tf import cli
from ser_tf.augment import AUGMENTATIONS
from ser_tf.corpora import REAL_CORPORA
from ser_tf.errors import InputError
from ser_tf.features import FEATURES
from ser_tf.models import MEMORIES, MODELS, of_features
from ser_tf.splits import KINDS, PROTOCOLS

if TYPE_CHECKING:
    import keras

COPIES = ("none", "published")
SCHEDULES = ("cosine", "constant")


def _flag(default: Any, text: str, **argument: Any) -> Any:
    """A field of `Config` that `add_flags` turns into a flag with this help text."""
    return field(default=default, metadata={"help": text, "argument": argument})


class UsageError(ValueError):
    """Flags that exclude each other, or an option that does not exist."""


class UnknownValueError(ValueError):
    """A stored configuration has a value that this version does not know."""


@dataclass(frozen=True)
class Config:
    """All that determines a training run, but for where files lie.

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
        None, "hyperparameters of the features", nargs="+", type=cli.option, metavar="NAME=VALUE"
    )
    model: str = _flag("lmu", "encoder", choices=tuple(MODELS))
    model_options: Mapping[str, Any] = _flag(
        None, "hyperparameters of the encoder", nargs="+", type=cli.option, metavar="NAME=VALUE"
    )
    lmu: str = _flag("ser_tf", "implementation of the LMU layer", choices=tuple(MEMORIES))
    augment: tuple[str, ...] = _flag(
        (), "augmentations of training clips", nargs="*", choices=tuple(AUGMENTATIONS)
    )
    augment_copies: int | None = _flag(
        None,
        "augment waveforms so many times a clip once and for all, not anew in every epoch",
        type=cli.at_least(int, 1),
        metavar="N",
    )
    sounds: int = _flag(
        0,
        "learn also so many synthetic sounds that are no speech, as of no emotion at all",
        type=cli.at_least(int, 0),
        metavar="N",
    )
    mixup: float = _flag(
        0.0, "share of training clips that are mixed with another", type=cli.share, metavar="X"
    )
    copies: str = _flag(
        "none", "published: clean, noisy, pitched, and pitched noisy copy a clip", choices=COPIES
    )
    split: str = _flag("speakers", "what test and training must not share", choices=KINDS)
    split_seed: int = _flag(0, "seed of the split", type=cli.seed, metavar="N")
    folds: int | None = _flag(
        None, "cross-validation over K folds", type=cli.at_least(int, 2), metavar="K"
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
    epochs: int = _flag(60, "epochs at most", type=cli.at_least(int, 1), metavar="N")
    patience: int | None = _flag(
        20,
        "epochs without a better validation UAR before training stops, with --keep best",
        type=cli.at_least(int, 1),
        metavar="N",
    )
    keep: str = _flag(
        "best", "the epoch of the best validation UAR, or the last", choices=("best", "last")
    )
    batch_size: int = _flag(32, "clips a step", type=cli.at_least(int, 1), metavar="N")
    learning_rate: float = _flag(2e-3, "Adam's (initial) rate", type=cli.positive, metavar="X")
    schedule: str = _flag("cosine", "course of the learning rate", choices=SCHEDULES)
    epsilon: float = _flag(1e-7, "Adam's epsilon", type=cli.positive, metavar="X")
    ema_momentum: float | None = _flag(
        None,
        "validate and keep not the weights, but a moving average of them over the steps",
        type=cli.share,
        metavar="X",
    )
    balance_corpora: float = _flag(
        0.0,
        "how far to draw from small corpora oftener in training: from 0, every clip equally often, "
        "to 1, every corpus, which is what the flag alone says",
        type=cli.share,
        nargs="?",
        const=1.0,
        metavar="X",
    )
    class_weights: bool = _flag(
        False, "weigh classes by their inverse frequency", action="store_true"
    )
    seed: int = _flag(0, "seed of weights, order and augmentation", type=cli.seed, metavar="N")

    def __post_init__(self) -> None:
        if self.folds and self.test_speakers:
            raise UsageError("--folds and --test-speakers exclude each other.")
        if self.protocol:
            self._check_protocol()
        if self.augment_copies:
            self._check_augment_copies()
        if not self.test:
            self._check_without_test()
        if self.watch_test and self.validation:
            raise UsageError("--validation and --watch-test exclude each other.")
        if self.split != "speakers" and (self.test_speakers or self.validation_speakers):
            raise UsageError("--test-speakers and --validation-speakers need --split speakers.")
        for name in ("augment", "mixup", "sounds") if self.copies == "published" else ():
            if getattr(self, name):
                raise UsageError(f"--copies published and {flag(name)} exclude each other.")
        if self.ema_momentum is not None and not self.validation:
            raise UsageError("--ema-momentum needs --validation.")
        if self.copies == "published" and self.features != "published":
            raise UsageError("--copies published needs --features published.")
        object.__setattr__(
            self,
            "feature_options",
            _complete(FEATURES[self.features], self.feature_options, "--feature-options"),
        )
        models = of_features(self.features)
        if self.model not in models:
            raise UsageError(
                f"--features {self.features} needs a --model that follows streams; choose from "
                f"{', '.join(models)}. Received: {self.model}."
            )
        entry = models[self.model]
        options = dict(self.model_options or {})
        if hasattr(entry, "memory"):
            if options.setdefault("memory", self.lmu) != self.lmu:
                raise UsageError("--model-options: memory is what --lmu sets.")
        elif self.lmu != "ser_tf" and self.features == "causal":
            raise UsageError(f"--lmu {self.lmu} follows no stream; --features causal needs ser_tf.")
        object.__setattr__(self, "model_options", _complete(entry, options, "--model-options"))

    def refuse_nonsense(self) -> None:
        """Checks what a run could follow but nobody can mean; stored configurations may have it.

        Raises:
            UsageError: naming the flags.
        """
        excluding = {
            "--no-validation and --validation-speakers": not self.validation
            and bool(self.validation_speakers),
            "--protocol and --split-seed": bool(self.protocol and self.split_seed),
            "--augment specaugment and --features causal": self.features == "causal"
            and "specaugment" in self.augment,
            "--class-weights and --sounds": self.class_weights and self.sounds > 0,
        }
        for flags, given in excluding.items():
            if given:
                raise UsageError(f"{flags} exclude each other.")
        if self.ema_momentum == 1:
            raise UsageError("--ema-momentum must be below 1, at which nothing would be learnt.")

    def _check_protocol(self) -> None:
        for name in ("folds", "test_speakers", "validation_speakers"):
            if getattr(self, name):
                raise UsageError(f"--protocol and {flag(name)} exclude each other.")
        if self.split != "speakers" or not self.validation:
            raise UsageError("--protocol needs --split speakers and --validation.")

    def _check_augment_copies(self) -> None:
        names = [name for name, entry in AUGMENTATIONS.items() if entry.domain == "waveform"]
        if not self.augment or not set(self.augment) <= set(names):
            raise UsageError(
                f"--augment-copies needs --augment of waveforms: choose from {', '.join(names)}."
            )

    def _check_without_test(self) -> None:
        for name in ("folds", "protocol", "test_speakers"):
            if getattr(self, name):
                raise UsageError(f"--no-test and {flag(name)} exclude each other.")
        if not self.validation:
            raise UsageError("--no-test needs --validation.")

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


def flag(name: str) -> str:
    """The flag of a field, as `--split-seed`."""
    return "--" + name.replace("_", "-")


def _tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _tuples(item) for name, item in value.items()}
    return tuple(value) if isinstance(value, list) else value


def _complete(entry: Any, options: Mapping[str, Any] | None, named: str) -> dict[str, Any]:
    """All hyperparameters of `entry`, those in `options` replaced."""
    known = dataclasses.asdict(entry)
    types = typing.get_type_hints(type(entry))
    for name, value in (options or {}).items():
        if name not in known:
            raise UsageError(f"{named}: no option {name}; choose from {', '.join(known)}.")
        if typing.get_origin(types[name]) is tuple and not isinstance(value, tuple):
            value = (value,)
        if not _is_a(value, types[name]):
            raise UsageError(f"{named}: {name} is like {known[name]}. Received: {value}.")
        known[name] = value
    try:
        dataclasses.replace(entry, **known)
    except ValueError as error:
        raise UsageError(f"{named}: {error}") from error
    return known


def _is_a(value: Any, type_: Any) -> bool:
    """Whether a hyperparameter's value is of the type that its field declares."""
    arguments = typing.get_args(type_)
    if typing.get_origin(type_) is tuple:
        return isinstance(value, tuple) and all(_is_a(item, arguments[0]) for item in value)
    if arguments:
        return any(_is_a(value, argument) for argument in arguments)
    if type_ is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return type(value) is type_


def _built(build: Callable[[], Any], named: str) -> Any:
    try:
        return build()
    except ValueError as error:
        raise InputError(f"{named}: {error}") from error
