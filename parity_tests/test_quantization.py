"""Smaller files: judged by their loss and their time, refused or in part in float32 if they are bad."""

import math
import time
from fractions import Fraction
from functools import partial

import numpy as np
import onnx
import pytest

from deploy import Classifier, runtime
from deploy.errors import ModelError
from deploy.inspection import inspect
from deploy.intervals import paired
from deploy.package.manifest import read_manifest
from deploy.package.verification import verify
from digits_model import be_fast, facts_in, write_model
from diptych.errors import ExportError, StorageError, UsageError
from onnx_impl import quantization
from onnx_impl.judging import Judge, decibels
from onnx_impl.packaging import package
from onnx_impl.quantization import quantize
from onnx_impl.smaller import Quantizer
from onnx_impl.turns import Ratio, processor_times, ratio
from parity.diff.sides import read_side
from trainspec.data import open_data
from trainspec.plan import draw_epoch


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path)


@pytest.fixture
def fast(monkeypatch):
    be_fast(monkeypatch)


@pytest.mark.parametrize("option", [{"images": 40}, {"reduce_range": True}])
def test_options_of_int8_are_not_taken_for_float16(model, option):
    with pytest.raises(UsageError, match="leave them out for float16"):
        quantize(model, to="float16", **option)


@pytest.mark.parametrize("name", ["model.onnx", "weights.safetensors"])
def test_what_is_read_is_not_replaced(model, name):
    folder = model if model.is_dir() else model.parent
    with pytest.raises(StorageError, match="is read, and would be replaced"):
        quantize(folder, out=folder / name)


@pytest.mark.parametrize("to", ["int8", "float16"])
def test_a_smaller_file(model, fast, to):
    lines: list[str] = []
    path = quantize(model, to=to, limit=9.0, images=40 if to == "int8" else None, notice=lines.append)
    assert path == model.parent / f"model.{to}.onnx"
    found = onnx.load(path)
    onnx.checker.check_model(found, full_check=True)
    names = [node.name for node in found.graph.node]
    assert {"conv1", "conv2", "fc"} <= set(names)
    types = {tensor.data_type for tensor in found.graph.initializer}
    assert (onnx.TensorProto.INT8 if to == "int8" else onnx.TensorProto.FLOAT16) in types
    assert "BatchNormalization" not in {node.op_type for node in found.graph.node}
    assert {entry.domain for entry in found.opset_import} == {""}
    facts = facts_in(path)
    assert facts["to"] == to
    assert facts["verdict"] == "within the limit"
    assert ("on other processors" in facts["time"]) == (to == "int8")  # float16 is timed on a GPU
    low, high = facts["points_lost_interval"]
    assert low <= facts["points_lost"] <= high <= 9
    assert len(path.read_bytes()) < len(model.read_bytes())
    data = open_data("digits", 16, notice=str)
    logits, smaller = [Classifier(file).logits(data.test.images) for file in (model, path)]
    # Not the answers: this network is not trained, its best two logits are close, and weights have 7 bits on some CPUs.
    assert np.std(smaller - logits) < 0.2 * np.std(logits - logits.mean(0))
    assert decibels(logits, smaller) > 20
    assert any(line.startswith("verdict") for line in lines)
    assert read_side(str(path)).kind == "compressed ONNX file"


def test_only_the_suffix_onnx_is_left_out_of_the_name(model):
    path = quantize(model.rename(model.with_name("net.v1")), to="float16", data="digits", limit=9.0, notice=str)
    assert path == model.with_name("net.v1.float16.onnx")


def test_calibration_is_of_the_training_split(model, fast, monkeypatch):
    given = []

    class Recording(Quantizer):
        def __init__(self, content, batches, folder, **settings):
            given.append(np.concatenate(list(batches())))
            super().__init__(content, batches, folder, **settings)

    monkeypatch.setattr(quantization, "Quantizer", Recording)
    quantize(model, limit=9.0, images=24, notice=str)
    data = open_data("digits", 16, notice=str)
    order = draw_epoch(0, 0, len(data.train)).order[:24]
    contract = inspect(model.read_bytes(), model).contract
    assert np.array_equal(given[0], Judge(contract).prepared(data.train.images[order]))


