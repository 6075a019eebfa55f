"""The time that checkpoints take is recorded for the whole run, and said where it matters."""

from collections.abc import Callable
from itertools import count

import pytest
from learning_runs import WHOLE, command, facts_of, stopped

from trainspec.checkpoints.file import FOLDER, load
from trainspec.checkpoints.keeper import Keeper

pytestmark = pytest.mark.usefixtures("no_curves")


@pytest.fixture
def taking(monkeypatch) -> Callable[[float], None]:
    """Sets how many seconds a checkpoint takes."""

    def take(seconds: float) -> None:
        write = Keeper.write

        def timed(self, checkpoint) -> None:
            self.clock = count(step=seconds).__next__
            write(self, checkpoint)

        monkeypatch.setattr(Keeper, "write", timed)

    return take


def test_all_processes_of_a_run_count(whole, tmp_path, taking):
    taking(0.5)
    folder = stopped(tmp_path, 20)
    before = load(folder / FOLDER, 20).content["checkpoints"]
    assert before == {"written": 5, "seconds": 2.0}, "its own time is not known yet"
    command("--resume", str(folder))
    facts = facts_of(folder)
    assert facts["checkpoints"] == facts_of(whole)["checkpoints"]
    assert facts["checkpoint_seconds"] == (facts["checkpoints"] - 1) / 2


@pytest.mark.parametrize(("seconds", "said"), [(100.0, True), (0.0, False)])
def test_it_is_said_where_it_is_long(tmp_path, taking, capsys, seconds, said):
    taking(seconds)
    run = command(*WHOLE, "--out", str(tmp_path))
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("done "))
    assert (", and " in line) == said
    if said:
        spent = facts_of(run.folder)["checkpoint_seconds"]
        assert line.endswith(f" % of it waiting for data, and {spent:.1f} s for checkpoints")
