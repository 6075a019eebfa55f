"""Trains every network in turn. Rows are stored one by one, so a stopped or killed run can resume."""

import time
from collections.abc import Sequence
from pathlib import Path

from diptych.files import write_bytes
from diptych.machine import describe_versions
from diptych.pool import Pool, ProcessEndedError
from netspec import list_architectures
from netspec.registry import matching
from parity.train_all.display import Display
from parity.train_all.frameworks import PACKAGES, load
from parity.train_all.job import INTRO, Job
from parity.train_all.rows import Row, described, ledger, newest, to_markdown


def train(job: Job) -> Row:
    """Do a job in this process and return its row."""
    return job.train(load(job.framework))


def train_all(framework: str, pool: Pool[Job, Row], patterns: Sequence[str], out: Path) -> int:
    """Train all networks that match (without a pattern, all) and have no passed row yet. `out` gets rows and table.

    Returns an exit status. Raises `UnknownNameError` for a pattern that matches nothing.
    """
    names = matching(patterns or ["*"], list_architectures())
    kept, versions, display = ledger(out), describe_versions(PACKAGES[framework]), Display(framework, len(names))
    rows, passed = kept.rows(), 0
    try:
        with display:
            for name in names:
                display.turn_of(name)
                job = Job.of(name, framework, versions)
                fingerprint = job.fingerprint
                row = rows.get(fingerprint)
                if row is None or not row.passed:
                    row = _trained(job, pool)
                    kept.add(fingerprint, row)
                    display.say(described(row))
                passed += row.passed
    except KeyboardInterrupt:
        display.say(f"stopped at {display.place}; the same command goes on from there")
        raise
    finally:  # read the file again: another command may have added to it
        write_bytes(out / "train_all.md", to_markdown(newest(kept), list_architectures(), INTRO).encode())
    display.say(f"{framework}: {passed} of {len(names)} networks passed; the table is {out / 'train_all.md'}")
    return 0 if passed == len(names) else 1


def _trained(job: Job, pool: Pool[Job, Row]) -> Row:
    """The row of a job. If its process ended, the job has failed."""
    begin = time.monotonic()
    ((_, done),) = pool.each([job])
    try:
        return done.result()
    except ProcessEndedError as error:
        return job.row((), str(error), seconds=time.monotonic() - begin)
