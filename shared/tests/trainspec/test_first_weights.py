"""`--weights`: a training starts from a file, and says what it could not take from it."""

import numpy as np
import pytest
from asked import prepared
from safetensors.numpy import save_file

from diptych.errors import WeightsError
from netspec import architecture, initial_weights, save_weights
from netspec.probes import probe_weights


def task_from(path):
    return prepared("lenet5", "--data", "digits", "--weights", str(path))


def network(classes, channels=3):
    return architecture("lenet5", num_classes=classes, in_channels=channels)


@pytest.mark.parametrize("write", [save_weights, lambda graph, weights, path: save_file(weights, path)])
def test_weights_of_the_same_network(write, tmp_path):
    weights = probe_weights(network(10))
    write(network(10), weights, tmp_path / "w.safetensors")
    task, asked = task_from(tmp_path / "w.safetensors")
    assert all(np.array_equal(task.weights[name], weights[name]) for name in weights)
    assert not [note for note in asked.notes if "classes" in note]


@pytest.mark.parametrize("write", [save_weights, lambda graph, weights, path: save_file(weights, path)])
def test_weights_for_other_classes(write, tmp_path, capsys):
    path, weights = tmp_path / "w.safetensors", probe_weights(network(7))
    write(network(7), weights, path)
    task, asked = task_from(path)
    assert f"{path} has weights for 7 classes, not for 10: the head fc3 is drawn anew" in capsys.readouterr().out
    assert [note for note in asked.notes if "fc3 is drawn anew" in note]
    drawn = initial_weights(task.graph, task.recipe.seed, task.recipe.init)
    for name, values in task.weights.items():
        np.testing.assert_array_equal(values, (drawn if name.startswith("fc3") else weights)[name])


def test_weights_for_other_channels_and_classes(tmp_path):
    save_weights(network(7, channels=1), probe_weights(network(7, channels=1)), tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=r"'conv1\.weight' has shape \(6, 1, 5, 5\)"):
        task_from(tmp_path / "w.safetensors")
