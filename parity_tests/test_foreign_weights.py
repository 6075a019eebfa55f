"""Weight files that others wrote, with the right tensors: all three builders take them."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import keras_impl
import onnx_impl
import torch_impl
from diptych.errors import WeightsError
from netspec import architecture, initial_weights, load_weights, save_weights
from netspec.weights import fit_weights
from resnet20_weights import GRAPH, WEIGHTS, prefixed, same, state


def transposed():
    """Tensors that are views: neither contiguous nor at the beginning of their storage."""
    return {name: torch.stack([tensor, tensor], -1)[..., 1] for name, tensor in state().items()}


def trained_module():
    model = torch_impl.build(GRAPH, weights=WEIGHTS)
    return nn.DataParallel(torch.compile(model, backend="eager")).state_dict()


LIGHTNING = {"pytorch-lightning_version": "2.5", "epoch": 3, "callbacks": {}, "hyper_parameters": {"rate": 0.1}}
TAKEN = {  # file name -> how it is written
    "plain.safetensors": partial(save_file, state()),
    "huggingface.safetensors": lambda path: save_file(state(), path, {"format": "pt"}),
    "misnamed.pt": partial(save_file, state()),
    "parallel.safetensors": lambda path: save_file(prefixed("module."), path),
    "compiled.safetensors": lambda path: save_file(prefixed("_orig_mod."), path),
    "both.safetensors": lambda path: save_file(prefixed("module._orig_mod."), path),
    "state.pt": partial(torch.save, state()),
    "state.pth": partial(torch.save, dict(state())),
    "misnamed.safetensors": partial(torch.save, state()),
    "inside.safetensors": lambda path: save_file(prefixed("net.model."), path),
    "lightning.ckpt": lambda path: torch.save(LIGHTNING | {"state_dict": prefixed("model.")}, path),
    "compiled_lightning.ckpt": lambda path: torch.save({"state_dict": prefixed("model._orig_mod.")}, path),
    "parallel.pt": lambda path: torch.save(prefixed("module."), path),
    "wrapped.pt": lambda path: torch.save(trained_module(), path),
    "parameters.pt": lambda path: torch.save(
        {n: nn.Parameter(t) if t.is_floating_point() else t for n, t in state().items()}, path
    ),
    "checkpoint.pt": lambda path: torch.save(
        {"epoch": 3, "state_dict": state(), "lr": 0.1, "args": np.float64(1)}, path
    ),
    "checkpoint2.pt": lambda path: torch.save(
        {"model": state(), "optimizer": {"state": {}, "groups": [1, (2, None)]}}, path
    ),
    "average.pt": lambda path: torch.save({**prefixed("module."), "n_averaged": torch.tensor(3)}, path),
    "views.pt": lambda path: torch.save(transposed(), path),
    "protocol4.pt": lambda path: torch.save(state(), path, pickle_protocol=4),
    "own.safetensors": lambda path: save_weights(GRAPH, WEIGHTS, path),
}
CONVERTED = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64}


@pytest.mark.parametrize("file", TAKEN)
def test_a_file_of_the_right_tensors_is_taken(file, tmp_path):
    path = tmp_path / file
    TAKEN[file](path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same(load_weights(GRAPH, path))


@pytest.mark.parametrize("file", ["plain.safetensors", "checkpoint.pt"])
def test_every_builder_takes_it(file, tmp_path):
    path = tmp_path / file
    TAKEN[file](path)
    for package in (torch_impl, keras_impl):
        model = package.build(GRAPH, seed=9)
        package.load_weights(model, path)
        same(package.get_weights(model))
        same(package.get_weights(package.build(GRAPH, weights=path)))
    same(onnx_impl.get_weights(onnx_impl.build(GRAPH, weights=path), GRAPH))


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
@pytest.mark.parametrize("dtype", CONVERTED)
def test_another_precision_is_converted_and_said(dtype, suffix, tmp_path):
    path = tmp_path / f"w.{suffix}"
    tensors = {name: t.to(CONVERTED[dtype]) if t.is_floating_point() else t for name, t in state().items()}
    (save_file if suffix == "safetensors" else torch.save)(tensors, path)
    said = []
    found = load_weights(GRAPH, path, notice=said.append)
    same(found, {name: tensors[name].float().numpy() for name in WEIGHTS})
    (text,) = said
    assert f"'stem.weight' as {dtype}" in text
    assert ("rounded" in text) == (dtype == "float64")
    with pytest.warns(UserWarning, match=f"as {dtype}"):
        torch_impl.build(GRAPH, weights=path)


@pytest.mark.parametrize("writer", ["own", "safetensors", "pt"])
def test_a_head_for_other_classes_is_drawn_anew(writer, tmp_path):
    path, said = tmp_path / f"w.{writer}", []
    write = {"own": partial(save_weights, GRAPH, WEIGHTS), "pt": partial(torch.save, state())}
    write.get(writer, partial(save_file, state()))(path)
    five = architecture("resnet20", distinct_blocks=True, image_size=16, num_classes=5)
    initial = initial_weights(five, 3)
    fitted = fit_weights(five, path, initial, said.append)
    found = fitted.weights
    assert fitted.anew == ("classifier.weight", "classifier.bias")
    (text,) = said
    assert "10 classes, not for 5" in text
    assert "classifier" in text
    assert list(found) == list(five.params)
    for name, values in found.items():
        np.testing.assert_array_equal(values, (initial if name.startswith("classifier.") else WEIGHTS)[name])
    with pytest.raises(WeightsError, match=r"'classifier\.weight' has shape \(10, 64\)"):
        load_weights(five, path)
