"""`--weights`: a training starts from a file, and says what it could not take from it."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from asked import prepared
from fake_framework import framework
from safetensors.numpy import save_file

from diptych.errors import WeightsError
from netspec import Graph, architecture, initial_weights, save_weights
from netspec.init import Weights
from netspec.probes import probe_weights
from trainspec.recipes import ParameterTable, Recipe, find_recipe
from trainspec.task import Asked, Task
from trainspec.training import train
from trainspec.warm_start import anew_by


def plainly(graph: Graph, weights: Weights, path: Path) -> None:
    """As another program writes them."""
    save_file(weights, path)


DIGITS = ("--data", "digits", "--epochs", "1")
WRITERS = [save_weights, plainly]


def task_from(path: Path, *more: str) -> tuple[Task, Asked]:
    return prepared("lenet5", "--data", "digits", "--weights", str(path), *more)


def network(classes: int, channels: int = 3, size: int = 32) -> Graph:
    return architecture("lenet5", num_classes=classes, in_channels=channels, image_size=size)


def drawn(task: Task) -> Weights:
    return initial_weights(task.graph, task.recipe.seed, task.recipe.init)


@pytest.mark.parametrize("write", WRITERS)
def test_weights_of_the_same_network(write, tmp_path):
    weights = probe_weights(network(10))
    write(network(10), weights, tmp_path / "w.safetensors")
    task, asked = task_from(tmp_path / "w.safetensors")
    assert all(np.array_equal(task.weights[name], weights[name]) for name in weights)
    assert task.warm_start.anew == ()
    assert not [note for note in asked.notes if "anew" in note]


def test_the_weights_of_a_run_with_as_many_other_classes(tmp_path, capsys):
    """Its classes are known, by its folder and by the file in it. A file elsewhere has only their number."""
    task, asked = prepared("lenet5", *DIGITS, "--out", str(tmp_path))
    run = train(task, framework(), asked)
    file = run.folder / "weights.safetensors"
    elsewhere = shutil.copy(file, tmp_path)
    for path in (run.folder, file, elsewhere):
        assert task_from(path)[0].warm_start.anew == ()
    facts = json.loads((run.folder / "run.json").read_text())
    for classes in ([f"class {number}" for number in range(10)], facts["classes"][::-1]):
        (run.folder / "run.json").write_text(json.dumps(facts | {"classes": classes}))
        for path in (run.folder, file):
            assert task_from(path)[0].warm_start.anew == ("fc3.weight", "fc3.bias")
            assert "other classes, or for these in another order: the head fc3 is drawn anew" in capsys.readouterr().out
        assert task_from(elsewhere)[0].warm_start.anew == ()


@pytest.mark.parametrize("write", WRITERS)
def test_weights_for_other_classes(write, tmp_path, capsys):
    path, weights = tmp_path / "w.safetensors", probe_weights(network(7))
    write(network(7), weights, path)
    task, asked = task_from(path)
    assert f"{path} has weights for 7 classes, not for 10: the head fc3 is drawn anew" in capsys.readouterr().out
    assert [note for note in asked.notes if "fc3 is drawn anew" in note]
    assert task.warm_start.anew == ("fc3.weight", "fc3.bias")
    for name, values in task.weights.items():
        np.testing.assert_array_equal(values, (drawn(task) if name.startswith("fc3") else weights)[name])


@pytest.mark.parametrize("write", WRITERS)
def test_weights_for_other_channels_and_classes(write, tmp_path):
    path, weights = tmp_path / "w.safetensors", probe_weights(network(7, channels=1))
    write(network(7, channels=1), weights, path)
    misfit = r"'conv1\.weight' has shape \(6, 1, 5, 5\).* lenet5 with 10 classes .* needs \(6, 3, 5, 5\)"
    with pytest.raises(WeightsError, match=misfit):
        task_from(path)
    with pytest.raises(WeightsError, match=misfit):
        task_from(path, "--set", "parameters=[{match='fc2.*',anew=true}]")
    task, _ = task_from(path, "--set", "parameters=[{match='conv1.weight',anew=true}]")
    assert task.warm_start.anew == ("conv1.weight", "fc3.weight", "fc3.bias")
    for name, values in task.weights.items():
        np.testing.assert_array_equal(values, (drawn(task) if name in task.warm_start.anew else weights)[name])


def test_anew_takes_no_damaged_file_and_none_of_another_network(tmp_path):
    path, table = tmp_path / "w.safetensors", "parameters=[{match='conv1.weight',anew=true}]"
    save_weights(network(10, channels=1), probe_weights(network(10, channels=1)), path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged: its values"):
        task_from(path, "--set", table)
    whole = network(10)
    nodes = [replace(n, op=replace(n.op, fn="mish")) if n.op.kind == "activation" else n for n in whole]
    save_weights(replace(whole, nodes=tuple(nodes), blocks=()), probe_weights(whole), path)
    with pytest.raises(WeightsError, match="another network with the same name"):
        task_from(path, "--set", table)


def test_weights_of_another_network_name_the_first_tensor(tmp_path):
    graph = architecture("lenet5_wide", num_classes=10)
    save_weights(graph, probe_weights(graph), tmp_path / "w.safetensors")
    with pytest.raises(
        WeightsError, match=r"weights of lenet5_wide, not of lenet5: its 'conv1\.weight' has shape .* fits"
    ):
        task_from(tmp_path / "w.safetensors")


TABLES = "parameters=[{match='fc*',anew=true},{match='fc3.bias',anew=false}]"


@pytest.mark.parametrize("write", WRITERS)
def test_tensors_that_the_recipe_draws_anew(write, tmp_path, capsys):
    """The file's are those of a network for larger images, so the first dense layer has another shape."""
    path, weights = tmp_path / "w.safetensors", probe_weights(network(10, size=48))
    write(network(10, size=48), weights, path)
    task, _ = task_from(path, "--set", TABLES)
    expected = ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias", "fc3.weight")
    assert task.warm_start.anew == expected
    assert f"'fc1.weight' and 4 further tensors are drawn anew, whatever {path} has" in capsys.readouterr().out
    for name, values in task.weights.items():
        np.testing.assert_array_equal(values, (drawn(task) if name in expected else weights)[name])
    with pytest.raises(WeightsError, match=r"'fc1\.weight' has shape"):
        task_from(path)


