"""Findings as sentences: one a line, the first place by name."""

import math
from collections.abc import Iterator

from parity.diff.findings import Findings
from parity.diff.structure import Change, Changed, Surplus
from parity.diff.values import ValueFindings
from parity.titles import title_of

SHOWN = 16  # differences of one kind that are told one by one


def lines(findings: Findings) -> Iterator[str]:
    """The whole report, as `nox -s diff` prints it."""
    yield f"A           {findings.a.words}"
    yield f"B           {findings.b.words}"
    for heading, part in sections(findings):
        for place, sentence in enumerate(part):
            yield f"{heading if not place else '':<12}{sentence}"
    yield f"verdict     {verdict(findings)}"


def sections(findings: Findings) -> list[tuple[str, list[str]]]:
    """The sentences under attributes, structure, weights and values."""
    return [
        ("attributes", [_change(change) for change in findings.attributes] or ["equal"]),
        ("structure", list(structure(findings))),
        ("weights", list(weights(findings))),
        ("values", list(values(findings))),
    ]


def verdict(findings: Findings) -> str:
    """`equal`, `different` or `cannot be said`, and the place to look at."""
    found = findings.values.first
    where = f"; the values first part at '{found.node}'" if found else ""
    return findings.verdict + where


def number(difference: float) -> str:
    """A relative difference with two digits."""
    if not math.isfinite(difference):
        return "an infinite part"
    return f"{difference:.1e}" if difference else "0"


def _change(change: Change) -> str:
    return f"{change.what} {change.a or 'none'} against {change.b or 'none'}"


def structure(findings: Findings) -> Iterator[str]:
    """What differs in the graphs."""
    found = findings.structure
    if found is None:
        unknown = " and ".join(name for name, side in (("A", findings.a), ("B", findings.b)) if side.graph is None)
        yield f"not compared: the nodes of {unknown} match no known network"
        return
    if not found.differs:
        yield "equal"
    sentences = [*map(changed, found.changed), *map(surplus, found.surplus)]
    yield from sentences[:SHOWN]
    if len(sentences) > SHOWN:
        counts = [*(len(part.nodes) for part in found.changed), *(len(part.nodes) for part in found.surplus)]
        yield f"and more, at {sum(counts[SHOWN:])} nodes"


def changed(part: Changed) -> str:
    """`stem: padding 3,3,3,3 against 2,3,2,3`, or `23 nodes: ..., first at stem`."""
    what, first, count = ", ".join(map(_change, part.changes)), part.nodes[0], len(part.nodes)
    if count == 1:
        return f"{first}: {what}"
    return f"{count} nodes like {first}: {what}" if part.alike else f"{count} nodes: {what}, first at {first}"


def surplus(part: Surplus) -> str:
    """`stage3.block5: only in A, 8 nodes`."""
    first, last, places, count = part.scopes[0], part.scopes[-1], len(part.scopes), len(part.nodes)
    nodes = f"{count} node{'s' * (count != 1)}"
    if places == 1:
        return f"{first}: only in {part.side}" + (f", {nodes}" if part.nodes != (first,) else "")
    if part.nodes == part.scopes:
        return f"{nodes} like {first}: only in {part.side}"
    one_stage = len({scope.rpartition(".")[0] for scope in part.scopes}) == 1
    where = f"{first} to {last}" if one_stage else f"{places} places like {first}"
    return f"{where}: only in {part.side}, {nodes}"


def weights(findings: Findings) -> Iterator[str]:
    """How many tensors differ, by how much, and which is the first."""
    found = findings.weights
    if found.reason:
        yield f"not compared: {found.reason}"
    for name, count in zip("AB", found.alone, strict=True):
        if count:
            yield f"{count} tensor{'s' * (count != 1)} only in {name}"
    for name, a, b in found.reshaped[:SHOWN]:
        yield f"{name}: shape {_shape(a)} against {_shape(b)}"
    if len(found.reshaped) > SHOWN:
        yield f"and {len(found.reshaped) - SHOWN} more tensors of other shapes"
    if found.differing:
        first, by = found.differing[0]
        worst, most = found.largest
        several = f", first {first}, by {number(by)}, most {worst}, by {number(most)}"
        one = f": {first}, by {number(by)}"
        yield f"{len(found.differing)} of {found.common} tensors differ{one if len(found.differing) == 1 else several}"
    elif found.common:
        yield "equal" if not found.differs else f"the {found.common} tensors that both have are equal"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def values(findings: Findings) -> Iterator[str]:
    """What was run, the first node that parts with the error before and after it, and the logits."""
    found, a, b = findings.values, findings.a, findings.b
    if not found.precision:
        yield f"not compared: {found.reason}"
        return
    runs = f"A in {title_of(a.framework)}, B in {title_of(b.framework)}"
    yield f"{found.images} images in {found.precision}, {runs}, {found.weights}"
    if found.first:
        yield _parting(findings)
    elif found.nodes:
        yield f"all {len(found.nodes)} nodes agree to {_largest(found)} of their magnitude (limit {found.limit:.0e})"
    elif found.kept:
        yield "no node can be compared by its name"
    elif a.graph is not None and b.graph is not None:
        yield "no node is compared: their values would take too much memory"
    if found.logits is None:
        yield f"the logits cannot be compared: {found.reason}"
    else:
        unit = "spread" if found.precision == "float32" else "magnitude"
        agree = "agree to" if found.logits <= found.limit else "differ by"
        yield f"the logits {agree} {number(found.logits)} of their {unit} (limit {found.limit:.0e})"
    if found.alone:
        yield from _with_one_set_of_weights(found.alone)


def _with_one_set_of_weights(found: ValueFindings) -> Iterator[str]:
    """Whether the weights alone make the difference."""
    if found.first is None:
        yield f"with the weights of A in both, all nodes agree to {_largest(found)}: only the weights differ"
    else:
        yield f"with the weights of A in both, they first part at '{found.first.node}', by {number(found.first.value)}"


def _largest(found: ValueFindings) -> str:
    return number(max(part.value for part in found.nodes))


def _parting(findings: Findings) -> str:
    found = findings.values.first
    assert found is not None
    shapes = [side.graph.shapes[found.node] for side in (findings.a, findings.b) if side.graph is not None]
    if len(set(shapes)) > 1:
        after = f"its shape is {_shape(shapes[0])} against {_shape(shapes[1])}"
    else:
        after = f"{number(found.value)} of its magnitude after it"
    return (
        f"they first part at '{found.node}' ({found.kind.replace('_', ' ')}): {number(found.before)} before it, {after}"
    )
