"""A record in words and as facts."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from diptych.machine import describe_machine, describe_versions
from netspec.compare import limits
from parity.frameworks import PACKAGES
from parity.json_text import json_text
from parity.lockstep.judge import Finding
from parity.lockstep.record import JudgedStep, Record
from parity.lockstep.stages import STAGES
from parity.titles import TITLES
from trainspec.trainer import LOWER_RATE


def line_of(step: int, steps: int, judged: JudgedStep | None) -> str:
    """A step in one line."""
    if judged is None:
        return f"step {step} of {steps}"
    losses = " | ".join(f"{loss:.4f}" for loss in judged.losses.values())
    exact = max(judged.differences.values(), default=0.0)
    share = max((error.share for found in judged.shares.values() for _, error in found.values()), default=0.0)
    return (
        f"step {step} of {steps}   loss {losses}   float64 {exact:.1e}   rounding {100 * share:.0f} %   "
        f"drift {judged.drift.get('weights', 0.0):.1e}"
    )


def lines(record: Record) -> Iterator[str]:
    """The table at the end, and the verdict."""
    precision = record.task.recipe.precision
    yield f"{'stage':<16} {'float64':>9}   {precision} error as a share of what rounding explains"
    for stage in (*STAGES, "update by NumPy"):
        exact = [one.differences[stage] for one in record.judged if stage in one.differences]
        parts = [f"{max(exact):>9.1e}" if exact else f"{'-':>9}"]
        for name, title in TITLES.items():
            found = [one.shares[name][stage] for one in record.judged if stage in one.shares.get(name, {})]
            if found:
                tensor, error = max(found, key=lambda item: item[1].share)
                parts.append(f"{title} {100 * error.share:.0f} % ({tensor})")
        yield f"{stage:<16} {'   '.join(parts)}"
    yield f"drift            {', '.join(f'{part} {value:.1e}' for part, value in record.drift.items())}"
    if record.unjudged:
        yield f"not judged       gradient below the floor: {', '.join(sorted(record.unjudged))}"
    for finding, count in first_findings(record):
        yield f"{finding}" + (f"; so in {count} judged steps" if count > 1 else "")
    told = "every step" if record.every == 1 else f"one step in {record.every}, from the first on"
    counted = f"{record.steps} steps in {record.seconds:.0f} s, {told} judged"
    rounding = (
        "rounding explains every step"
        if record.judges_rounding
        else f"only the float64 steps were judged: in {precision} rounding may explain any step on so many pixels"
    )
    formulas = any(finding.formula for finding in record.findings)
    if formulas:
        yield f"DIFFERENT: a formula differs ({counted})"
    elif record.findings:
        yield f"DIFFERENT: no formula differs, but rounding does not explain a step ({counted})"
    elif record.diverged:
        yield (
            f"NOT SAID: in step {record.diverged} the loss or the weights became NaN or infinite; until then no "
            f"formula differs, and {rounding}; {LOWER_RATE} ({counted})"
        )
    else:
        yield f"EQUAL: no formula differs, and {rounding} ({counted})"


def first_findings(record: Record) -> list[tuple[Finding, int]]:
    """The first finding of each stage between each two, and in how many steps there is one."""
    first: dict[Any, list[Finding]] = {}
    for finding in record.findings:
        first.setdefault((finding.stage, finding.between, finding.formula), []).append(finding)
    return [(found[0], len(found)) for found in first.values()]


def as_json(record: Record) -> str:
    """All figures, as JSON."""
    task = record.task
    return json_text(
        {
            "status": record.status,
            "network": task.graph.name,
            "graph_digest": task.graph.digest,
            "data": task.data.label,
            "recipe": task.recipe_name,
            "seed": task.recipe.seed,
            "precision": task.recipe.precision,
            "steps": record.steps,
            "judged_every": record.every,
            "diverged_in_step": record.diverged,
            "seconds": round(record.seconds, 1),
            "limits": asdict(limits()),
            "findings": [asdict(finding) for finding in record.findings],
            "not_judged": sorted(record.unjudged),
            "rounding_judged": record.judges_rounding,
            "drift": record.drift,
            "judged": [_facts(one) for one in record.judged],
            "machine": describe_machine(),
            "versions": describe_versions(name for names in PACKAGES.values() for name in names),
        },
    )


def _facts(one: JudgedStep) -> dict[str, Any]:
    shares = {
        name: {stage: {"tensor": tensor, **asdict(error)} for stage, (tensor, error) in found.items()}
        for name, found in one.shares.items()
    }
    return {
        "step": one.step,
        "losses": one.losses,
        "float64": one.differences,
        "rounding": shares,
        "drift": one.drift,
    }
