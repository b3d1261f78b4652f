"""Requests that TF Serving answers while it loads a version, so that no caller has to wait."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from ser_tf.serving.config import LARGEST_BATCH
from ser_tf.serving.signatures import Signatures

_LOG = logging.getLogger(__name__)

PATH = Path("assets.extra") / "tf_serving_warmup_requests"
"""Where TF Serving looks for the requests, below the version's folder."""

_SECONDS = 0.1  # setting up the graph takes the time, not the clip


def write(version: Path, name: str, signatures: Signatures) -> None:
    """Writes warm-up requests into the folder `version`: per signature, one clip and a full batch.

    Without the official protocol buffers it writes none and logs that.

    Args:
        version: the SavedModel's folder.
        name: the model's name.
        signatures: the model's signatures.
    """
    try:
        from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
    except ImportError:
        _LOG.info("Warm-up is left out: it needs tensorflow-serving-api.")
        return
    (version / PATH).parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(version / PATH)) as records:
        for signature, inputs in _requests(signatures):
            request = predict_pb2.PredictRequest()
            request.model_spec.name = name
            request.model_spec.signature_name = signature
            for key, value in inputs.items():
                request.inputs[key].CopyFrom(_tensor_proto(value))
            predict_log = prediction_log_pb2.PredictLog(request=request)
            log = prediction_log_pb2.PredictionLog(predict_log=predict_log)
            records.write(log.SerializeToString())


def _tensor_proto(value: np.ndarray) -> tensor_pb2.TensorProto:
    """The array as a protocol buffer, which stores equal elements once."""
    same = len(set(value.flat)) == 1
    return tf.make_tensor_proto(value.flat[0] if same else value, value.dtype, value.shape)


def _requests(signatures: Signatures) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    samples = round(_SECONDS * signatures.rate_hz)
    for name, endpoint in signatures.endpoints().items():
        for batch in (1, LARGEST_BATCH):
            yield name, endpoint.ask(np.zeros((batch, samples), np.float32))
