"""The limits of a container or batch job, from Linux control groups, versions 1 and 2. Standard library only."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def free_memory() -> float:
    """Bytes that this process's group and the groups that contain it may still use; inf if unlimited.

    File pages that the kernel can drop count as free.
    """
    names = (
        ("memory.max", "memory.current", "inactive_file"),
        (
            "memory.limit_in_bytes",
            "memory.usage_in_bytes",
            "total_inactive_file",
        ),
    )
    return min(
        (
            limit - used + _numbers(group / "memory.stat").get(droppable, 0)
            for group in _groups("memory")
            for maximum, current, droppable in names
            if (limit := _number(group / maximum)) is not None and (used := _number(group / current)) is not None
        ),
        default=math.inf,
    )


def usable_cores() -> int:
    """How many cores this process may use, by its affinity and by the limits of its container; at least 1."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(count, cores())))


def cores() -> float:
    """How many cores' worth of time the group of this process may use; inf if unlimited."""
    shares = []
    for group in _groups("cpu"):
        words = _text(group / "cpu.max").split()
        quota, period = words if len(words) == 2 else (_text(group / f"cpu.cfs_{n}_us") for n in ("quota", "period"))
        if quota.strip().isdecimal() and period.strip().isdecimal() and int(period) > 0:
            shares.append(int(quota) / int(period))
    return min(shares, default=math.inf)


def _groups(controller: str) -> Iterator[Path]:
    """The folders of this process's groups, innermost first; in a container some may not exist."""
    mounted = ROOT / "sys" / "fs" / "cgroup"
    for line in _text(ROOT / "proc" / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2; next to version 1 it is mounted in its own folder
            tops = [mounted, mounted / "unified"]
        elif controller in controllers.split(","):
            tops = [mounted / controllers, mounted / controller]
        else:
            continue
        for top in tops:
            inside = top / path.lstrip("/")
            yield from (folder for folder in (inside, *inside.parents) if folder.is_relative_to(top))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeError):
        return ""


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None


def _numbers(path: Path) -> dict[str, int]:
    """The numbers by name in a file of lines `name number`."""
    pairs = (line.split() for line in _text(path).splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}
