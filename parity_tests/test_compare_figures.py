"""The figures of `compare`, each beside what this test computes from the files of the runs."""

import json
from math import sqrt
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from safetensors.numpy import load_file

import torch_impl.__main__
from compared import TRAIN, train_both
from netspec import architecture
from netspec.compare import limits
from parity.__main__ import main
from parity.compare.answers import images_of
from parity.compare.selection import read_sides

NORMAL = NormalDist().inv_cdf(0.975)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> list[Path]:
    """LeNet-5 in PyTorch and in Keras, and with another activation in PyTorch, which answers differently."""
    out, other = tmp_path_factory.mktemp("runs"), tmp_path_factory.mktemp("other")
    (other / "mish.json").write_text(architecture("lenet5", activation="mish").to_json())
    torch_impl.__main__.main([*TRAIN.replace("lenet5", str(other / "mish.json")).split(), str(other)])
    return [*train_both(out).values(), *(file.parent for file in other.glob("*/run.json"))]


@pytest.fixture(scope="module")
def facts(runs) -> list[dict]:
    return [json.loads((run / "run.json").read_text()) for run in runs]


@pytest.fixture(scope="module")
def table(runs, tmp_path_factory) -> dict:
    pages = tmp_path_factory.mktemp("pages")
    assert main(["compare", "--runs", *map(str, runs), "--pages", str(pages)]) == 0
    (file,) = pages.glob("*/index.json")
    return json.loads(file.read_text())


@pytest.fixture(scope="module")
def answered(runs, facts) -> list[np.ndarray]:
    """What each run answered when it tested itself."""
    return [np.load(run / f"predictions-{each['framework']}.npy") for run, each in zip(runs, facts, strict=True)]


def close(found: object, expected: object) -> bool:
    """Whether numbers, or lists of them, are equal up to the rounding of float64."""
    return bool((np.abs(np.subtract(found, expected)) <= limits().float64 * np.abs(expected)).all())


def test_the_recorded_figures(table, facts):
    found = {name: figure["values"] for name, figure in table["figures"].items()}
    for name in ("test_top1", "test_loss", "test_images", "images_per_second", "train_seconds", "epochs", "steps"):
        assert found[name] == [each[name] for each in facts]
    assert found["peak_memory_mib"] == [each["peak_memory"] / 1024**2 for each in facts]
    assert found["onnx_difference"] == [each["exports"]["model.onnx"] for each in facts]


def test_parameters_and_multiply_adds(runs, table):
    """LeNet-5 convolves to 28 and to 10 pixels; it has no statistics, so all of its weights are trained."""
    sizes = [{name: values.size for name, values in load_file(run / "weights.safetensors").items()} for run in runs]
    for name in ("parameters", "total"):
        assert table["figures"][name]["values"] == [sum(each.values()) for each in sizes]
    places = {"conv1.weight": 28**2, "conv2.weight": 10**2, "fc1.weight": 1, "fc2.weight": 1, "fc3.weight": 1}
    macs = [sum(each[name] * count for name, count in places.items()) for each in sizes]
    assert table["figures"]["macs"]["values"] == macs


def test_intervals_are_scipys(table, facts):
    stats = pytest.importorskip("scipy.stats")
    for place, each in enumerate(facts):
        right = round(each["test_top1"] * each["test_images"] / 100)
        interval = stats.binomtest(right, each["test_images"]).proportion_ci(method="wilson")
        low, high = (table["figures"][f"test_top1_{end}"]["values"][place] for end in ("low", "high"))
        assert close((low, high), (100 * interval.low, 100 * interval.high))


def test_batches_losses_and_weights(runs, table, facts):
    found = table["pairs"][0]["agreement"]
    epochs = [[json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()] for run in runs[:2]]
    digests = [[epoch["plan_digest"] for epoch in each] for each in epochs]
    assert (found["equal_plans"], found["plans"]) == (len(set.intersection(*map(set, digests))), len(digests[0]))
    losses = np.array([each["first_losses"] for each in facts[:2]])
    assert found["losses"] == losses.shape[1]
    assert close(found["loss_difference"], np.abs(np.diff(losses.T)).max())
    a, b = (load_file(run / "weights.safetensors") for run in runs[:2])
    apart = {name: np.abs(a[name] - b[name]).max() for name in a}
    assert found["weight_difference"] == max(apart.values()) == apart[found["tensor"]] > 0
    norms = {
        name: [np.linalg.norm(each.astype(float)) for each in (b[name] - a[name].astype(float), a[name])] for name in a
    }
    assert found["drift"].keys() == norms.keys()
    assert close([*found["drift"].values()], [norms[name][0] / norms[name][1] for name in found["drift"]])
    assert "cannot be compared" in table["pairs"][1]["agreement"]["reason"]
    assert any("weights of C PyTorch" in sentence for sentence in table["missing"])


def test_mcnemars_test_is_scipys(runs, table, answered):
    """And the interval of the difference is Wald's with half an image more on both sides (Agresti and Min 2005)."""
    stats = pytest.importorskip("scipy.stats")
    labels = images_of(read_sides(runs)[0]).test.labels
    for pair, answers in zip(table["pairs"], answered[1:], strict=True):
        found = pair["accuracy"]
        one, other = answered[0] == labels, answers == labels
        lost, won, images = int((one & ~other).sum()), int((other & ~one).sum()), len(labels)
        assert (found["lost"], found["won"], found["images"]) == (lost, won, images)
        assert found["apart"] == (answered[0] != answers).sum()
        assert close(found["p"], stats.binomtest(lost, lost + won).pvalue if lost + won else 1.0)
        assert close(found["difference"], 100 * (other.mean() - one.mean()))
        share, judged = (won - lost) / (images + 2), (won + lost + 1) / (images + 2)
        reach = NORMAL * sqrt((judged - share**2) / (images + 2))
        assert close((found["low"], found["high"]), (100 * (share - reach), 100 * (share + reach)))
    assert table["pairs"][1]["accuracy"]["lost"] + table["pairs"][1]["accuracy"]["won"] > 0


def test_answers(table, answered):
    for scores, answers in zip(table["scores"], answered, strict=True):
        assert np.sum(scores["confusion"], 0).tolist() == np.bincount(answers, minlength=10).tolist()
    differ = np.flatnonzero(np.any([answered[0] != each for each in answered[1:]], axis=0))
    assert [each["image"] for each in table["disagreeing_images"]] == differ.tolist()
    assert table["disagreements"] == len(differ)
