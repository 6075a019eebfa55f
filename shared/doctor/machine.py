"""Cores, memory and room on disks, with the limits of a container or a batch job."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from deploy import cgroups
from deploy.machine import memory_gib
from diptych.errors import DiptychError
from diptych.machine import cores, describe_machine, free_bytes
from doctor.data import MOVE_CACHE
from doctor.finding import Finding, gigabytes, quoted
from doctor.folders import nearest, unusable
from doctor.place import Place
from trainspec.data.cache import cache_folder

MEMORY = 2 << 30  # bytes: what a framework takes to train a small network, and some for the images
ROOM = 1 << 30  # bytes: CIFAR-10 packed and decoded, or a run of a large network with its checkpoints
FILES = 1000
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


def check(place: Place) -> Iterator[Finding]:
    """The machine, then each of its limits."""
    found = describe_machine()
    yield Finding("machine", f"{found['cpu']}, {found['os']}, {found['memory_gib']} GiB", facts=found)
    yield of_cores()
    yield from of_threads()
    yield of_memory()
    for what, folder, move in folders(place):
        yield of_room(what, folder, move)


def of_cores() -> Finding:
    """How many cores this process may use, and what limits it."""
    present, usable, share = os.cpu_count() or 1, cores(), cgroups.cores()
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else present
    limits = [f"its control group allows {share:g}"] * (share < present)
    limits += [f"its affinity allows {allowed}"] * (allowed < present)
    text = f"{usable} of {present} may be used" + "".join(f"; {limit}" for limit in limits)
    group = share if share < present else None
    facts = {"present": present, "usable": usable, "control_group": group, "affinity": allowed}
    if usable > 1:
        return Finding("cores", text, facts=facts)
    remedy = "give it more: docker run --cpus=4, sbatch --cpus-per-task=4, or taskset -c 0-3"
    return Finding("cores", text, remedy if limits else "train on a machine with more cores", facts)


def of_threads() -> Iterator[Finding]:
    """The variables that limit the threads of numerical libraries."""
    for name in VARIABLES:
        if (value := os.environ.get(name)) is not None:
            low = value.isdecimal() and 0 < int(value) < cores()
            yield Finding("threads", f"{name} is {value}{'; training and deploy set their own threads' * low}")


def of_memory() -> Finding:
    """The memory that this process may still use."""
    free, group = max(0, free_bytes()), max(0, cgroups.free_memory())  # a group may be beyond its limit
    limits = group < memory_gib() * 2**30  # version 1 of control groups has a number for "no limit"
    limit = f"; its control group has {gigabytes(group)} left" if limits else ""
    text, facts = f"{gigabytes(free)} may be used{limit}", {"free_bytes": free}
    if free >= MEMORY or not memory_gib():  # without it, nobody knows what is free
        return Finding("memory", text, facts=facts)
    remedy = f"end other programs, or give the container more than {gigabytes(MEMORY)} (docker run -m 4g)"
    return Finding("memory", text, remedy, facts)


def folders(place: Place) -> Iterator[tuple[str, Path, str]]:
    """The folders that are written to: what for, where, and how to choose another one."""
    yield "runs", Path.cwd() / "runs", "or give --out another folder"
    yield "temporary", Path(tempfile.gettempdir()), "or set TMPDIR to another folder"
    with suppress(DiptychError):  # `caches` says so
        yield "cache", cache_folder(), MOVE_CACHE
    if place.is_checkout or place.environments != place.root / ".nox":  # the latter by --environments
        yield "environments", place.environments, "or move the checkout"


def of_room(what: str, folder: Path, move: str) -> Finding:
    """The room for files in a folder, and whether it can be written. A folder that is missing would be made."""
    subject = f"room for {what}"
    try:
        there = nearest(folder)
        usage, system = shutil.disk_usage(there), os.statvfs(there)
    except OSError as error:
        return unusable(subject, error, move)
    facts = {"folder": str(folder), "free_bytes": usage.free}
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding(subject, f"{there} is not writable", f"chmod u+wx {quoted(there)}, {move}", facts)
    text = f"{gigabytes(usage.free)} free at {folder}"
    if usage.free < ROOM:
        return Finding(subject, text, f"free {gigabytes(ROOM - usage.free)} there, {move}", facts)
    if system.f_files and system.f_favail < FILES:
        return Finding(subject, f"only {system.f_favail} more files at {folder}", f"remove files there, {move}", facts)
    return Finding(subject, text, facts=facts)
