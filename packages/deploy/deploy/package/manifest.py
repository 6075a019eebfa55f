"""`manifest.json`: what a package is, and the SHA-256 of each of its files, its own among them.

Its own is the last entry. It is the hash of the file with zeros in its place.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from deploy.errors import ModelError
from deploy.files import is_file_name, read_bytes
from deploy.runs import LONGEST_STATE, MANIFEST, package_of

NAME, SCHEMA = MANIFEST, 1
MODEL, SERVED = "model.onnx", "1/model.onnx"  # for people, and where Triton looks for version 1
UINT8 = "uint8"  # the folder of the variant that takes images, for Triton in the same layout
MOST = 16 << 20  # bytes of it
LARGEST = 1 << 32  # bytes of any other file
_BLANK = "0" * 64
_VERSION = re.compile(rf"({UINT8}/)?[0-9]+(/|$)")
_OWN = re.compile(rb'"sha256": "([0-9a-f]{64})"\n}\n\Z')


class PackageError(ModelError):
    """A folder is not a package, or was changed since it was written."""


@dataclass(frozen=True)
class Manifest:
    """`facts` is JSON. `files` are the SHA-256 of the other files by their path in the folder, with `/`."""

    facts: Mapping[str, Any]
    files: Mapping[str, str]

    def content(self) -> bytes:
        """The bytes of the file."""
        whole = {"schema": SCHEMA, **self.facts, "files": dict(sorted(self.files.items())), "sha256": _BLANK}
        blank = (json.dumps(whole, indent=1) + "\n").encode()
        match = _OWN.search(blank)
        assert match  # `sha256` is the last entry
        return blank[: match.start(1)] + sha256(blank).encode() + blank[match.end(1) :]

    def check_files(self, folder: Path) -> list[str]:
        """Compare all files with their hashes. Returns the files and folders of which the manifest does not know.

        Raises `PackageError` for the first file that is missing or was changed, and for a stranger that Triton would
        take for a version of the model: it serves the highest one.
        """
        for name, expected in self.files.items():
            check_content(folder / name, read_file(folder / name), expected)
        found = {path.relative_to(folder) for path in folder.rglob("*")}
        files = {Path(name) for name in (*self.files, NAME)}
        strangers = sorted(path.as_posix() for path in found - files.union(*(file.parents for file in files)))
        if version := next(filter(_VERSION.match, strangers), ""):
            raise PackageError(f"{folder / version}: is not of the package, and Triton may serve it; remove it")
        return strangers


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read_file(file: Path) -> bytes:
    """The bytes of a package's file. Raises `PackageError`."""
    try:
        return read_bytes(file, LARGEST)
    except OSError as error:
        raise PackageError(f"{file}: cannot be read: {error.strerror or error}") from None


def check_content(file: Path, content: bytes, expected: str) -> None:
    """Raise `PackageError` unless the bytes of a package's file have the SHA-256 `expected`."""
    if sha256(content) != expected:
        raise PackageError(f"{file}: was changed since the package was written: package the model again")


def expected_sha256(file: Path) -> str | None:
    """The SHA-256 of a file by the manifest of its package. None without one, or if it does not name the file.

    Raises `PackageError` for a manifest that was changed.
    """
    manifest, name = _manifest_for(file)
    return manifest.files.get(name) if manifest else None


def facts_of_package(model: Path) -> Mapping[str, Any] | None:
    """What the manifest of a model's package says. None if there is none, or if it does not name the file.

    Raises `PackageError` for a manifest that was changed.
    """
    manifest, name = _manifest_for(model / MODEL if model.is_dir() else model)
    return manifest.facts if manifest and name in manifest.files else None


def _manifest_for(file: Path) -> tuple[Manifest | None, str]:
    """The manifest of the package that a file is in, or None; and the name that it would have for the file."""
    folder = package_of(file)
    return (read_manifest(folder), file.absolute().relative_to(folder).as_posix()) if folder else (None, "")


def training_of(model: Path, compression: str = "") -> str:
    """How the training of a model ended, as its package or the record of its `compression` says; "" if none does."""
    of_package = facts_of_package(model)
    facts = json.loads(compression or "{}") if of_package is None else of_package
    return str(facts.get("training") or "")[:LONGEST_STATE] if isinstance(facts, dict) else ""


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a package. Raises `PackageError` if there is none, or if it was changed."""
    path = folder / NAME
    try:
        content = read_bytes(path, MOST)
    except OSError as error:
        raise PackageError(f"{path}: cannot be read: {error.strerror or error}; give the folder of a package") from None
    match = _OWN.search(content)
    if not match or sha256(content[: match.start(1)] + _BLANK.encode() + content[match.end(1) :]) != match[1].decode():
        raise PackageError(f"{path}: was changed since the package was written: package the model again")
    try:
        facts = json.loads(content)
        schema, files = facts.pop("schema"), facts.pop("files")
        del facts["sha256"]
    except (ValueError, LookupError, RecursionError) as error:
        raise PackageError(f"{path}: not the manifest of a package ({error})") from None
    if schema != SCHEMA:
        raise PackageError(f"{path}: has schema {schema}; this version reads schema {SCHEMA}")
    if not isinstance(files, dict) or not all(isinstance(value, str) for value in files.values()):
        raise PackageError(f"{path}: not the manifest of a package (`files` are not names with their SHA-256)")
    for name in files:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise PackageError(f"{path}: names a file outside of the folder: {name}")
        if not is_file_name(name):
            raise PackageError(f"{path}: names a file that no folder can have: {name!a:.80}")
    return Manifest(facts, files)
