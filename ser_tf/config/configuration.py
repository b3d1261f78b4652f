"""All that determines a training run, in groups, checked."""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ser_tf.config import rules
from ser_tf.config.groups import Augmentation, Export, Features, Model, Split, Training
from ser_tf.config.settings import SEED, Rule, check_fields, setting, texts, unknown
from ser_tf.corpora import CHOICES, REAL_CORPORA, corpus_name, is_known, naming, spell
from ser_tf.models import MODELS, of_features
from ser_tf.models.features import FEATURES

GROUPS = (Features, Model, Augmentation, Split, Training, Export)
"""The groups of settings in their order; `prefix` begins the keys of each."""


@dataclass(frozen=True)
class Config:
    """All that determines a training run; `data_dir` alone only says where the clips lie.

    Every setting has a dotted key, as `split.folds`, that TOML, JSON and the command line share.
    """

    recipe: str | None = None
    corpora: tuple[str, ...] = setting(
        REAL_CORPORA,
        "corpora to train and test on, or tables of one's own",
        Rule(f"one of {CHOICES}", is_known),
    )
    map: tuple[str, ...] = setting(
        (),
        "what clips are called instead, as in calm=neutral; WORD=none leaves clips out",
        Rule(naming.ITEM, naming.is_item),
    )
    data_dir: str | None = setting(
        None, "folder that holds one folder a corpus; none: kagglehub downloads"
    )
    seed: int = setting(0, "seed of weights, order and augmentation", SEED)
    features: Features = field(default_factory=Features)
    model: Model = field(default_factory=Model)
    augmentation: Augmentation = field(default_factory=Augmentation)
    split: Split = field(default_factory=Split)
    training: Training = field(default_factory=Training)
    export: Export = field(default_factory=Export)

    def __post_init__(self) -> None:
        check_fields(self)
        object.__setattr__(self, "corpora", tuple(spell(corpus) for corpus in self.corpora))
        read = dataclasses.replace(self.model, features=self.features.name)
        object.__setattr__(self, "model", read)
        rules.check(dict(self.items()))

    @property
    def name(self) -> str:
        """The model folder's default name, as in `lmu-ravdess`."""
        return "-".join((self.model.name, *self.corpus_names))

    @property
    def corpus_names(self) -> tuple[str, ...]:
        """The names of the corpora in results: of a table, its file's."""
        return tuple(corpus_name(corpus) for corpus in self.corpora)

    def items(self) -> Iterator[tuple[str, Any]]:
        """Dotted keys and values of all settings, in order; the recipe's name is not a setting."""
        for key in ("corpora", "map", "data_dir", "seed"):
            yield key, getattr(self, key)
        for group in GROUPS:
            for name, value in getattr(self, group.prefix).items():
                yield f"{group.prefix}.{name}", value

    def changed(self, values: Mapping[str, Any]) -> "Config":
        """This configuration with other values of some settings, by dotted key.

        Raises:
            UsageError: as `from_items`.
        """
        return self.from_items({**dict(self.items()), **values}, self.recipe)

    def refuse_nonsense(self) -> None:
        """Refuses new settings that make no sense together; stored configurations may hold them.

        Raises:
            UsageError: with the keys at fault.
        """
        rules.refuse_nonsense(dict(self.items()), Training.teacher_share)

    @classmethod
    def from_items(cls, values: Mapping[str, Any], recipe: str | None = None) -> "Config":
        """The configuration of settings by dotted key; those that are absent have their defaults.

        Raises:
            UsageError: with the keys that are unknown, out of range or contradict each other.
        """
        known = set(known_keys(values))
        parts: dict[str, dict[str, Any]] = {"": {}, **{group.prefix: {} for group in GROUPS}}
        for key, value in values.items():
            if key not in known:
                raise unknown(key, sorted(known))
            prefix, _, name = key.rpartition(".")
            parts[prefix][name] = value
        return cls(
            recipe=recipe,
            **parts[""],
            features=_chosen(Features, parts["features"]),
            model=_chosen(Model, parts["model"]),
            augmentation=Augmentation(**parts["augmentation"]),
            split=Split(**parts["split"]),
            training=Training(**parts["training"]),
            export=Export(**parts["export"]),
        )


def known_keys(values: Mapping[str, Any]) -> Iterator[str]:
    """The keys that there are where `values` choose the features and the model."""
    yield from texts(Config)
    features = values.get("features.name", Features.name)
    model = values.get("model.name", Model.name)
    chosen = {
        "features": FEATURES.get(features),
        "model": of_features(features).get(model, MODELS.get(model)),
    }
    for group in GROUPS:
        yield from (f"{group.prefix}.{name}" for name in texts(group))
    for prefix, entry in chosen.items():
        yield f"{prefix}.name"
        if entry is not None:
            yield from (f"{prefix}.{name}" for name in dataclasses.asdict(entry))


_C = TypeVar("_C", Features, Model)


def _chosen(kind: type[_C], values: Mapping[str, Any]) -> _C:
    """The choice that a name, by default the usual one, and hyperparameters make."""
    options = {name: value for name, value in values.items() if name != "name"}
    return kind(values.get("name", kind.name), options)
