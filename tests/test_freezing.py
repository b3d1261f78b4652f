import keras
import numpy as np
import pytest
import tensorflow as tf

from ser_tf.models import MODELS, PUBLISHED
from ser_tf.serving.freezing import freeze

FRAMES, CHANNELS = 300, 6


def build(name, **options):
    keras.utils.set_random_seed(0)
    from dataclasses import replace

    return replace(MODELS[name], **options).build((FRAMES, CHANNELS), 5)


def frozen(model):
    def infer(features):
        return model(features, training=False)

    return freeze(infer, tf.TensorSpec([None, *model.input_shape[1:]]))


def features(shape=(FRAMES, CHANNELS), batch=3):
    return np.random.default_rng(0).standard_normal((batch, *shape)).astype(np.float32)


def constants(function):
    """The sizes of the constants in a function's graph."""
    nodes = function.graph.as_graph_def().node
    shapes = [node.attr["value"].tensor.tensor_shape for node in nodes if node.op == "Const"]
    return [int(np.prod([dim.size for dim in shape.dim])) for shape in shapes]


@pytest.mark.parametrize("name", MODELS)
def test_a_frozen_model_computes_the_same_without_variables(name):
    model = build(name)
    function = frozen(model)
    x = features()
    # 1e-5: the sums of one network in float32, taken in another order.
    np.testing.assert_allclose(function(tf.constant(x)), model(x), atol=1e-5)
    graph = function.graph.as_graph_def()
    used = {node.op for node in graph.node}
    used |= {node.op for called in graph.library.function for node in called.node_def}
    assert not {"VarHandleOp", "ReadVariableOp"} & used
    assert not function.graph.captures


@pytest.mark.parametrize("pooling", ["last", "mean"])
def test_the_impulse_response_is_not_stored_where_a_kernel_reads_it(pooling):
    order = 128
    options = {"units": (8, 8), "order": order, "memory_d": 1, "theta": None, "filters": ()}
    model = build("lmu", pooling=pooling, **options)
    function = frozen(model)
    x = features()
    np.testing.assert_allclose(function(tf.constant(x)), model(x), atol=1e-5)
    assert max(constants(function)) < FRAMES * order / 2


@pytest.mark.slow
def test_the_published_stack_is_frozen_to_a_quarter():
    model = PUBLISHED["lmu"].build((2376, 1), 8)
    function = frozen(model)
    x = features((2376, 1), batch=1)
    np.testing.assert_allclose(function(tf.constant(x)), model(x), atol=1e-5)
    # Two responses of 2376 x 1024 would be 4.9 million numbers, beside 1.3 million weights.
    assert sum(constants(function)) < 1.6e6


def test_what_calls_a_frozen_function_twice_holds_it_once(tmp_path):
    weights = tf.Variable(tf.random.normal([300, 300]))
    multiply = freeze(lambda x: x @ weights, tf.TensorSpec([None, 300]))
    spec = tf.TensorSpec([None, 300], name="x")
    once = tf.function(lambda x: {"y": multiply(x)}, input_signature=[spec])
    twice = tf.function(lambda x: {"y": multiply(multiply(x))}, input_signature=[spec])
    tf.saved_model.save(tf.Module(), str(tmp_path), {"once": once, "twice": twice})
    assert (tmp_path / "saved_model.pb").stat().st_size < 1.2 * 4 * 300 * 300


def test_a_structure_of_outputs_keeps_its_names():
    function = freeze(lambda x: {"double": 2 * x, "half": (x / 2, x)}, tf.TensorSpec([None]))
    found = function(tf.constant([4.0]))
    assert found["double"] == 8
    assert [value.numpy() for value in found["half"]] == [2, 4]
