"""A run says what was proved of it; parity proves the rest; every field that was not computed has its reason."""

import hashlib
import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import onnx_impl.__main__
import parity.__main__
import torch_impl.__main__
from deploy import verify
from deploy.certificate import read_certificate
from deploy.errors import DataError, ModelError, UsageError
from netspec import architecture, load_weights, save_weights
from netspec.compare import Difference
from netspec.init import initial_weights
from netspec.serialize import from_json
from netspec.weights import weights_hash
from onnx_impl import export_onnx, package, quantize
from onnx_impl.export_request import request
from onnx_impl.measure import probe
from parity import certify
from parity.check import Result
from short_run import short_run
from tiny_classifier import contract, network
from trainspec.certificate import CHECKS, Certificate, certify_export, write_json
from trainspec.evaluation import judge


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return short_run(tmp_path_factory.mktemp("runs"))


def certificate_of(run: Path) -> dict:
    return json.loads((run / "proof" / "certificate.json").read_text())


def every_null_has_a_reason(facts: dict) -> bool:
    nulls = {check for check, found in (facts["checks"] or {}).items() if found is None}
    nulls |= {name for name, one in (facts["exports"] or {}).items() if None in one.values()}
    nulls |= {name for name, value in facts.items() if value is None}
    return nulls <= facts["reasons"].keys()


def test_a_training_writes_what_it_knows(run):
    facts = certificate_of(run)
    assert facts["files"] == {
        name: hashlib.sha256((run / name).read_bytes()).hexdigest()
        for name in ("model.onnx", "proof/torch.onnx", "weights.safetensors")
    }
    graph = from_json((run / "graph.json").read_bytes(), "graph.json")
    assert facts["graph_digest"] == graph.digest
    assert facts["weights_sha256"] == weights_hash(load_weights(graph, run / "weights.safetensors"))
    assert facts["exports"].keys() == {"model.onnx | torch", "proof/torch.onnx | torch"}
    assert all(0 < one["difference"] <= one["limit"] for one in facts["exports"].values())
    assert set(facts["checks"].values()) == {None}
    assert facts["mutants"] is None
    assert facts["reasons"]["mutants"] == "nox -s parity -- RUN --mutants plants them"
    assert every_null_has_a_reason(facts)
    assert facts["versions"]["torch"]
    assert facts["machine"]["cores"]


def test_an_exported_file_has_one_beside_it(run, tmp_path):
    onnx_impl.__main__.main(["export", str(run), "--out", str(tmp_path / "net.onnx")])
    facts = json.loads((tmp_path / "net.certificate.json").read_text())
    assert facts["files"].keys() == {"net.onnx"}
    assert facts["exports"].keys() == {"net.onnx | onnx.reference"}
    assert facts["weights_sha256"] == certificate_of(run)["weights_sha256"]
    assert every_null_has_a_reason(facts)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_package_has_one_of_what_it_ships(run, tmp_path):
    """A run ships its folded file, and a file is shipped as it is, with what its own certificate says."""
    said = {"onnx.reference": run, "torch": run / "model.onnx"}
    for by, source in said.items():
        folder = package(source, tmp_path / by, uint8=True, notice=lambda line: None)
        facts = json.loads((folder / "certificate.json").read_text())
        names = ("1/model.onnx", "model.onnx", "uint8/1/model.onnx")
        assert facts["files"] == {name: sha256_of(folder / name) for name in names}
        assert facts["exports"].keys() == {f"model.onnx | {by}"}
        assert facts["source"] == certificate_of(run)
        assert facts.keys() == certificate_of(run).keys() | {"source"}
        assert every_null_has_a_reason(facts)
        verify(folder)


def test_a_quantized_file_has_one_and_its_package_too(run, tmp_path):
    file = quantize(run, out=tmp_path / "small.onnx", limit=9, images=24, force=True, notice=str)
    facts = json.loads((tmp_path / "small.certificate.json").read_text())
    assert facts["files"] == {"small.onnx": sha256_of(file)}
    found = facts["exports"]["small.onnx | the float32 file"]
    assert 0 < found["difference"] < 1
    assert found["limit"] is None
    assert "judged by its accuracy" in facts["reasons"]["small.onnx | the float32 file"]
    assert facts["source"] == certificate_of(run)
    assert every_null_has_a_reason(facts)
    folder = package(file, notice=str)
    shipped = json.loads((folder / "certificate.json").read_text())
    assert shipped["exports"] == {"model.onnx | the float32 file": found}
    assert shipped["source"] == facts
    assert every_null_has_a_reason(shipped)
    again = json.loads(
        (package(folder / "model.onnx", tmp_path / "again", notice=str) / "certificate.json").read_text()
    )
    assert again["source"] == shipped


