"""The groups of settings that make a configuration; each setting says here what it means."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ser_tf.config.settings import (
    POSITIVE,
    SEED,
    SHARE,
    UsageError,
    at_least,
    check_fields,
    complete,
    one_of,
    setting,
)
from ser_tf.corpora.splits import KINDS, PROTOCOLS
from ser_tf.models import MODELS, Encoder, of_features
from ser_tf.models.augmentations import AUGMENTATIONS
from ser_tf.models.features import FEATURES, Feature


@dataclass(frozen=True)
class _Group:
    """Settings that are checked one by one as soon as they are made."""

    prefix: ClassVar[str]

    def __post_init__(self) -> None:
        check_fields(self, f"{self.prefix}.")

    def items(self) -> Iterator[tuple[str, Any]]:
        """Names and values of the settings, in order."""
        for item in dataclasses.fields(self):
            yield item.name, getattr(self, item.name)


@dataclass(frozen=True)
class _Chosen:
    """An entry of a registry by its name, with hyperparameters of its own."""

    prefix: ClassVar[str]

    name: str
    options: Mapping[str, Any]

    def items(self) -> Iterator[tuple[str, Any]]:
        """The name, then names and values of the hyperparameters."""
        yield "name", self.name
        yield from self.options.items()


@dataclass(frozen=True)
class Features(_Chosen):
    """What the encoder sees.

    Attributes:
        name: a key of `FEATURES`.
        options: hyperparameters that replace the entry's; complete as soon as they are made, so
            that a later change of a default cannot change what a stored configuration means.
    """

    prefix = "features"

    name: str = "mfcc"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in FEATURES:
            raise _unknown_entry(self, FEATURES)
        options = complete(FEATURES[self.name], self.options, self.prefix)
        object.__setattr__(self, "options", options)

    @property
    def entry(self) -> Feature:
        """The entry of `FEATURES` with these hyperparameters."""
        return dataclasses.replace(FEATURES[self.name], **self.options)


@dataclass(frozen=True)
class Model(_Chosen):
    """The encoder.

    Attributes:
        name: a key of `MODELS`.
        options: hyperparameters that replace the entry's.
        features: what it reads, the name of an entry of `FEATURES`; a configuration sets it, and
            then the options are complete. The entry of a name depends on it.
    """

    prefix = "model"

    name: str = "lmu"
    options: Mapping[str, Any] = field(default_factory=dict)
    features: str | None = None

    def __post_init__(self) -> None:
        if self.name not in MODELS:
            raise _unknown_entry(self, MODELS)
        if self.features is None:
            return
        models = of_features(self.features)
        if self.name not in models:
            raise UsageError(
                f"features.name {self.features} has frames for other models; choose "
                f"model.name from {', '.join(models)}. Received: {self.name}.",
                ["features.name", "model.name"],
            )
        options = complete(models[self.name], self.options, self.prefix)
        object.__setattr__(self, "options", options)

    @property
    def entry(self) -> Encoder:
        """The registry's entry with these hyperparameters."""
        entry = of_features(self.features or "")[self.name]
        return dataclasses.replace(entry, **self.options)


@dataclass(frozen=True)
class Augmentation(_Group):
    """How training clips are changed, and what is added to them."""

    prefix = "augmentation"

    layers: tuple[str, ...] = setting((), "random changes to training clips", one_of(AUGMENTATIONS))
    copies: int | None = setting(
        None,
        "augmented copies of a clip, made once; none: augments differently in every epoch",
        at_least(1),
    )
    published_rows: bool = setting(
        False, "clean, noisy, pitched, and pitched noisy copy of every clip, as published"
    )
    mixup: float = setting(0.0, "share of training clips mixed with another", SHARE)
    sounds: int = setting(
        0, "synthetic sounds other than speech, trained on as no emotion at all", at_least(0)
    )


@dataclass(frozen=True)
class Split(_Group):
    """Which clips train, which validate and which test."""

    prefix = "split"

    kind: str = setting("speakers", "what test and training must not share", one_of(KINDS))
    seed: int = setting(0, "seed of the split", SEED)
    folds: int | None = setting(None, "cross-validation over this many folds", at_least(2))
    protocol: str | None = setting(
        None, "published folds of speakers to cross-validate over", one_of(PROTOCOLS)
    )
    fold: int | None = setting(None, "the fold of a cross-validation that a run is", at_least(1))
    test_speakers: tuple[str, ...] = setting((), "speakers to test on; none: chosen by the seed")
    validation_speakers: tuple[str, ...] = setting(
        (), "speakers to validate on; none: chosen by the seed"
    )
    validation: bool = setting(
        True, "hold out validation clips, which choose the epoch and calibrate"
    )
    test: bool = setting(True, "hold out test clips, which are scored at the end")

    @property
    def fold_count(self) -> int:
        """The number of folds of a cross-validation; 0 for a single split."""
        return len(PROTOCOLS[self.protocol]) if self.protocol else self.folds or 0


@dataclass(frozen=True)
class Training(_Group):
    """How the encoder is trained."""

    prefix = "training"

    epochs: int = setting(60, "epochs at most", at_least(1))
    patience: int | None = setting(
        20, "epochs without a better validation UAR before training stops", at_least(1)
    )
    keep: str = setting(
        "best",
        "the epoch to keep: best (by validation UAR; stops by patience) or last",
        one_of(("best", "last")),
    )
    batch_size: int = setting(32, "clips a step", at_least(1))
    learning_rate: float = setting(2e-3, "Adam's (initial) learning rate", POSITIVE)
    schedule: str = setting("cosine", "course of the learning rate", one_of(("cosine", "constant")))
    epsilon: float = setting(1e-7, "Adam's epsilon", POSITIVE)
    ema_momentum: float | None = setting(
        None, "validate and keep a moving average of the weights over steps", SHARE
    )
    balance_corpora: float = setting(
        0.0, "oversample small corpora: 0 weighs clips equally, 1 weighs corpora equally", SHARE
    )
    class_weights: bool = setting(False, "weigh classes by their inverse frequency")
    all_classes: bool = setting(False, "all eight classes, even those without clips")
    watch_test: bool = setting(
        False, "score the test clips after every epoch; needs a run without validation"
    )
    teachers: tuple[str, ...] = setting(
        (), "model folders whose answers on training clips are learnt along with the labels"
    )
    calibrated_by: str | None = setting(
        None,
        "folder of a run that leaves corpora out, whose answers there set temperature and "
        "threshold; none: validation clips do",
    )
    teacher_share: float = setting(0.5, "share of the teachers' answer in the target", SHARE)


@dataclass(frozen=True)
class Export(_Group):
    """What a run leaves in its folder besides the model."""

    prefix = "export"

    litert: bool = setting(True, "flatbuffers in litert/, which answer without TensorFlow")


def _unknown_entry(chosen: _Chosen, registry: Mapping[str, Any]) -> UsageError:
    key = f"{chosen.prefix}.name"
    message = f"{key} must be one of {', '.join(registry)}. Received: {chosen.name}."
    return UsageError(message, [key])
