"""Whisper's weights: KerasHub's presets as Kaggle has them, or a model folder's file of them."""

import contextlib
import json
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ser_tf import files
from ser_tf.errors import InputError

if TYPE_CHECKING:
    import h5py
    import keras
    import numpy as np

    from ser_tf.layers.features import WhisperEncoder

_WEIGHTS = "model.weights.h5"
_CONFIG = "config.json"
FILE = "front_end.npz"
"""The file of a model folder."""

_BANDS = 80

_POSITIONS = "layers/position_embedding/vars/0"
_PLACES = {
    "attention_norm": "_self_attention_layer_norm",
    "query": "_self_attention_layer/query_dense",
    "key": "_self_attention_layer/key_dense",
    "value": "_self_attention_layer/value_dense",
    "attended": "_self_attention_layer/output_dense",
    "dense_norm": "_feedforward_layer_norm",
    "inner": "_feedforward_intermediate_dense",
    "outer": "_feedforward_output_dense",
}
"""The layers of a `WhisperBlock` by their names in KerasHub's file."""


class Size(NamedTuple):
    """A size of Whisper: channels, heads of attention and transformer blocks of its encoder."""

    width: int
    heads: int
    blocks: int


SIZES = {"tiny": Size(384, 6, 4), "base": Size(512, 8, 6), "small": Size(768, 12, 12)}


def handle(size: str) -> str:
    """The multilingual preset's handle on Kaggle."""
    return f"keras/whisper/keras/whisper_{size}_multi/4"


def load(encoder: "WhisperEncoder", size: str, source: str | None = None) -> None:
    """Sets the weights of a built `encoder`.

    Args:
        encoder: the first blocks of an encoder of this size.
        size: a key of `SIZES`.
        source: a folder with a preset's `model.weights.h5` and `config.json`, or a model folder
            whose features are of this size and have as many blocks or more; None: Kaggle's preset.

    Raises:
        InputError: if the weights cannot be had, or are of another size; one line that names the
            folder, and the handle where it is Kaggle's.
    """
    folder = Path(source) if source else _download(size)
    if (folder / FILE).is_file():
        _take_from_file(encoder, folder / FILE)
    else:
        _take_from_preset(encoder, folder)


def save(encoder: "WhisperEncoder", path: Path) -> None:
    """Writes the weights of an `encoder`, in half precision where that changes none."""
    import numpy as np

    arrays = {_POSITIONS: encoder.positions.numpy()}
    for layer, place in _layers(encoder):
        for number, weight in enumerate(layer.get_weights()):
            arrays[f"{place}/{number}"] = weight
    with files.replacing(path) as temporary, temporary.open("wb") as file:
        halved: dict[str, Any] = {name: _halved(array) for name, array in arrays.items()}
        np.savez_compressed(file, **halved)


def _halved(array: "np.ndarray") -> "np.ndarray":
    half = array.astype("float16")
    return half if (half == array).all() else array


def _take_from_file(encoder: "WhisperEncoder", path: Path) -> None:
    import numpy as np

    try:
        with np.load(path) as arrays:
            for layer, place in _layers(encoder):
                layer.set_weights([arrays[f"{place}/{n}"] for n in range(len(layer.weights))])
            encoder.positions.assign(arrays[_POSITIONS])
    except KeyError as error:
        raise InputError(
            f"{path}: holds no Whisper encoder of {encoder.blocks} blocks of {encoder.width} "
            f"channels ({error})."
        ) from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        line = str(error).strip().splitlines()[0]
        raise InputError(f"{path}: broken, or of an encoder of another size ({line}).") from error


def _download(size: str) -> Path:
    """The folder of the preset in kagglehub's cache, downloaded if it is not there yet."""
    # kagglehub talks on stdout, which belongs to a command's results.
    with contextlib.redirect_stdout(sys.stderr):
        import kagglehub
        from kagglehub.config import get_cache_folder

        try:
            return Path(kagglehub.model_download(handle(size)))
        # The client raises its own errors, those of requests, and those of the archive and disk.
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            folder = Path(get_cache_folder(), "models", handle(size))
            raise InputError(
                f"Whisper {size}: {handle(size)} is not in {folder} and cannot be downloaded "
                f"({reason}); features.weights can name a folder that holds its {_WEIGHTS} and "
                f"{_CONFIG}."
            ) from error


def _take_from_preset(encoder: "WhisperEncoder", folder: Path) -> None:
    import h5py

    try:
        _check(encoder, folder, json.loads((folder / _CONFIG).read_text())["config"])
        with h5py.File(folder / _WEIGHTS) as file:
            for layer, place in _layers(encoder):
                _assign(layer, file[f"layers/{place}/vars"])
            encoder.positions.assign(file[_POSITIONS][()])
    except InputError:
        raise
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{folder}: no preset of Whisper, {_CONFIG} and {_WEIGHTS} of KerasHub ({error})."
        ) from error


def _check(encoder: "WhisperEncoder", folder: Path, sizes: dict[str, Any]) -> None:
    """Raises InputError unless a preset of these sizes begins with such an encoder."""
    expected = (_BANDS, encoder.width, encoder.heads)
    found = tuple(sizes[name] for name in ("num_mels", "hidden_dim", "num_heads"))
    if found != expected or sizes["num_layers"] < encoder.blocks:
        raise InputError(
            f"{folder}: holds {sizes['num_layers']} blocks of {found[1]} channels, "
            f"not {encoder.blocks} of {encoder.width}."
        )


def _layers(encoder: "WhisperEncoder") -> list[tuple["keras.Layer", str]]:
    """The encoder's layers with weights, and where in the file of a preset theirs are."""
    convolutions = [(layer, _numbered("conv1d", n)) for n, layer in enumerate(encoder.convolutions)]
    found = [
        (getattr(block, name), f"{_numbered('whisper_encoder', number)}/{place}")
        for number, block in enumerate(encoder.transformers)
        for name, place in _PLACES.items()
    ]
    norm = [] if encoder.norm is None else [(encoder.norm, "layer_normalization")]
    return [*convolutions, *found, *norm]


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def _assign(layer: "keras.Layer", arrays: "h5py.Group") -> None:
    for number, variable in enumerate(layer.weights):
        # KerasHub keeps heads on an axis of their own.
        variable.assign(arrays[str(number)][()].reshape(variable.shape))
