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

from deploy.files import write_bytes
from diptych.machine import describe_machine, describe_versions
from diptych.reading import sha256_of
from netspec import Graph
from netspec.compare import Difference
from netspec.weights import deployed_hash

SCHEMA = 1
NAME = "certificate.json"
FULL = "nox -s parity -- RUN computes it, where both frameworks are installed"
CHECKS = ("counts", "float32", "float64", "onnx", "gradients", "statistics", "step")  # of `nox -s parity`
UNIT = "spread of the logits between images"
PACKAGES = ("torch", "keras", "tensorflow", "onnx", "onnxruntime", "numpy")


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
        broken = {name: "its answers are not finite" for name, one in self.exports.items() if finite(one.value) is None}
        if self.mutants is None:
            missing["mutants"] = f"nox -s parity -- {self.graph.name} --mutants plants them"
        return {
            "schema": SCHEMA,
            "network": self.graph.name,
            "graph_digest": self.graph.digest,
            "weights_sha256": deployed_hash(self.graph, self.weights),
            "files": dict(sorted(self.files.items())),
            "exports": {
                name: {"difference": finite(one.value), "limit": one.limit, "unit": UNIT}
                for name, one in sorted(self.exports.items())
            },
            "checks": {check: self.checks.get(check) for check in CHECKS},
            "mutants": self.mutants,
            "reasons": missing | broken | dict(self.reasons),
            "versions": describe_versions(PACKAGES),
            "machine": describe_machine(),
        }

    def write(self, path: Path) -> None:
        """Write the file. Raises `StorageError`."""
        write_bytes(path, (json.dumps(self.facts(), indent=1, allow_nan=False) + "\n").encode())


def finite(value: float | None) -> float | None:
    """A number as JSON has it: NaN and infinity are None."""
    return value if value is not None and math.isfinite(value) else None


def hashes(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The SHA-256 of files in a folder, by name. Raises `DataError` for a file that cannot be read."""
    return {name: sha256_of(folder / name) for name in names}


def beside(model: Path) -> Path:
    """Where the certificate of an exported file is: `net.onnx` has `net.certificate.json`."""
    return model.with_name(f"{model.stem}.{NAME}")


def certify_export(graph: Graph, weights: Mapping[str, Any], model: Path, by: str, difference: Difference) -> None:
    """Write the certificate beside an exported file. `by` is the implementation that it was compared with."""
    Certificate(graph, weights, hashes(model.parent, [model.name]), {f"{model.name} | {by}": difference}).write(
        beside(model)
    )