def test_what_loses_too_much_is_refused_unless_forced(model, fast, monkeypatch):
    def losing(one, other, shown=None):
        return 0.4, 0.1, 0.9 if shown else 1.3

    monkeypatch.setattr(Judge, "points_lost", staticmethod(losing))
    monkeypatch.setattr(Judge, "right", lambda judge, content, split: np.arange(len(split)) % 5 > 0)
    with pytest.raises(ExportError, match=r"may lose 1.30 points .*--limit is 1; give --force"):
        quantize(model, images=24, notice=str)
    assert not (model.parent / "model.int8.onnx").exists()
    path = quantize(model, images=24, force=True, notice=str)
    assert "not to be used: it may lose 1.30" in facts_in(path)["verdict"]
    folder = package(path, uint8=True)
    facts = read_manifest(folder).facts
    assert "not to be used" in facts["compression"]["verdict"]
    assert (facts["accuracy"]["top1"], facts["accuracy"]["images"]) == (80.0, 360)
    assert facts["accuracy"]["measured"] == "the test split of UCI optical digits (embedded), by onnxruntime, in int8"
    assert facts["float32_accuracy"] is None
    assert "Top-1 80.00 % of 360 images" in (folder / "model_card.md").read_text()
    assert "not to be used" in (folder / "model_card.md").read_text()
    assert len(list(verify(folder))) == 5
    with pytest.raises(ExportError, match="give a float32 file"):
        quantize(path, notice=str)


def test_a_file_with_no_quantized_layer_is_refused(model, fast, monkeypatch):
    """It loses nothing and is as fast as the float32 file, because it is that file."""
    judged = []

    def losing(one, other, shown=None):
        judged.append(len(one))
        return (9.0, 8.0, 10.0) if len(one) == 144 else (0.0, -0.5, 0.5)

    monkeypatch.setattr(Judge, "points_lost", staticmethod(losing))
    with pytest.raises(
        ExportError, match="no layer can be quantized: as the validation split shows, it may lose more than"
    ):
        quantize(model, images=24, notice=str)
    assert set(judged) == {144, 360}


@pytest.mark.parametrize("limit", [float("nan"), float("inf"), -1.0])
def test_a_limit_that_is_none_is_refused(model, limit):
    with pytest.raises(UsageError, match="at least 0"):
        quantize(model, limit=limit, notice=str)


@pytest.mark.parametrize(("images", "enough"), [(125, "1.6"), (193, "1.1")])
def test_a_limit_that_so_few_images_cannot_show(images, enough):
    with pytest.raises(UsageError, match=f"m: {images} test images cannot show .*; give --limit {enough}, or --data"):
        quantization.check_limit(1.0, images, "m")
    quantization.check_limit(float(enough), images, "m")
    quantization.check_limit(1.0, 194, "m")


def test_such_a_limit_is_refused_before_the_work_unless_forced(model, monkeypatch):
    same = quantization.Compressed(model.read_bytes(), {}, "")
    monkeypatch.setattr(quantization, "compress", lambda *arguments, **settings: same)
    with pytest.raises(UsageError, match="360 test images cannot show a loss below 0.54 points"):
        quantize(model, limit=0.5, notice=str)
    assert quantize(model, limit=0.5, force=True, notice=str).read_bytes() == same.content


@pytest.mark.parametrize(("to", "provider"), [("int8", runtime.CPU), ("float16", runtime.CUDA)])
def test_what_is_slower_under_its_provider_is_refused(model, monkeypatch, to, provider):
    asked = []
    monkeypatch.setattr(Judge, "speed", lambda *arguments: asked.append(arguments[-1]) or Ratio(1.2, 1.1, 1.3))
    with pytest.raises(ExportError, match=r"takes 1.20 \(1.10 to 1.30\) of the float32 file's time"):
        quantize(model, to=to, limit=9.0, notice=str)
    assert asked == [provider]


def test_float16_without_its_provider_has_no_time(model, monkeypatch):
    monkeypatch.setattr(Judge, "speed", lambda *arguments: None)
    facts = facts_in(quantize(model, to="float16", limit=9.0, notice=str))
    assert facts["time"] == "not measured: CUDAExecutionProvider does not run here"
    assert facts["verdict"] == "within the limit"


def test_speed_is_measured_under_the_provider_that_runs(model, monkeypatch):
    def passing(judge, content, split, provider):
        if provider not in running:
            raise ModelError("it does not run")
        return lambda: time.sleep(content)

    running = {runtime.CPU, runtime.CUDA}
    monkeypatch.setattr(Judge, "passing", passing)
    judge = Judge(inspect(model.read_bytes(), model).contract)
    on_gpu = judge.speed(0.002, 0.001, None, runtime.CUDA)  # sleeps, as a pass that waits for the GPU
    assert 0.2 < on_gpu.median < 0.9
    running.remove(runtime.CUDA)
    assert judge.speed(0.002, 0.001, None, runtime.CUDA) is None


