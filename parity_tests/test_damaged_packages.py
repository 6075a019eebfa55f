"""Packages that were changed: whatever no longer fits is noticed and named."""

from dataclasses import replace
from pathlib import Path
from shutil import copytree

import onnx
import pytest

from deploy.errors import DeployError
from deploy.package import golden
from deploy.package.manifest import Manifest, PackageError, read_manifest, sha256
from deploy.package.tensors import read_tensor, tensor_bytes
from deploy.package.verification import verify
from onnx_impl.rewritten import rewritten
from tiny_classifier import PACKAGE, write_tiny_package


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    return write_tiny_package(tmp_path_factory.mktemp("written"))


def put(folder: Path, file: str, content: bytes) -> None:
    """Replace a file of a package, and its hash in the manifest."""
    (folder / file).write_bytes(content)
    manifest = read_manifest(folder)
    (folder / "manifest.json").write_bytes(replace(manifest, files={**manifest.files, file: sha256(content)}).content())


@pytest.mark.parametrize("file", sorted(PACKAGE))
@pytest.mark.parametrize("place", [0, 0.5, -1])
def test_a_byte_that_changes_is_noticed(written, file, place):
    path = written / file
    kept = path.read_bytes()
    changed = bytearray(kept)
    changed[int(place * len(kept)) if place >= 0 else -1] ^= 1
    path.write_bytes(changed)
    try:
        with pytest.raises(DeployError, match=r"was changed|differs from the manifest") as caught:
            list(verify(written))
        assert file in str(caught.value)
        path.unlink()
        with pytest.raises(DeployError, match=f"{file}.*cannot be read"):
            list(verify(written))
    finally:
        path.write_bytes(kept)


def test_a_file_that_is_not_of_the_package_is_named(written):
    (written / "notes.txt").write_text("mine")
    assert "note: not part of the package: notes.txt" in list(verify(written))
    (written / "notes.txt").unlink()


@pytest.mark.parametrize("stranger", ["2/model.onnx", "uint8/2/model.onnx", "1/other.onnx"])
def test_a_version_that_triton_would_serve_is_refused(written, stranger, tmp_path):
    copy = copytree(written, tmp_path / "copy")
    (copy / stranger).parent.mkdir(exist_ok=True)
    (copy / stranger).write_bytes(b"")
    with pytest.raises(PackageError, match=f"{Path(stranger).parent}.*is not of the package, and Triton may serve it"):
        list(verify(copy))


@pytest.mark.parametrize("make", [Path.mkdir, lambda folder: folder.symlink_to(folder.parent / "1")])
def test_a_folder_for_a_version_is_refused_without_a_file(written, make, tmp_path):
    copy = copytree(written, tmp_path / "copy")
    make(copy / "3")
    with pytest.raises(PackageError, match="3: is not of the package"):
        list(verify(copy))


FITTING = ["labels.txt", "config.pbtxt", "preprocess.json", "1/model.onnx", "uint8/labels.txt", "uint8/config.pbtxt"]


@pytest.mark.parametrize("file", FITTING)
def test_files_that_do_not_fit_one_another_are_noticed(written, file, tmp_path):
    """Also where the manifest was written anew."""
    copy = copytree(written, tmp_path / "copy")
    put(copy, file, (copy / file).read_bytes() + b"\n")
    with pytest.raises(PackageError, match=f"{file}: does not fit model.onnx"):
        list(verify(copy))


@pytest.mark.parametrize(
    ("key", "value"), [("mean", "[0.1, 0.2, 0.3]"), ("data", "others"), ("weights_sha256", "0" * 64)]
)
def test_a_variant_of_another_model_is_noticed(written, key, value, tmp_path):
    copy, file = copytree(written, tmp_path / "copy"), "uint8/1/model.onnx"
    put(copy, file, rewritten(onnx.load(copy / file), **{key: value}))
    with pytest.raises(PackageError, match=f"{file}: its metadata are not those of model.onnx"):
        list(verify(copy))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"files": {}}, "its manifest does not name model.onnx"),
        ({"files": {"a\0b": "0" * 64}}, "names a file that no folder can have"),
        ({"files": {"\ud800": "0" * 64}}, "names a file that no folder can have"),
        ({"files": {"": "0" * 64}}, "names a file that no folder can have"),
        ({"golden_limit": None}, "its golden_limit differs"),
        ({"golden_limit": 1e9}, "its golden_limit differs"),
        ({"web": []}, "its page lacks"),
        ({"uint8": {}}, "uint8/1/model.onnx: its inputs and outputs differ from the manifest"),
    ],
)
def test_a_manifest_that_says_something_else(written, change, match, tmp_path):
    """Its own hash is right."""
    copy = copytree(written, tmp_path / "copy")
    manifest = read_manifest(copy)
    files = change.pop("files", manifest.files)
    (copy / "manifest.json").write_bytes(Manifest({**manifest.facts, **change}, files).content())
    with pytest.raises(PackageError, match=match) as error:
        list(verify(copy))
    assert len(str(error.value).splitlines()) == 1


def test_a_variant_that_the_manifest_does_not_describe_is_noticed(written, tmp_path):
    copy = copytree(written, tmp_path / "copy")
    manifest = read_manifest(copy)
    facts = {key: value for key, value in manifest.facts.items() if key != "uint8"}
    (copy / "manifest.json").write_bytes(replace(manifest, facts=facts).content())
    with pytest.raises(PackageError, match="uint8/1/model.onnx: its inputs and outputs differ from the manifest"):
        list(verify(copy))


@pytest.mark.parametrize("which", [golden.OUTPUT, golden.INPUT, golden.PIXELS])
def test_a_machine_that_computes_something_else_is_noticed(written, which, tmp_path):
    copy = copytree(written, tmp_path / "copy")
    array = read_tensor(copy / which).copy()
    array.flat[0] += 2 if which == golden.PIXELS else 0.5
    put(copy, which, tensor_bytes(array, "any"))
    with pytest.raises(PackageError, match="here"):
        list(verify(copy))
