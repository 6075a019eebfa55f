"""The pipe between `lockstep` and the two processes, each of which has one framework."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from diptych.pool import Worker
from netspec.init import Weights
from parity.lockstep.side import Setup, Side, Taken

_SIDES: list[Side] = []  # in a process of a framework: its side


def begin(setup: Setup) -> None:
    _SIDES[:] = [Side(setup)]


def state(_: None) -> Weights:
    return _SIDES[0].state()


def advance(_: None) -> float:
    return _SIDES[0].advance()


def judge(common: Weights | None) -> Taken:
    return _SIDES[0].judge(common)


class Pair:
    """Both sides, each in a process of its own, that work at the same time."""

    def __init__(self, setups: Mapping[str, Setup]) -> None:
        self.workers = {name: Worker(setup.threads, most=None) for name, setup in setups.items()}
        self._threads = ThreadPoolExecutor(len(setups))
        self._setups = setups

    def __enter__(self) -> Self:
        try:
            self.call(begin, self._setups)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *raised: object) -> None:
        """Stop the processes at once."""
        for worker in self.workers.values():
            worker.stop()
        self._threads.shutdown()

    def call(self, function: Callable[[Any], Any], items: Mapping[str, Any]) -> dict[str, Any]:
        """What `function` returns on each side for its item. Raises what it raises."""
        futures = {
            name: self._threads.submit(worker.call, function, items[name]) for name, worker in self.workers.items()
        }
        return {name: future.result() for name, future in futures.items()}
