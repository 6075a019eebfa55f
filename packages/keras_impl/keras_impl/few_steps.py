"""Keras as `train_all` sees it."""

import os

from keras_impl.quiet import import_keras
from trainspec.trainer import Framework

PACKAGES = ("keras", os.environ.get("KERAS_BACKEND", "tensorflow"), "numpy")


def framework() -> Framework:
    """Loads Keras and its backend."""
    import_keras()
    from keras_impl.trainer import KERAS

    return KERAS
