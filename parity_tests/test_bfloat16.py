"""Training in bfloat16: each framework against float64, so that no sum is kept in bfloat16."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from netspec import Graph, architecture
from netspec.compare import Difference, limits
from netspec.init import Weights
from parity.examples import EXAMPLES, example
from parity.noise_task import RECIPE, noise_task
from training_sides import trainer_of
from trainspec.batches import batches_of
from trainspec.precision import cpu_has_bfloat16

BATCH = 16  # over a map of 12 x 12, TensorFlow's own gradient of a bias loses a third
NETWORKS = ("lenet5", "resnet20")
FRAMEWORKS = ("torch", "keras")
Figures = dict[str, dict[str, tuple[float, float]]]  # case, framework -> difference of the loss and of the gradients

pytestmark = pytest.mark.skipif(not cpu_has_bfloat16(), reason="a CPU without bfloat16 trains in float32")


def trained(framework: str, graph: Graph, precision: str) -> tuple[float, Weights]:
    """The loss of the first batch and its gradients."""
    task = noise_task(graph, replace(RECIPE, batch=BATCH, precision=precision), epoch_steps=1)
    trainer = trainer_of(framework, task)
    (batch,) = batches_of(task, trainer)(task.plan(0).batches(BATCH))
    step, gradients = trainer.backward(batch)
    return float(step.loss), dict(trainer.canonical(gradients))


def apart(framework: str, graph: Graph) -> tuple[float, float]:
    """How far bfloat16 is from float64: the loss, and all gradients together, since some are nothing but rounding."""
    loss, gradients = trained(framework, graph, "bf16")
    exact_loss, exact = trained(framework, graph, "fp64")
    assert gradients.keys() == exact.keys()
    squares = sum((np.asarray(gradients[name] - exact[name], np.float64) ** 2).sum() for name in exact)
    size = sum((exact[name] ** 2).sum() for name in exact)
    return abs(loss - exact_loss) / exact_loss, float(np.sqrt(squares / size))


def measure() -> Figures:
    graphs = {name: example(name) for name in EXAMPLES} | {name: architecture(name) for name in NETWORKS}
    return {name: {one: apart(one, graph) for one in FRAMEWORKS} for name, graph in graphs.items()}


@pytest.fixture(scope="module")
def measured() -> Figures:
    """Measured with oneDNN, as users train. It is off in the other tests, and without it sums are kept in bfloat16."""
    program = "import json, test_bfloat16; print(json.dumps(test_bfloat16.measure()))"
    environment = os.environ | {"TF_ENABLE_ONEDNN_OPTS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_op(measured: Figures, name: str) -> None:
    for framework, (loss, gradients) in measured[name].items():
        for value, limit, what in (
            (loss, limits().bfloat16_loss, "loss"),
            (gradients, limits().bfloat16_gradients, "gradients"),
        ):
            difference = Difference(value, limit, f"{what} of {framework}")
            assert difference.within, str(difference)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_first_loss_of_a_network(measured: Figures, name: str) -> None:
    for framework, (loss, _) in measured[name].items():
        difference = Difference(loss, limits().bfloat16_loss, f"loss of {framework}")
        assert difference.within, str(difference)