def test_a_package_of_a_file_without_one_says_so(tmp_path):
    graph = network()
    export_onnx(graph, probe(graph), tmp_path / "m.onnx", metadata=contract().properties())
    facts = json.loads((package(tmp_path / "m.onnx", notice=str) / "certificate.json").read_text())
    assert [facts[key] for key in ("exports", "checks", "mutants", "source")] == [None] * 4
    assert every_null_has_a_reason(facts)


def test_an_export_into_a_run_replaces_its_entries(run, tmp_path):
    run = shutil.copytree(run, tmp_path / "run")
    before = certificate_of(run)
    versions = before.pop("versions")
    write_json(run / "proof" / "certificate.json", before | {"versions": {"numpy": versions["numpy"]}})
    torch_impl.__main__.main(["export", str(run), "--opset", "20"])
    facts = certificate_of(run)
    assert facts["versions"] == versions
    file = "proof/torch.onnx"
    assert facts["files"] == before["files"] | {file: sha256_of(run / file)} != before["files"]
    assert facts["exports"].keys() == before["exports"].keys()
    onnx_impl.__main__.main(["export", str(run)])
    facts = certificate_of(run)
    assert facts["exports"].keys() == before["exports"].keys() | {"proof/onnx.onnx | onnx.reference"}
    assert every_null_has_a_reason(facts)
    assert sorted(path.name for path in (run / "proof").iterdir()) == ["certificate.json", "onnx.onnx", "torch.onnx"]


@pytest.mark.parametrize(
    "change",
    [
        {"reasons": None},
        {"files": None},
        {"exports": None},
        {"exports": 3},
        {"files": []},
        {"versions": 1},
        "exports",
        "files",
    ],
)
def test_a_certificate_of_another_form_counts_as_none(run, tmp_path, change):
    run = shutil.copytree(run, tmp_path / "run")
    facts = certificate_of(run)
    whole = facts | change if isinstance(change, dict) else {key: facts[key] for key in facts if key != change}
    (run / "proof" / "certificate.json").write_text(json.dumps(whole))
    found = read_certificate(run / "proof" / "certificate.json")
    assert found == {} or {type(found[part]) for part in ("files", "exports", "reasons")} == {dict}
    package(run, tmp_path / "package", notice=str)
    onnx_impl.__main__.main(["export", str(run)])


