"""Faults planted in the builders are caught, and the report names the node."""

from dataclasses import replace

import keras
import numpy as np
import pytest

import keras_impl.kernels
import keras_impl.layers
import keras_impl.ops
import netspec
import onnx_impl.ops
import torch_impl.ops
from netspec import ops
from onnx_impl.measure import probe
from parity.check import CHECKS, Comparison, check


def failures(graph, keras_weights=None) -> dict[str, str]:
    """Checks that fail, and where."""
    files = (probe(graph), keras_weights) if keras_weights else ()
    results = list(check(Comparison(graph, graph, graph), files=files))
    assert [result.check for result in results] == list(CHECKS)
    return {result.check: result.where for result in results if not result.passed}


def keras_pad_on_the_other_side(patch):
    """One pad moved from right to left in the Keras handler."""
    right = keras_impl.ops.HANDLERS["conv"]

    def conv(op, x, **layer):
        top, bottom, left, right_ = op.padding
        op = replace(op, padding=(top, bottom, left + 1, right_ - 1)) if op.stride > (1, 1) else op
        return right(op, x, **layer)

    patch.setitem(keras_impl.ops.HANDLERS, "conv", conv)


def torch_epsilon(patch):
    right = torch_impl.ops.HANDLERS["batch_norm"]
    patch.setitem(torch_impl.ops.HANDLERS, "batch_norm", lambda op, x: right(replace(op, epsilon=1e-3), x))


def torch_fraction_of_the_old_value(patch):
    right = torch_impl.ops.HANDLERS["batch_norm"]
    patch.setitem(torch_impl.ops.HANDLERS, "batch_norm", lambda op, x: right(replace(op, fraction=1 - op.fraction), x))


def keras_biased_running_variance(patch):
    right = keras_impl.kernels.batch_norm_of_batch

    def biased(x, gamma, beta, epsilon):
        y, mean, variance = right(x, gamma, beta, epsilon)
        count = keras.ops.cast(keras.ops.size(x) // x.shape[-1], variance.dtype)
        return y, mean, variance * (count - 1) / count

    patch.setattr(keras_impl.kernels, "batch_norm_of_batch", biased)


def onnx_relu_for_leaky_relu(patch):
    right = onnx_impl.ops.HANDLERS["activation"]
    patch.setitem(onnx_impl.ops.HANDLERS, "activation", lambda op, emit: right(ops.Activation("relu"), emit))


def onnx_without_a_bias(patch):
    def linear(op, emit):
        emit("Gemm", *emit.inputs, emit.weights[0], transB=1)

    patch.setitem(onnx_impl.ops.HANDLERS, "linear", linear)


def keras_flatten_by_pixel(patch):
    patch.setattr(
        keras_impl.layers, "flatten", lambda x: keras.ops.reshape(x, (-1, x.shape[1] * x.shape[2] * x.shape[3]))
    )


def not_counting_pads(handlers):
    right = handlers["avg_pool"]

    def avg_pool(op, x, **layer):
        return right(replace(op, count_include_pad=not op.count_include_pad), x, **layer)

    return lambda patch: patch.setitem(handlers, "avg_pool", avg_pool)


EVERYWHERE = {"float32", "float64", "gradients", "step"}
FAULTS = {  # fault -> the node that must be named, and the checks that must fail at least
    "pad on the other side, keras": (keras_pad_on_the_other_side, "conv1", EVERYWHERE),
    "batch norm's epsilon, torch": (torch_epsilon, "conv1.bn", EVERYWHERE),
    "fraction of the old value, torch": (torch_fraction_of_the_old_value, "conv1.bn", {"statistics", "step"}),
    "biased running variance, keras": (keras_biased_running_variance, "conv1.bn", {"statistics", "step"}),
    "relu for leaky relu, onnx": (onnx_relu_for_leaky_relu, "conv1.bn.leaky_relu", {"float32", "onnx"}),
    "no bias, onnx": (onnx_without_a_bias, "fc", {"float32", "onnx"}),
    "flatten pixel by pixel, keras": (keras_flatten_by_pixel, "conv2.avg_pool.flatten", EVERYWHERE),
    "pads not counted, keras": (not_counting_pads(keras_impl.ops.HANDLERS), "conv2.avg_pool", EVERYWHERE),
    "pads not counted, torch": (not_counting_pads(torch_impl.ops.HANDLERS), "conv2.avg_pool", EVERYWHERE),
}


def test_without_a_fault_all_is_well(mixed):
    assert failures(mixed) == {}


@pytest.mark.parametrize(("plant", "node", "checks"), FAULTS.values(), ids=FAULTS)
def test_caught_and_located(mixed, monkeypatch, plant, node, checks):
    plant(monkeypatch)
    found = failures(mixed)
    assert found.keys() >= checks
    for check_, where in found.items():
        assert f"'{node}'" in where, f"{check_}: {where}"


def test_channels_swapped_in_a_weight_file(mixed, tmp_path):
    weights = probe(mixed)
    weights["conv2.weight"][[0, 1]] = weights["conv2.weight"][[1, 0]]
    netspec.save_weights(mixed, weights, tmp_path / "swapped.safetensors")
    found = failures(mixed, netspec.load_weights(mixed, tmp_path / "swapped.safetensors"))
    assert found.keys() >= EVERYWHERE
    for where in found.values():
        assert "'conv2'" in where


def test_the_report_says_who_is_alone(mixed, monkeypatch):
    """The ONNX builder is the judge between the frameworks."""
    torch_epsilon(monkeypatch)
    assert "onnx agrees with keras" in failures(mixed)["float64"]


def test_nan_is_caught(mixed):
    weights = {**probe(mixed)}
    weights["conv2.bias"] = np.full_like(weights["conv2.bias"], np.nan)
    found = failures(mixed, weights)
    assert found.keys() >= EVERYWHERE
    assert "'conv2'" in found["float64"]
