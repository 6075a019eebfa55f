"""`package --web`: its files, where they come from, and what is refused. The page itself: `test_web_page.py`."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import pytest

from browser import runtime_folder
from deploy.inspection import inspect
from deploy.package import npm, onnxruntime_web
from deploy.package.manifest import PackageError, read_manifest, sha256
from deploy.package.onnxruntime_web import FILES, NAME, VERSION, WEB
from deploy.package.page import SHIPPED, page_files, try_page
from deploy.package.verification import verify
from diptych.errors import DiptychError, UsageError
from onnx_impl import export_onnx
from onnx_impl.__main__ import main
from onnx_impl.measure import probe
from onnx_impl.packaging import package
from tiny_classifier import contract, network

STAND_IN = {name: f"stands in for {name}".encode() for name in FILES}  # the page's runtime, where it is not run
PAGE = {f"{WEB}/{name}" for name in (*SHIPPED, *FILES)}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    graph = network()
    export_onnx(graph, probe(graph), path, metadata=contract().properties())
    return path


@pytest.fixture
def stand_in(tmp_path, monkeypatch) -> Path:
    """A folder of files that count as the runtime's, on a machine that has neither Node.js nor npm."""
    folder = tmp_path / "runtime"
    folder.mkdir()
    for name, content in STAND_IN.items():
        (folder / name).write_bytes(content)
        monkeypatch.setitem(FILES, name, sha256(content))
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    return folder


@pytest.fixture
def written(model, stand_in, tmp_path) -> Path:
    return package(model, tmp_path / "package", web=True, runtime=stand_in)


def test_a_screen_reader_announces_the_answers(written):
    assert '<ol id="answers" aria-live="polite">' in (written / WEB / "index.html").read_text()


def test_the_licence_covers_the_page(written):
    assert "The file `LICENSE` is that of the scripts and the page." in (written / "model_card.md").read_text()


def test_the_tree(written):
    manifest = read_manifest(written)
    assert {name for name in manifest.files if name.startswith(f"{WEB}/")} == PAGE
    assert manifest.facts[WEB] == {"page": "web/index.html", "runtime": f"{NAME} {VERSION}"}
    assert "uint8/1/model.onnx" in manifest.files
    assert "python -m http.server" in (written / "model_card.md").read_text()
    assert list(verify(written))[-1] == f"web: the page has {NAME} {VERSION} as npm publishes it"


