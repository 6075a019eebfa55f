"""`certificate.json` of a file that was made of another one: of a package, of a quantized file.

It has the keys of the certificate of a run (`trainspec.certificate`), and `source`: the certificate of what the file
was made of. A field that is null has its reason in `reasons`. Standard library only.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deploy.contract import Contract
from deploy.errors import StorageError
from deploy.files import check_file, read_bytes
from deploy.machine import describe_machine
from deploy.runs import MOST, PROOF, package_of, run_of

SCHEMA = 1
NAME = "certificate.json"
SUFFIX = ".onnx"
OF_SOURCE = "they are of the network: see source"

Exports = Mapping[str, Mapping[str, Any]]  # differences by file and by what it was compared with


def beside(model: Path) -> Path:
    """Where the certificate of an exported file is: `net.onnx` has `net.certificate.json`."""
    return model.with_name(f"{model.stem}.{NAME}")


def check_export(model: Path) -> None:
    """Raise `StorageError` if an ONNX file of this name and its certificate cannot be written. Nothing is made.

    The name must end in `.onnx`: `net.onnx` and `net.half` would have one certificate.
    """
    check_file(model)
    if model.suffix != SUFFIX:
        raise StorageError(f"{model}: the name of an ONNX file ends in {SUFFIX}; choose another name")
    check_file(beside(model))


def read_certificate(path: Path) -> dict[str, Any]:
    """A certificate; empty if there is none that can be read, or if a part with named entries is not an object.

    `exports` is null in the file where nothing was compared. It is an empty object here.
    """
    try:
        found = json.loads(read_bytes(path, MOST))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    parts = {key: found.get(key) for key in ("files", "exports", "reasons", "versions")}
    parts["exports"] = parts["exports"] or {}
    return found | parts if all(isinstance(part, dict) for part in parts.values()) else {}


def find_certificate(model: Path, weights: str, file: str) -> dict[str, Any] | None:
    """The certificate beside a model or of its package if it is of the SHA-256 `file`, or else that of its run; only if
    of `weights`.

    `model` is a file, or the folder of a run or of a package.
    """
    is_folder = os.path.isdir(model)
    places = [] if is_folder else [beside(model)]
    folder = model if is_folder else package_of(model) or model.parent
    own = map(read_certificate, (*places, folder / NAME))
    of_run = read_certificate(run_of(model) / PROOF / NAME)
    found = next((each for each in own if file in each.get("files", {}).values()), of_run)
    return found if found.get("weights_sha256") == weights else None


def entries_of(certificate: Mapping[str, Any], part: str, file: str, name: str) -> dict[str, Any]:
    """The entries of `exports` or `reasons` for the file with the SHA-256 `file`, which is now called `name`."""
    names = [old for old, digest in certificate["files"].items() if digest == file]
    keys = [key.partition(" | ") for key in certificate[part]]
    return {f"{name} | {by}": certificate[part][f"{old} | {by}"] for old, bar, by in keys if bar and old in names}


def certificate_of(
    contract: Contract,
    files: Mapping[str, str],
    exports: Exports | None,
    source: Mapping[str, Any] | None,
    versions: Mapping[str, str],
    reasons: Mapping[str, str] | None = None,
) -> bytes:
    """The certificate of a file with this contract. `files` are SHA-256 by name, as in that of a run."""
    missing = {"checks": OF_SOURCE, "mutants": OF_SOURCE}
    if source is None:
        missing |= dict.fromkeys(("source", "checks", "mutants"), "what it was made of has no certificate")
    if exports is None:
        missing["exports"] = "the file was taken as it is, and no certificate says what it was compared with"
    facts = {
        "schema": SCHEMA,
        "network": contract.architecture,
        "graph_digest": contract.graph_digest,
        "weights_sha256": contract.weights_sha256,
        "files": dict(sorted(files.items())),
        "exports": exports,
        "checks": None,
        "mutants": None,
        "source": source,
        "reasons": missing | dict(reasons or {}),
        "versions": versions,
        "machine": describe_machine(),
    }
    return (json.dumps(facts, indent=1) + "\n").encode()
