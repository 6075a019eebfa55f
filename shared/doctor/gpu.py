"""The GPUs and their driver, as `nvidia-smi` knows them. What is really loaded, `work` finds out."""

import shutil
import subprocess
from collections.abc import Iterator

from deploy.errors import first_line
from diptych.machine import has_gpu, hides_gpus
from doctor.finding import Finding
from doctor.place import Place

QUERY = ("name", "driver_version", "memory.total", "memory.free")
SECONDS = 30.0


def check(place: Place) -> Iterator[Finding]:
    """Every GPU with its driver and its memory."""
    tool = shutil.which("nvidia-smi")
    if tool is None and not has_gpu():
        yield Finding("GPU", "none; everything is computed on the CPU")
    elif tool is None:
        yield Finding(
            "GPU",
            "there is one, but no nvidia-smi, so nox installs the builds for the CPU",
            "install the driver's tools, then rm -r .nox and run nox",
        )
    else:
        yield from by_tool(tool)


def by_tool(tool: str) -> Iterator[Finding]:
    """What `nvidia-smi` says."""
    command = [tool, f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        said, failed = done.stdout.strip(), done.returncode != 0
        reason = (done.stdout.strip() or done.stderr.strip() or f"status {done.returncode}").splitlines()[0]
    except (OSError, subprocess.TimeoutExpired) as error:
        said, failed, reason = "", True, first_line(error)
    if failed or not said:
        yield Finding("GPU", f"nvidia-smi fails: {reason}", "load or update NVIDIA's driver, or remove its tools")
        return
    for number, line in enumerate(said.splitlines()):
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(QUERY):
            continue
        name, driver, total, free = cells
        facts = dict(zip(QUERY, cells, strict=True))
        yield Finding(f"GPU {number}", f"{name}, driver {driver}, {free} of {total} free", facts=facts)
    if hides_gpus():
        yield Finding("GPU", "CUDA_VISIBLE_DEVICES hides it; without the variable, training takes it")
    elif not has_gpu():
        text = "nvidia-smi knows it, but there is no /dev/nvidia*, so training does not take it"
        yield Finding("GPU", text, "start the container with --gpus all")
