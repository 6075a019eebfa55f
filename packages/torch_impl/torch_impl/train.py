"""Training in PyTorch: an ordinary loop over the batches of an epoch. Everything around it is `trainspec.training`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from netspec.graph import LOGITS
from netspec.init import Weights
from torch_impl.batches import Batches
from torch_impl.evaluate import Deployed
from torch_impl.machine import choose_machine, make_deterministic
from torch_impl.model import build, by_name
from torch_impl.optim import set_rate, sgd
from torch_impl.weights import get_weights
from trainspec.task import Task
from trainspec.trainer import Epoch

DRAWS = "Dropout draws from PyTorch's own generator: its noise is not the other framework's."


class Trainer:
    """The network of a task with its optimizer."""

    framework = "torch"
    packages: tuple[str, ...] = ("torch", "onnx", "onnxruntime", "onnxscript")

    def __init__(self, task: Task) -> None:
        self.task = task
        self.machine = choose_machine(task.recipe.precision, task.threads)
        self.device, self.precision = self.machine.label, self.machine.precision
        self.threads = self.machine.threads
        self.notes: tuple[str, ...] = (DRAWS, *make_deterministic(task.recipe.seed))
        self.model = self.machine.place(build(task.graph, weights=task.weights))
        self.optimizer = sgd(self.model, task.recipe.optimizer)
        self.scaler = torch.amp.GradScaler(self.machine.device.type, enabled=self.precision == "fp16")
        self.batches = Batches(task, self.machine)

    def train_epoch(self, epoch: Epoch) -> None:
        self.model.train()
        for rate, (images, targets) in zip(epoch.rates(), self.batches(epoch.plans), strict=False):
            set_rate(self.optimizer, rate)
            with self.machine.autocast():
                outputs = self.model(images)
            heads = {name: output.to(self.machine.dtype) for name, output in by_name(outputs).items()}
            loss = loss_of(heads, targets, self.task.graph.heads)
            self.optimizer.zero_grad()
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            self.scaler.step(self.optimizer)
            self.scaler.update()
            correct = (heads[LOGITS].argmax(1) == targets.argmax(1)).sum()
            epoch.record(loss.detach(), correct, len(images))

    def logits(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """`(N, classes)` for normalised images `(N, H, W, C)`, in evaluation mode."""
        self.model.eval()
        fed = torch.from_numpy(images).permute(0, 3, 1, 2).to(self.machine.device, self.machine.dtype)
        with torch.no_grad(), self.machine.autocast():
            return self.model(fed).to(self.machine.dtype).cpu().numpy()

    def weights(self) -> Weights:
        return get_weights(self.model)

    def deploy(self, weights: Weights) -> Deployed:
        return Deployed(self.task.graph, weights, self.task.threads)


def loss_of(heads: Mapping[str, torch.Tensor], targets: torch.Tensor, weights: Mapping[str, float]) -> torch.Tensor:
    """Cross-entropy of the logits and of every auxiliary head, summed by their weights."""
    return torch.stack([weights[name] * F.cross_entropy(output, targets) for name, output in heads.items()]).sum()
