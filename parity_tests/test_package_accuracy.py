"""The accuracy that a package states: of the run, of the compressed file itself, or of the package that it was in."""

import json
from dataclasses import replace

import pytest

from deploy.contract import PROBE_WEIGHTS, RESIZE_RULES
from deploy.intervals import of_accuracy
from deploy.package.manifest import read_manifest
from onnx_impl import export_onnx
from onnx_impl.measure import probe
from onnx_impl.packaging import package
from tiny_classifier import NAMES, contract, network


def test_the_accuracy_is_that_of_the_run_with_these_weights(tmp_path):
    graph = network()
    for seed, name in enumerate(("model", "other")):
        export_onnx(graph, probe(graph, seed), tmp_path / f"{name}.onnx", metadata=contract().properties())
    recorded = {"status": "finished", "framework": "torch", "test_top1": 80.0, "test_images": 100}
    (tmp_path / "run.json").write_text(json.dumps(recorded))
    found = read_manifest(package(tmp_path / "model.onnx")).facts["accuracy"]
    assert (found["top1"], found["images"]) == (80.0, 100)
    low, high = found["interval"]
    assert (round(low, 2), round(high, 2)) == (71.12, 86.66)  # Wilson's interval of 80 of 100
    assert (low, high) == of_accuracy(80.0, 100)  # not rounded: the card rounds it once
    assert read_manifest(package(tmp_path / "other.onnx", tmp_path / "two")).facts["accuracy"] is None


@pytest.mark.parametrize(
    "change", [{"mean": (0.9, 0.9, 0.9)}, {"resize_rule": RESIZE_RULES["squash"]}, {"classes": NAMES[::-1]}]
)
def test_the_accuracy_is_of_images_prepared_in_the_same_way(tmp_path, change):
    graph = network()
    for name, metadata in (("model", contract()), ("other", replace(contract(), **change))):
        export_onnx(graph, probe(graph), tmp_path / f"{name}.onnx", metadata=metadata.properties())
    recorded = {"status": "finished", "framework": "torch", "test_top1": 80.0, "test_images": 100}
    (tmp_path / "run.json").write_text(json.dumps(recorded))
    facts = read_manifest(package(tmp_path / "other.onnx")).facts
    assert (facts["accuracy"], facts["training"]) == (None, "finished")


def test_the_accuracy_of_a_compressed_file_is_its_own(tmp_path):
    graph, compression = network(), json.dumps({"to": "int8", "top1": 70.0, "test_images": 100})
    export_onnx(graph, probe(graph), tmp_path / "model.onnx", metadata=contract().properties())
    compressed = replace(contract(), compression=compression, weights=PROBE_WEIGHTS)
    export_onnx(graph, probe(graph), tmp_path / "model.int8.onnx", metadata=compressed.properties())
    recorded = {"status": "finished", "framework": "torch", "test_top1": 80.0, "test_images": 100}
    (tmp_path / "run.json").write_text(json.dumps(recorded))
    folder = package(tmp_path / "model.int8.onnx")
    facts = read_manifest(folder).facts
    assert (facts["accuracy"]["top1"], facts["float32_accuracy"]["top1"]) == (70.0, 80.0)
    assert facts["weights"] == PROBE_WEIGHTS
    text = (folder / "model_card.md").read_text()
    assert text.index("Top-1 70.00 %") < text.index("The float32 network: Top-1 80.00 %")


def test_a_package_of_a_package_keeps_the_accuracy(tmp_path):
    """Of the same weights: a manifest that was written anew for others says nothing."""
    graph, compression = network(), json.dumps({"to": "int8", "top1": 70.0, "test_images": 100})
    recorded = {"status": "finished", "framework": "torch", "test_top1": 80.0, "test_images": 100}
    for name, metadata in (("plain", contract()), ("small", replace(contract(), compression=compression))):
        run = tmp_path / name
        run.mkdir()
        export_onnx(graph, probe(graph), run / "model.onnx", metadata=contract().properties())
        export_onnx(graph, probe(graph), run / "other.onnx", metadata=metadata.properties())
        (run / "run.json").write_text(json.dumps(recorded))
        first = package(run / "other.onnx")
        facts = read_manifest(first).facts
        again = read_manifest(package(first / "model.onnx", tmp_path / f"{name} again")).facts
        for key in ("accuracy", "float32_accuracy", "compression"):
            assert again.get(key) == facts.get(key)
        assert facts["accuracy"]["top1"] == (70.0 if name == "small" else 80.0)
        for change in ({"weights_sha256": "0" * 64}, {"accuracy": {"top1": "x"}, "float32_accuracy": []}):
            manifest = read_manifest(first)
            (first / "manifest.json").write_bytes(replace(manifest, facts={**facts, **change}).content())
            other = read_manifest(package(first / "model.onnx", tmp_path / f"{name} {next(iter(change))}")).facts
            assert other["accuracy"] == (facts["accuracy"] if name == "small" else None)
            assert other.get("float32_accuracy") is None
