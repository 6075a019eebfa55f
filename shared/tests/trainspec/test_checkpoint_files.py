"""Checkpoints on the disk: every changed byte is noticed, and a full disk costs only the checkpoint that is written."""

import json
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from diptych.errors import RecipeError, StorageError
from trainspec.checkpoints.file import Checkpoint, CheckpointError, load, newest, remove_others, save, steps_in
from trainspec.checkpoints.keeper import Keeper, Kept
from trainspec.checkpoints.settings import CheckpointSettings, Interval
from trainspec.recipes import Recipe, override
from trainspec.state import TrainState

Usage = namedtuple("Usage", "total used free")


def checkpoint(step: int = 10, top1: float | None = None) -> Checkpoint:
    """With a tensor of every dtype that a state has."""
    generator = np.random.default_rng(step)
    tensors = {
        "conv1.weight": generator.normal(size=(4, 3, 3, 3)).astype(np.float32),
        "momentum.conv1.weight": generator.normal(size=(4, 3, 3, 3)),
        "updates.conv1.weight": np.array(float(step)),
        "loss_scale.steps": np.array(step, np.int64),
    }
    return Checkpoint(step, tensors, {"state": {"step": step, "loss": 0.1 + step}, "top1": top1, "text": "ä"})


def test_there_and_back(tmp_path):
    written = checkpoint()
    save(tmp_path, written)
    read = load(tmp_path, 10)
    assert read.content.items() >= written.content.items()
    assert read.tensors.keys() == written.tensors.keys()
    for name, array in written.tensors.items():
        assert (read.tensors[name].dtype, read.tensors[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(read.tensors[name], array)
    assert {path.name for path in tmp_path.iterdir()} == {"step-10.json", "step-10.safetensors"}


def test_equal_checkpoints_are_equal_files(tmp_path):
    for name in "ab":
        save(tmp_path / name, checkpoint())
    for file in ("step-10.json", "step-10.safetensors"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def damaged(file: Path, content: bytes) -> CheckpointError:
    """What reading says after `file` got `content`; the older checkpoint must be the one that is used."""
    file.write_bytes(content)
    folder, step = file.parent, int(file.stem.partition("-")[2])
    with pytest.raises(CheckpointError) as error:
        load(folder, step)
    found, skipped = newest(folder)
    assert found is not None
    assert found.step == 10
    assert skipped == {step: str(error.value)}
    return error.value


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_flipped_bytes_and_truncations(tmp_path, suffix):
    """100 flipped bytes and 25 truncations of each of the two files."""
    for step in (10, 20):
        save(tmp_path, checkpoint(step))
    file = tmp_path / f"step-20{suffix}"
    whole, generator = file.read_bytes(), np.random.default_rng(1)
    for place in generator.choice(len(whole), 100, replace=False):
        changed = bytearray(whole)
        changed[place] ^= int(generator.integers(1, 256))
        assert file.name in str(damaged(file, bytes(changed)))
    for length in generator.choice(len(whole), 25, replace=False):
        assert file.name in str(damaged(file, whole[:length]))


def test_files_of_two_checkpoints_do_not_mix(tmp_path):
    for step in (10, 20):
        save(tmp_path, checkpoint(step))
    shutil.copy(tmp_path / "step-10.json", tmp_path / "step-20.json")
    with pytest.raises(CheckpointError, match="not the one of step-20"):
        load(tmp_path, 20)
    (tmp_path / "step-10.safetensors").unlink()
    found, skipped = newest(tmp_path)
    assert found is None
    assert len(skipped) == 2


def test_tensors_without_json_are_no_checkpoint(tmp_path):
    for step in (10, 20):
        save(tmp_path, checkpoint(step))
    (tmp_path / "step-20.json").unlink()  # as a process leaves it that is killed between the two files
    found, skipped = newest(tmp_path)
    assert (found.step, skipped) == (10, {})
    remove_others(tmp_path, {10})
    assert {path.name for path in tmp_path.iterdir()} == {"step-10.json", "step-10.safetensors"}


@pytest.mark.parametrize("kind", ["a link to nothing", "a file", "a circle"])
def test_a_folder_that_cannot_be_listed_is_not_empty(tmp_path, kind):
    """A training would begin anew, over what is there."""
    folder = tmp_path / "checkpoints"
    assert newest(folder) == (None, {})
    if kind == "a file":
        folder.write_text("")
    else:
        folder.symlink_to("elsewhere" if kind == "a link to nothing" else "checkpoints")
    with pytest.raises(CheckpointError, match=r"checkpoints cannot be listed: "):
        newest(folder)


def test_no_room(tmp_path, monkeypatch):
    save(tmp_path, checkpoint(10))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**6, 10**6, 1000))
    with pytest.raises(
        StorageError, match=r"step-20.safetensors cannot be written: it takes .* MiB of room are missing"
    ):
        save(tmp_path, checkpoint(20))
    assert steps_in(tmp_path) == [10]
    assert load(tmp_path, 10)


def test_a_disk_that_becomes_full(tmp_path, full_disk):
    with pytest.raises(StorageError, match="No space left on device"):
        save(tmp_path, checkpoint(20))
    assert list(tmp_path.iterdir()) == []


FULL = """\
import sys
from pathlib import Path
sys.path[:0] = {path!r}
from diptych.errors import StorageError
from test_checkpoint_files import checkpoint
from trainspec.checkpoints import file
from trainspec.checkpoints.file import Checkpoint, load, save, steps_in
import numpy as np

folder, seen = Path(sys.argv[1]), 0
for attempt in range(20):
    save(folder, checkpoint(10))
    (folder / "filler").write_bytes(bytes(int(np.random.default_rng(attempt).integers(900_000, 1_900_000))))
    large = Checkpoint(20, {{"w": np.zeros(1_200_000, np.uint8)}}, {{}})
    if attempt % 2:  # so that the system refuses, not the check before
        file._check_room = lambda path, needed: None
    try:
        save(folder, large)
    except StorageError as error:
        seen += "room" in str(error) or "No space left" in str(error)
    assert steps_in(folder) == [10] and load(folder, 10)
    assert {{path.name for path in folder.iterdir()}} == {{"filler", "step-10.json", "step-10.safetensors"}}
print(seen)
"""


def test_a_small_file_system(tmp_path):
    """20 checkpoints that do not fit into a file system of 2 MB, in a name space of their own."""
    script = tmp_path / "full.py"
    script.write_text(FULL.format(path=[str(Path(__file__).parent), *os.environ.get("PYTHONPATH", "").split(":")]))
    small = tmp_path / "small"
    small.mkdir()
    shell = f"mount -t tmpfs -o size=2m tmpfs {small} && {sys.executable} {script} {small}"
    done = subprocess.run(["unshare", "-rm", "sh", "-c", shell], capture_output=True, text=True, check=False)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("no file systems can be mounted here")
    assert (done.returncode, done.stdout) == (0, "20\n"), done.stderr


@pytest.mark.parametrize(
    ("every", "interval"),
    [
        ("10m", Interval(seconds=600)),
        ("90s", Interval(seconds=90)),
        ("200 steps", Interval(steps=200)),
        ("1 step", Interval(steps=1)),
        ("1 epochs", Interval(steps=20)),
        ("0.25 epoch", Interval(steps=5)),
        ("0.01 epochs", Interval(steps=1)),
        ("never", Interval()),
    ],
)
def test_intervals(every, interval):
    recipe = override(Recipe(), {"checkpoint.every": every})
    assert recipe.checkpoint.interval(20) == interval


@pytest.mark.parametrize("every", ["", "10", "0s", "0 steps", "1.5 steps", "ten steps", "1 days", "-1 steps", "1steps"])
def test_what_is_no_interval(every):
    with pytest.raises(RecipeError, match=r'checkpoint.every: ".*" is not allowed; give a time as 10m, or 200 steps'):
        override(Recipe(), {"checkpoint.every": every})


def test_the_default_is_ten_minutes_and_the_last_weights():
    assert Recipe().checkpoint == CheckpointSettings("10m", "last")


def keeper(folder: Path, every: str = "never", now: list[float] | None = None, **options) -> Keeper:
    clock = (lambda: now[0]) if now else (lambda: 0.0)
    return Keeper(folder, CheckpointSettings(every).interval(10), 10, clock=clock, **options)


def test_the_newest_the_one_before_and_the_best_stay(tmp_path):
    kept = keeper(tmp_path)
    for step, top1 in enumerate((50.0, 90.0, None, 90.0, 80.0, None), 1):
        kept.write(checkpoint(step, top1))
    assert kept.kept == [Kept(2, 90.0), Kept(5, 80.0), Kept(6)]
    assert steps_in(kept.folder) == [6, 5, 2]
    assert kept.best == Kept(2, 90.0)
    assert kept.figures()["checkpoints"] == 6
    kept.go_on(5, kept.kept)
    assert kept.kept == [Kept(2, 90.0), Kept(5, 80.0)]
    kept.write(checkpoint(7, 95.0))
    assert steps_in(kept.folder) == [7, 5]


def test_when_one_is_due(tmp_path):
    now = [0.0]
    timed = keeper(tmp_path, "10m", now)
    assert not timed.is_due(TrainState(step=5, step_in_epoch=5))
    now[0] = 600.0
    assert timed.is_due(TrainState(step=6, step_in_epoch=6))
    assert not timed.is_due(TrainState(step=10, step_in_epoch=10)), "it waits for the validation"
    assert timed.is_due(TrainState(step=10, epoch=1), 50.0)
    timed.write(checkpoint(10, 50.0))
    assert not timed.is_due(TrainState(step=10, epoch=1), 50.0), "there is one of this step"
    assert not timed.is_due(TrainState(step=20, epoch=2), 50.0)
    assert timed.is_due(TrainState(step=20, epoch=2), 50.1), "a new best, and the run is long enough for checkpoints"
    counted = keeper(tmp_path / "counted", "4 steps")
    assert [step for step in range(1, 10) if counted.is_due(TrainState(step=step, step_in_epoch=step))] == list(
        range(4, 10)
    )
    assert not keeper(tmp_path).is_due(TrainState(step=10, epoch=1), 99.0)
    best = keeper(tmp_path / "best", every_best=True)
    assert best.is_due(TrainState(step=10, epoch=1), 0.0)
    best.write(checkpoint(10))  # an interrupt, in the validation of the epoch
    assert best.is_due(TrainState(step=10, epoch=1), 0.0)


def test_what_was_not_written_is_missing(tmp_path, monkeypatch):
    """A checkpoint that the disk refused, and one that does not know how good its weights are."""
    kept, state = keeper(tmp_path), TrainState(step=10, epoch=1)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: Usage(10**6, 10**6, 1000))
        with pytest.raises(StorageError):
            kept.write(checkpoint(10, 50.0))
    assert kept.is_behind(state, 50.0)
    kept.write(checkpoint(10))
    assert kept.is_behind(state, 50.0)
    kept.write(checkpoint(10, 50.0))
    assert not kept.is_behind(state, 50.0)
    assert kept.kept == [Kept(10, 50.0)]


def test_a_checkpoint_is_plain_json_and_safetensors(tmp_path):
    save(tmp_path, checkpoint())
    assert json.loads((tmp_path / "step-10.json").read_text())["schema"] == 1
    header = (tmp_path / "step-10.safetensors").read_bytes()
    assert b"momentum.conv1.weight" in header[: 8 + int.from_bytes(header[:8], "little")]
