"""Trains a network in PyTorch: one step, as everyone writes it. The loop is in `trainspec.training`."""

import gc
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from netspec import Graph, explicit_noise
from netspec.graph import LOGITS
from netspec.init import Weights
from torch_impl.augment import resident
from torch_impl.averages import Average
from torch_impl.deployed import Deployed
from torch_impl.devices import Device, choose_device
from torch_impl.model import build, by_name, over_the_weights_of
from torch_impl.optim import apply_settings, clip, get_slots, optimizer_of, set_slots, without_frozen
from torch_impl.weights import get_weights, set_weights
from trainspec.optim import StepSettings, settings, slot_names, trained_graph
from trainspec.plan import Batch
from trainspec.recipes import Recipe
from trainspec.resident import Resident
from trainspec.state import FIRST_SCALE, average_in, joined, scale_in, scale_of
from trainspec.task import Task
from trainspec.trainer import Framework, Step


class Trainer:
    """`graph` is trained and has explicit noise. `model` is the network without explicit noise, for evaluation.

    `trained` are the parameters by canonical name, without those that are frozen in every step.
    """

    def __init__(self, graph: Graph, weights: Mapping[str, np.ndarray], recipe: Recipe, device: Device) -> None:
        graph = trained_graph(graph, recipe)
        self.graph, self.device = explicit_noise(graph), device
        self.model = device.place(build(graph, weights=weights)).eval()
        self.recipe = recipe
        groups = settings(graph, recipe)
        self.trained = without_frozen(self.model, groups)
        self.optimizer = optimizer_of(self.model, recipe.optimizer, groups)
        self.average = Average(self.model) if recipe.average else None
        self.scaler = torch.amp.GradScaler(device.torch_device.type, FIRST_SCALE, enabled=device.precision == "fp16")

    @cached_property
    def noisy(self) -> nn.Module:
        """The network that is trained. It shares the variables of `model`, and its noise comes with the batch."""
        return over_the_weights_of(self.model, self.graph).train()

    def resident(self, task: Task) -> Resident | None:
        """The training images on a GPU; None on a CPU, where NumPy makes the batches."""
        return None if self.device.torch_device.type == "cpu" else resident(task, self.device.torch_device)

    def place(self, batch: Batch) -> Batch:
        """Convert a batch made by NumPy for the step: `(B, C, H, W)`, in the precision of the loss."""
        return self.device.feed(batch)

    def step(self, batch: Batch, now: StepSettings) -> Step:
        """Train on a placed batch."""
        step, gradients = self.backward(batch)
        self.update(gradients, now)
        return step

    def backward(self, batch: Batch) -> tuple[Step, Sequence[torch.Tensor]]:
        """The gradients of the mean loss over a batch. Batch norm updates its statistics with every part."""
        count = self.recipe.accumulate
        steps = [self._backward(part, 1 / count) for part in batch.parts(count)]
        gradients = [parameter.grad for parameter in self.trained.values() if parameter.grad is not None]
        self.optimizer.zero_grad()
        return Step.of_parts(steps), gradients

    def _backward(self, batch: Batch, fraction: float) -> Step:
        """Add the gradients of a part of a batch."""
        with self.device.autocast():
            outputs = self.noisy(batch.images, *(batch.noise[name] for name in self.graph.draws))
        heads = {name: output.to(self.device.dtype) for name, output in by_name(outputs).items()}
        loss = batch.loss_weight * loss_of(heads, batch.targets, self.graph.heads)
        self.scaler.scale(loss * fraction).backward()  # type: ignore[no-untyped-call]
        correct = (heads[LOGITS].argmax(1) == batch.targets.argmax(1)).sum()
        return Step(loss.detach(), correct)

    def update(self, gradients: Sequence[torch.Tensor], now: StepSettings) -> None:
        """Apply the gradients, then update the average."""
        for parameter, gradient in zip(self.trained.values(), gradients, strict=True):
            parameter.grad = gradient
        apply_settings(self.optimizer, now)
        if any(parameter.grad is not None for parameter in self.trained.values()):  # the scaler refuses to do nothing
            if self.recipe.optimizer.clip_norm is not None:
                self.scaler.unscale_(self.optimizer)
                clip(self.trained.values(), self.recipe.optimizer.clip_norm)
            self.scaler.step(self.optimizer)
            self.scaler.update()
        self.optimizer.zero_grad()
        if self.average and now.average:
            self.average.update(now.average)

    def gradients(self, batch: Batch) -> Weights:
        """Gradients of the loss over a placed batch, by canonical name. Statistics are updated as in a step."""
        _, scaled = self.backward(batch)
        return dict(self.canonical([gradient / self.scaler.get_scale() for gradient in scaled]))

    def canonical(self, gradients: Sequence[torch.Tensor]) -> Iterator[tuple[str, NDArray[Any]]]:
        """Gradients by canonical name, one by one."""
        for name, gradient in zip(self.trained, gradients, strict=True):
            yield name, gradient.cpu().numpy()

    def evaluated(self, averaged: bool) -> nn.Module:
        """The network for evaluation. Without an average, the trained weights are its average."""
        return self.average.model if averaged and self.average else self.model

    def logits(self, images: NDArray[np.float32], averaged: bool = False) -> NDArray[Any]:
        """Logits `(N, classes)` for normalised images `(N, H, W, C)`, in evaluation mode."""
        fed = torch.from_numpy(images).permute(0, 3, 1, 2).to(self.device.torch_device, self.device.dtype)
        with torch.no_grad(), self.device.autocast():
            return self.evaluated(averaged)(fed).to(self.device.dtype).cpu().numpy()

    def weights(self, averaged: bool = False) -> Weights:
        """Every tensor by canonical name."""
        return get_weights(self.evaluated(averaged))

    def state(self) -> Weights:
        """All that a step changes, by name: see `trainspec.state.joined`."""
        slots = get_slots(self.optimizer, slot_names(self.recipe.optimizer), self.model)
        averaged = self.weights(averaged=True) if self.average else {}
        arrays = ((name, slot.detach().cpu().numpy().copy()) for name, slot in slots)
        return joined(self.weights(), arrays, averaged, self._loss_scale())

    def _loss_scale(self) -> Weights:
        if not (kept := self.scaler.state_dict()):
            return {}
        return scale_of(kept["scale"], kept["_growth_tracker"])

    def restore(self, state: Weights) -> None:
        """Continue from a state."""
        set_weights(self.model, {name: state[name] for name in self.graph.params})
        set_slots(self.optimizer, slot_names(self.recipe.optimizer), self.model, state)
        if self.average:
            set_weights(self.average.model, average_in(state, self.graph.params))
        if kept := self.scaler.state_dict():
            scale, steps = scale_in(state)
            self.scaler.load_state_dict({**kept, "scale": scale, "_growth_tracker": steps})


def loss_of(heads: Mapping[str, torch.Tensor], targets: torch.Tensor, weights: Mapping[str, float]) -> torch.Tensor:
    """Cross-entropy of the logits and of every auxiliary head, summed by their weights."""
    return torch.stack([weights[name] * F.cross_entropy(output, targets) for name, output in heads.items()]).sum()


def forget() -> None:
    """Collect modules, which are full of cycles."""
    gc.collect()


TORCH = Framework("torch", ("torch", "onnx", "onnxruntime", "onnxscript"), choose_device, Trainer, Deployed, forget)
