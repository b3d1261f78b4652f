"""Freezing: graphs with weights as constants, and all that follows from constants computed."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import config_pb2
from tensorflow.python.framework import convert_to_constants
from tensorflow.python.grappler import tf_optimizer

# In this order: remove what no output needs, compute constants, merge duplicates.
_PASSES = ("pruning", "constfold", "common_subgraph_elimination")


def freeze(function: Callable[..., Any], *inputs: tf.TensorSpec) -> Callable[..., Any]:
    """`function` as a graph without variables, in which operations on constants are computed.

    Of an LMU layer only the product of impulse response and kernel remains, however long the
    memory. A result larger than the constants that it is computed from is left to the graph.

    Args:
        function: takes tensors and returns a tensor or a structure of them; traced once.
        *inputs: the types and shapes of its arguments.

    Returns:
        A function of the same tensors. Functions and saved models that call it store it once.
    """
    traced = tf.function(function, autograph=False).get_concrete_function(*inputs)
    frozen = convert_to_constants.convert_variables_to_constants_v2(
        traced, lower_control_flow=False
    )
    graph = _renamed(_optimised(frozen))
    wrapped = tf.compat.v1.wrap_function(
        lambda: tf.graph_util.import_graph_def(graph, name=""), signature=[]
    )
    named = wrapped.graph.get_tensor_by_name
    return wrapped.prune(
        [named(tensor.name) for tensor in frozen.inputs],
        tf.nest.map_structure(lambda tensor: named(tensor.name), traced.structured_outputs),
    )


def _optimised(function: Any) -> graph_pb2.GraphDef:
    """The function's graph after Grappler's `_PASSES`."""
    graph = function.graph
    meta = tf.compat.v1.train.export_meta_graph(graph_def=graph.as_graph_def(), graph=graph)
    kept = meta.collection_def["train_op"].node_list.value  # where Grappler looks for outputs
    kept.extend(tensor.name for tensor in function.inputs + function.outputs)
    config = config_pb2.ConfigProto()
    rewriting = config.graph_options.rewrite_options
    rewriting.optimizers.extend(_PASSES)
    rewriting.min_graph_nodes = -1  # small graphs too
    rewriting.meta_optimizer_iterations = rewriting.TWO
    return tf_optimizer.OptimizeGraph(config, meta)


def _renamed(graph: graph_pb2.GraphDef) -> graph_pb2.GraphDef:
    """The graph with new names for the functions it calls; the old ones are taken in TensorFlow."""
    names = {function.signature.name for function in graph.library.function}
    for function in graph.library.function:
        function.signature.name += "_frozen"
    bodies = [graph.node, *(function.node_def for function in graph.library.function)]
    for attribute in (value for body in bodies for node in body for value in node.attr.values()):
        for called in (attribute.func, *attribute.list.func):
            if called.name in names:
                called.name += "_frozen"
    return graph
