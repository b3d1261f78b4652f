"""TensorFlow Serving's gRPC interface, through the official stubs."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from ser_tf.errors import InputError
from ser_tf.serving.client.failures import UnavailableError, UnknownModelError, late, refusal


class GRPC:
    """The official stubs."""

    def __init__(
        self, server: str, model: str, version: str | None, timeout_seconds: float
    ) -> None:
        try:
            import grpc
            from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc
        except ImportError:
            raise InputError(
                f"{server}: gRPC needs `pip install tensorflow-serving-api`; "
                "http:// needs nothing more."
            ) from None
        self._grpc = grpc
        self.model = model
        self.version = version
        self.timeout_seconds = timeout_seconds
        self._channel = grpc.insecure_channel(urlsplit(server).netloc)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def states(self, version: str | None) -> dict[str, str]:
        from tensorflow_serving.apis import get_model_status_pb2

        request = get_model_status_pb2.GetModelStatusRequest()
        self._specify(request.model_spec, version)
        try:
            answer = self._call(self._models.GetModelStatus, request)
        except UnknownModelError:
            return {}
        name = get_model_status_pb2.ModelVersionStatus.State.Name
        return {str(one.version): name(one.state) for one in answer.model_version_status}

    def ask(self, wav: bytes) -> Mapping[str, Any]:
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        self._specify(request.model_spec, self.version)
        request.model_spec.signature_name = "serving_default"
        request.inputs["wav_bytes"].CopyFrom(tf.make_tensor_proto([wav]))
        answer = self._call(self._predictions.Predict, request)
        return {name: _plain(tf.make_ndarray(value)) for name, value in answer.outputs.items()}

    def close(self) -> None:
        self._channel.close()

    def _specify(self, spec: Any, version: str | None) -> None:
        spec.name = self.model
        if version is not None and version.isdigit():
            spec.version.value = int(version)
        elif version is not None:
            spec.version_label = version

    def _call(self, method: Any, request: Any) -> Any:
        codes = self._grpc.StatusCode
        try:
            return method(request, timeout=self.timeout_seconds)
        except self._grpc.RpcError as error:
            if error.code() == codes.UNAVAILABLE:
                raise UnavailableError(error.details()) from None
            if error.code() == codes.DEADLINE_EXCEEDED:
                raise late(self.timeout_seconds) from None
            raise refusal(error.details()) from None


def _plain(batch: np.ndarray) -> Any:
    """The only item of a batch, in Python's own types."""
    item = batch.astype(str)[0] if batch.dtype == object else batch[0]
    return item.tolist()
