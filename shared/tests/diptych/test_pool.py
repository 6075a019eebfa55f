import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from diptych.errors import RecipeError
from diptych.pool import Pool, ProcessEndedError, Worker
from diptych.stopping import SIGNALS


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


def signalled(number):
    os.kill(os.getpid(), number)
    time.sleep(0.1)
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


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_to_the_process_group_is_left_to_the_command(number):
    """The command needs the results to stop between two steps."""
    with Pool(signalled) as pool:
        found = [done.result() for _, done in pool.each([number] * 3)]
    assert len(set(found)) == 1


PROGRAM = """\
import sys, threading, time
sys.path[:0] = {path!r}
from diptych.pool import Worker
from test_pool import double, sleep
one, other = Worker(None), Worker(None)
print(one.call(double, 1), flush=True)
threading.Thread(target=lambda: other.call(sleep, 1), daemon=True).start()
time.sleep({wait})
"""


def test_a_program_ends_whatever_its_processes_do():
    """They ignore SIGTERM, with which multiprocessing would end them."""
    program = PROGRAM.format(path=[str(Path(__file__).parent), *sys.path], wait=2)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout.strip(), done.returncode) == ("2", 0)


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
