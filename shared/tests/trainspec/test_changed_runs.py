"""Run folders that something has happened to: one line that names the folder, or the right answer."""

import errno
import json
import os
import shutil
from pathlib import Path

import damage
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from learning_runs import command, stopped

from diptych.errors import DataError, DiptychError
from test_training import run, task
from trainspec.agreement import compare_runs
from trainspec.evaluation import Judged, judge
from trainspec.predictions import read_against, read_predictions
from trainspec.results import collect
from trainspec.results.tables import to_markdown
from trainspec.runs import Run


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on the digits."""
    folder, _, _ = run(task(epochs=1), tmp_path_factory.mktemp("runs"))
    (folder / "predictions-fake.npy").rename(folder / "predictions.npy")
    return folder


def judged(folder: Path) -> Judged:
    """A run and its predictions, as an evaluation reads them."""
    found = judge(folder)
    read_against(folder / "predictions.npy", len(found.split))
    return found


def answers(folder: Path, whole: Path) -> str:
    """What the readers of runs make of a folder: nothing if all is right, else what they say."""
    said = []
    for read in (
        lambda: judged(folder),
        lambda: list(compare_runs(whole, folder)),
        lambda: [to_markdown(collect([folder]).rows, [])],
    ):
        try:
            found = read()
        except DiptychError as error:
            said.append(str(error))
        else:
            assert isinstance(found, list) or np.array_equal(found.split.labels, judge(whole).split.labels)
    assert all(text and len(text) < 700 for text in said), said
    return " | ".join(said)


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in damage.some(40)])
def test_a_changed_folder_gets_one_line_or_the_right_answer(whole, tmp_path, change):
    folder = shutil.copytree(whole, tmp_path / "run")
    change(folder)
    answers(folder, whole)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped after its first checkpoint."""
    folder = stopped(tmp_path_factory.mktemp("begun"), 20)
    (folder / "predictions.npy").touch()  # one of the files that are changed
    return folder


def goes_on(folder: Path) -> bool:
    """Whether a changed run goes on. If it does not, it says why."""
    said = ""
    try:
        command("--resume", str(folder))
    except DiptychError as error:
        said = str(error)
        assert 0 < len(said) < 700
    return not said


@pytest.mark.parametrize("change", [pytest.param(change, id=name) for name, change in damage.some(40, seed=1)])
@pytest.mark.usefixtures("no_curves")
def test_a_changed_run_goes_on_or_says_why(begun, tmp_path, change):
    folder = shutil.copytree(begun, tmp_path / "run")
    change(folder)
    goes_on(folder)


@pytest.mark.long
@pytest.mark.usefixtures("no_curves")
def test_every_changed_run_goes_on_or_says_why(begun, tmp_path):
    went_on = 0
    changes = [(name, change) for name, change in damage.ways() if name.startswith("run.json")]
    for name, change in changes:
        folder = shutil.copytree(begun, tmp_path / "run")
        change(folder)
        try:
            went_on += goes_on(folder)
        except Exception as error:
            pytest.fail(f"{name}: {type(error).__name__}: {error}")
        shutil.rmtree(folder)
    print(f"{len(changes)} changed runs, {went_on} of them went on")
    assert went_on > 50


@pytest.mark.long
def test_every_change_gets_one_line_or_the_right_answer(whole, tmp_path):
    count = quiet = 0
    for number, (name, change) in enumerate(damage.ways()):
        folder = shutil.copytree(whole, tmp_path / str(number))
        change(folder)
        try:
            quiet += not answers(folder, whole)
        except Exception as error:
            pytest.fail(f"{name}: {type(error).__name__}: {error}")
        shutil.rmtree(folder)
        count += 1
    print(f"{count} changed folders, {quiet} of them as good as whole")
    assert count > 300


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from([*damage.NEEDED, *damage.READ_WHERE_PRESENT, "schema", "later"]), VALUES))
def test_any_facts_are_read_or_refused(whole, tmp_path_factory, values):
    folder = tmp_path_factory.getbasetemp() / "fuzzed"
    if not folder.exists():
        shutil.copytree(whole, folder)
    facts = json.loads((whole / "run.json").read_text()) | values
    (folder / "run.json").write_text(json.dumps(facts))
    try:
        Run.open(folder)
    except DataError as error:
        said = str(error)
    else:
        said = str(folder)
    assert said.startswith(str(folder))


def test_a_folder_of_another_name_and_a_link_to_it_are_runs(whole, tmp_path):
    moved = shutil.copytree(whole, tmp_path / os.fsdecode(b"caf\xff"))
    (tmp_path / "link").symlink_to(moved)
    for folder in (moved, tmp_path / "link"):
        assert not answers(folder, whole)


@pytest.mark.parametrize("name", ["run.json", "metrics.jsonl", "recipe.toml", "graph.json", "weights.safetensors"])
def test_what_may_not_be_read_says_so(whole, monkeypatch, name):
    """Root may read everything, so that the system's answer is made here."""

    def refuse(function):
        def call(path, *rest, **options):
            if str(path).endswith(name):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
            return function(path, *rest, **options)

        return call

    for function in ("stat", "lstat", "open"):
        monkeypatch.setattr(os, function, refuse(getattr(os, function)))
    with pytest.raises(DiptychError, match=rf"{name} cannot be read: Permission denied"):
        judge(whole)


def test_what_is_not_the_folder_of_a_run_says_what_it_is(whole, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "manifest.json").write_text('{"files": {}}')
    for folder, words in (
        (tmp_path / "package", "not the folder of a run, but a package; give the run that it was made of"),
        (tmp_path / "nowhere", "nowhere: no such folder"),
        (tmp_path / "file", "not the folder of a run, but a file"),
        (tmp_path, "not the folder of a run$"),
        (whole.parent, f"not the folder of a run; give one of those in it, as {whole}"),
    ):
        with pytest.raises(DataError, match=words):
            Run.open(folder)


HEADERS = {
    "cut in the header": b"\x93NUMPY\x01\x00v\x00{'descr'",
    "more than there is": "{'descr': '<i8', 'fortran_order': False, 'shape': (100000000000,), }",
    "a negative shape": "{'descr': '<i8', 'fortran_order': False, 'shape': (-1,), }",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }",
    "no dictionary": "[1, 2, 3]",
    "nested": "(" * 5000,
    "code": "__import__('os').system('true')",
    "an archive": b"PK\x03\x04" + bytes(200),
    "another version": b"\x93NUMPY\x09\x00v\x00",
    "nothing": b"",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_damaged_predictions_are_one_line(tmp_path, header):
    if isinstance(header, str):
        header = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    (tmp_path / "p.npy").write_bytes(header + bytes(8))
    with pytest.raises(DataError, match="not a file of predictions"):
        read_predictions(tmp_path / "p.npy")


@pytest.mark.parametrize("status", ["running", "interrupted", "failed", "killed"])
def test_an_unfinished_run_is_taken_only_when_asked_for(whole, tmp_path, status, capsys):
    folder = shutil.copytree(whole, tmp_path / "run")
    facts = json.loads((folder / "run.json").read_text()) | {"status": status}
    (folder / "run.json").write_text(json.dumps(facts))
    with pytest.raises(DataError, match="--unfinished"):
        judge(folder)
    judge(folder, unfinished=True)
    assert "not the weights of a finished training" in capsys.readouterr().out
