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
from keras_impl.averages import Average
from keras_impl.deployed import Deployed
from keras_impl.devices import Device, choose_device
from keras_impl.gradients import compiled, with_gradients
from keras_impl.kernels import Tensor
from keras_impl.model import build, over_the_layers_of
from keras_impl.network import by_name
from keras_impl.optim import get_slots, optimizer_of, set_slots, without_frozen
from keras_impl.weights import get_weights, of_variables, set_weights
from netspec import Graph, explicit_noise
from netspec.graph import LOGITS
from netspec.init import Weights
from trainspec.optim import StepSettings, settings, slot_names, trained_graph
from trainspec.plan import Batch
from trainspec.recipes import Recipe
from trainspec.resident import Resident
from trainspec.state import FIRST_SCALE, average_in, joined, scale_in, scale_of
from trainspec.task import Task
from trainspec.trainer import Framework, Step


class Trainer:
    """`graph` is trained and has explicit noise. `model` is the network without explicit noise, for evaluation.

    `trained` are the variables of the parameters, without those that are frozen in every step.
    """

    def __init__(self, graph: Graph, weights: Mapping[str, np.ndarray], recipe: Recipe, device: Device) -> None:
        graph = trained_graph(graph, recipe)
        self.graph, self.device = explicit_noise(graph), device
        self.model = build(graph, weights=weights, dtype=device.policy)
        self.recipe = recipe
        groups = settings(graph, recipe)
        self.trained = without_frozen(self.model, groups)
        self.optimizer = optimizer_of(self.model, recipe.optimizer, groups)
        self.average = Average(self.model, device.policy) if recipe.average else None
        scaled = device.precision == "fp16"
        self.scaler = keras.optimizers.LossScaleOptimizer(self.optimizer, FIRST_SCALE) if scaled else None
        (self.scaler or self.optimizer).build(self.model.trainable_variables)  # in the first step, it would trace twice
        self.cross_entropy = keras.losses.CategoricalCrossentropy(from_logits=True, dtype=device.dtype)

    @cached_property
    def noisy(self) -> keras.Model:
        """The network that is trained. It shares the variables of `model`, and its noise comes with the batch."""
        return over_the_layers_of(self.model, self.graph, self.device.policy)

    @cached_property
    def _programs(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """`_backward` and `_update`, compiled."""
        outer = self.scaler or self.optimizer
        variables = (*self.model.variables, *outer.variables)
        return compiled(self._backward, variables), compiled(self._update, variables)

    def resident(self, task: Task) -> Resident | None:
        """The training images on a GPU; None on a CPU, where NumPy makes the batches."""
        return resident(task) if self.device.on_gpu else None

    def place(self, batch: Batch) -> Batch:
        """Convert a batch made by NumPy for the step: `(B, H, W, C)`, in the precision of the loss."""
        return self.device.feed(batch)

    def step(self, batch: Batch, now: StepSettings) -> Step:
        """Train on a placed batch."""
        backward, update = self._programs
        step, gradients = self._over_parts(backward, batch)
        self._end(update, gradients, now)
        return step

    def backward(self, batch: Batch) -> tuple[Step, Sequence[Tensor]]:
        """The gradients of the mean loss over a batch. Batch norm updates its statistics with every part."""
        return self._over_parts(self._backward, batch)

    def update(self, gradients: Sequence[Tensor], now: StepSettings) -> None:
        """Apply the gradients, then update the average."""
        self._end(self._update, gradients, now)

    def _over_parts(self, backward: Callable[..., Any], batch: Batch) -> tuple[Step, Sequence[Tensor]]:
        count = self.recipe.accumulate
        steps: list[Step] = []
        total: Sequence[Tensor] = ()
        for part in batch.parts(count):
            noise = tuple(part.noise[name] for name in self.graph.draws)
            step, gradients = backward(part.images, part.targets, noise, part.loss_weight)
            steps.append(Step(*step))
            total = [one + other for one, other in zip(total, gradients, strict=True)] if total else gradients
        return Step.of_parts(steps), total if count == 1 else [gradient / count for gradient in total]

    def _end(self, update: Callable[..., Any], gradients: Sequence[Tensor], now: StepSettings) -> None:
        self.optimizer.apply_settings(now)
        update(gradients)
        if self.average and now.average:
            self.average.update(now.average)

    def _backward(
        self, images: Tensor, targets: Tensor, noise: Sequence[Tensor], loss_weight: Tensor
    ) -> tuple[Any, Sequence[Tensor]]:
        def forward() -> tuple[Tensor, tuple[Tensor, Tensor]]:
            heads = by_name(self.noisy([images, *noise] if noise else images, training=True))
            loss = loss_weight * loss_of(heads, targets, self.graph.heads, self.cross_entropy)
            correct = ops.sum(ops.equal(ops.argmax(heads[LOGITS], -1), ops.argmax(targets, -1)))
            return self.scaler.scale_loss(loss) if self.scaler else loss, (loss, correct)

        trained = {id(variable) for variable in self.trained}
        return with_gradients(forward, self.trained, [one for one in self.model.variables if id(one) not in trained])

    def _update(self, gradients: Sequence[Tensor]) -> None:
        (self.scaler or self.optimizer).apply(gradients, self.trained)

    def gradients(self, batch: Batch) -> Weights:
        """Gradients of the loss over a placed batch, by canonical name. Statistics are updated as in a step."""
        _, scaled = self.backward(batch)
        scale = self.scaler.dynamic_scale if self.scaler else 1.0
        return dict(self.canonical([gradient / scale for gradient in scaled]))

    def canonical(self, gradients: Sequence[Tensor]) -> Iterator[tuple[str, NDArray[Any]]]:
        """Gradients by canonical name, one by one."""
        return of_variables(self.model, zip(self.trained, gradients, strict=True))

    def evaluated(self, averaged: bool) -> keras.Model:
        """The network for evaluation. Without an average, the trained weights are its average."""
        return self.average.model if averaged and self.average else self.model

    def logits(self, images: NDArray[np.float32], averaged: bool = False) -> NDArray[Any]:
        """Logits `(N, classes)` for normalised images `(N, H, W, C)`, in evaluation mode."""
        return self.evaluated(averaged).predict_on_batch(images.astype(self.device.dtype, copy=False))

    def weights(self, averaged: bool = False) -> Weights:
        """Every tensor by canonical name."""
        return get_weights(self.evaluated(averaged))

    def state(self) -> Weights:
        """All that a step changes, by name: see `trainspec.state.joined`."""
        slots = get_slots(self.optimizer, slot_names(self.recipe.optimizer), self.model)
        averaged = self.weights(averaged=True) if self.average else {}
        return joined(self.weights(), slots, averaged, self._loss_scale())

    def _loss_scale(self) -> Weights:
        if self.scaler is None:
            return {}
        return scale_of(float(self.scaler.dynamic_scale), int(self.scaler.step_counter))

    def restore(self, state: Weights) -> None:
        """Continue from a state."""
        set_weights(self.model, {name: state[name] for name in self.graph.params})
        set_slots(self.optimizer, slot_names(self.recipe.optimizer), self.model, state)
        if self.average:
            set_weights(self.average.model, average_in(state, self.graph.params))
        if self.scaler is not None:
            for variable, value in zip(
                (self.scaler.dynamic_scale, self.scaler.step_counter), scale_in(state), strict=True
            ):
                variable.assign(value)


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
