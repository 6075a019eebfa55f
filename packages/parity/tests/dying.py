"""A framework that computes nothing, and whose process is killed by one network."""

import os
import signal

import fake_framework
from fake_framework import FakeTrainer


def train(job):
    """A row, made in a process of its own."""
    return job.train(fake_framework.framework(make))


def make(graph, *parts):
    if graph.name == "lenet5_wide":
        os.kill(os.getpid(), signal.SIGKILL)
    return Falling(graph, *parts)


class Falling(FakeTrainer):
    """Its loss falls, unless it is given another for each step, from 0. It holds steps to the recipe."""

    def __init__(self, graph, weights, recipe, device, *, loss=None):
        given = loss or (lambda step: 3 - step / 10)
        super().__init__(graph, weights, recipe, device, loss=lambda step: given(step - 1))
        self.recipe = recipe

    def step(self, batch, now):
        assert now.rate > 0
        assert len(batch.images) == self.recipe.batch
        return super().step(batch, now)
