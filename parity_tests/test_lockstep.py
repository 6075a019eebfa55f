"""`lockstep` has no false alarm, and names the step, the stage and the framework of a fault that is planted."""

import json
import subprocess
import sys
from dataclasses import replace
from io import BytesIO

import pytest

from netspec.reduce import reduced
from parity.lockstep import Fault, lockstep
from parity.lockstep.plot import draw_lockstep
from parity.lockstep.report import as_json, lines
from parity.mutants.step_faults import STEP_FAULTS
from parity.noise_task import RECIPE, noise_task
from trainspec.recipes import override
from trainspec.task import Task

SLACK = 3  # steps after which a fault has to be caught


def small(seed: int = 0, epochs: float = 5) -> Task:
    """A reduced ResNet-20 on images of noise, with a rate that changes in every step. An epoch has two steps."""
    recipe = override(replace(RECIPE, precision="fp32", batch=8, epochs=epochs, seed=seed), {"schedule.kind": "cosine"})
    return noise_task(reduced("resnet20"), recipe)


def planted(name: str, framework: str, step: int) -> Fault:
    return Fault(framework, STEP_FAULTS[name].plants[framework], step)


def test_no_alarm_before_two_faults_and_both_named_after() -> None:
    record = lockstep(
        small(), 4, faults=(planted("momentum sense", "torch", 3), planted("biased variance", "keras", 4))
    )
    assert not [str(finding) for finding in record.findings if finding.step < 3]
    formulas = [finding for finding in record.findings if finding.formula]
    places = [(finding.step, finding.stage, finding.between) for finding in formulas]
    assert places == [
        (3, "update", ("torch", "numpy")),
        (4, "update", ("torch", "numpy")),
        (4, "statistics", ("torch", "keras")),
    ]
    assert record.status == 1
    facts = json.loads(as_json(record))
    assert [one["step"] for one in facts["judged"]] == [1, 2, 3, 4]
    assert facts["judged"][0]["drift"]["weights"] == 0 < facts["drift"]["weights"]
    assert "DIFFERENT: a formula differs" in list(lines(record))[-1]
    picture = BytesIO()
    draw_lockstep(picture, record)
    assert b"<svg" in picture.getvalue()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--steps", "0"), "at least 1"),
        (("--budget", "1m"), "--steps N"),
        (("--steps", "many"), "--steps"),
    ],
)
def test_what_cannot_be_done_is_refused(options: tuple[str, ...], message: str) -> None:
    command = [sys.executable, "-m", "parity", "lockstep", "lenet5", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_false_alarm(seed: int) -> None:
    record = lockstep(small(seed), 10)
    assert not record.findings, [str(finding) for finding in record.findings]


@pytest.mark.long
@pytest.mark.parametrize("step", [1, 150])
@pytest.mark.parametrize("framework", ["torch", "keras"])
@pytest.mark.parametrize("name", STEP_FAULTS)
def test_a_fault_is_named(name: str, framework: str, step: int) -> None:
    """Every step is judged: a rate that is late needs the step before, in the float64 trainer too."""
    record = lockstep(small(epochs=100), step + SLACK - 1, faults=(planted(name, framework, step),))
    assert record.findings, "not caught"
    first = record.findings[0]
    assert first.step >= step
    assert (first.stage, first.formula) == (STEP_FAULTS[name].stage, True), str(first)
