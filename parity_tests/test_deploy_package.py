"""Packages: the tree that servers take, complete, and checked wherever it runs."""

import json
import subprocess
import sys
import venv
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.case.test_case import TestCase as BackendCase
from onnx.backend.test.runner import Runner
from onnxruntime.backend.backend import OnnxRuntimeBackend

import deploy.package.writing
from broken_cuda import NOTE, break_cuda
from deploy import Classifier, images
from deploy.__main__ import main as deploy_main
from deploy.errors import DeployError, ModelError
from deploy.package import golden
from deploy.package.manifest import PackageError, read_manifest
from deploy.package.modules import needed
from deploy.package.predict_alone import main as predict_alone
from deploy.package.triton import labels
from deploy.package.writing import write_package
from deploy.timings import read_timings
from onnx_impl import export_onnx
from onnx_impl.measure import probe
from onnx_impl.packaging import package
from tiny_classifier import NAMES, PACKAGE, contract, network, write_tiny_package


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    return write_tiny_package(tmp_path_factory.mktemp("written"))


def test_the_tree(written):
    found = {path.relative_to(written).as_posix() for path in written.rglob("*") if path.is_file()}
    assert found == PACKAGE
    manifest = read_manifest(written)
    assert manifest.files.keys() == PACKAGE - {"manifest.json"}
    assert manifest.facts["graph_digest"] == network().digest
    assert manifest.facts["opset"] == {"ai.onnx": 17}
    assert manifest.facts["accuracy"] is None
    assert manifest.facts["weights"] is None
    assert manifest.facts["inputs"] == [{"name": "image", "type": "float32", "shape": ["N", 3, 12, 9]}]
    assert (written / "labels.txt").read_text().splitlines() == list(NAMES)
    assert json.loads((written / "preprocess.json").read_text())["width"] == 9
    assert "5 classes" in (written / "model_card.md").read_text()


def test_it_verifies_where_it_is_and_elsewhere(written, capsys):
    deploy_main(["verify", str(written)])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["files", "contract", "preprocessing", "outputs", "uint8"]
    assert f"as expected on {Classifier(written).running} (difference" in lines[3]


def test_verify_names_a_provider_that_was_passed_over(written, monkeypatch, capsys):
    break_cuda(monkeypatch)
    deploy_main(["verify", str(written)])
    assert capsys.readouterr().out.splitlines()[4] == NOTE
    deploy_main(["verify", str(written), "--provider", "cpu"])
    assert "note" not in capsys.readouterr().out


def test_the_licence_of_the_scripts_is_in_the_package(written):
    """The text of MIT must go with every copy."""
    assert (written / "LICENSE").read_text() == (Path(__file__).parents[1] / "LICENSE").read_text()
    assert "The file `LICENSE` is that of the scripts. The model" in (written / "model_card.md").read_text()


def test_logits_that_are_all_0_are_compared():
    """As of a head that begins with zeros: there is no largest logit to divide by."""
    zeros = np.zeros((1, 5), np.float32)
    assert golden.compare(zeros, zeros, 1e-3, "m") == 0
    with pytest.raises(PackageError, match="differs by 2.0e.00"):
        golden.compare(zeros + 2, zeros, 1e-3, "m")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the data of other tests, which the runner makes
def test_the_test_data_are_those_of_the_zoo(written):
    """onnx reads the tensors, and its own runner of backend tests passes the folder."""
    for name in ("input_0", "output_0"):
        tensor = onnx.load_tensor(str(written / "test_data_set_0" / f"{name}.pb"))
        assert numpy_helper.to_array(tensor).dtype == np.float32
    case = BackendCase("test_package", "package", None, str(written), None, None, "real", 1e-3, 1e-7)  # as its loader
    runner = Runner(OnnxRuntimeBackend)
    runner._add_model_test(case, "Real")
    item = runner._test_items["RealModel"]["test_package_cpu"]
    item.func(None)


LIBRARIES = (  # the last three are onnxruntime's
    "numpy", "numpy.libs", "PIL", "pillow.libs", "onnxruntime", "google", "flatbuffers", "packaging",
)  # fmt: skip


