"""Averages of weights and parts of batches, judged by NumPy and by the whole batch."""

from dataclasses import replace

import numpy as np
import pytest

from netspec import Graph, functional as f, trace
from netspec.compare import tensor_difference
from parity.noise_task import RECIPE, noise_task
from training_sides import trainer_of
from trainspec.averages import EMA, Lookahead
from trainspec.batches import batches_of
from trainspec.optimizers import SGD
from trainspec.schedules import Constant
from trainspec.training import steps_of

FRAMEWORKS = pytest.mark.parametrize("framework", ["torch", "keras"])
PLAIN = replace(RECIPE, batch=8, schedule=Constant(0.05), optimizer=SGD(momentum=0.0, weight_decay=0.0))


def network(*, norm: bool) -> Graph:
    def build(x):  # type: ignore[no-untyped-def]
        x = f.conv_bn(x, 6, 3, name="conv") if norm else f.relu(f.conv(x, 6, 3, name="conv"))
        return f.linear(f.flatten(f.max_pool(x, 2)), 5, name="fc")

    return trace("small", (3, 8, 8), build)


@FRAMEWORKS
def test_ema(framework: str) -> None:
    """The average does not change the training, so a training without one has the weights that are averaged."""
    graph, average = network(norm=True), EMA(decay=0.6, every=2)
    plain = noise_task(graph, PLAIN)
    trainer, expected = trainer_of(framework, plain), dict(trainer_of(framework, plain).weights())
    for number, _ in enumerate(steps_of(plain, trainer), 1):
        if number % 2 == 0:
            now = trainer.weights()
            expected = {name: 0.6 * value + 0.4 * now[name] for name, value in expected.items()}
    averaged = noise_task(graph, replace(PLAIN, average=average))
    trainer = trainer_of(framework, averaged)
    assert len(list(steps_of(averaged, trainer))) == 4
    difference = tensor_difference(expected, trainer.weights(averaged=True))
    assert difference.within, str(difference)
    assert {name.partition(".")[0] for name in trainer.state()} == {"conv", "fc", "momentum", "average"}
    images = np.random.default_rng(0).standard_normal((2, 8, 8, 3)).astype(np.float32)
    assert not np.array_equal(trainer.logits(images), trainer.logits(images, averaged=True))


@FRAMEWORKS
def test_lookahead(framework: str) -> None:
    """Plain SGD on the slow weights, one step at a time, in NumPy."""
    graph = network(norm=False)
    task = noise_task(graph, replace(PLAIN, average=Lookahead(decay=0.7, every=1)))
    trainer, judge = trainer_of(framework, task), trainer_of(framework, noise_task(graph, PLAIN))
    slow = judge.weights()
    for epoch in range(2):
        for batch in batches_of(task, judge)(task.plan(epoch).batches(8)):
            judge.restore({**judge.state(), **slow})
            gradients = judge.gradients(batch)
            slow = {name: 0.7 * value + 0.3 * (value - 0.05 * gradients[name]) for name, value in slow.items()}
    assert len(list(steps_of(task, trainer))) == 4
    for weights in (trainer.weights(), trainer.weights(averaged=True)):
        difference = tensor_difference(slow, weights)
        assert difference.within, str(difference)


@FRAMEWORKS
@pytest.mark.parametrize("parts", [2, 4, 8])
def test_parts_of_a_batch_give_the_gradients_of_the_whole(framework: str, parts: int) -> None:
    """Without batch norm they do not depend on the parts."""
    graph, found = network(norm=False), []
    for count in (1, parts):
        task = noise_task(graph, replace(PLAIN, accumulate=count))
        trainer = trainer_of(framework, task)
        (batch, *_) = batches_of(task, trainer)(task.plan(0).batches(8))
        step, gradients = trainer.backward(batch)
        found.append({"loss": np.array(float(step.loss)), **dict(trainer.canonical(gradients))})
        assert 0 <= float(step.correct) <= 8
    difference = tensor_difference(*found)
    assert difference.within, str(difference)


@FRAMEWORKS
def test_batch_norm_sees_the_parts(framework: str) -> None:
    """Its statistics move once for each part, by that part's own mean."""
    graph, found = network(norm=True), []
    for count in (1, 2):
        task = noise_task(graph, replace(PLAIN, accumulate=count))
        trainer = trainer_of(framework, task)
        (batch, *_) = batches_of(task, trainer)(task.plan(0).batches(8))
        for part in batch.parts(3 - count):  # two calls with one part each, or one call with two
            trainer.backward(part)
        found.append({name: value for name, value in trainer.weights().items() if "running" in name})
    assert set(found[0]) == {"conv.bn.running_mean", "conv.bn.running_var"}
    difference = tensor_difference(*found)
    assert difference.within, str(difference)
