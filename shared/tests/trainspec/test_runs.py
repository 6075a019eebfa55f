import csv
import io
import json
import socket
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from deploy.files import write_bytes
from diptych import machine
from diptych.errors import DataError, StorageError
from trainspec.recipes import Recipe
from trainspec.runs import EpochMetrics, Run, TrainingProgress


@pytest.mark.parametrize(("free", "at_a_time"), [(1.0, 1), (7.0, 2), (1000.0, 4)])
def test_processes_have_a_core_and_their_memory(monkeypatch: pytest.MonkeyPatch, free: float, at_a_time: int) -> None:
    assert 0 < machine.free_bytes() / 2**30 <= machine.describe_machine()["memory_gib"]
    monkeypatch.setattr(machine, "cores", lambda: 4)
    monkeypatch.setattr(machine, "free_bytes", lambda: int(free * 2**30))
    assert machine.processes(3.0) == at_a_time


def start(out: Path) -> Run:
    return Run.start(
        Recipe(epochs=3),
        architecture="vgg19",
        framework="torch",
        data_name="digits",
        data_label="UCI optical digits (embedded)",
        command="python -m torch_impl train vgg19",
        device="cpu",
        precision="bf16",
        threads=2,
        packages=("rich", "not-installed"),
        notes=("a note",),
        out=out,
    )


def epoch(number: int, validated: bool = True) -> EpochMetrics:
    return EpochMetrics(
        epoch=number,
        step=20 * number,
        lr=0.01 / number,
        train_loss=2.3 / number,
        train_top1=30.0 * number,
        val_loss=2.4 / number if validated else None,
        val_top1=29.0 * number if validated else None,
        images_per_second=1000.0,
        seconds=1.3,
        plan_digest=f"{number}" * 64,
    )


def test_a_finished_run(tmp_path):
    with start(tmp_path / "runs") as run:
        assert json.loads((run.folder / "run.json").read_text())["status"] == "running"
        for number in (1, 2, 3):
            run.log(epoch(number, validated=number != 2))
        run.finish(test_top1=98.1, images_per_second=1000.0, train_seconds=3.9)
    assert run.folder.name.startswith("vgg19-torch-digits-2")
    assert {file.name for file in run.folder.iterdir()} == {
        "run.json",
        "recipe.toml",
        "metrics.jsonl",
        "metrics.csv",
        "curves.png",
        "curves.svg",
    }
    facts = json.loads((run.folder / "run.json").read_text())
    assert (facts["status"], facts["test_top1"], len(facts["plan_digests"])) == ("finished", 98.1, 3)
    assert facts["machine"]["cores"] >= 1
    assert facts["machine"]["memory_gib"] > 0
    assert "rich" in facts["versions"]
    assert "not-installed" not in facts["versions"]
    for private in (socket.gethostname(), str(Path.home()), str(tmp_path)):
        assert private not in (run.folder / "run.json").read_text()
    rows = list(csv.DictReader(io.StringIO((run.folder / "metrics.csv").read_text())))
    assert [row["val_top1"] for row in rows] == ["29.0", "", "87.0"]
    with Image.open(run.folder / "curves.png") as image:
        assert image.size[0] > 1000
    assert "<svg " in (run.folder / "curves.svg").read_text()

    again = Run.open(run.folder)
    assert (again.recipe, again.metrics, again.facts) == (run.recipe, run.metrics, run.facts)


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "interrupted"), (ValueError, "failed")])
def test_a_run_that_breaks_off_is_usable(tmp_path, error, status):
    run = start(tmp_path)
    run.log(epoch(1))
    with pytest.raises(error), run:
        raise error
    again = Run.open(run.folder)
    assert again.facts["status"] == status
    assert len(again.metrics) == 1
    assert (run.folder / "curves.png").exists()


def test_names_do_not_collide(tmp_path, monkeypatch):
    monkeypatch.setattr("time.strftime", lambda *_: "20260101-000000")
    names = [start(tmp_path).folder.name for _ in range(3)]
    assert names == [f"vgg19-torch-digits-20260101-000000{suffix}" for suffix in ("", "-2", "-3")]


def test_folders_that_are_no_runs(tmp_path):
    with pytest.raises(DataError, match="not the folder of a run"):
        Run.open(tmp_path)
    run = start(tmp_path)
    run.facts["schema"] = 99
    run.save()
    with pytest.raises(DataError, match="schema 1"):
        Run.open(run.folder)


def test_a_full_disk_leaves_the_old_file(tmp_path, full_disk):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(StorageError, match="No space left on device; free some room") as error:
        write_bytes(path, b"new")
    assert "\n" not in str(error.value)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_hold_runs(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        start(tmp_path / "file")


def test_a_run_that_cannot_start_leaves_nothing(tmp_path, full_disk):
    with pytest.raises(StorageError):
        start(tmp_path / "runs")
    assert list((tmp_path / "runs").iterdir()) == []


def test_progress_on_a_terminal_and_elsewhere():
    for terminal in (True, False):
        text = io.StringIO()
        console = Console(file=text, force_terminal=terminal, width=120)
        with TrainingProgress(40, 20, console) as progress:
            for step in range(1, 41):
                if progress.due(step):
                    progress.update(step, 40, speed=640.0, loss=1.5, top1=50.0, lr=0.01)
            progress.epoch(epoch(1), 40)
            progress.epoch(epoch(2, validated=False), 40)
        assert "epoch 1/2" in text.getvalue()
        assert "validation: loss 2.4000, top-1 29.00 %" in text.getvalue()
        assert ("images/s  loss 1.5000" in text.getvalue()) == terminal
        if not terminal:
            assert text.getvalue().count("\n") == 2
