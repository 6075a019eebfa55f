"""Trainings on a full disk, and what a failure says of the checkpoints that there are."""

from pathlib import Path

import pytest
from learning_runs import WHOLE, command, facts_of, stopped, weights_of

from diptych.errors import DataError, StorageError
from trainspec.checkpoints import file as checkpoint_file
from trainspec.checkpoints.file import FOLDER, steps_in

pytestmark = pytest.mark.usefixtures("no_curves")
check_room = checkpoint_file._check_room


def fill_disk(monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
    """There is no room for the checkpoints of these steps."""

    def check(path: Path, needed: int) -> None:
        check_room(path, 2**60 if path.name in [f"step-{step}.safetensors" for step in steps] else needed)

    monkeypatch.setattr(checkpoint_file, "_check_room", check)


def test_no_room_for_a_checkpoint_does_not_end_the_training(whole, tmp_path, monkeypatch, capsys):
    fill_disk(monkeypatch, 20, 30)
    run = command(*WHOLE, "--out", str(tmp_path))
    out = capsys.readouterr().out
    for step in (20, 30):
        assert f"no checkpoint of step {step}, the training goes on: " in out
    assert weights_of(run.folder) == weights_of(whole)


def test_a_second_checkpoint_in_a_row_without_room_ends_the_training(tmp_path, monkeypatch):
    fill_disk(monkeypatch, 15, 20)
    with pytest.raises(
        StorageError, match=r"step-20.* of room are missing; .*; the last good checkpoint is .*step-12$"
    ):
        command(*WHOLE, "--out", str(tmp_path))
    (folder,) = tmp_path.iterdir()
    facts = facts_of(folder)
    assert (facts["status"], facts["reason"].rpartition("/")[2]) == ("failed", "step-12")
    fill_disk(monkeypatch)
    command("--resume", str(folder))
    assert facts_of(folder)["resumed"][0]["step"] == 12


def test_a_training_that_a_signal_stops_on_a_full_disk_keeps_its_weights(tmp_path, monkeypatch, capsys):
    fill_disk(monkeypatch, 15, 17)
    folder = stopped(tmp_path, 17)
    assert "no checkpoint of step 17: " in capsys.readouterr().out
    assert (folder / "weights.safetensors").exists()
    assert steps_in(folder / FOLDER) == [12, 10]


@pytest.mark.parametrize("error", [StorageError, DataError])
def test_a_failure_names_the_last_checkpoint(tmp_path, error):
    """As if the disk were full where the figures are written, or an image could not be read."""

    def loss(step: int) -> float:
        if step == 13:
            raise error("no more")
        return 1.0

    with pytest.raises(error, match="^no more; the last good checkpoint is .*step-12$"):
        command(*WHOLE, "--out", str(tmp_path), loss=loss)
