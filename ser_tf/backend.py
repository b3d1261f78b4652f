"""Imports TensorFlow, or Keras on the back end that is chosen, without the notes they write."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ser_tf import home
from ser_tf.errors import InputError


def import_tensorflow() -> None:
    """Imports TensorFlow quietly; Keras, if imported later, runs on it whatever trained.

    Raises:
        InputError: if Keras is imported already and runs on another back end.
    """
    keras = sys.modules.get("keras")
    if keras and keras.config.backend() != "tensorflow":
        raise InputError(
            f"Keras runs on {keras.config.backend()} in this process, and this needs TensorFlow; "
            "start another process without KERAS_BACKEND."
        )
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with _quiet_imports():
        import tensorflow as tf

        tf.config.list_logical_devices()
        tf.get_logger().setLevel(logging.WARNING)  # in notebooks it would name each file it writes


def import_keras() -> None:
    """Imports Keras and its back end quietly.

    Raises:
        InputError: if Keras cannot have the back end that KERAS_BACKEND names.
    """
    try:
        with _quiet_imports():
            import keras
    except (ImportError, ValueError) as error:
        name = os.environ.get("KERAS_BACKEND")
        raise InputError(f"KERAS_BACKEND={name}: Keras cannot run on it ({error}).") from error
    if keras.config.backend() == "tensorflow":
        import_tensorflow()


@contextmanager
def _quiet_imports() -> Iterator[None]:
    """Keeps back the notes that the C++ parts of TensorFlow and others write to stderr.

    They speak of CPU instructions and absent GPUs, obey no log level before the import is done,
    and would bury the lines that are meant for the user.
    """
    home.provide_for_libraries()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # TensorFlow else returns the memory of large tensors to the kernel, which hands it out again
    # page by page: of a step of the published LMU that may be half of the time.
    os.environ.setdefault("TF_CPU_ALLOCATOR_USE_BFC", "true")
    with silence():
        yield


@contextmanager
def silence() -> Iterator[None]:
    """Keeps stderr from everyone, C++ too, for calls that write there what is no use to the user.

    What is logged meanwhile is lost; exceptions are not.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