def alone(script: Path, *argv: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a script by a Python that sees the standard library, numpy, Pillow and onnxruntime, and nothing else."""
    site, installed = cwd / "site", Path(np.__file__).parents[1]
    site.mkdir(exist_ok=True)
    for name in LIBRARIES:
        if (installed / name).exists() and not (site / name).exists():
            (site / name).symlink_to(installed / name)
    code = f"import runpy, sys; sys.path.append({str(site)!r}); sys.argv = {[str(script), *map(str, argv)]!r}; "
    command = [sys.executable, "-I", "-S", "-c", f"{code}runpy.run_path(sys.argv[0], None, '__main__')"]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_the_scripts_need_no_file_of_ours(written, tmp_path):
    done = alone(written / "verify.py", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "outputs: as expected" in done.stdout
    done = alone(written / "predict.py", "--json", "--top", "2", written / golden.IMAGE, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (image,) = json.loads(done.stdout)["images"]
    assert len(image["predictions"]) == 2
    assert alone(written / "predict.py", "none.png", cwd=tmp_path).stderr == "error: none.png: no such file\n"


def test_predict_of_a_package_takes_standard_input(written, monkeypatch, capsys):
    with (written / golden.IMAGE).open() as file:
        monkeypatch.setattr(sys, "stdin", file)
        predict_alone(written, ["-", "--top", "1"])
    assert capsys.readouterr().out.splitlines()[1] == "-"


@pytest.mark.parametrize("name", ["predict.py", "verify.py"])
def test_the_scripts_say_where_they_run(written, name):
    """They lock files by fcntl, which Windows does not have."""
    text = (written / name).read_text()
    assert "import fcntl" in text
    assert "Needs Python 3.11 on Linux or macOS, numpy" in text


def test_the_scripts_are_the_modules_themselves(written):
    space: dict[str, object] = {"__name__": "script", "__file__": str(written / "verify.py")}
    text = (written / "verify.py").read_text()
    exec(text[: text.index("\nimport importlib.abc")], space)
    assert space["SOURCES"] == needed("deploy.package.verify_alone")
    assert "deploy.__main__" not in space["SOURCES"]


@pytest.mark.parametrize("name", ["predict.py", "verify.py"])
def test_a_library_that_is_missing_is_one_line(written, tmp_path, name):
    for missing, folder in (("numpy", "one"), ("PIL", "two"), ("onnxruntime", "three")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{missing}.py").write_text(f"raise ModuleNotFoundError('', name={missing!r})")
        code = f"import runpy, sys; sys.path.insert(0, {str(tmp_path / folder)!r}); sys.argv = sys.argv[1:]; "
        argv = [sys.executable, "-I", "-c", f"{code}runpy.run_path(sys.argv[0], None, '__main__')"]
        given = [written / golden.IMAGE] * (name == "predict.py")
        done = subprocess.run([*argv, written / name, *given], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        remedy = "is missing; pip install numpy Pillow protobuf onnxruntime"
        if missing == "onnxruntime":
            remedy = "cannot be loaded (); install onnxruntime, or onnxruntime-gpu for CUDA"
        assert done.stderr.splitlines()[-1] == f"error: {missing} {remedy}"


@pytest.mark.parametrize(
    ("missing", "status", "end"),
    [
        ("fcntl", 2, "error: this script locks files by fcntl; run it on Linux or macOS"),
        ("google.protobuf", 2, "error: google.protobuf is missing; pip install numpy Pillow protobuf onnxruntime"),
        ("statistics", 1, "ModuleNotFoundError: import of statistics halted; None in sys.modules"),
    ],
)
def test_only_a_library_can_be_installed(written, missing, status, end):
    code = f"import runpy, sys; sys.modules[{missing!r}] = None; sys.argv = sys.argv[1:]; "
    argv = [sys.executable, "-I", "-c", f"{code}runpy.run_path(sys.argv[0], None, '__main__')", written / "verify.py"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (status, end)


def test_a_pillow_that_is_too_old_says_so(monkeypatch):
    monkeypatch.setattr("PIL.__version__", "9.4.0")
    code = compile(Path(images.__file__).read_text(), images.__file__, "exec")
    with pytest.raises(DeployError, match=r"Pillow 9\.4\.0 is too old; install 10\.1 or a newer one"):
        exec(code, {"__name__": "old"})


def test_two_channels_cannot_be_packaged(tmp_path):
    graph = network(2)
    two = replace(contract(), mean=(0.5, 0.5), std=(0.5, 0.5))
    export_onnx(graph, probe(graph), tmp_path / "model.onnx", metadata=two.properties())
    with pytest.raises(ModelError, match="takes images with 2 channels; a package is for images with 1 or 3"):
        package(tmp_path / "model.onnx")


def test_a_manifest_of_another_program_far_above_a_model_says_nothing(written, tmp_path):
    place = tmp_path / "a" / "b" / "model.onnx"
    place.parent.mkdir(parents=True)
    place.write_bytes((written.parent / "model.onnx").read_bytes())
    (tmp_path / "manifest.json").write_text('{"files": ["one.js"]}')
    assert Classifier(place).classes == list(NAMES)


@pytest.mark.parametrize("name", ["model.onnx", "1/model.onnx"])
def test_another_model_in_a_package_is_not_loaded(written, tmp_path, name):
    folder, graph = copytree(written, tmp_path / "package"), network()
    export_onnx(graph, probe(graph, 9), tmp_path / "model.onnx", metadata=contract().properties())
    (folder / name).write_bytes((tmp_path / "model.onnx").read_bytes())
    with pytest.raises(PackageError, match=f"{name}: was changed since the package was written"):
        Classifier(folder / name)


@pytest.mark.long
def test_a_fresh_environment_with_three_libraries(written, tmp_path):
    """numpy, Pillow and onnxruntime with what they need, in an environment of its own."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    constraints = Path(__file__).parents[1] / "constraints.txt"
    argv = [python, "-m", "pip", "install", "-q", "-c", constraints, "numpy", "pillow", "onnxruntime"]
    subprocess.run(argv, check=True)
    for argv in ([written / "verify.py"], [written / "predict.py", written / golden.IMAGE]):
        done = subprocess.run([python, "-I", *argv], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_the_card_says_how_triton_gets_the_model(written, tmp_path):
    """Not beside the folders of a run: Triton takes all of them for models."""
    said = "- Triton: copy this folder{} into a model repository of its own."
    assert said.format(" (or its `uint8/`)") in (written / "model_card.md").read_text()
    plain = write_package(written.parent / "model.onnx", tmp_path / "plain")
    assert said.format("") in (plain / "model_card.md").read_text()


@pytest.mark.parametrize("name", ["two\nthree", "two\n", "two\r", "two\u2028", "\ntwo"])
def test_a_class_with_a_line_break_cannot_be_packaged(name):
    with pytest.raises(ModelError, match="has a line break in its name; rename it"):
        labels(["one", name], "m")


def test_what_cannot_be_packaged(written, tmp_path):
    source = written.parent / "model.onnx"
    with pytest.raises(PackageError, match="exists; remove it"):
        write_package(source)
    model = onnx.load(source)
    del model.metadata_props[-1]
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="content_sha256|no hash over its content"):
        write_package(tmp_path / "m.onnx")
    graph = network()
    export_onnx(graph, probe(graph), tmp_path / "bare.onnx")
    with pytest.raises(ModelError, match="lack classes"):
        write_package(tmp_path / "bare.onnx")
    for name, words in (("bare", "bare.onnx: its metadata lack classes"), ("m", "m.onnx: has no hash")):
        with pytest.raises(ModelError, match=words):
            package(tmp_path / f"{name}.onnx", uint8=True)
    assert not (tmp_path / "package").exists()


def test_a_package_that_was_written_meanwhile_stays(written, tmp_path, monkeypatch):
    def packaged_by_another(*arguments, **settings):
        (target / "1").mkdir(parents=True)
        return read_timings(written / "benchmark.json")

    target = tmp_path / "package"
    monkeypatch.setattr(deploy.package.writing, "time_sessions", packaged_by_another)
    with pytest.raises(PackageError, match="exists; remove it"):
        write_package(written.parent / "model.onnx", target)
    assert [path.name for path in target.iterdir()] == ["1"]
    assert list(tmp_path.iterdir()) == [target]


def test_packages_are_equal_bytes(written, tmp_path, monkeypatch):
    """But for the timings."""
    timings = read_timings(written / "benchmark.json")
    monkeypatch.setattr(deploy.package.writing, "time_sessions", lambda *places, **settings: timings)
    again = package(written.parent / "model.onnx", tmp_path / "again", uint8=True)
    for file in PACKAGE:
        assert (again / file).read_bytes() == (written / file).read_bytes(), file


def test_the_card_shows_the_timings(written):
    timings = read_timings(written / "benchmark.json")
    assert [(each.by, each.batch) for each in timings] == [("onnxruntime", 1), ("onnxruntime", 8)]
    rows = [line.strip("| ").split(" | ") for line in (written / "model_card.md").read_text().splitlines()]
    for each in timings:
        times = (f"{value:.2f}" for value in (each.p50, each.p95, each.mean))
        shown = (each.by, each.provider, each.threads, each.batch, *times)
        assert list(map(str, shown)) in [row[:7] for row in rows]
    assert json.loads((written / "benchmark.json").read_text())["machine"]["cores"] >= 1
