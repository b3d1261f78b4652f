"""The operators that published models are made of.

All belong to the core of TensorFlow that every server runs: none calls Python or needs a library
of its own.
"""

from pathlib import Path

from tensorflow.core.protobuf import saved_model_pb2

FLOW = """Const Identity NoOp PartitionedCall Placeholder StatefulPartitionedCall StatelessCase
    StatelessIf StatelessWhile TensorListElementShape TensorListFromTensor TensorListGetItem
    TensorListReserve TensorListSetItem TensorListStack While"""
SAVING = "MergeV2Checkpoints RestoreV2 SaveV2 Select ShardedFilename StaticRegexFullMatch"
TEXT = "AsString DecodeRaw ReduceJoin StringJoin StringLength Substr"
NUMBERS = """Abs Add AddV2 All Any ArgMax ArgMin Bitcast Cast Ceil Equal Erfc Exp FloorDiv FloorMod
    Greater GreaterEqual IRFFT Imag IsFinite Less LessEqual Log LogicalAnd LogicalNot LogicalOr Max
    Maximum Mean Min Minimum Mul Neg NotEqual OnesLike Pow Prod RFFT Real RealDiv Round Rsqrt
    Softplus Sqrt Square SquaredDifference Sub Sum TopKV2 ZerosLike"""
SHAPES = """ConcatV2 EnsureShape ExpandDims Fill GatherV2 Pack Pad Range Reshape ReverseV2 SelectV2
    Shape Size Slice SplitV Split Squeeze StridedSlice Tile Transpose Unpack"""
NETWORKS = "BatchMatMulV2 BiasAdd Conv2D MatMul MaxPool Relu Sigmoid Softmax Tanh"
KNOWN = frozenset(" ".join((FLOW, SAVING, TEXT, NUMBERS, SHAPES, NETWORKS)).split())


def used(version: Path) -> set[str]:
    """The operators of the SavedModel in `version`."""
    saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0].graph_def
    bodies = [graph.node, *(function.node_def for function in graph.library.function)]
    return {node.op for body in bodies for node in body}
