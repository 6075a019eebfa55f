"""A package of a training that did not reach its end says so, and so does what is made of it."""

import json
from dataclasses import replace
from shutil import copytree

import pytest

from deploy.__main__ import main as deploy_main
from deploy.package import golden
from deploy.package.manifest import read_manifest
from diptych.errors import ExportError
from onnx_impl import export_onnx
from onnx_impl.measure import probe
from onnx_impl.packaging import package
from onnx_impl.quantization import quantize
from tiny_classifier import contract, network


def test_a_package_of_an_unfinished_run_says_so(tmp_path, capsys):
    graph = network()
    export_onnx(graph, probe(graph), tmp_path / "model.onnx", metadata=contract().properties())
    (tmp_path / "run.json").write_text('{"status": "interrupted"}')
    folder = package(tmp_path / "model.onnx", unfinished=True)
    assert read_manifest(folder).facts["training"] == "interrupted"
    assert "Its training did not reach its end (interrupted)." in (folder / "model_card.md").read_text()
    deploy_main(["predict", str(folder), str(folder / golden.IMAGE)])
    note = "is of a training that did not reach its end (interrupted)"
    assert f"note: {folder} {note}" in capsys.readouterr().out
    elsewhere = copytree(folder, tmp_path / "elsewhere" / "moved")
    again = package(elsewhere / "model.onnx", tmp_path / "again")
    assert read_manifest(again).facts["training"] == "interrupted"
    with pytest.raises(ExportError, match="did not reach its end .interrupted.; give --unfinished"):
        quantize(elsewhere / "model.onnx", "digits", out=tmp_path / "small.onnx")
    export_onnx(graph, probe(graph, 3), tmp_path / "another.onnx", metadata=contract().properties())
    other = package(tmp_path / "another.onnx", tmp_path / "other", unfinished=True)
    assert read_manifest(other).facts["training"] is None


def test_a_compressed_file_says_of_itself_how_its_training_ended(tmp_path, capsys):
    graph, compression = network(), json.dumps({"to": "int8", "training": "killed"})
    compressed = replace(contract(), compression=compression)
    export_onnx(graph, probe(graph), tmp_path / "model.int8.onnx", metadata=compressed.properties())
    folder = package(tmp_path / "model.int8.onnx")
    assert read_manifest(folder).facts["training"] == "killed"
    deploy_main(["predict", str(tmp_path / "model.int8.onnx"), str(folder / golden.IMAGE)])
    assert "is of a training that did not reach its end (killed)" in capsys.readouterr().out
