"""Random weights of Whisper in files like those of KerasHub's presets on Kaggle."""

import json
from pathlib import Path

import h5py
import numpy as np

BANDS, POSITIONS = 80, 1500
HANDLE = "keras/whisper/keras/whisper_{}_multi/4"


def arrays(width: int, heads: int, blocks: int, seed: int = 0) -> dict[str, np.ndarray]:
    """The encoder's weights by their places in `model.weights.h5`."""
    rng = np.random.default_rng(seed)
    each, inner = (heads, width // heads), 4 * width
    shapes = {"conv1d": [(3, BANDS, width), (width,)], "conv1d_1": [(3, width, width), (width,)]}
    for number in range(blocks):
        block = f"whisper_encoder_{number}" if number else "whisper_encoder"
        attention = f"{block}/_self_attention_layer"
        shapes |= {
            f"{block}/_self_attention_layer_norm": [(width,), (width,)],
            f"{attention}/query_dense": [(width, *each), each],
            f"{attention}/key_dense": [(width, *each)],
            f"{attention}/value_dense": [(width, *each), each],
            f"{attention}/output_dense": [(*each, width), (width,)],
            f"{block}/_feedforward_layer_norm": [(width,), (width,)],
            f"{block}/_feedforward_intermediate_dense": [(width, inner), (inner,)],
            f"{block}/_feedforward_output_dense": [(inner, width), (width,)],
        }
    shapes["layer_normalization"] = [(width,), (width,)]
    shapes["position_embedding"] = [(POSITIONS, width)]
    found = {}
    for place, weights in shapes.items():
        for number, shape in enumerate(weights):
            values = 0.3 * rng.standard_normal(shape, np.float32)
            if len(shape) > 1:
                values /= np.sqrt(values.size / shape[-1] / 10).astype(np.float32)
            elif "norm" in place and number == 0:
                values += 1
            found[f"layers/{place}/vars/{number}"] = values
    return found


def write(folder: Path, width: int, heads: int, blocks: int, seed: int = 0) -> Path:
    """Fills `folder` with `model.weights.h5` and `config.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {"num_mels": BANDS, "hidden_dim": width, "num_heads": heads, "num_layers": blocks}
    (folder / "config.json").write_text(json.dumps({"config": sizes}))
    with h5py.File(folder / "model.weights.h5", "w") as file:
        for place, values in arrays(width, heads, blocks, seed).items():
            file[place] = values
    return folder


def write_cache(cache: Path, size: str, width: int, heads: int, blocks: int) -> Path:
    """The same as kagglehub leaves it in its cache."""
    folder = cache / "models" / HANDLE.format(size)
    folder.parent.mkdir(parents=True)
    folder.with_suffix(".complete").touch()
    return write(folder, width, heads, blocks)
