"""What Python users get: load a model, ask it, score it, export it; train one.

The commands print what these functions return.
"""

import dataclasses
import functools
import logging
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser_tf import backend, config, files, home
from ser_tf.config import Config, recipes
from ser_tf.errors import InputError
from ser_tf.evaluation.pictures import Picture, Pictures
from ser_tf.inference import model_folder, recogniser, runtimes, shipped
from ser_tf.serving import targets
from ser_tf.serving.targets import Exported

if TYPE_CHECKING:
    import pandas as pd

_LOG = logging.getLogger(__name__)


class Recogniser(recogniser.Recogniser):
    """A trained model: answers recordings, can be scored, and exports itself.

    `answer`, `timeline` and `listen` take the path of a recording of any format, or samples at any
    rate, and `stream` takes it chunk by chunk: see `ser_tf.inference.recogniser.Recogniser`.
    """

    def evaluate(
        self,
        corpora: str | Path | Iterable[str | Path] = (),
        *,
        data_dir: str | Path | None = None,
        cache_dir: str | Path | None = None,
        map: str | Iterable[str] = (),  # noqa: A002 - as the flag and the setting
        robustness: bool = False,
        runtime: str = "keras",
    ) -> dict[str, Any]:
        """Scores of the model on all clips of some corpora, or on those it was tested on.

        Args:
            corpora: names of corpora, or paths of own tables; none: the clips that the model was
                tested on.
            data_dir: folder that holds one folder a corpus, or the corpus's own when one is named;
                None: kagglehub downloads them, and own clips lie where training found them.
            cache_dir: folder of decoded clips and features; None: `~/.cache/ser_tf`.
            map: scores on the classes of another task, as in `["calm=neutral"]` or "arousal", by
                adding up probabilities.
            robustness: whether to score the clips also louder, noisier, over the telephone and
                so on.
            runtime: "keras", which scores features as training did, or "litert", which answers
                every recording as `answer` does, without TensorFlow.

        Returns:
            One part of `metrics.json`: `accuracy, uar, uar_ci95, per_corpus, per_class` and so on,
            as `evaluate --json` prints it; with `robustness` such scores for each condition.

        Raises:
            InputError: if the clips cannot be had, or none is of the model's classes.
        """
        from ser_tf.evaluation.scoring import score_model

        return score_model(
            self,
            _as_names(corpora),
            None if data_dir is None else str(data_dir),
            cache_dir=Path(cache_dir or home.default_cache_dir()),
            mapping=(map,) if isinstance(map, str) else map,
            robustness=robustness,
            runtime=runtime,
        )

    def export(self, target: str = "saved_model", **options: Any) -> Exported:
        """Writes the model in another format into its folder, and compares it with this one.

        Args:
            target: "saved_model" for TensorFlow Serving, "litert" for phones, "onnx" for
                onnxruntime.
            **options: of "saved_model": `version`, a number, by default the next free one, and
                `serving_config=True`, which also writes settings for TensorFlow Serving.

        Returns:
            The folder that was written and lines that describe it; `print` shows them.

        Raises:
            InputError: if the target or an option is unknown, or the model cannot be written so.
        """
        backend.import_tensorflow()
        return targets.export(self.artifact, target, **options)


def load(folder: str | Path | None = None, runtime: str | None = None) -> Recogniser:
    """A trained model.

    Args:
        folder: a model folder, which `train` and `python -m ser_tf.fit` make; None: the accurate
            model that comes with ser_tf, which takes whole clips.
        runtime: what computes answers: "litert", which starts at once, or "keras", on TensorFlow,
            the reference; None: LiteRT where the folder has flatbuffers of these weights and the
            machine can run them, else Keras.

    Raises:
        InputError: if the folder is missing, incomplete or from a newer version, or LiteRT is
            asked for and cannot answer.
    """
    chosen = shipped.model_dir() if folder is None else Path(folder)
    if chosen is None:
        raise InputError("No model came with this installation; name a model folder.")
    artifact = model_folder.load(chosen)
    return Recogniser(artifact, runtimes.choose(artifact, runtime))


@dataclass(frozen=True, repr=False)
class Run:
    """A finished training run; `print` and a notebook show its scores.

    Attributes:
        folder: the model folder.
        metrics: the content of `metrics.json`: `split, seed, model, parameters, classes` and so
            on, and under `train`, `validation` and `test` each part's scores.
    """

    folder: Path
    metrics: dict[str, Any]

    def __repr__(self) -> str:
        from ser_tf.evaluation import report

        return report.describe_run(self.metrics, self.folder).rstrip()

    @property
    def history(self) -> "pd.DataFrame":
        """A row an epoch, as in `history.csv`; of a cross-validation with the column `fold`."""
        import pandas as pd

        if "folds" not in self.metrics:
            return pd.read_csv(self.folder / model_folder.HISTORY)
        folds = range(1, self.metrics["folds"] + 1)
        paths = [self.folder / f"fold-{fold}" / model_folder.HISTORY for fold in folds]
        return pd.concat(map(pd.read_csv, paths), keys=folds, names=["fold"]).reset_index("fold")

    @property
    def predictions(self) -> "pd.DataFrame":
        """A row a test clip, as in `predictions.csv`: `path, emotion, predicted` and so on.

        Without a test they are the validation clips, and of a cross-validation there are none.
        """
        import pandas as pd

        return pd.read_csv(
            self.folder / model_folder.PREDICTIONS, encoding_errors="surrogateescape"
        )

    @property
    def figures(self) -> Pictures:
        """The pictures in the folder by name: "curves", "confusion", "speakers", "calibration"."""
        paths = (self.folder / name for name in model_folder.PICTURES)
        return Pictures({path.stem: Picture(path) for path in paths if path.is_file()})

    @functools.cached_property
    def recogniser(self) -> Recogniser:
        """The trained model.

        Raises:
            InputError: if this is a cross-validation, whose folders `fold-1` and so on hold models.
        """
        return load(self.folder)


