"""Leads both trainings through their steps, and judges them."""

import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from diptych.machine import cores
from diptych.stopping import check
from parity.frameworks import FRAMEWORKS
from parity.lockstep import process
from parity.lockstep.fault import Fault
from parity.lockstep.judge import judge_step
from parity.lockstep.record import JudgedStep, Record, drift_of, judged_step
from parity.lockstep.side import Setup, settings_at
from trainspec.task import Task


def lockstep(
    task: Task,
    steps: int,
    *,
    every: int = 1,
    faults: Sequence[Fault] = (),
    show: Callable[[int, JudgedStep | None], None] = lambda step, judged: None,
) -> Record:
    """Train `steps` steps in both frameworks, and judge the first and every `every`-th after it.

    The common state of a judged step is that of PyTorch's training. The session ends early where this
    training diverges: from there on nothing can be judged. `faults` are planted into the frameworks' own processes.
    `show` is called after every step. Raises what a framework raises, and `Stopped` after a signal.
    """
    begin, record = time.monotonic(), Record(task, steps, every)
    threads = task.threads or max(1, cores() // len(FRAMEWORKS))
    planted = {fault.framework: fault for fault in faults}
    with process.Pair({name: Setup(name, task, threads, planted.get(name)) for name in FRAMEWORKS}) as pair:
        nothing = dict.fromkeys(FRAMEWORKS)
        for step in range(steps):
            check()
            judged = None
            if step % every == 0:
                states = pair.call(process.state, nothing)
                common = states[FRAMEWORKS[0]]
                if not all(np.isfinite(array).all() for array in common.values()):
                    record.diverged = step + 1
                    break
                taken = pair.call(process.judge, {FRAMEWORKS[0]: None, FRAMEWORKS[1]: common})
                losses = {name: one.loss for name, one in taken.items()}
                if not any(map(math.isfinite, losses.values())):
                    record.diverged = step + 1
                    break
                verdict = judge_step(step + 1, task, settings_at(task, step), common, taken)
                judged = judged_step(step + 1, verdict, taken, drift_of(states, task))
                record.judged.append(judged)
                record.unjudged |= set(taken[FRAMEWORKS[0]].unjudged)
            else:
                losses = pair.call(process.advance, nothing)
            show(step + 1, judged)
            if not math.isfinite(losses[FRAMEWORKS[0]]):  # its state is the common one of the next judged step
                record.diverged = step + 1
                break
        if not record.diverged:
            record.drift = drift_of(pair.call(process.state, nothing), task)
    record.seconds = time.monotonic() - begin
    return record
