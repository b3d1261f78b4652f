"""Which settings exclude or need one another.

A term of a rule is a key, which stands for a setting that is given, or `key=value`. A setting is
given if its value is neither none, false, 0 nor empty.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ser_tf.config.settings import UsageError
from ser_tf.models.augmentations import AUGMENTATIONS


class _Rule(NamedTuple):
    """Where `term` holds, all of the `others` must hold (needed) or none may (excluded)."""

    term: str
    others: tuple[str, ...]
    needed: bool


def _excludes(term: str, *others: str) -> _Rule:
    return _Rule(term, others, needed=False)


def _needs(term: str, *others: str) -> _Rule:
    return _Rule(term, others, needed=True)


_ALWAYS = (
    _excludes("split.folds", "split.test_speakers"),
    _excludes("split.protocol", "split.folds", "split.test_speakers", "split.validation_speakers"),
    _needs("split.protocol", "split.kind=speakers", "split.validation=true"),
    _excludes("split.kind=given", "split.folds"),
    _excludes("split.test=false", "split.folds", "split.protocol", "split.test_speakers"),
    _needs("split.test=false", "split.validation=true"),
    _excludes("training.watch_test", "split.validation=true"),
    _needs("split.test_speakers", "split.kind=speakers"),
    _needs("split.validation_speakers", "split.kind=speakers"),
    _needs("augmentation.published_rows", "features.name=published"),
    _excludes(
        "augmentation.published_rows",
        "augmentation.layers",
        "augmentation.mixup",
        "augmentation.sounds",
    ),
    _needs("augmentation.copies", "augmentation.layers"),
    _needs("training.ema_momentum", "split.validation=true"),
)
"""What no run can follow."""

_NEW = (
    _excludes("split.validation=false", "split.validation_speakers"),
    _excludes("split.protocol", "split.seed"),
    _excludes("features.name=causal", "augmentation.layers=specaugment"),
    _excludes("features.name=whisper", "augmentation.layers=specaugment"),
    # Weights follow from the clips that there are, not from how often they are drawn or mixed.
    _excludes(
        "training.class_weights",
        "augmentation.sounds",
        "augmentation.mixup",
        "training.balance_corpora",
    ),
)
"""Combinations that a run could follow but that make no sense."""

_MAY_BE_ZERO = ("training.ema_momentum",)
"""Settings that are left out by None alone: 0 is a value of theirs."""


def check(values: Mapping[str, Any]) -> None:
    """Checks that a run can follow all settings at once.

    Args:
        values: every setting of a configuration by its dotted key.

    Raises:
        UsageError: with the keys that contradict each other.
    """
    _follow(_ALWAYS, values)
    if values["augmentation.copies"]:
        waveform = [name for name, entry in AUGMENTATIONS.items() if entry.domain == "waveform"]
        if not set(values["augmentation.layers"]) <= set(waveform):
            raise UsageError(
                "augmentation.copies needs augmentation.layers of waveforms: choose from "
                f"{', '.join(waveform)}.",
                ["augmentation.copies", "augmentation.layers"],
            )


def refuse_nonsense(values: Mapping[str, Any], default_teacher_share: float) -> None:
    """Refuses new settings that make no sense together; stored configurations may hold them.

    Raises:
        UsageError: with the keys at fault.
    """
    _follow(_NEW, values)
    if values["training.teacher_share"] != default_teacher_share:
        _follow([_needs("training.teacher_share", "training.teachers")], values)
    if values["training.ema_momentum"] == 1:
        raise UsageError(
            "training.ema_momentum must be below 1, at which nothing would be learnt.",
            ["training.ema_momentum"],
        )


def _follow(rules: Iterable[_Rule], values: Mapping[str, Any]) -> None:
    for term, others, needed in rules:
        if not _holds(term, values):
            continue
        for other in others:
            if _holds(other, values) != needed:
                message = (
                    f"{term} needs {other}."
                    if needed
                    else f"{term} and {other} exclude each other."
                )
                raise UsageError(message, [part.partition("=")[0] for part in (term, other)])


def _holds(term: str, values: Mapping[str, Any]) -> bool:
    key, _, wanted = term.partition("=")
    value = values[key]
    if not wanted:
        return value is not None and (bool(value) or key in _MAY_BE_ZERO)
    if isinstance(value, tuple):
        return wanted in value
    return wanted == (str(value).lower() if isinstance(value, bool) else value)
