"""Conversion of layers from keras_lmu, and of weights in both directions."""

from typing import Any

import keras

from ser_tf.layers.lmu.parallel import LMU, RECURRENT

_MEMORY_SETTINGS = (
    "memory_d order theta input_to_hidden use_bias dropout return_sequences "
    "kernel_initializer bias_initializer kernel_regularizer bias_regularizer"
).split()
_HIDDEN_SETTINGS = (
    "kernel_initializer bias_initializer kernel_regularizer bias_regularizer use_bias"
).split()


def from_keras_lmu(layer: Any) -> LMU:
    """The layer with the outputs of a built `keras_lmu.LMU`, and copies of its weights.

    Args:
        layer: a built `keras_lmu.LMU` or `keras_lmu.LMUFeedforward`, whose hidden cell is a `Dense`
            layer or None.

    Raises:
        ValueError: if the layer is not built, or has what the parallel form lacks: recurrent
            connections, a learnable theta, Euler's discretisation, another hidden cell, or
            `input_to_hidden` without a hidden cell.
    """
    _check(layer)
    settings = {name: getattr(layer, name) for name in _MEMORY_SETTINGS}
    dense = layer.hidden_cell
    if dense is not None:
        settings |= {"units": dense.units, "activation": dense.activation}
        settings |= {f"hidden_{name}": getattr(dense, name) for name in _HIDDEN_SETTINGS}
    ours = LMU(**settings, name=layer.name, dtype=layer.dtype_policy)
    channels = layer.memory_d if _kernel(layer) is None else _kernel(layer).shape[0]
    ours.build((None, None, channels))
    for target, source in _pairs(ours, layer):
        target.assign(source)
    return ours


def to_keras_lmu(ours: LMU, layer: Any) -> None:
    """Writes the weights of `ours` into a built `keras_lmu.LMU` with the same settings.

    Raises:
        ValueError: if a size or a setting differs.
    """
    _check(layer)
    for target, source in _pairs(ours, layer):
        source.assign(target)


def _check(layer: Any) -> None:
    used = [name for name in RECURRENT if getattr(layer, name, False)]
    if layer.discretizer != "zoh":
        used.append(f"discretizer={layer.discretizer}")
    dense = layer.hidden_cell
    if not (dense is None or isinstance(dense, keras.layers.Dense)):
        used.append(f"hidden_cell={type(dense).__name__}")
    if dense is None and layer.input_to_hidden:
        used.append("input_to_hidden without a hidden cell")
    if used:
        raise ValueError(
            "the parallel form is for zero-order hold, a Dense hidden cell or None, and no "
            f"recurrent connections. Received: {', '.join(used)}."
        )
    if not layer.built:
        raise ValueError(f"the layer must be built, to have weights. Received: {layer.name}.")


def _kernel(layer: Any) -> Any:
    return getattr(layer, "layer", layer).kernel


def _pairs(ours: LMU, layer: Any) -> list[tuple[Any, Any]]:
    """Each of our weights with its counterpart."""
    dense = layer.hidden_cell
    inner = getattr(layer, "layer", layer)
    pairs = [(ours.kernel, inner.kernel), (ours.bias, inner.bias)]
    if dense is not None:
        pairs += [(ours.hidden_kernel, dense.kernel), (ours.hidden_bias, dense.bias)]
    for mine, theirs in pairs:
        if getattr(mine, "shape", None) != getattr(theirs, "shape", None):
            raise ValueError(
                "both layers must have the same weights. "
                f"Received: {getattr(mine, 'shape', None)} and {getattr(theirs, 'shape', None)}."
            )
    return [pair for pair in pairs if pair[0] is not None]
