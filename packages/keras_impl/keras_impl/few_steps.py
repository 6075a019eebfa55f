"""Keras as `train_all` sees it."""

import gc
import os

from keras_impl.quiet import import_keras
from trainspec.few_steps import Framework

PACKAGES = ("keras", os.environ.get("KERAS_BACKEND", "tensorflow"), "numpy")


def framework() -> Framework:
    """Loads Keras and its backend."""
    import_keras()
    from keras_impl.machine import choose_machine
    from keras_impl.train import Trainer

    return Framework(choose_machine("fp32").label, Trainer, forget)


def forget() -> None:
    """Keras keeps names and states for the whole process, and models are full of cycles."""
    import keras

    keras.backend.clear_session()
    gc.collect()
