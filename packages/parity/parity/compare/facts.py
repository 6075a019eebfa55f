"""A comparison for programs: every figure of its page, as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from deploy.intervals import LEVEL
from parity.compare.comparison import Absent, Comparison, Pair
from parity.compare.figures import Figure
from parity.compare.proof import Proof
from parity.compare.selection import Side
from parity.compare.verdict import sentences, tone
from parity.json_text import json_text

SCHEMA = 1
KEPT = ("command", "architecture", "data_label", "recipe", "device", "precision", "threads", "started", "status")


def facts(
    comparison: Comparison,
    figures: Sequence[Figure],
    proofs: Sequence[Proof],
    folders: Sequence[str],
    missing: Sequence[str],
) -> Any:
    """All figures. `folders` are the paths of the runs from the page, `missing` sentences on what was not computed."""
    answers, timed = comparison.answers, comparison.latencies
    apart = () if isinstance(answers, Absent) else answers.apart
    return {
        "schema": SCHEMA,
        "level": round(100 * LEVEL),
        "verdict": sentences(comparison),
        "tone": tone(comparison),
        "runs": [_run(side, folder) for side, folder in zip(comparison.sides, folders, strict=True)],
        "figures": {figure.name: _figure(figure) for figure in figures},
        "parity": [asdict(proof) for proof in proofs],
        "pairs": [_pair(pair) for pair in comparison.pairs],
        "scores": asdict(answers) if isinstance(answers, Absent) else [one.fields() for one in answers.scores],
        "disagreements": None if isinstance(answers, Absent) else len(apart),
        "disagreeing_images": [
            {
                "image": int(number),
                "truth": answers.classes[answers.split.labels[number]],
                "answers": [answers.classes[predictions[number]] for predictions in answers.predictions],
            }
            for number in apart
            if not isinstance(answers, Absent)
        ],
        "latency": asdict(timed)
        if isinstance(timed, Absent)
        else [{"batch": row.batch, "timings": [timing.fields() for timing in row.timings]} for row in timed],
        **{precision: asdict(short) for precision, short in comparison.short.items()},
        "missing": list(missing),
    }


def as_json(table: Any) -> str:
    """`facts` as text. A number that is not finite is null."""
    return json_text(table, ascii_only=False) + "\n"


def _run(side: Side, folder: str) -> dict[str, Any]:
    kept = {key: side.facts.get(key) for key in KEPT}
    return {
        "letter": side.letter,
        "framework": side.facts["framework"],
        "folder": folder,
        "digest": side.graph.digest,
        **kept,
        "machine": side.facts.get("machine"),
        "versions": side.facts.get("versions"),
        "epochs": [asdict(epoch) for epoch in side.run.metrics],
    }


def _figure(figure: Figure) -> dict[str, Any]:
    cells = figure.cells
    return {
        "title": figure.title,
        "values": [cell.value for cell in cells],
        "sources": [cell.source for cell in cells],
        "reasons": [cell.reason for cell in cells],
    }


def _pair(pair: Pair) -> dict[str, Any]:
    test = pair.difference
    extra = {} if isinstance(test, Absent) else {"significant": test.significant, "most": test.most}
    accuracy = asdict(test) | extra
    return {
        "a": pair.a.letter,
        "b": pair.b.letter,
        "settings": pair.settings,
        "agreement": asdict(pair.agreement),
        "accuracy": accuracy,
    }
