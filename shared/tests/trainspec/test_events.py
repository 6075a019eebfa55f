"""Event files for TensorBoard, read by its own reader."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from asked import prepared
from event_files import events_in, figures_of
from test_imports import FRAMEWORKS
from test_runs import epoch

from diptych.errors import StorageError, UsageError
from trainspec.runs import events
from trainspec.runs.events import EventFile
from trainspec.runs.metrics import to_figures


def test_what_is_written_is_read(tmp_path):
    file = EventFile(tmp_path)
    written = [(300, to_figures(epoch(1))), (2**40, to_figures(epoch(2, validated=False))), (1, {"loss": 1e300})]
    for step, figures in written:
        file.write(step, figures)
    assert file.path.parent == tmp_path / "tensorboard"
    assert "tfevents" in file.path.name
    first, *others = events_in(file.path)
    assert first.file_version == "brain.Event:2"
    assert all(event.wall_time > 0 for event in (first, *others))
    found = [figures_of(event) for event in others]
    assert found[2] == (1, {"loss": float("inf")})
    for (step, figures), (read_step, read_figures) in zip(written[:2], found[:2], strict=True):
        assert step == read_step
        assert read_figures == pytest.approx(figures, rel=1e-6)
        assert "val_loss" in figures or step > 300


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(tmp_path):
    file = EventFile(tmp_path)
    file.path.unlink()
    file.path.symlink_to("/dev/full")
    with pytest.raises(StorageError, match="No space left on device"):
        file.write(1, {"loss": 1.0})


def test_without_tensorboard_it_is_refused(monkeypatch):
    monkeypatch.setattr(events, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match="^--tensorboard: TensorBoard is not installed; pip install tensorboard"):
        prepared("lenet5", "--data", "digits", "--tensorboard")


def test_no_framework_is_imported(tmp_path):
    program = f"""
import sys
from pathlib import Path
from trainspec.runs.events import EventFile
print([name for name in sys.modules if name == "tensorboard"])
EventFile(Path({str(tmp_path)!r})).write(1, {{"loss": 1.0}})
print([name for name in {FRAMEWORKS} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.split() == ["[]", "[]"]
