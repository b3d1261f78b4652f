"""Model folders: what they hold, and how they are written and read.

saved_models/NAME/model.keras      waveform -> probabilities, with normalisation and calibration
                  front_end.npz    weights of a front end that has some; `model.keras` then holds
                                   what follows it, features -> probabilities
                  config.json      classes and the configuration of the training run
                  history.csv      a line an epoch
                  metrics.json     scores on every part of the split; written last
                  predictions.csv  answers on the test clips, or the last part that the split has
                  curves.png confusion.png speakers.png calibration.png
                  checkpoint.npz   during training: all that a resumed run needs
                  tensorboard/     the epochs' figures for TensorBoard
                  fold-1/ ...      of a cross-validation: a model folder a fold
                  VERSION/         SavedModels for TF Serving
                  serving/         settings for TF Serving
                  litert/          flatbuffers that answer without TensorFlow, here and on phones
                  onnx/            files for onnxruntime
                  .lock            while a process fills the folder: which
"""

import csv
import functools
import hashlib
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ser_tf import backend, files
from ser_tf.config import FORMAT, Config, read, to_json
from ser_tf.errors import InputError
from ser_tf.models.features import FEATURES

if TYPE_CHECKING:
    import keras

    from ser_tf.models.features import Feature

MODEL = "model.keras"
CONFIG = "config.json"
HISTORY = "history.csv"
METRICS = "metrics.json"
PREDICTIONS = "predictions.csv"
CURVES = "curves.png"
CONFUSION = "confusion.png"
SPEAKERS = "speakers.png"
CALIBRATION = "calibration.png"
CHECKPOINT = "checkpoint.npz"
FRONT_ENDS = tuple(
    {entry.weights_file: None for entry in FEATURES.values() if entry.weights_file is not None}
)
"""The files with weights of front ends."""

TENSORBOARD = "tensorboard"
LITERT = "litert"

PICTURES = (CURVES, CONFUSION, SPEAKERS, CALIBRATION)
NOT_OURS = (ValueError, KeyError, TypeError, AttributeError)
"""What reading JSON raises that this package did not write."""

RUN_FILES = (MODEL, CONFIG, HISTORY, METRICS, PREDICTIONS, *PICTURES, CHECKPOINT, *FRONT_ENDS)
"""What a run leaves in its folder itself, next to `TENSORBOARD` and `LITERT`."""


@dataclass(frozen=True)
class Artifact:
    """A trained model with what is needed to use it.

    Attributes:
        folder: the model folder.
        classes: the names of the classes, in the order of the probabilities.
        config: the configuration it was trained with.
    """

    folder: Path
    classes: tuple[str, ...]
    config: Config

    @functools.cached_property
    def model(self) -> "keras.Model":
        """The Keras model, loaded when it is first asked for.

        Waveform `(batch, samples)` at `rate_hz` -> probabilities `(batch, classes)`; its layers are
        `front_end`, `encoder` (normalisation and network) and `calibration`.

        Raises:
            InputError: if the file is broken, or of another model than the other files.
        """
        model = _load_model(self.folder / MODEL)
        _require_one_model(self.folder, model, self.config, self.classes)
        return _whole(self.folder, model, self.config.features.entry)

    @property
    def rate_hz(self) -> int:
        """The model's sample rate."""
        rate_hz: int = self.config.features.entry.rate_hz
        return rate_hz

    @property
    def calibration(self) -> Any:
        """The layer that holds the temperature and the threshold of `unsure`."""
        return self.model.get_layer("calibration")


def save_config(folder: str | Path, config: Config, classes: tuple[str, ...]) -> None:
    """Writes `config.json`."""
    content = {"format": FORMAT, "classes": classes, "config": to_json(config)}
    files.write_json(Path(folder) / CONFIG, content)


def load_config(folder: str | Path) -> tuple[Config, tuple[str, ...]]:
    """The configuration and the classes in a folder's `config.json`.

    Raises:
        InputError: if the folder or the file is missing, broken, or from a newer version.
    """
    folder = Path(folder)
    path = folder / CONFIG
    if not folder.is_dir():
        raise InputError(f"{folder}: no such model folder; `python -m ser_tf.fit` makes one.")
    if not path.is_file():
        raise InputError(f"{folder}: not a model folder, it lacks {CONFIG}.")
    return read(path)


def load(folder: str | Path) -> Artifact:
    """The trained model in `folder`; Keras loads it when it is first used.

    Raises:
        InputError: if the folder is incomplete or from a newer version.
    """
    folder = Path(folder)
    config, classes = load_config(folder)
    path = folder / MODEL
    if not path.is_file():
        unfinished = (folder / CHECKPOINT).is_file()
        hint = "its training has not finished; `fit --resume` goes on" if unfinished else "train it"
        if config.split.fold_count and config.split.fold is None:
            hint = "the models of a cross-validation are in its fold-1, fold-2 and so on"
        raise InputError(f"{folder}: incomplete, it lacks {MODEL}; {hint}.")
    return Artifact(folder, classes, config)


