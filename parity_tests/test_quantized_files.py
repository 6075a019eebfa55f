"""Quantization of files of any origin: guarded as other readers, with one result for each."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import onnx
import pytest

import deploy.model
from deploy import runtime
from deploy.contract import CONTENT_HASH
from deploy.errors import ModelError
from digits_model import be_fast, facts_in, write_model
from diptych.errors import ExportError, StorageError
from onnx_impl import quantization
from onnx_impl.__main__ import main as onnx_main
from onnx_impl.judging import Judge
from onnx_impl.quantization import quantize
from onnx_impl.rewritten import rewritten
from onnx_impl.smaller import failure


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path)


@pytest.fixture
def fast(monkeypatch):
    be_fast(monkeypatch)


def edited(model, edit, *, hashed=True):
    """Another file: the model after `edit`."""
    found = onnx.load(model)
    edit(found)
    path = model.with_name("edited.onnx")
    path.write_bytes(rewritten(found))
    if not hashed:
        found = onnx.load(path)
        entries = [entry for entry in found.metadata_props if entry.key != CONTENT_HASH]
        del found.metadata_props[:]
        found.metadata_props.extend(entries)
        onnx.save(found, path)
    return path


def with_roots(found):
    """The logits are the roots of what they were: not a number for the negative ones."""
    found.graph.node[-1].output[0] = "before"
    found.graph.node.append(onnx.helper.make_node("Sqrt", ["before"], ["logits"], "root"))


@pytest.mark.parametrize("hashed", [True, False])
def test_a_file_that_answers_nan_is_not_compressed(model, fast, hashed):
    path = edited(model, with_roots, hashed=hashed)
    with pytest.raises(ModelError, match=r"edited.onnx: .*its output is NaN or infinite"):
        quantize(path, to="float16", limit=9.0, notice=str)
    assert not list(model.parent.glob("*.float16.*"))


def test_a_file_without_a_hash_is_tried_in_a_child_process(model, fast, monkeypatch):
    tried = []
    monkeypatch.setattr("deploy.model.try_model", lambda content, shape, source: tried.append(source))
    path = edited(model, lambda found: None, hashed=False)
    quantize(path, to="float16", limit=9.0, notice=str)
    assert tried == [str(path)]


def test_values_that_float16_cannot_hold_are_refused(model):
    def scale(found):
        (weight,) = (tensor for tensor in found.graph.initializer if tensor.name == "fc.weight")
        weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) * np.float32(1e5), weight.name))

    path = edited(model, scale)
    with pytest.raises(ExportError, match="a value inside it reaches .*, but float16 ends at 65504"):
        quantize(path, to="float16", limit=9.0, notice=str)


def test_nodes_without_names_are_quantized_as_well(model, fast):
    def unname(found):
        for node in found.graph.node:
            node.name = ""

    facts = facts_in(quantize(edited(model, unname), limit=9.0, images=24, notice=str))
    assert (facts["layers"], facts["float_layers"]) == (3, 0)


def test_no_pass_takes_more_images_than_memory_allows(model, fast, monkeypatch):
    sizes = []
    monkeypatch.setattr(deploy.model, "PIXELS", 7 * 16 * 16)
    infer = runtime.infer
    monkeypatch.setattr(
        runtime, "infer", lambda session, images, source: sizes.append(len(images)) or infer(session, images, source)
    )
    quantize(model, limit=9.0, images=24, notice=str)
    assert max(sizes) == 7


@pytest.mark.parametrize("to", ["int8", "float16"])
def test_images_of_a_sorted_set_are_drawn_from_its_classes(model, fast, monkeypatch, to):
    def sort(split):
        return split.take(np.argsort(split.labels, kind="stable"))

    def data_of(*arguments):
        found = read(*arguments)
        return replace(found, train=sort(found.train), validation=sort(found.validation), test=sort(found.test))

    def batches(judge, split, size):
        classes[len(split)] = len(split.classes)
        return given(judge, split, size)

    read, given, classes = quantization.data_of, Judge.batches, {}
    monkeypatch.setattr(quantization, "data_of", data_of)
    monkeypatch.setattr(Judge, "batches", batches)
    for name, images in (("CALIBRATION", 40), ("JUDGED", 41), ("COMPARED", 42)):
        monkeypatch.setattr(quantization, name, images)
    quantize(model, to=to, limit=9.0, notice=str)
    drawn = (40, 41, 42) if to == "int8" else (41, 42)
    assert all(classes[images] > 5 for images in drawn)


def test_a_full_disk_is_told_from_a_bad_model(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1000))
    error = RuntimeError("Protobuf serialization failed")
    assert "Protobuf" in str(failure("it cannot be simplified", error, tmp_path / "m.onnx", 1000))
    with pytest.raises(StorageError, match="No space left"):
        failure("it cannot be simplified", error, tmp_path / "m.onnx", 1001)


def test_each_file_has_a_smaller_one_of_its_own(model, fast):
    other = model.rename(model.with_name("net.v2.onnx"))
    assert quantize(other, to="float16", limit=9.0, notice=str).name == "net.v2.float16.onnx"
    assert (model.parent / "net.v2.float16.certificate.json").exists()


@pytest.mark.parametrize(("name", "problem"), [("net.half", "ends in .onnx"), (f"{'a' * 244}.onnx", "a shorter name")])
def test_a_name_that_leaves_no_place_for_the_certificate_is_refused(model, monkeypatch, name, problem):
    monkeypatch.setattr(quantization, "compress", lambda *arguments, **settings: pytest.fail("after the work"))
    with pytest.raises(StorageError, match=problem):
        quantize(model, to="float16", limit=9.0, out=model.parent / name, notice=str)
    with pytest.raises(StorageError, match=problem):
        onnx_main(["export", "lenet5", "--out", str(model.parent / name)])
