"""`certificate.json`: what was proved of a network's files, how closely, by what, and on which machine.

A field that was not computed is null, and `reasons` has the reason under its name. `nox -s parity -- RUN` makes all
comparisons of a run and writes its certificate anew.
"""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.certificate import NAME as NAME, SCHEMA, beside, read_certificate
from deploy.files import locked, write_bytes
from deploy.runs import PROOF, run_of
from diptych.machine import describe_machine, describe_versions
from diptych.reading import sha256_of
from netspec import Graph
from netspec.compare import Difference
from netspec.weights import deployed_hash

FULL = "nox -s parity -- RUN computes it, where both frameworks are installed"
CHECKS = ("counts", "float32", "float64", "onnx", "gradients", "statistics", "step")  # of `nox -s parity`
NOT_FINITE = "its answers are not finite"
UNIT = "spread of the logits between images"
PACKAGES = ("torch", "tensorflow", "keras", "onnx", "onnxruntime", "numpy")  # their versions decide the figures


@dataclass(frozen=True)
class Certificate:
    """What is known of the network `graph` with `weights`.

    `files` are SHA-256 by path. `exports` are differences of ONNX files from the implementation that trained or
    exported them. `checks` are parity's, by name. `mutants` says what became of planted faults. `reasons` are those of
    what is not there.
    """

    graph: Graph
    weights: Mapping[str, Any] = field(repr=False)
    files: Mapping[str, str]
    exports: Mapping[str, Difference] = field(default_factory=dict)
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    mutants: Mapping[str, int] | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        missing = {check: FULL for check in CHECKS if check not in self.checks}
        broken = {name: NOT_FINITE for name, one in self.exports.items() if finite(one.value) is None}
        if self.mutants is None:
            missing["mutants"] = "nox -s parity -- RUN --mutants plants them"
        return {
            "schema": SCHEMA,
            "network": self.graph.name,
            "graph_digest": self.graph.digest,
            "weights_sha256": deployed_hash(self.graph, self.weights),
            "files": dict(sorted(self.files.items())),
            "exports": {name: figures(one) for name, one in sorted(self.exports.items())},
            "checks": {check: self.checks.get(check) for check in CHECKS},
            "mutants": self.mutants,
            "reasons": missing | broken | dict(self.reasons),
            "versions": describe_versions(PACKAGES),
            "machine": describe_machine(),
        }

    def write(self, path: Path) -> None:
        """Write the file. Raises `StorageError`."""
        write_json(path, self.facts())


def write_json(path: Path, facts: Mapping[str, Any]) -> None:
    write_bytes(path, (json.dumps(facts, indent=1, allow_nan=False) + "\n").encode())


def figures(difference: Difference) -> dict[str, Any]:
    """A difference as a certificate has it."""
    return {"difference": finite(difference.value), "limit": finite(difference.limit), "unit": UNIT}


def finite(value: float | None) -> float | None:
    """A number as JSON has it: NaN and infinity are None."""
    return value if value is not None and math.isfinite(value) else None


def hashes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The SHA-256 of files in a folder, by name. Raises `DataError` for a file that cannot be read."""
    return {name: sha256_of(folder / name) for name in names}


def certify_export(graph: Graph, weights: Mapping[str, Any], model: Path, by: str, difference: Difference) -> None:
    """Write the certificate of an exported file, which was compared with the implementation `by`.

    In the folder of the run with this network, it is the run's: the entries of the file are replaced there. Elsewhere
    it is beside the file.
    """
    run = run_of(model).resolve()
    name = (model.parent.resolve() / model.name).relative_to(run).as_posix()
    own = Certificate(graph, weights, hashes(run, [name]), {f"{name} | {by}": difference}).facts()
    with locked(run, wait=True):  # two exports of a run may end together
        kept = read_certificate(run / PROOF / NAME)
        if all(kept.get(key) == own[key] for key in ("graph_digest", "weights_sha256")):
            write_json(run / PROOF / NAME, _with_export(kept, own, name))
            return
    files, exports = hashes(model.parent, [model.name]), {f"{model.name} | {by}": difference}
    Certificate(graph, weights, files, exports).write(beside(model))


def _with_export(kept: Mapping[str, Any], own: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The certificate `kept`, with the entries of the file `name` from the certificate `own`.

    An export may be made in another environment: the versions of what only that one has are added.
    """
    facts = dict(kept) | {"versions": own["versions"] | kept["versions"]}
    for part in ("exports", "reasons"):
        facts[part] = {key: value for key, value in kept[part].items() if key.partition(" | ")[0] != name}
    broken = {key: reason for key, reason in own["reasons"].items() if key in own["exports"]}
    for part, found in (("files", own["files"]), ("exports", own["exports"]), ("reasons", broken)):
        facts[part] = dict(sorted((facts[part] | found).items()))
    return facts
