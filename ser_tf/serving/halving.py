"""LiteRT flatbuffers with weights in half precision wherever that changes none."""

from typing import Any

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

_LEAST = 4096
"""The fewest numbers of a constant that is stored in half precision: smaller ones save nothing."""

_VERSION = 3
"""The first version of the operator DEQUANTIZE that takes half precision."""


def halve(content: bytes) -> bytes:
    """The flatbuffer with every large float32 constant that is exact in half precision so stored.

    An operator in front turns it back, once, when the flatbuffer is loaded. So the file is smaller
    and each output the same. Whisper was published in half precision.

    Args:
        content: a flatbuffer.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    halves = {
        number: half
        for number, buffer in enumerate(model.buffers)
        if (half := _exact_half(buffer.data)) is not None
    }
    # The converter gives every tensor a buffer of its own; a shared one stays as it is.
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    used, counts = np.unique([tensor.buffer for tensor in tensors], return_counts=True)
    halves = {number: halves[number] for number in used[counts == 1] if number in halves}
    if not any(_is_float(tensor) and tensor.buffer in halves for tensor in tensors):
        return content
    code = _dequantize(model)
    for graph in model.subgraphs:
        for number, tensor in enumerate(list(graph.tensors)):
            if _is_float(tensor) and tensor.buffer in halves:
                _store(model, graph, number, halves[tensor.buffer], code)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _exact_half(data: Any) -> np.ndarray | None:
    """The numbers of a buffer in half precision; None if they are few or would change."""
    if data is None or len(data) < 4 * _LEAST or len(data) % 4:
        return None
    numbers = np.frombuffer(np.asarray(data, np.uint8).tobytes(), "<f4")
    with np.errstate(over="ignore", invalid="ignore"):
        half = numbers.astype("<f2")
    return half if np.array_equal(half, numbers) else None


def _is_float(tensor: Any) -> bool:
    return bool(tensor.type == schema.TensorType.FLOAT32)


def _dequantize(model: Any) -> int:
    """The number of the operator's code, which is added."""
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = _VERSION
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _store(model: Any, graph: Any, number: int, half: np.ndarray, code: int) -> None:
    """Stores the tensor with that number as `half`, from which an operator makes it."""
    whole = graph.tensors[number]
    stored = schema.TensorT()
    stored.name = whole.name + b"/half"
    stored.shape, stored.shapeSignature = whole.shape, whole.shapeSignature
    stored.hasRank = whole.hasRank
    stored.type = schema.TensorType.FLOAT16
    stored.buffer = whole.buffer
    model.buffers[whole.buffer].data = half.view(np.uint8)
    whole.buffer = 0  # the empty one, of what operators make
    graph.tensors.append(stored)
    operator = schema.OperatorT()
    operator.opcodeIndex = code
    operator.inputs, operator.outputs = [len(graph.tensors) - 1], [number]
    operator.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
    operator.builtinOptions = schema.DequantizeOptionsT()
    graph.operators.insert(0, operator)