def train(
    recipe: str | Path = recipes.DEFAULT,
    corpora: str | Path | Iterable[str | Path] | None = None,
    *,
    data_dir: str | Path | None = None,
    cache_dir: str | Path | None = None,
    output: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    **settings: Any,
) -> Run:
    """Trains a model, scores it once on its test clips, and keeps both in a folder.

    As in `train(corpora=["demo"], model="lmu", epochs=3, training={"batch_size": 16})`.

    Args:
        recipe: the name of a recipe, a TOML file, or the `config.json` of a model folder.
        corpora: names of corpora, or paths of own tables; None: the recipe's, by default the four
            that kagglehub can download.
        data_dir: folder that holds one folder a corpus, or the corpus's own when one is named;
            None: kagglehub downloads them.
        cache_dir: folder of decoded clips and features; None: `~/.cache/ser_tf`.
        output: the model folder; None: `saved_models/MODEL-CORPORA`.
        resume: whether to go on with the run in the folder if there is one. A finished run is
            returned as it is.
        overwrite: whether to replace the run in the folder if there is one.
        **settings: of the configuration, over the recipe's: `features`, `model` and `split` by
            name, `epochs`, `seed`, and groups as mappings, as in `training={"batch_size": 16}` or
            `model={"name": "lmu", "units": (32,)}`.

    Raises:
        UsageError: if a setting is unknown, out of range or contradicts another.
        InputError: if the folder holds a run and neither `resume` nor `overwrite` is true, the
            corpora cannot be had, or the training cannot go on.
    """
    given = dict(settings)
    if corpora is not None:
        given["corpora"] = _as_names(corpora)
    if data_dir is not None:
        given["data_dir"] = str(data_dir)
    source = "given"
    found = config.layered(recipes.load(recipe), [config.Layer(source, given)])
    is_default = recipe == recipes.DEFAULT
    return train_configuration(
        found.config,
        [key for key, origin in found.sources.items() if origin == source or not is_default],
        output=output,
        cache_dir=cache_dir,
        resume=resume,
        overwrite=overwrite,
    )


def _as_names(corpora: str | Path | Iterable[str | Path]) -> tuple[str, ...]:
    return tuple(map(str, [corpora] if isinstance(corpora, str | Path) else corpora))


def train_configuration(
    wanted: Config,
    keys: Collection[str],
    *,
    output: str | Path | None = None,
    cache_dir: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Run:
    """Trains as a configuration says; what `train` and `python -m ser_tf.fit` share.

    Args:
        wanted: the configuration.
        keys: dotted keys of the settings that were asked for, in which a run to resume must not
            differ.
        output: as for `train`.
        cache_dir: as for `train`.
        resume: as for `train`; the run keeps its configuration.
        overwrite: as for `train`.

    Raises:
        InputError: as `train`, or if the run to resume has other values of `keys`.
    """
    if resume and overwrite:
        raise InputError("resume and overwrite exclude each other.")
    folder = Path("saved_models") / wanted.name if output is None else Path(output)
    if resume and (metrics := model_folder.load_metrics(folder)):
        _resumed(folder, wanted, keys)
        return Run(folder, metrics)
    with _folder_if_filled(folder), files.holding(folder):
        if (folder / model_folder.CONFIG).is_file() and not overwrite:
            if not resume:
                held = "a run that was cut off"
                if model_folder.load_metrics(folder):
                    held = "a trained model"
                raise InputError(
                    f"{folder}: holds {held}; --resume (resume=True) goes on with it, --overwrite "
                    "(overwrite=True) replaces it, another --output (output=...) keeps it."
                )
            wanted = _resumed(folder, wanted, keys)
        return Run(
            folder,
            _train_in(folder, wanted, Path(cache_dir or home.default_cache_dir()), overwrite),
        )


def _resumed(folder: Path, wanted: Config, keys: Collection[str]) -> Config:
    """The configuration of the run in the folder, from which `wanted` must not differ in `keys`."""
    stored, _ = model_folder.load_config(folder)
    advice = "--resume keeps a run's settings, --overwrite starts anew."
    config.refuse_changes(stored, wanted, keys, folder, advice)
    return dataclasses.replace(stored, data_dir=wanted.data_dir or stored.data_dir)


def _train_in(folder: Path, wanted: Config, cache_dir: Path, overwrite: bool) -> dict[str, Any]:
    """Loads the data, then trains, on the back end of Keras that is chosen."""
    backend.import_keras()
    from ser_tf import training
    from ser_tf.data import loading
    from ser_tf.models import assemble

    front_end = assemble.build_front_end(wanted.features.entry)
    data = loading.load(wanted, front_end, cache_dir)
    try:
        metrics = training.run(
            wanted, data, front_end, folder, cache_dir=cache_dir, overwrite=overwrite
        )
    except KeyboardInterrupt:
        again = "in place of --overwrite " if overwrite else ""
        _LOG.warning("The same command with --resume %sgoes on from there.", again)
        raise
    if wanted.export.litert:
        targets.leave_flatbuffers(folder)
    return metrics


@contextmanager
def _folder_if_filled(folder: Path) -> Iterator[None]:
    """Makes a folder, and removes it again if nothing is written into it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):
            folder.rmdir()
