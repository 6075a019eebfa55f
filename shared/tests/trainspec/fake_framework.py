"""A framework that computes nothing: its steps have the loss that they are told to have."""

import json
from dataclasses import dataclass

import numpy as np

from netspec.compare import Difference
from trainspec.trainer import Framework, Step


@dataclass(frozen=True)
class Device:
    on_gpu = False
    label = "none"
    precision = "fp32"
    threads = 1
    deterministic: bool = True
    determinism: str = "as nothing is computed"
    peak_bytes = 3 << 30

    def repeating(self, asked):
        return Device(asked is not False)


FOUND = Difference(0.5, 1.0, "logits")


class Deployed:
    def __init__(self, graph=None, weights=None, threads=None):
        pass

    def logits(self, images):
        return images.mean((1, 2))[:, :1] * np.linspace(-1, 1, 10)

    def export(self, path, metadata):
        path.write_text(json.dumps(metadata))
        return FOUND

    export_natively = export


class FakeTrainer:
    """Takes steps as a framework would, and does nothing to the weights."""

    def __init__(self, graph, weights, recipe, device, *, loss=lambda step: 1.0):
        self.given, self.loss = weights, loss
        self.rates, self.sizes = [], []

    def resident(self, task):
        return None

    def place(self, batch):
        return batch

    def step(self, batch, now):
        self.rates.append(now.rate)
        self.sizes.append(len(batch.images))
        return Step(self.loss(len(self.rates)), len(batch.images) / 2)

    def logits(self, images, averaged=False):
        return Deployed().logits(images)

    def weights(self, averaged=False):
        return self.given

    def state(self):
        return self.weights()


class LearningTrainer(FakeTrainer):
    """Its weights depend on every batch and every rate: heavy-ball steps of a gradient that is the batch's mean."""

    def __init__(self, graph, weights, recipe, device, **options):
        super().__init__(graph, weights, recipe, device, **options)
        self.trained = {name: np.array(array, np.float64) for name, array in weights.items()}
        self.momentum = {name: np.zeros_like(array) for name, array in self.trained.items()}

    def step(self, batch, now):
        step = super().step(batch, now)
        gradient = float(batch.images.mean() + batch.targets.std())
        for name, array in self.trained.items():
            self.momentum[name] = 0.9 * self.momentum[name] + gradient * np.cos(array)
            array -= now.rate * self.momentum[name]
        return Step(step.loss + gradient, step.correct)

    def logits(self, images, averaged=False):
        return super().logits(images) * float(next(iter(self.trained.values())).mean())

    def weights(self, averaged=False):
        return {name: array.copy() for name, array in self.trained.items()}

    def state(self):
        return self.weights() | {f"momentum.{name}": array.copy() for name, array in self.momentum.items()}

    def restore(self, state):
        self.trained = {name: state[name].copy() for name in self.trained}
        self.momentum = {name: state[f"momentum.{name}"].copy() for name in self.trained}


def framework(trainer=FakeTrainer):
    """It makes its trainers with `trainer`."""
    return Framework("fake", (), lambda *asked: Device(), trainer, Deployed, lambda: None)
