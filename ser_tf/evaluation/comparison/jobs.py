"""The runs that a comparison asks for, and the folders they fill."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ser_tf.config import Config, Layer, UsageError, layered, refuse_changes
from ser_tf.config.recipes import Recipe
from ser_tf.errors import InputError
from ser_tf.evaluation.comparison.runs import name_folder, name_split
from ser_tf.inference import model_folder

_OWN = ("model", "split.kind", "seed", "split.folds", "split.protocol")
"""What the jobs of one recipe need not share."""
_DATA = ("corpora", "map", "data_dir", "features", "augmentation", "training.all_classes")
"""What jobs that share their data have in common."""


class Job(NamedTuple):
    """A run of the comparison and the folder it fills."""

    config: Config
    folder: Path

    @property
    def data(self) -> list[tuple[str, Any]]:
        """The settings that its data depend on."""
        return [pair for pair in self.config.items() if _is_of(pair[0], _DATA)]


def plan(
    recipes: Sequence[Recipe],
    layers: Sequence[Layer],
    *,
    models: Sequence[str] | None = None,
    splits: Sequence[str] | None = None,
    seeds: Sequence[int] = (0,),
    output: Path | None = None,
) -> list[Job]:
    """The jobs in their order: all of one seed before the next.

    Args:
        recipes: what to compare.
        layers: settings that all jobs have on top of their recipe.
        models: names of the models; None: those that each recipe names, else its own.
        splits: kinds of splits; None: as for models.
        seeds: of weights, order and augmentation.
        output: the folder of all model folders; None: `saved_models/compare-RECIPE-CORPORA`.

    Raises:
        UsageError: with the keys of settings that contradict each other.
    """
    configs = [
        config
        for seed in seeds
        for recipe in recipes
        for config in _of_recipe(
            recipe, [*layers, Layer("--seeds", {"seed": seed})], models, splits
        )
    ]
    name = "-".join(("compare", *(recipe.name for recipe in recipes), *configs[0].corpus_names))
    folder = output or Path("saved_models") / name
    several = len(recipes) > 1
    return [Job(config, folder / _folder_name(config, several)) for config in configs]


def _of_recipe(
    recipe: Recipe,
    layers: Sequence[Layer],
    models: Sequence[str] | None,
    splits: Sequence[str] | None,
) -> Iterator[Config]:
    given = {key for layer in layers for key in layer.values}
    chosen = {
        "model.name": (models, recipe.models, "--models"),
        "split.kind": (splits, recipe.splits, "--splits"),
    }
    ranges = []
    for key, (named, usual, flag) in chosen.items():
        values = named or (() if key in given else usual)
        source = flag if named else recipe.source
        ranges.append([Layer(source, {key: value}) for value in values] or [Layer(source, {})])
    for model in ranges[0]:
        for split in ranges[1]:
            config = layered(recipe, [*layers, model, split]).config
            if not config.split.test:
                raise UsageError("A comparison needs split.test=true.", ["split.test"])
            yield config


def _folder_name(config: Config, several: bool) -> str:
    name = name_folder(config.model.name, name_split(config), config.seed)
    return f"{config.recipe}-{name}" if several else name


def check_folders(jobs: Sequence[Job]) -> None:
    """Refuses to mix runs of other settings into the comparison.

    Raises:
        InputError: naming the first setting that differs.
    """
    wanted_in = {job.folder: job.config for job in jobs}
    firsts = list({job.config.recipe: job.config for job in reversed(jobs)}.values())
    for path in sorted(jobs[0].folder.parent.glob(f"*/{model_folder.CONFIG}")):
        folder = path.parent
        stored, _ = model_folder.load_config(folder)
        if folder in wanted_in:
            _refuse(stored, wanted_in[folder], folder, ())
        else:
            _refuse_of_all(stored, firsts, folder)


def _refuse_of_all(stored: Config, firsts: Iterable[Config], folder: Path) -> None:
    """Refuses a run that fits none of the recipes."""
    errors = []
    for wanted in firsts:
        try:
            return _refuse(stored, wanted, folder, _OWN)
        except InputError as error:
            errors.append(error)
    raise errors[0]


def _refuse(stored: Config, wanted: Config, folder: Path, but: Iterable[str]) -> None:
    keys = [key for key, _ in wanted.items() if not _is_of(key, but)]
    refuse_changes(stored, wanted, keys, folder, "another --output starts anew.")


def _is_of(key: str, names: Iterable[str]) -> bool:
    """Whether a key, or its group, is among the names."""
    return bool({key, key.partition(".")[0]} & {*names})