def test_what_is_drawn_anew_may_be_missing(tmp_path):
    path, weights = tmp_path / "w.safetensors", probe_weights(network(10))
    save_file({name: values for name, values in weights.items() if not name.startswith("fc1")}, path)
    task, _ = task_from(path, "--set", "parameters=[{match='fc1.*',anew=true}]")
    np.testing.assert_array_equal(task.weights["fc1.weight"], drawn(task)["fc1.weight"])
    np.testing.assert_array_equal(task.weights["fc2.weight"], weights["fc2.weight"])
    with pytest.raises(WeightsError, match=r"'fc1\.weight' of lenet5 is not in"):
        task_from(path, "--set", "parameters=[{match='fc2.*',anew=true}]")


def test_a_run_and_what_it_records(tmp_path):
    """A run begun from weights records their hash, and is itself something to begin from."""
    save_weights(network(7), probe_weights(network(7)), tmp_path / "w.safetensors")
    task, asked = task_from(tmp_path / "w.safetensors", "--epochs", "0.01")
    run = train(task, framework(), replace(asked, out=tmp_path / "runs"))
    recorded = json.loads((run.folder / "run.json").read_text())["weights"]
    assert recorded == {
        "file": str(tmp_path / "w.safetensors"),
        "sha256": hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest(),
        "drawn_anew": ["fc3.weight", "fc3.bias"],
    }
    again, _ = task_from(run.folder)
    assert again.warm_start.path == run.folder / "weights.safetensors"
    assert all(np.array_equal(again.weights[name], task.weights[name]) for name in task.weights)
    plain = train(
        prepared("lenet5", "--data", "digits", "--epochs", "0.01")[0], framework(), Asked(out=tmp_path / "runs")
    )
    assert "weights" not in plain.facts


def test_a_run_that_is_not_finished_is_taken_with_a_note(tmp_path, capsys):
    task, asked = prepared("lenet5", "--data", "digits", "--epochs", "0.01")
    run = train(task, framework(), replace(asked, out=tmp_path / "runs"))
    facts = json.loads((run.folder / "run.json").read_text())
    (run.folder / "run.json").write_text(json.dumps(facts | {"status": "interrupted"}))
    task_from(run.folder)
    assert "these are not the weights of a finished training" in capsys.readouterr().out
    (run.folder / "weights.safetensors").unlink()
    with pytest.raises(WeightsError, match="weights.safetensors cannot be read"):
        task_from(run.folder)


def test_origin_1_takes_the_convolutions_and_one_dense_layer():
    """Keras's VGG19 has no norms, and its `fc1` is that of larger images."""
    graph = architecture("vgg19_cifar")
    recipe = find_recipe("vgg19_cifar", "vgg", "cifar10", "original/vgg19_cifar+imagenet")
    taken = set(graph.params) - anew_by(recipe, graph)
    assert taken == {
        f"{name}.{part}"
        for name in [node.name for node in graph if node.op.kind == "conv"] + ["fc7"]
        for part in ("weight", "bias")
    }


def test_the_last_table_decides():
    tables = (ParameterTable("*", anew=True), ParameterTable("fc*", anew=False), ParameterTable("fc3*", freeze=True))
    assert anew_by(Recipe(parameters=tables), network(10)) == {
        name for name in network(10).params if not name.startswith("fc")
    }
