"""The stand-in's gRPC: the official servicers of predictions and of model status."""

from concurrent import futures

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)
from versions import Refusal

THREADS = 80


def _refusing(method):
    """Turns a refusal into the status of the call."""

    def answer(self, request, context):
        try:
            return method(self, request)
        except Refusal as refusal:
            context.abort(grpc.StatusCode[refusal.code], str(refusal))

    return answer


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models):
        self._models = models

    def _version(self, spec):
        number = spec.version.value if spec.HasField("version") else None
        return self._models.choose(spec.name, number, spec.version_label)

    @_refusing
    def Predict(self, request):  # noqa: N802 (the protocol's name)
        version = self._version(request.model_spec)
        name = request.model_spec.signature_name or "serving_default"
        if name not in version.signatures:
            raise Refusal("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
        inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        response = predict_pb2.PredictResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.signature_name = name
        response.model_spec.version.value = version.number
        for key, value in version.predict(name, inputs).items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return response

    @_refusing
    def GetModelMetadata(self, request):  # noqa: N802
        if list(request.metadata_field) != ["signature_def"]:
            raise Refusal("INVALID_ARGUMENT", "Metadata field name not supported")
        version = self._version(request.model_spec)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = version.number
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, inputs in version.inputs.items():
            for key, dtype in inputs.items():
                signatures.signature_def[name].inputs[key].dtype = dtype.as_datatype_enum
        response.metadata["signature_def"].Pack(signatures)
        return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, models):
        self._models = models

    @_refusing
    def GetModelStatus(self, request):  # noqa: N802
        spec = request.model_spec
        number = spec.version.value if spec.HasField("version") else None
        response = get_model_status_pb2.GetModelStatusResponse()
        for found in self._models.find(spec.name).states(number):
            status = response.model_version_status.add()
            status.version = found
            status.state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
        return response


def serve(models, port):
    """Serves on 127.0.0.1; the server and its port."""
    limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(futures.ThreadPoolExecutor(THREADS), options=limits)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
        PredictionService(models), server
    )
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(models), server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, port