def save_model(folder: str | Path, model: "keras.Model", feature: "Feature") -> None:
    """Writes a model of `feature`: `model.keras`, and its front end's weights if it has some."""
    folder, part = Path(folder), model
    if feature.weights_file:
        from ser_tf.models import assemble

        feature.save_weights(model.get_layer("front_end"), folder / feature.weights_file)
        part = assemble.head(model)
    with files.replacing(folder / MODEL) as temporary:
        part.save(temporary)


def fingerprint(folder: str | Path) -> str | None:
    """Tells the weights in `folder` from others, without reading them; None if there are none.

    A digest of the checksums that the archive `model.keras` lists. Its date is left out.
    """
    try:
        with zipfile.ZipFile(Path(folder) / MODEL) as archive:
            parts = [(part.filename, part.CRC) for part in archive.infolist()]
    except (OSError, zipfile.BadZipFile):
        return None
    listed = json.dumps(sorted(part for part in parts if part[0] != "metadata.json"))
    return hashlib.blake2b(listed.encode(), digest_size=16).hexdigest()


def save_metrics(folder: str | Path, metrics: Mapping[str, Any]) -> None:
    """Writes `metrics.json`, which marks the run as finished."""
    files.write_json(Path(folder) / METRICS, metrics)


def load_metrics(folder: str | Path) -> dict[str, Any] | None:
    """The content of `metrics.json`; None if the run has not finished.

    Raises:
        InputError: if the file is broken.
    """
    path = Path(folder) / METRICS
    try:
        return dict(json.loads(path.read_text())) if path.is_file() else None
    except NOT_OURS as error:
        raise InputError(f"{path}: broken, it is not the JSON that fit writes.") from error


def find_test_recordings(folder: str | Path) -> list[Path]:
    """The recordings that the model was tested on and that are still where they were."""
    path = Path(folder) / PREDICTIONS
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as rows:
        paths = dict.fromkeys(Path(row["path"]) for row in csv.DictReader(rows))
    return [recording for recording in paths if recording.is_file()]


def _require_one_model(
    folder: Path, model: "keras.Model", config: Config, classes: tuple[str, ...]
) -> None:
    """Refuses a folder in which weights, configuration and scores are not of one model."""
    if missing := {"encoder", "calibration"} - {layer.name for layer in model.layers}:
        raise InputError(
            f"{folder / MODEL}: not a model of ser_tf, it lacks {', '.join(sorted(missing))}."
        )
    encoder, calibration = model.get_layer("encoder"), model.get_layer("calibration")
    sizes = {
        "classes": (model.outputs[0].shape[-1], len(classes)),
        "channels of features": (encoder.inputs[0].shape[-1], config.features.entry.shape[-1]),
    }
    for what, (found, wanted) in sizes.items():
        if found != wanted:
            raise InputError(
                f"{folder}: {MODEL} is of another model than {CONFIG} ({what}: {found} and "
                f"{wanted})."
            )
    scores = load_metrics(folder) or {}
    of_weights = {
        "parameters": sum(math.prod(weight.shape) for weight in encoder.trainable_weights),
        "temperature": calibration.temperature,
        "unsure_below": calibration.unsure_below,
    }
    of_config = {
        "model": config.model.name,
        "classes": list(classes),
        "corpora": list(config.corpus_names),
        "split": config.split.kind,
        "seed": config.seed,
    }
    weights_differ = _first_difference(of_weights, scores)
    config_differs = _first_difference(of_config, scores)
    if differing := weights_differ or config_differs:
        odd = MODEL if not config_differs else CONFIG if not weights_differ else METRICS
        others = " and ".join(name for name in (MODEL, CONFIG, METRICS) if name != odd)
        raise InputError(f"{folder}: {odd} is of another model than {others} ({differing}).")


def _first_difference(these: Mapping[str, Any], those: Mapping[str, Any]) -> str:
    """The first value that differs where both have one, in words; "" if none does."""
    for name, value in these.items():
        other = those.get(name, value)
        close = isinstance(value, float) and math.isclose(value, other, rel_tol=1e-6)  # float32
        if value != other and not close:
            return f"{name}: {value} and {other}"
    return ""


def _whole(folder: Path, model: "keras.Model", feature: "Feature") -> "keras.Model":
    """The model from waveform to probabilities; its front end is built where it lies apart."""
    if not feature.weights_file:
        return model
    from ser_tf.models import assemble

    # Without the file, as in a wheel, the weights come from where the training had them.
    held = (folder / feature.weights_file).is_file()
    front_end = assemble.build_front_end(feature.with_weights(str(folder)) if held else feature)
    encoder, calibration = model.get_layer("encoder"), model.get_layer("calibration")
    return assemble.join(front_end, encoder, calibration, model.name)


def _load_model(path: Path) -> "keras.Model":
    backend.import_keras()
    import keras

    # Imported for their registration with Keras, by which the file names their layers.
    import keras_lmu  # noqa: F401

    import ser_tf.layers  # noqa: F401

    try:
        model = keras.saving.load_model(path, compile=False)
    except (ValueError, OSError, TypeError, KeyError, zipfile.BadZipFile) as error:
        line = str(error).strip().splitlines()[0]
        raise InputError(f"{path}: broken, Keras cannot load it ({line}).") from error
    # A model of a bare input: Keras 3.10 warns whenever a loaded model is called without a list.
    return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
