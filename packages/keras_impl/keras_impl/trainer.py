"""Trains a network in Keras: one step, compiled as a whole. The loop is in `trainspec.training`."""

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_impl.augment import resident
from keras_impl.deployed import Deployed
from keras_impl.devices import Device, choose_device
from keras_impl.gradients import compiled, with_gradients
from keras_impl.kernels import Tensor
from keras_impl.model import build, over_the_layers_of
from keras_impl.network import by_name
from keras_impl.optim import optimizer_of
from keras_impl.weights import get_weights, of_variables
from netspec import Graph, explicit_noise
from netspec.graph import LOGITS
from netspec.init import Weights
from trainspec.optim import StepSettings, settings
from trainspec.plan import Batch
from trainspec.recipes import Recipe
from trainspec.resident import Resident
from trainspec.task import Task
from trainspec.trainer import Framework, Step


class Trainer:
    """`graph` is trained and has explicit noise. `model` is the network without explicit noise, for evaluation."""

    def __init__(self, graph: Graph, weights: Mapping[str, np.ndarray], recipe: Recipe, device: Device) -> None:
        self.graph, self.device = explicit_noise(graph), device
        self.model = build(graph, weights=weights, dtype=device.policy)
        self.optimizer = optimizer_of(self.model, recipe.optimizer, settings(graph, recipe))
        self.scaler = keras.optimizers.LossScaleOptimizer(self.optimizer) if device.precision == "fp16" else None
        self.cross_entropy = keras.losses.CategoricalCrossentropy(from_logits=True, dtype=device.dtype)

    @cached_property
    def noisy(self) -> keras.Model:
        """The network that is trained. It shares the variables of `model`, and its noise comes with the batch."""
        return over_the_layers_of(self.model, self.graph, self.device.policy)

    @cached_property
    def _compiled(self) -> Callable[..., tuple[Tensor, Tensor]]:
        outer = self.scaler or self.optimizer
        outer.build(self.model.trainable_variables)  # inside the first step, this would cause a second trace
        return compiled(self._step, (*self.model.variables, *outer.variables))

    def resident(self, task: Task) -> Resident | None:
        """The training images on a GPU; None on a CPU, where NumPy makes the batches."""
        return resident(task) if self.device.on_gpu else None

    def place(self, batch: Batch) -> Batch:
        """Convert a batch made by NumPy for the step: `(B, H, W, C)`, in the precision of the loss."""
        return self.device.feed(batch)

    def step(self, batch: Batch, now: StepSettings) -> Step:
        """Train on a placed batch."""
        self.optimizer.apply_settings(now)
        return Step(*self._compiled(*self._parts(batch)))

    def _step(self, *batch: Any) -> tuple[Tensor, Tensor]:
        (loss, correct), gradients = self._backward(*batch)
        self._update(gradients)
        return loss, correct

    def backward(self, batch: Batch) -> tuple[Step, Sequence[Tensor]]:
        """The gradients of a batch. Batch norm updates its statistics."""
        step, gradients = self._backward(*self._parts(batch))
        return Step(*step), gradients

    def update(self, gradients: Sequence[Tensor], now: StepSettings) -> None:
        """Apply the gradients."""
        self.optimizer.apply_settings(now)
        self._update(gradients)

    def _parts(self, batch: Batch) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
        return batch.images, batch.targets, tuple(batch.noise[name] for name in self.graph.draws)

    def _backward(self, images: Tensor, targets: Tensor, noise: Sequence[Tensor]) -> tuple[Any, Sequence[Tensor]]:
        def forward() -> tuple[Tensor, tuple[Tensor, Tensor]]:
            heads = by_name(self.noisy([images, *noise] if noise else images, training=True))
            loss = loss_of(heads, targets, self.graph.heads, self.cross_entropy)
            correct = ops.sum(ops.equal(ops.argmax(heads[LOGITS], -1), ops.argmax(targets, -1)))
            return self.scaler.scale_loss(loss) if self.scaler else loss, (loss, correct)

        return with_gradients(forward, self.model.trainable_variables, self.model.non_trainable_variables)

    def _update(self, gradients: Sequence[Tensor]) -> None:
        (self.scaler or self.optimizer).apply(gradients, self.model.trainable_variables)

    def gradients(self, batch: Batch) -> Weights:
        """Gradients of the loss over a placed batch, by canonical name. Statistics are updated as in a step."""
        return dict(self.canonical(self.backward(batch)[1]))

    def canonical(self, gradients: Sequence[Tensor]) -> Iterator[tuple[str, NDArray[Any]]]:
        """Gradients by canonical name, one by one."""
        return of_variables(self.model, zip(self.model.trainable_variables, gradients, strict=True))

    def logits(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """Logits `(N, classes)` for normalised images `(N, H, W, C)`, in evaluation mode."""
        return self.model.predict_on_batch(images.astype(self.device.dtype, copy=False))

    def weights(self) -> Weights:
        """Every tensor by canonical name."""
        return get_weights(self.model)


def loss_of(
    heads: Mapping[str, Tensor], targets: Tensor, weights: Mapping[str, float], cross_entropy: keras.losses.Loss
) -> Tensor:
    """Cross-entropy of the logits and of every auxiliary head, summed by their weights."""
    return sum(weights[name] * cross_entropy(targets, output) for name, output in heads.items())


def forget() -> None:
    """Clear the names and states that Keras keeps, and collect models, which are full of cycles."""
    keras.backend.clear_session()
    gc.collect()


KERAS = Framework(
    "keras",
    ("keras", "tensorflow", "jax", "onnx", "onnxruntime", "tf2onnx"),
    choose_device,
    Trainer,
    Deployed,
    forget,
)
