"""Training in Keras: a loop over the batches of an epoch. Everything around it is `trainspec.training`."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_impl.batches import Batches
from keras_impl.evaluate import Deployed
from keras_impl.machine import choose_machine, make_deterministic
from keras_impl.model import build
from keras_impl.optim import set_rate, sgd
from keras_impl.weights import get_weights
from netspec.init import Weights
from trainspec.task import Task
from trainspec.trainer import Epoch

DRAWS = "Dropout draws from Keras's own generator: its noise is not the other framework's."


class Trainer:
    """The network of a task with its optimizer."""

    framework = "keras"
    packages: tuple[str, ...] = ("keras", "tensorflow", "jax", "onnx", "onnxruntime", "tf2onnx")

    def __init__(self, task: Task) -> None:
        self.task = task
        self.machine = choose_machine(task.recipe.precision, task.threads)
        self.device, self.precision = self.machine.label, self.machine.precision
        self.threads = self.machine.threads
        self.notes: tuple[str, ...] = (DRAWS, *make_deterministic(task.recipe.seed))
        self.model = build(task.graph, weights=task.weights, dtype=self.machine.policy)
        self.optimizer = sgd(self.model, task.recipe.optimizer)
        scaled = keras.optimizers.LossScaleOptimizer(self.optimizer) if self.precision == "fp16" else self.optimizer
        self.model.compile(
            scaled,
            loss=keras.losses.CategoricalCrossentropy(from_logits=True, dtype=self.machine.dtype),
            metrics=[keras.metrics.CategoricalAccuracy()],
            jit_compile=False,
        )
        scaled.build(self.model.trainable_variables)  # inside the first step they would make it be traced twice
        self.batches = Batches(task, self.machine)

    def train_epoch(self, epoch: Epoch) -> None:
        for rate, (images, targets) in zip(epoch.rates(), self.batches(epoch.plans), strict=False):
            set_rate(self.optimizer, rate)
            loss, accuracy = self.model.train_on_batch(images, targets)
            epoch.record(loss, accuracy * len(images), len(images))

    def logits(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """`(N, classes)` for normalised images `(N, H, W, C)`, in evaluation mode."""
        return self.model.predict_on_batch(images.astype(self.machine.dtype, copy=False))

    def weights(self) -> Weights:
        return get_weights(self.model)

    def deploy(self, weights: Weights) -> Deployed:
        return Deployed(self.task.graph, weights, self.task.threads)
