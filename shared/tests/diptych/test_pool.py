import os
import signal
import time

import pytest

from diptych.errors import RecipeError
from diptych.pool import Pool, ProcessEndedError, Worker


def double(number):
    return 2 * number


def fail(number):
    if number == 1:
        raise RecipeError("one is refused")
    return number


class UnpicklableError(Exception):
    def __init__(self, one, two):
        super().__init__("said")


def cannot_travel(number):
    raise UnpicklableError(1, 2)


def die(number):
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def sleep(number):
    time.sleep(100)


@pytest.mark.parametrize("jobs", [1, 3])
def test_results_come_in_order(jobs):
    with Pool(double, jobs) as pool:
        assert [(item, done.result()) for item, done in pool.each(range(7))] == [(item, 2 * item) for item in range(7)]


def test_what_is_raised_is_raised_here_and_the_others_have_their_turn():
    with Pool(fail) as pool:
        (_, zero), (_, one), (_, two) = pool.each(range(3))
    assert (zero.result(), two.result()) == (0, 2)
    with pytest.raises(RecipeError, match="^one is refused$"):
        one.result()
    with Pool(cannot_travel) as pool:
        ((_, done),) = pool.each([0])
    with pytest.raises(RuntimeError, match="UnpicklableError: said"):
        done.result()


def test_a_process_that_ends_costs_its_own_piece_only():
    with Pool(die) as pool:
        (_, first), (_, second), (_, third) = pool.each(range(3))
    with pytest.raises(ProcessEndedError, match=r"the process ended \(killed, perhaps because memory ran out\)"):
        second.result()
    assert first.result() != third.result()


def test_a_process_that_has_grown_is_replaced(monkeypatch):
    with Pool(die) as pool:
        (_, first), (_, second) = pool.each([0, 2])
        assert first.result() == second.result()
    monkeypatch.setattr("diptych.pool.GROWN", 1)
    with Pool(die) as pool:
        (_, first), (_, second) = pool.each([0, 2])
    assert first.result() != second.result()


def test_leaving_ends_the_processes_at_once():
    begin = time.monotonic()
    with Pool(sleep, 2) as pool:
        found = pool._threads.submit(lambda: list(pool.each([1])))
        time.sleep(1)
    assert time.monotonic() - begin < 30
    assert all(worker._process is None for worker in pool._workers)
    del found


def test_a_process_does_not_start_after_the_end():
    worker = Worker(None)
    worker.stop()
    with pytest.raises(ProcessEndedError, match="before it began"):
        worker.call(double, 1)
    assert worker._process is None


def test_an_interrupted_call_costs_its_process(monkeypatch):
    """The next call would receive the answer of this one."""
    worker = Worker(None)
    assert worker.call(double, 1) == 2
    monkeypatch.setattr(worker, "_connection", Interrupted(worker._connection))
    with pytest.raises(KeyboardInterrupt):
        worker.call(double, 2)
    assert worker.call(double, 3) == 6
    worker.stop()


class Interrupted:
    """A connection whose answer is interrupted by Ctrl-C."""

    def __init__(self, connection):
        self.send = connection.send

    def recv(self):
        raise KeyboardInterrupt
