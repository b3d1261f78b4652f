"""Versions of a model, loaded by TensorFlow's own loader while the stand-in serves others."""

import threading
import time
from pathlib import Path

import tensorflow as tf
from batching import Batcher

WARM_UP = Path("assets.extra") / "tf_serving_warmup_requests"


class Refusal(Exception):  # noqa: N818 (no failure of the stand-in's own)
    """An error by the name of its gRPC code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Version:
    """One SavedModel, warmed up by its own requests before it serves."""

    def __init__(self, folder, batching):
        self.number = int(folder.name)
        self._loaded = tf.saved_model.load(str(folder))
        self.signatures = self._loaded.signatures
        self.inputs = {
            name: {key: spec.dtype for key, spec in signature.structured_input_signature[1].items()}
            for name, signature in self.signatures.items()
        }
        self.batchers = {
            name: Batcher(signature, *batching) for name, signature in self.signatures.items()
        }
        self.warmed_up = self._warm_up(folder / WARM_UP)

    def predict(self, name, inputs):
        wanted = self.inputs[name]
        if set(wanted) != set(inputs):
            raise Refusal(
                "INVALID_ARGUMENT",
                f"input size does not match signature: {len(inputs)}!={len(wanted)} "
                f"len({_set(inputs)}) != len({_set(wanted)}). "
                f"Sent extra: {_set(set(inputs) - set(wanted))}. "
                f"Missing but required: {_set(set(wanted) - set(inputs))}.",
            )
        try:
            return self.batchers[name].submit(inputs)
        except OverflowError as error:
            raise Refusal("UNAVAILABLE", str(error)) from None
        except (tf.errors.InvalidArgumentError, ValueError) as error:
            raise Refusal("INVALID_ARGUMENT", str(error)) from None

    def close(self):
        for batcher in self.batchers.values():
            batcher.close()

    def _warm_up(self, path):
        from tensorflow_serving.apis import prediction_log_pb2

        if not path.exists():
            return 0
        records = list(tf.data.TFRecordDataset(str(path)))
        for record in records:
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            request = log.predict_log.request
            inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
            self.predict(request.model_spec.signature_name, inputs)
        return len(records)


class Model:
    """A folder of numbered versions. The newest serves, and any that a label names."""

    def __init__(self, name, folder, labels, batching):
        self.name = name
        self.labels = labels
        self._folder = folder
        self._batching = batching
        self.versions = {}

    def poll(self):
        """Loads what is new, then lets go of what is no longer wanted."""
        numbers = [int(p.name) for p in self._folder.iterdir() if p.name.isdigit()]
        wanted = {max(numbers), *(set(self.labels.values()) & set(numbers))} if numbers else set()
        versions = dict(self.versions)
        for number in sorted(wanted - set(versions)):
            versions[number] = Version(self._folder / str(number), self._batching)
        retired = [versions.pop(number) for number in set(versions) - wanted]
        self.versions = versions  # in one step: a request sees all of it or none
        for version in retired:
            version.close()

    def choose(self, number=None, label=None):
        versions = self.versions
        if label:
            if label not in self.labels:
                raise Refusal("INVALID_ARGUMENT", f"Unrecognized servable version label: {label}")
            number = self.labels[label]
        if number is None and versions:
            return versions[max(versions)]
        if number not in versions:
            which = f"Latest({self.name})" if number is None else f"Specific({self.name}, {number})"
            raise Refusal("NOT_FOUND", f"Servable not found for request: {which}")
        return versions[number]

    def states(self, number=None):
        """The numbers of the versions that are available, the newest first."""
        found = sorted(self.versions, reverse=True)
        if number is not None and number not in found:
            raise Refusal("NOT_FOUND", f"Could not find version {number} of model {self.name}")
        if not found:
            raise Refusal("NOT_FOUND", f"Could not find any versions of model {self.name}")
        return found if number is None else [number]


class Models:
    """All models by name, looked after by a thread."""

    def __init__(self, models, poll_seconds):
        self._models = {model.name: model for model in models}
        for model in models:
            model.poll()
        threading.Thread(target=self._watch, args=(poll_seconds,), daemon=True).start()

    def find(self, name, words="Could not find any versions of model {}"):
        if name not in self._models:
            raise Refusal("NOT_FOUND", words.format(name))
        return self._models[name]

    def choose(self, name, number=None, label=None):
        model = self.find(name, "Servable not found for request: Latest({})")
        return model.choose(number, label)

    def report(self):
        """For tests: of each version its warm-up requests and the sizes of its batches."""
        return {
            f"{model.name}/{version.number}": {
                "warmed_up": version.warmed_up,
                "batches": {name: one.sizes for name, one in version.batchers.items()},
            }
            for model in self._models.values()
            for version in model.versions.values()
        }

    def _watch(self, poll_seconds):
        while True:
            time.sleep(poll_seconds)
            for model in self._models.values():
                model.poll()


def _set(names):
    return "{" + ",".join(sorted(names)) + "}"
