"""A run with an average: the average is validated, tested, saved and deployed, the weights themselves are figures.

The weights of the trainer are one number and those of the average another one; a network's logits depend on it.
"""

import json
from dataclasses import replace

import numpy as np
import pytest
from fake_framework import Deployed, FakeTrainer, framework

from netspec import load_weights
from test_training import interrupted_at, task
from trainspec.evaluation import evaluate
from trainspec.state import joined
from trainspec.task import Asked
from trainspec.training import train

OWN, AVERAGE = 2.0, -0.5


def logits(images, value):
    return Deployed().logits(images) * value


class AveragingTrainer(FakeTrainer):
    def __init__(self, graph, weights, recipe, device, **options):
        super().__init__(graph, weights, recipe, device, **options)
        self.values = {False: OWN, True: AVERAGE if recipe.average else OWN}

    def weights(self, averaged=False):
        return {name: np.full_like(array, self.values[averaged]) for name, array in self.given.items()}

    def logits(self, images, averaged=False):
        return logits(images, self.values[averaged])

    def state(self):
        return joined(self.weights(), (), self.weights(averaged=True), {})


class DeployedWeights(Deployed):
    def __init__(self, graph, weights, threads):
        (self.value,) = {float(value) for array in weights.values() for value in np.unique(array)}

    def logits(self, images):
        return logits(images, self.value)


def run(work, out, **options):
    """A training's folder and facts, and the metrics of its epochs."""

    def trainer(*parts):
        return AveragingTrainer(*parts, **options)

    try:
        train(work, replace(framework(trainer), deploy=DeployedWeights), Asked(out=out))
    except KeyboardInterrupt:
        assert options
    (folder,) = out.iterdir()
    epochs = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return folder, json.loads((folder / "run.json").read_text()), epochs


def saved(folder, work):
    """The number that the weights of a run's folder are."""
    weights = load_weights(work.graph, folder / "weights.safetensors")
    (value,) = {float(value) for array in weights.values() for value in np.unique(array)}
    metadata = work.metadata({name: np.full_like(array, value) for name, array in weights.items()})
    assert json.loads((folder / "model.onnx").read_text()) == metadata
    return value


@pytest.mark.parametrize("keep", ["last", "best"])
def test_the_average_is_what_a_run_is_judged_by_and_keeps(tmp_path, keep):
    work = task(epochs=2, evaluate_every=1, **{"average.kind": "ema", "checkpoint.keep": keep})
    folder, facts, epochs = run(work, tmp_path)
    for split, found, prefix in ((work.data.validation, epochs[-1], "val"), (work.data.test, facts, "test")):
        for suffix, value in (("", AVERAGE), ("_unaveraged", OWN)):
            expected = evaluate(lambda images, value=value: logits(images, value), split, work.constants)
            assert found[f"{prefix}_loss{suffix}"] == pytest.approx(expected.loss, rel=1e-6)
            assert found[f"{prefix}_top1{suffix}"] == pytest.approx(expected.top1, abs=1e-3)
        assert found[f"{prefix}_top1"] != found[f"{prefix}_top1_unaveraged"]
    assert saved(folder, work) == AVERAGE
    predicted = evaluate(lambda images: logits(images, AVERAGE), work.data.test, work.constants).predictions
    np.testing.assert_array_equal(np.load(folder / "predictions-fake.npy"), predicted)


def test_an_interrupted_run_keeps_the_average(tmp_path):
    work = task(**{"average.kind": "ema"})
    folder, facts, _ = run(work, tmp_path, loss=interrupted_at(9))
    assert facts["status"] == "interrupted"
    assert saved(folder, work) == AVERAGE


def test_without_an_average_there_are_no_such_figures(tmp_path):
    work = task(epochs=1, evaluate_every=1)
    folder, facts, epochs = run(work, tmp_path)
    assert saved(folder, work) == OWN
    assert not [name for name in facts if "unaveraged" in name]
    assert epochs[-1].get("val_top1_unaveraged") is None