@pytest.mark.parametrize("file", sorted(PAGE))
def test_a_byte_that_changes_is_noticed(written, file):
    changed = bytearray((written / file).read_bytes())
    changed[len(changed) // 2] ^= 1
    (written / file).write_bytes(changed)
    with pytest.raises(PackageError, match=f"{file}: was changed"):
        list(verify(written))


def test_another_runtime_is_noticed(written, monkeypatch):
    """Also where the manifest was written anew."""
    name = next(iter(FILES))
    manifest = read_manifest(written)
    (written / WEB / name).write_bytes(b"another")
    files = {**manifest.files, f"{WEB}/{name}": sha256(b"another")}
    (written / "manifest.json").write_bytes(replace(manifest, files=files).content())
    with pytest.raises(PackageError, match=f"{name}: is not the file of {NAME}"):
        list(verify(written))
    without = {key: value for key, value in manifest.files.items() if key != onnxruntime_web.PAGE}
    with pytest.raises(PackageError, match=f"its page lacks {onnxruntime_web.PAGE}"):
        onnxruntime_web.check_page(replace(manifest, files=without), written)


@pytest.mark.parametrize("place", ["dist", "node_modules/onnxruntime-web/dist"])
def test_a_folder_that_holds_the_folder(stand_in, tmp_path, place):
    copytree(stand_in, tmp_path / "holder" / place)
    assert page_files(tmp_path / "holder") == page_files(stand_in)


def program(folder: Path, text: str) -> None:
    """An npm that does what the shell's `text` says."""
    folder.mkdir()
    (folder / "npm").write_text(f"#!/bin/sh\n{text}\n")
    (folder / "npm").chmod(0o755)


COMPLAINT = (
    "echo 'npm error code ENOTFOUND\nnpm error network request to https://x failed, reason: no\nmore' >&2; exit 1"
)
NPM = {  # what npm does -> the error
    "exit 1": "npm did not download .*it does not say why",
    COMPLAINT: r"npm did not download .*\(code ENOTFOUND: network request to https://x failed, reason: no\): repair",
    f"echo something else > {NAME}-{VERSION}.tgz": "its SHA-512 differs; give --runtime FOLDER",
    "exit 0": "npm did not download .*cannot be read|npm did not download .*No such file",
    "while :; do :; done": "npm did not download .* in 1 s: try again",
}


@pytest.mark.parametrize("text", NPM)
def test_an_npm_that_fails_leaves_no_package(model, stand_in, tmp_path, monkeypatch, text):
    program(tmp_path / "programs", text)
    monkeypatch.setattr(npm, "SECONDS", 1)
    refused(lambda: package(model, tmp_path / "package", web=True), NPM[text], tmp_path)


def test_no_npm(model, stand_in, tmp_path):
    reason = "npm is not installed, .* install Node.js, or give --runtime FOLDER"
    refused(lambda: package(model, tmp_path / "package", web=True), reason, tmp_path)


def test_a_folder_without_the_files(model, stand_in, tmp_path):
    name = next(iter(FILES))
    attempt = lambda: package(model, tmp_path / "package", web=True, runtime=stand_in)  # noqa: E731
    (stand_in / name).write_bytes(b"another")
    refused(attempt, f"its {name} is not the one of {NAME} {VERSION}", tmp_path)
    (stand_in / name).unlink()
    refused(attempt, f"runtime: has no .*{name}.*; give the folder dist of {NAME}", tmp_path)


def refused(attempt: Callable[[], object], reason: str, folder: Path) -> None:
    with pytest.raises(DiptychError, match=reason) as caught:
        attempt()
    assert len(str(caught.value).splitlines()) == 1
    assert not [path for path in folder.iterdir() if "package" in path.name]


def test_the_command(model, stand_in, tmp_path, capsys):
    out = tmp_path / "package"
    with pytest.raises(UsageError, match="give --web too"):
        main(["package", str(model), "--runtime", str(stand_in), "--out", str(out)])
    main(["package", str(model), "--web", "--runtime", str(stand_in), "--out", str(out)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"note: not tried in {NAME} {VERSION}, since Node.js is not installed")
    assert lines[-1] == f"{out / WEB}: python -m http.server --directory {out}, then open http://localhost:8000/web/"


def test_the_published_files_run_the_model(model, tmp_path):
    """By Node.js; a model that does not run, or that answers something else, is no model for a page."""
    (tmp_path / "runtime").mkdir()
    runtime, lines = runtime_folder(tmp_path / "runtime"), []
    folder = package(model, tmp_path / "package", web=True, runtime=runtime, notice=lines.append)
    assert lines[0].startswith(f"web: {NAME} {VERSION} answers as expected, to ")
    inspected = inspect((folder / "model.onnx").read_bytes(), "m")
    variant = folder / "uint8" / "1" / "model.onnx"
    kept = variant.read_bytes()
    (folder / WEB / "model.mjs").write_text(
        (folder / WEB / "model.mjs").read_text().replace("return logits;", "return logits.map((x) => 2 * x);")
    )
    with pytest.raises(PackageError, match="cannot answer for this model: the output here differs by"):
        try_page(folder, inspected)
    variant.write_bytes(kept.replace(b"Floor", b"Flaar"))  # an operator that no runtime has
    with pytest.raises(PackageError, match=r"cannot run in a browser \(.*Flaar.*; package it without --web"):
        try_page(folder, inspected)
