"""Plants the faults of a training step, and sees what `lockstep` finds."""

from collections.abc import Iterator
from dataclasses import replace

from diptych.errors import ParityError
from netspec import Graph
from parity.lockstep import Fault, Record, lockstep
from parity.mutants.judging import Outcome
from parity.mutants.step_faults import STEP_FAULTS
from parity.noise_task import RECIPE, noise_task
from trainspec.recipes import override

STEPS = 2  # a late rate shows in the second
JUDGE = "lockstep"


def step_outcomes(graph: Graph) -> Iterator[Outcome]:
    """Train `STEPS` steps for each framework and each fault that the network has a place for.

    Raises `ParityError` if there is a finding without a fault.
    """
    if findings := _trained(graph).findings:
        raise ParityError(f"{graph.name}: lockstep finds something without a fault: {findings[0]}")
    kinds = {node.op.kind for node in graph}
    for name, fault in STEP_FAULTS.items():
        if fault.needs and not fault.needs & kinds:
            continue
        for framework, plant in fault.plants.items():
            found = next(iter(_trained(graph, Fault(framework, plant)).findings), None)
            yield Outcome(
                network=graph.name,
                fault=name,
                side=framework,
                place=fault.stage,
                killed_by=JUDGE if found else "",
                where=str(found or ""),
                named=bool(found and found.formula and found.stage == fault.stage),
            )


def _trained(graph: Graph, *faults: Fault) -> Record:
    """A rate that changes in every step, in float32, as users train."""
    recipe = override(replace(RECIPE, precision="fp32", batch=8), {"schedule.kind": "cosine"})
    return lockstep(noise_task(graph, recipe), STEPS, faults=faults)
