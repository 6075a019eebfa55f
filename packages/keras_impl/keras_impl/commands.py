"""The functions and commands of Keras's package, made by `onnx_impl.library`."""

from keras_impl.quiet import check_backend, import_keras
from onnx_impl.library import Library
from trainspec.trainer import Framework

NEWEST_OPSET = 18  # that tf2onnx writes


def load() -> Framework:
    """Loads Keras and its backend."""
    import_keras()
    from keras_impl.trainer import KERAS

    return KERAS


LIBRARY = Library(
    "keras_impl",
    "Keras",
    "tf2onnx",
    load,
    check_backend,
    {"TF_ENABLE_ONEDNN_OPTS": "0"},  # its Winograd convolutions round too coarsely for comparisons
    NEWEST_OPSET,
)
train, evaluate = LIBRARY.train, LIBRARY.evaluate
