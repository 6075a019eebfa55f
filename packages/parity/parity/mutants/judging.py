"""Plants one mutant after the other and sees which check finds it, and what that check names."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isfinite

from diptych.errors import DiptychError
from netspec import Graph
from parity.check import Result, judge_logits, judge_steps, side_in_float64, training_step
from parity.frameworks import FRAMEWORKS
from parity.mutants.equal import same_function
from parity.mutants.places import Planted, drawn
from parity.subject import Subject, subject

REFUSED = "refused"  # an implementation cannot be built, or has no tensor to compare


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant.

    `killed_by`: the first check that fails; empty if none does. `where`: what it says. `named`: whether that names the
    right node, or for a training step the right stage. `equal`: the mutant computes the same function, as is proved.
    `value`: the difference that the check found.
    """

    network: str
    fault: str
    side: str
    place: str
    killed_by: str
    where: str
    named: bool
    equal: bool = False
    value: float | None = None

    @property
    def survived(self) -> bool:
        """Whether a fault was not found."""
        return not self.killed_by and not self.equal


class Judge:
    """A network. Its sound implementations are run once, so that each mutant costs one implementation."""

    def __init__(self, graph: Graph) -> None:
        self.one = subject(graph)
        sides = {name: side_in_float64(self.one, name) for name in FRAMEWORKS}
        self.logits = {name: side[0] for name, side in sides.items()}
        self.logits["onnx"] = self.one.logits("onnx", self.one.onnx())
        self.steps = {name: side[1] for name, side in sides.items()}

    def planted(self, most: int | None) -> list[Planted]:
        return drawn(self.one.graph, self.one.weights, most=most)

    def outcome(self, planted: Planted) -> Outcome:
        """Plant a mutant in its side and make the checks until one fails."""
        mutant, side = planted.mutant, planted.side
        one = replace(self.one, others={side: mutant.build})
        try:
            failed = next((result for result in self._results(one, side) if not result.passed), None)
        except DiptychError as error:
            failed = Result(REFUSED, False, "-", str(error))
        return Outcome(
            network=one.graph.name,
            fault=mutant.fault,
            side=side,
            place=mutant.node,
            killed_by=failed.check if failed else "",
            where=failed.where if failed else "",
            named=failed is not None and f"'{mutant.node}'" in failed.where,
            equal=not failed and same_function(self.one.build(side), mutant.build, inference=side not in FRAMEWORKS),
            value=failed.value if failed and failed.value is not None and isfinite(failed.value) else None,
        )

    def _results(self, one: Subject, side: str) -> Iterator[Result]:
        if side == "onnx":
            yield from judge_logits(one, self.logits | {side: one.logits(side, one.onnx())})
            return
        runner = one.framework(side, "float64")
        yield from judge_logits(one, self.logits | {side: one.logits(side, runner)})
        yield from judge_steps(one, {**self.steps, side: training_step(one, runner)})
