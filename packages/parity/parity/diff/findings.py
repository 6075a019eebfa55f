"""What a comparison found, for people (`parity.diff.words`, `parity.diff.page`) and for programs (JSON)."""

import os
from dataclasses import asdict, dataclass
from typing import Any

from deploy.arguments import checked
from parity.diff.attributes import compare_attributes
from parity.diff.sides import Side, read_sides
from parity.diff.structure import Change, Structure, compare_structure
from parity.diff.values import ValueFindings, compare_values
from parity.diff.weights import TensorFindings, compare_tensors
from parity.json_text import json_text

EQUAL, DIFFERENT, UNKNOWN = 0, 1, 2  # exit statuses
VERDICTS = {EQUAL: "equal", DIFFERENT: "different", UNKNOWN: "cannot be said"}


@dataclass(frozen=True, eq=False)
class Findings:
    """All that `diff` found, in the order in which it looked. `structure` is None if a graph is not known."""

    a: Side
    b: Side
    attributes: tuple[Change, ...]
    structure: Structure | None
    weights: TensorFindings
    values: ValueFindings

    @property
    def status(self) -> int:
        """0 equal, 1 different, 2 if nothing differs but something that counts could not be compared."""
        parts = (self.structure, self.weights, self.values)
        if self.attributes or any(part is not None and part.differs for part in parts):
            return DIFFERENT
        names_do_not_meet = self.a.weights is not None and self.b.weights is not None and not self.weights.meet
        return UNKNOWN if self.values.logits is None or names_do_not_meet else EQUAL

    @property
    def verdict(self) -> str:
        return VERDICTS[self.status]


@checked
def diff(a: str | os.PathLike[str], b: str | os.PathLike[str], *, unfinished: bool = False) -> Findings:
    """Compare two networks in attributes, structure, weights and values.

    Each is an architecture with options (`resnet20:num_classes=100`), the folder of a run, a graph (`.json`), a weight
    file (`.safetensors`) or an ONNX file. `unfinished` also takes runs that did not reach their end. Raises a
    `DiptychError` of one line for what is none of these or cannot be read.
    """
    return compare(*read_sides(os.fspath(a), os.fspath(b), unfinished=unfinished))


def compare(a: Side, b: Side) -> Findings:
    """`diff` for sides that are read."""
    structure = None if a.graph is None or b.graph is None else compare_structure(a.graph, b.graph)
    return Findings(a, b, compare_attributes(a, b), structure, compare_tensors(a, b), compare_values(a, b))


def as_json(findings: Findings) -> str:
    """The facts as JSON. Infinite differences (of unequal shapes, of values that are not finite) are null."""
    table = {
        "verdict": findings.verdict,
        "status": findings.status,
        "a": _side(findings.a),
        "b": _side(findings.b),
        "attributes": [asdict(change) for change in findings.attributes],
        "structure": asdict(findings.structure) if findings.structure else None,
        "weights": asdict(findings.weights),
        "values": asdict(findings.values),
    }
    return json_text(table)


def _side(side: Side) -> dict[str, Any]:
    return {
        "given": side.given,
        "kind": side.kind,
        "framework": side.framework,
        "network": side.name,
        "digest": side.graph.digest if side.graph else None,
        "input_shape": side.input_shape,
        "classes": side.classes,
    }
