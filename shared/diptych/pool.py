"""Processes that work through a list. Each is replaced when its memory has grown too much.

TensorFlow keeps about 0.2 MB for every node of every traced graph, and far more for what XLA compiled. Over all
networks that exceeds the memory of a machine. If the operating system kills a process because memory runs out, only the
item that it was working on is lost.
"""

import atexit
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue
from types import ModuleType
from typing import Any, Generic, Self, TypeVar

from diptych.errors import DiptychError
from diptych.machine import cores, used_bytes
from diptych.stopping import SIGNALS

Item = TypeVar("Item")
Result = TypeVar("Result")

GROWN = 3 * 2**30  # bytes


class ProcessEndedError(DiptychError):
    """The process ended before the result was ready."""


class Pool(Generic[Item, Result]):
    """`jobs` processes that call `function`, which they must be able to import, on one item after another."""

    def __init__(self, function: Callable[[Item], Result], jobs: int = 1) -> None:
        self.function = function
        self._threads = ThreadPoolExecutor(jobs)
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        self._workers = [Worker(max(1, cores() // jobs) if jobs > 1 else None, GROWN) for _ in range(jobs)]
        for worker in self._workers:
            self._idle.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        """Stop the processes at once, even in the middle of an item."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.stop()
        self._threads.shutdown()

    def each(self, items: Iterable[Item]) -> Iterator[tuple[Item, Future[Result]]]:
        """Each item in order, when its work is done; `result()` returns the result or raises the error.

        Errors of the function are raised again; `ProcessEndedError` means that its process ended.
        """
        futures = [(item, self._threads.submit(self._call, item)) for item in items]
        for item, future in futures:
            future.exception()  # waits
            yield item, future

    def _call(self, item: Item) -> Result:
        worker = self._idle.get()
        try:
            return worker.call(self.function, item)
        finally:
            self._idle.put(worker)


class Worker:
    """One process, started by its first call. `threads` is how many its libraries may use; None means all.

    A process that uses `most` bytes of memory is replaced at the next call. With None it is kept, with what it holds.

    The process ignores the signals that ask a command to stop (`stopping.SIGNALS`). A terminal or a scheduler sends
    them to the whole process group, and the command still needs the results to stop between two steps.
    """

    def __init__(self, threads: int | None, most: int | None = None) -> None:
        self.threads, self.most = threads, most
        self._process: SpawnProcess | None = None
        self._stopped = False
        self._changing = threading.Lock()  # `stop` is called while another thread starts the process
        atexit.register(self.stop)  # without it, multiprocessing would send SIGTERM and wait

    def call(self, function: Callable[[Any], Any], item: Any) -> Any:
        """Run `function(item)` in the process."""
        with self._changing:
            if self._stopped:
                raise ProcessEndedError("the process ended before it began")
            if self._process is None:
                self._process, self._connection = self._start()
            process = self._process
        try:
            self._connection.send((function, item))
            result, error, memory = self._connection.recv()
        except (EOFError, OSError):
            process.join()
            self._end()
            raise ProcessEndedError(f"the process ended ({describe_exit(process.exitcode)})") from None
        except BaseException:  # the next call would receive this one's answer
            self._end()
            raise
        if self.most is not None and memory >= self.most:
            self._end()
        if error is not None:
            raise error
        return result

    def _start(self) -> tuple[SpawnProcess, Connection]:
        context = get_context("spawn")  # a fork would share threads and locks with this process
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self.threads), daemon=True)
        with _STARTING, _without_main(), _signals_blocked():
            process.start()
        theirs.close()  # so that the pipe ends when the process ends
        return process, ours

    def stop(self) -> None:
        """End the process at once, even in the middle of a call. It is not started again."""
        self._stopped = True
        self._end()

    def _end(self) -> None:
        with self._changing:
            if self._process is not None:
                self._process.kill()
                self._process.join()
                self._process = None


_STARTING = threading.Lock()


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the main module from a process that starts: it would run a user's script again."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Block the signals that a process will ignore. It inherits the mask, and unblocks them when it ignores them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        resource_tracker.ensure_running()  # starts a process of Python's, and unblocks two of the signals
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def serve(connection: Connection, threads: int | None) -> None:
    """Answer calls with their results and the memory in use, until the other side closes."""
    for number in SIGNALS:  # the parent process answers them
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    if threads is not None:  # before the libraries are imported; processes that all use every core wait for one another
        limited = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
        os.environ |= dict.fromkeys(limited, str(threads))
    while True:
        try:
            function, item = connection.recv()
            connection.send((*_outcome(function, item), used_bytes() or 0))
        except (EOFError, OSError):
            return


def _outcome(function: Callable[[Any], Any], item: Any) -> tuple[Any, Exception | None]:
    try:
        return function(item), None
    except Exception as error:
        try:
            return None, pickle.loads(pickle.dumps(error))  # as the other side will receive it
        except Exception:  # many exceptions of other libraries cannot be pickled
            return None, RuntimeError(f"{type(error).__name__}: {error}")


def describe_exit(status: int | None) -> str:
    """How a process ended, in words."""
    if status == -signal.SIGKILL:
        return "killed, perhaps because memory ran out"
    return signal.strsignal(-status) or "a signal" if status and status < 0 else f"status {status}"
