"""What a page of `compare` says at its top: only what the runs have recorded."""

import json
import shutil
from pathlib import Path

import pytest

from compared import changed
from parity.compare import compare, latency, write
from parity.compare.comparison import Comparison
from parity.compare.verdict import EQUAL, OPEN, sentences, tone
from short_run import short_run

CLOSE = {"schedule.peak 0.02 and 0.5": ("peak = 0.02", "peak = 0.5")}
FAR = {
    "seed 0 and 7": ("seed = 0\n", "seed = 7\n"),
    "batch 64 and 32": ("batch = 64", "batch = 32"),
    "optimizer.momentum 0.9 and 0.8": ("momentum = 0.9", "momentum = 0.8"),
    "evaluate_every 1 and 2": ("evaluate_every = 1", "evaluate_every = 2"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    return short_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(latency, "SECONDS", 0.01)


def compared(*folders: Path) -> Comparison:
    return compare(folders, unfinished=True)


def test_equal_runs(trained, tmp_path):
    found = compared(trained, shutil.copytree(trained, tmp_path / "copy"))
    assert sentences(found)[0].startswith("Both runs train one network on the same batches in every epoch; ")
    assert tone(found) == EQUAL


def test_runs_of_unequal_length_are_not_called_equal(trained, tmp_path):
    """As two trainings with one budget are. The batches that they share are equal."""
    longer = shutil.copytree(trained, tmp_path / "longer")
    lines = (longer / "metrics.jsonl").read_text().splitlines()
    last = json.loads(lines[-1])
    lines.append(json.dumps(last | {"epoch": last["epoch"] + 1, "step": last["step"] + 9}))
    (longer / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    found = compared(trained, longer)
    assert "but not for equally many steps" in sentences(found)[0]
    assert tone(found) == OPEN


def test_batches_of_no_epoch_are_not_called_equal(trained, tmp_path):
    """Those of runs that were interrupted in their first epoch."""
    early = changed(trained, tmp_path / "early", status="interrupted", plan_digests=[])
    later = changed(trained, tmp_path / "later", status="interrupted")
    for runs in ((early, shutil.copytree(early, tmp_path / "copy")), (trained, later, early)):
        found = compared(*runs)
        assert "the same batches in every epoch" not in sentences(found)[0]
        assert "whether on the same batches is not known, since they have no recorded epoch" in sentences(found)[0]
        assert tone(found) == OPEN


@pytest.mark.parametrize("settings", [CLOSE, FAR], ids=["one", "many"])
def test_settings_that_differ_are_named(trained, tmp_path, settings):
    other = shutil.copytree(trained, tmp_path / "other")
    recipe = (other / "recipe.toml").read_text()
    for old, new in settings.values():
        assert old in recipe
        recipe = recipe.replace(old, new)
    (other / "recipe.toml").write_text(recipe)
    found = compared(trained, other)
    assert tone(found) == OPEN
    page = write(found, tmp_path)
    table = json.loads(page.with_name("index.json").read_text())
    assert set(table["pairs"][0]["settings"]) == set(settings)
    assert all(setting in page.read_text() for setting in settings)
    said = [setting in sentences(found)[0] for setting in table["pairs"][0]["settings"]]
    assert said == [True] * min(3, len(settings)) + [False] * (len(settings) - 3)
    assert ("; 1 more)" in sentences(found)[0]) is (len(settings) == 4)
