"""`lockstep` has no false alarm, and names the step, the stage and the framework of a fault that is planted."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_args

import pytest
import torch

import torch_impl.trainer
from netspec import functional as f, trace
from netspec.reduce import reduced
from parity.lockstep import Fault, lockstep
from parity.lockstep.plot import draw_lockstep
from parity.lockstep.record import Record
from parity.lockstep.report import as_json, lines
from parity.mutants.step_faults import STEP_FAULTS
from parity.noise_task import RECIPE, noise_task
from parity.numpy_update import HANDLERS
from trainspec.averages import AnyAverage
from trainspec.optim import StepSettings
from trainspec.recipes import override
from trainspec.task import Task

SLACK = 3  # steps after which a fault has to be caught
# What changes the gradients before the optimizer's update and the weights after it.
AROUND = {"optimizer.clip_norm": 0.1, "average.kind": "lookahead", "average.every": 2}


def small(seed: int = 0, epochs: float = 5, settings: Mapping[str, object] = MappingProxyType({})) -> Task:
    """A reduced ResNet-20 on images of noise, with a rate that changes in every step. An epoch has two steps."""
    recipe = replace(RECIPE, precision="fp32", batch=8, epochs=epochs, seed=seed)
    return noise_task(reduced("resnet20"), override(recipe, {"schedule.kind": "cosine", **settings}))


def planted(name: str, framework: str, step: int) -> Fault:
    return Fault(framework, STEP_FAULTS[name].plants[framework], step)


def test_no_alarm_before_two_faults_and_both_named_after() -> None:
    record = lockstep(
        small(settings=AROUND),
        4,
        faults=(planted("momentum sense", "torch", 3), planted("biased variance", "keras", 4)),
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


def coarse_gradients() -> None:
    """PyTorch's gradients in float32 keep the digits of bfloat16 alone."""
    right = torch_impl.trainer.Trainer.update

    def update(self: Any, gradients: Sequence[torch.Tensor], now: StepSettings) -> None:
        single = gradients[0].dtype == torch.float32
        right(self, [gradient.bfloat16().float() for gradient in gradients] if single else gradients, now)

    torch_impl.trainer.Trainer.update = update


def test_what_no_state_explains_is_named() -> None:
    """Its formulas are right, so nothing but the error of the own step can tell."""
    record = lockstep(small(), 2, faults=(Fault("torch", coarse_gradients, 2),))
    found = [(finding.step, finding.stage, finding.between, finding.formula) for finding in record.findings]
    assert found == [(2, "update", ("torch", "fp32"), False)]


def broken_weights() -> None:
    """PyTorch's update leaves NaN in its own step, not in the float64 one."""
    right = torch_impl.trainer.Trainer.update

    def update(self: Any, gradients: Sequence[torch.Tensor], now: StepSettings) -> None:
        single = gradients[0].dtype == torch.float32
        right(self, [gradient * float("nan") for gradient in gradients] if single else gradients, now)

    torch_impl.trainer.Trainer.update = update


@pytest.mark.parametrize("every", [1, 2])
def test_a_training_that_diverges_alone_ends_the_session_with_a_record(every: int) -> None:
    record = lockstep(small(), 5, every=every, faults=(Fault("torch", broken_weights, 2),))
    assert record.diverged == 3
    assert [finding.step for finding in record.findings] == ([2] if every == 1 else [])
    assert json.loads(as_json(record))["diverged_in_step"] == 3


@pytest.mark.parametrize(
    ("precision", "words"), [("fp32", "rounding explains every step"), ("bf16", "only the float64")]
)
def test_a_precision_too_coarse_for_a_verdict_says_so(precision: str, words: str) -> None:
    """Of so many pixels in bfloat16, rounding may be more than a sum of them."""
    graph = trace("large", (3, 64, 64), lambda x: f.linear(f.flatten(x), 5, name="fc"))
    record = Record(noise_task(graph, replace(RECIPE, precision=precision, batch=8)), 1, 1)
    assert words in list(lines(record))[-1]
    assert json.loads(as_json(record))["rounding_judged"] == (precision == "fp32")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--steps", "0"), "at least 1"),
        (("--budget", "1m"), "--budget"),
        (("--steps", "many"), "--steps"),
        (("--set", "optimizer.kind=muon", "--set", "optimizer.bfloat16=true"), "optimizer.bfloat16=false"),
    ],
)
def test_what_cannot_be_done_is_refused(options: tuple[str, ...], message: str) -> None:
    command = [sys.executable, "-m", "parity", "lockstep", "lenet5", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


def test_a_training_that_diverges_is_not_judged_any_further(tmp_path: Path) -> None:
    """Its record is written. A formula that differs before it would still be found."""
    options = ["--steps", "4", "--set", "batch=16", "--set", "schedule.peak=1e30", "--out", str(tmp_path)]
    command = [sys.executable, "-m", "parity", "lockstep", "lenet5", "--data", "digits", *options]
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (2, "")
    assert "NOT SAID: in step 2 the loss or the weights became NaN or infinite; until" in done.stdout
    one, other = tmp_path.glob("lenet5-digits-2*")  # a folder of its own for each
    facts, again = (json.loads((folder / "lockstep.json").read_text()) for folder in (one, other))
    assert facts["judged"] == again["judged"]
    assert (facts["diverged_in_step"], facts["findings"], len(facts["judged"])) == (2, [], 1)


@pytest.mark.long
@pytest.mark.parametrize("average", [kind.kind for kind in get_args(AnyAverage)])
@pytest.mark.parametrize("optimizer", HANDLERS)
def test_no_false_alarm_in_any_update(optimizer: str, average: str) -> None:
    kinds = {"optimizer.kind": optimizer, "average.kind": average, "accumulate": 2}
    record = lockstep(small(settings={**AROUND, **kinds}), 5)
    assert not [finding for finding in record.findings if finding.formula], [str(one) for one in record.findings]


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