def test_layers_in_float32_keep_their_weights(model, tmp_path):
    content = model.read_bytes()
    data = open_data("digits", 16, notice=str)
    batches = partial(Judge(inspect(content, model).contract).batches, data.train.take(np.arange(20)), 8)
    quantizer = Quantizer(content, batches, tmp_path, reduce_range=False)
    assert quantizer.layers == ["conv1", "conv2", "fc"]
    for settings, expected in (
        ({}, set()),
        ({"without": ["conv2"]}, {"conv2"}),
        ({"only": ["fc"]}, {"conv1", "conv2"}),
    ):
        made = quantizer.quantized(**settings)
        readers = {node.name: node.input[1] for node in made.graph.node if node.name in quantizer.layers}
        floats = {tensor.name for tensor in made.graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT}
        assert {name for name, weight in readers.items() if weight in floats} == expected
    reduced = Quantizer(content, batches, tmp_path, reduce_range=True).quantized()
    for tensor in reduced.graph.initializer:
        if tensor.data_type == onnx.TensorProto.INT8 and len(tensor.dims) > 1:
            assert np.abs(onnx.numpy_helper.to_array(tensor).astype(int)).max() <= 64


def test_what_follows_layers_in_float32_stays_there_too(model, tmp_path):
    content = model.read_bytes()
    data = open_data("digits", 16, notice=str)
    batches = partial(Judge(inspect(content, model).contract).batches, data.train.take(np.arange(8)), 8)
    quantizer = Quantizer(content, batches, tmp_path, reduce_range=False)
    kinds = {node.op_type for node in quantizer.quantized(without=quantizer.layers).graph.node}
    assert "QuantizeLinear" not in kinds
    kept = quantizer.in_float(["conv2"])  # the sum also gets values of conv1
    assert {node.op_type for node in quantizer.nodes if node.name in kept} == {"Conv", "Relu"}


def test_the_interval_that_other_images_would_show(model):
    content = model.read_bytes()
    judge = Judge(inspect(content, model).contract)
    digits = open_data("digits", 16, notice=str).validation
    right = judge.right(content, digits)
    low, high = judge.points_lost(right, right, 10_000)[1:]
    assert (low, high) == tuple(100 * end for end in paired(0, 0, 10_000))
    assert high < judge.points_lost(right, right)[2]


def test_the_interval_of_a_paired_loss():
    """Against Agresti and Min's formula in exact fractions, and Wald's where there are many images."""
    assert round(paired(0, 0, 150)[1], 7) == round(1.959964 / 152, 7)
    for lost, won, images in ((30, 20, 1000), (5, 0, 360)):
        share = Fraction(lost - won, images + 2)
        variance = (Fraction(lost + won + 1, images + 2) - share**2) / (images + 2)
        reach = 1.959963984540054 * math.sqrt(variance)
        expected = (float(share) - reach, float(share) + reach)
    assert [round(end, 12) for end in paired(lost, won, images)] == [round(end, 12) for end in expected]
    low, high = paired(3000, 2000, 10**6)
    assert 1000 * low < 1 < 1000 * high
    assert round(high - low, 6) == round(2 * 1.96 * math.sqrt(5000 - 1) / 10**6, 6)


def test_noise_in_decibels():
    signal = np.array([3.0, 4.0])
    assert round(decibels(signal, 1.1 * signal), 9) == 20
    assert decibels(signal, signal) == math.inf


@pytest.mark.parametrize("rounds", [11, 31])
def test_the_interval_of_a_ratio_covers_its_median(rounds):
    """The true median lies within two order statistics with a probability that the binomial distribution gives."""
    found = ratio(np.arange(1.0, rounds + 1), np.ones(rounds))
    assert found.median == (rounds + 1) / 2
    low, high = int(found.low), int(found.high)
    inside = sum(math.comb(rounds, below) for below in range(low, high)) / 2**rounds
    assert 0.95 <= inside < 1


def test_passes_take_turns():
    calls: list[str] = []
    times = processor_times(
        {name: lambda name=name: calls.append(name) or sum(range(200_000)) for name in "ab"}, rounds=3
    )
    assert {name: seconds.shape for name, seconds in times.items()} == {"a": (3,), "b": (3,)}
    assert min(seconds.min() for seconds in times.values()) > 0