def test_two_exports_of_a_run_keep_both_entries(run, tmp_path):
    run = shutil.copytree(run, tmp_path / "run")
    shutil.copy(run / "model.onnx", run / "proof" / "other.onnx")
    graph = from_json((run / "graph.json").read_text())
    weights = load_weights(graph, run / "weights.safetensors")

    def enter(number: int) -> None:
        file = run / "proof" / f"{number}.onnx"
        shutil.copy(run / "model.onnx", file)
        certify_export(graph, weights, file, "test", Difference(0.1, 0.2, "logits"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(enter, range(16)))
    assert {f"proof/{number}.onnx" for number in range(16)} <= certificate_of(run)["files"].keys()


def test_an_evaluation_leaves_a_package_as_it_is(run, tmp_path):
    folder = package(run, tmp_path / "package", notice=lambda line: None)
    for model in (folder, folder / "model.onnx", folder / "1" / "model.onnx"):
        onnx_impl.__main__.main(["evaluate", str(model), "--data", "digits"])
    assert not [line for line in verify(folder) if line.startswith("note")]


def test_parity_of_a_run_compares_its_float32_files(run, tmp_path, capsys):
    copy = shutil.copytree(run, tmp_path / "copy")
    quantize(copy / "proof" / "torch.onnx", limit=9, images=24, force=True, notice=str)
    assert certify.exported(copy) == ["model.onnx", "proof/torch.onnx"]
    assert "not compared: proof/torch.int8.onnx" in capsys.readouterr().out
    (copy / "model.onnx").unlink()
    with pytest.raises(ModelError, match="has no model.onnx, so there is nothing to compare"):
        certify.exported(copy)


def test_parity_computes_the_rest(run):
    """In a copy of its own: other tests read what the training wrote."""
    before = certificate_of(run)
    assert parity.__main__.main([str(run)]) == 0
    facts = certificate_of(run)
    assert facts["files"] == before["files"]
    assert facts["exports"].keys() == {
        f"{file} | {side}" for file in ("model.onnx", "proof/torch.onnx") for side in ("torch", "keras")
    }
    assert list(facts["checks"]) == list(CHECKS)
    for check, found in facts["checks"].items():
        assert found["passed"], check
        assert found["value"] is None or found["value"] <= found["limit"]
    assert facts["checks"]["float64"]["value"] is not None
    assert facts["reasons"].keys() == {"mutants"}


def test_an_interrupted_test_of_the_proof_leaves_the_certificate(run, tmp_path, monkeypatch):
    run = shutil.copytree(run, tmp_path / "run")

    def interrupted(rows):
        raise KeyboardInterrupt

    monkeypatch.setattr(certify, "check", lambda *one, **more: [Result("counts", True, "seen")])
    monkeypatch.setattr(certify, "differences", lambda *one: ())
    monkeypatch.setattr(certify, "print_mutants", interrupted)
    with pytest.raises(KeyboardInterrupt):
        parity.__main__.main([str(run), "--mutants"])
    assert certificate_of(run)["checks"]["counts"]["text"] == "seen"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["RUN", "--native"], "give --mutants or nothing else"),
        (["RUN", "--results", "results"], "give --mutants or nothing else"),
        (["lenet5", "--results", "results"], "--results goes with --all"),
        (["lenet5", "--mutants", "--results", "results"], "--results goes with --all"),
        (["lenet5", "--mutants", "--all"], "leave names"),
    ],
)
def test_an_option_without_an_effect_is_refused(run, options, words):
    with pytest.raises(UsageError, match=words):
        parity.__main__.main([str(run) if option == "RUN" else option for option in options])


def test_a_difference_is_certified_as_one(run, tmp_path):
    """A file that computes something else: the status is not 0, and the certificate has the figure."""
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    graph = from_json((folder / "graph.json").read_bytes(), "graph.json")
    weights = load_weights(graph, folder / "weights.safetensors")
    name = next(name for name, param in graph.params.items() if param.kind == "bias")
    save_weights(graph, weights | {name: weights[name] + np.float32(1)}, folder / "weights.safetensors")
    assert parity.__main__.main([str(folder)]) == 1
    found = certificate_of(folder)["exports"]["model.onnx | torch"]
    assert found["difference"] > found["limit"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_file_with_answers_that_are_not_finite(tmp_path, value):
    graph = architecture("lenet5")
    exports = {"model.onnx | torch": Difference(float(value), 1e-4, "logits")}
    Certificate(graph, initial_weights(graph), {}, exports).write(tmp_path / "certificate.json")
    facts = json.loads((tmp_path / "certificate.json").read_text())
    assert facts["exports"]["model.onnx | torch"]["difference"] is None
    assert "not finite" in facts["reasons"]["model.onnx | torch"]


def test_files_of_other_forms_are_named_and_not_compared(run, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    package(folder, uint8=True)
    (folder / "notes.onnx").write_text("junk")
    assert parity.__main__.main([str(folder)]) == 0
    (said,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("not compared: ")]
    others = {path.relative_to(folder).as_posix() for path in folder.rglob("*.onnx")} - {
        "model.onnx",
        "proof/torch.onnx",
    }
    assert said == f"not compared: {', '.join(sorted(others))}"
    assert certificate_of(folder)["exports"].keys() == {
        f"{file} | {by}" for file in ("model.onnx", "proof/torch.onnx") for by in ("torch", "keras")
    }
    (folder / "proof" / "torch.onnx").write_text("junk")
    with pytest.raises(ModelError, match=r"torch\.onnx: not an ONNX model"):
        parity.__main__.main([str(folder)])


@pytest.mark.parametrize("use", [judge, package, onnx_impl.evaluate, lambda run: request(str(run), "torch")])
def test_a_model_of_other_weights(run, tmp_path, use):
    folder, other = tmp_path / "run", short_run(tmp_path / "other", "--seed", "1")
    shutil.copytree(run, folder)
    shutil.copy(other / "model.onnx", folder / "model.onnx")
    with pytest.raises(DataError, match=r"model\.onnx was not made from "):
        use(folder)
