"""Trains networks in a process of its own, which is replaced when it has grown.

TensorFlow keeps about 0.2 MB for every node of every graph that was traced, and far more of what XLA compiled; over
all networks that is more than a machine has. And a network that the operating system ends for want of memory takes
only this process with it.
"""

import signal
import time
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Self

from diptych.machine import used_bytes
from trainspec.few_steps import Job
from trainspec.runs.few_steps import Row

GROWN = 3 * 2**30  # bytes


class Worker:
    """Call it with a job to have its row. `module` has a function `framework`; it is imported in the process only."""

    def __init__(self, module: str) -> None:
        self.module = module
        self._process: SpawnProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop()

    def __call__(self, job: Job) -> Row:
        if self._process is None:
            self._process, self._connection = self._start()
        begin = time.monotonic()
        try:
            self._connection.send(job)
            row, memory = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            reason = f"the process ended ({describe_exit(self._process.exitcode)})"
            row, memory = job.row((), reason, time.monotonic() - begin), GROWN
        if memory >= GROWN:
            self._stop()
        return row

    def _start(self) -> tuple[SpawnProcess, Connection]:
        context = get_context("spawn")  # a fork would share threads and locks with this process
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self.module), daemon=True)
        process.start()
        theirs.close()  # so that the end of the process is the end of the pipe
        return process, ours

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def serve(connection: Connection, module: str) -> None:
    """Answer jobs with rows and the memory in use, until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that shows something
    framework = import_module(module).framework()
    while True:
        try:
            job: Job = connection.recv()
            connection.send((job.train(framework), used_bytes() or 0))
        except (EOFError, OSError):
            return


def describe_exit(status: int | None) -> str:
    if status == -signal.SIGKILL:
        return "killed, as for want of memory"
    return signal.strsignal(-status) or "a signal" if status and status < 0 else f"status {status}"
