"""Trains every case in turn. Rows are stored one by one, so a stopped or killed run can resume."""

import time
from collections.abc import Sequence
from pathlib import Path

from deploy.files import write_bytes
from deploy.shell import say
from diptych.errors import UsageError
from diptych.machine import describe_versions
from diptych.pool import Pool, ProcessEndedError
from netspec.registry import matching
from parity.frameworks import FRAMEWORKS, PACKAGES, load
from parity.train_all.cases import CASES, MODERN
from parity.train_all.display import Display
from parity.train_all.job import JUDGEMENT, Job
from parity.train_all.rows import Row, described, ledger, newest, parted, to_markdown
from trainspec.data import digits, find_data


def train(job: Job) -> Row:
    """Do a job in this process and return its row."""
    return job.train(load(job.framework))


def train_all(
    framework: str,
    pool: Pool[Job, Row],
    patterns: Sequence[str],
    out: Path,
    recipe: str = MODERN,
    data: str | None = None,
) -> int:
    """Train all cases that match (without a pattern, all) and have no passed row yet. `out` gets rows and table.

    `recipe`: of which collection. The cases of `modern` are networks, those of `original` are its recipes, which are
    trained on the data set that `data` names, by default the digits. Returns an exit status. Raises `UnknownNameError`
    for a pattern that matches nothing, `UsageError` for `data` without an effect.
    """
    if data is not None and recipe == MODERN:
        raise UsageError("--data: modern recipes take their few steps on the digits; add --recipe original")
    collection, stem = CASES[recipe], "train_all" if recipe == MODERN else f"train_all_{recipe}"
    names, found = matching(patterns or ["*"], collection.names()), find_data(data or digits.NAME, notice=say)
    kept, versions, display = ledger(out, stem), describe_versions(PACKAGES[framework]), Display(framework, len(names))
    rows, passed, trained = kept.rows(), 0, set()
    table = out / f"{stem}.md"
    try:
        with display:
            for name in names:
                display.turn_of(name)
                job = Job(collection.case(name, found), framework, versions)
                fingerprint = job.fingerprint
                row = rows.get(fingerprint)
                if row is None or not row.passed:
                    row = _trained(job, pool)
                    kept.add(fingerprint, row)
                    trained.add(name)
                    display.say(described(row))
                passed += row.passed
    except KeyboardInterrupt:
        display.say(f"stopped at {display.place}; the same command goes on from there")
        raise
    finally:  # read the file again: another command may have added to it
        intro = f"{collection.intro}\n{JUDGEMENT}"
        text = to_markdown(newest(kept, found.label), collection.names(), collection.title, intro, collection.columns)
        write_bytes(table, text.encode())
    apart = parted(newest(kept, found.label), names)
    if framework != FRAMEWORKS[-1]:  # the next one judges what was trained anew here: its own rows may be old
        apart = [name for name in apart if name not in trained]
    differ = f"; other weights or plans in the other framework: {', '.join(apart)}" if apart else ""
    display.say(f"{framework}: {passed} of {len(names)} passed; the table is {table}{differ}")
    return 0 if passed == len(names) and not apart else 1


def _trained(job: Job, pool: Pool[Job, Row]) -> Row:
    """The row of a job. If its process ended, the job has failed."""
    begin = time.monotonic()
    ((_, done),) = pool.each([job])
    try:
        return done.result()
    except ProcessEndedError as error:
        return job.row((), str(error), seconds=time.monotonic() - begin)
