"""What a run is judged on: its own data, found again from anywhere, or other data only where someone asks for them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from asked import prepared, task_of
from fake_framework import framework
from samples import class_files, encoded, write_folder

from diptych.errors import DataError, DiptychError, UnknownNameError
from netspec import architecture
from trainspec.data import Form
from trainspec.evaluation import evaluate_run, judge
from trainspec.judging import Recorded
from trainspec.predictions import read_predictions, report
from trainspec.training import train

SMALL = ["--epochs", "1", "--set", "batch=4", "--recipe", "small.toml"]


def trained(*argv: str, out: Path) -> Path:
    task, asked = prepared("lenet5", *SMALL, "--out", str(out), *argv)
    return train(task, framework(), asked).folder


def judged(folder: Path, data: str | None = None):
    return judge(folder, data)


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "small.toml").write_text("epochs = 3\n")
        write_folder(folder / "pets", class_files("ab"))
        trained("--data", "pets", out=Path("runs"))
    return folder


@pytest.fixture
def work(template, tmp_path, monkeypatch):
    """In a working folder with a class folder in it: a run that was trained on it, in `runs`."""
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    (folder,) = Path("runs").iterdir()
    return folder


def test_the_data_are_found_from_another_working_folder(work, tmp_path, monkeypatch):
    before = judged(work)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    write_folder(tmp_path / "elsewhere" / "pets", class_files("cd"))  # what the typed path means from here
    after = judged(tmp_path / work)
    assert np.array_equal(before.split.images, after.split.images)
    assert before.constants == after.constants


def test_predictions_of_other_images_do_not_replace_those_of_the_run(work, capsys):
    own = (work / "predictions-fake.npy").read_bytes()
    write_folder(Path("other"), class_files("ab", count=30))
    for data in ("other", "pets"):
        found = judge(work, data)
        report(evaluate_run(found, framework()), work, "fake", None, None)
        assert (work / "predictions-fake.npy").read_bytes() == own
    other = next(work.glob("predictions-fake-*.npy"))
    assert f"predictions of these other images: {other}" in capsys.readouterr().out
    assert len(read_predictions(other)) == len(judge(work, "other").split)
    assert sorted(work.glob("predictions*")) == sorted([work / "predictions-fake.npy", other])


def test_a_run_and_its_data_may_move_together(work, tmp_path, capsys):
    (tmp_path / "new").mkdir()
    for name in ("pets", "runs"):
        shutil.move(tmp_path / name, tmp_path / "new" / name)
    judged(tmp_path / "new" / work)
    assert "note" not in capsys.readouterr().out


def test_nothing_of_the_machine_is_recorded(work, tmp_path):
    assert str(tmp_path) not in (work / "run.json").read_text()


def other_images(root: Path) -> None:
    write_folder(root, {name: encoded(7 + number) for number, name in enumerate(class_files("ab"))})


def third_class(root: Path) -> None:
    write_folder(root, class_files("c"))


def one_class_less(root: Path) -> None:
    shutil.rmtree(root / "b")


def renamed(root: Path) -> None:
    (root / "a").rename(root / "z")


def exchanged(root: Path) -> None:
    (root / "a").rename(root / "x")
    (root / "b").rename(root / "a")
    (root / "x").rename(root / "b")


CHANGES = {  # of the data -> what is said at the recorded place, and to an explicit --data
    other_images: ("have changed since the training", None),
    exchanged: ("have changed since the training", None),
    third_class: ("has 2 classes, but pets has 3", "has 2 classes, but pets has 3"),
    renamed: ("'b' where it has 'a'", "'b' where it has 'a'"),
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_other_data_at_the_old_place_are_an_error(work, change, capsys):
    change(Path("pets"))
    recorded, explicit = CHANGES[change]
    with pytest.raises(DataError, match=recorded):
        judged(work)
    if explicit:
        with pytest.raises(DataError, match=explicit):
            judged(work, "pets")
        return
    assert "which are not those that" not in capsys.readouterr().out
    judged(work, "pets")
    assert "which are not those that" in capsys.readouterr().out


def test_data_that_are_gone(work):
    shutil.rmtree("pets")
    with pytest.raises(DataError, match=r"its training data \(pets\) were not found at .*pets.*; give --data D"):
        judged(work)
    one = write_folder(Path("one"), class_files("a"))
    with pytest.raises(DiptychError):
        judged(work, str(one))


def test_data_that_are_there_and_cannot_be_used_are_not_called_missing(tmp_path):
    manifest = tmp_path / "pets.json"
    recorded = Recorded("the run", "pets", (str(manifest),))
    with pytest.raises(DataError, match="were not found at"):
        recorded.find()
    manifest.write_text("{")
    with pytest.raises(DataError, match=r"its training data \(pets\) cannot be used: .*not a manifest"):
        recorded.find()


def test_other_training_images_do_not_change_what_a_run_was_trained_with(work, capsys):
    """The test split is the same: only the mean of the others has changed."""
    facts = json.loads((work / "run.json").read_text())
    before = judged(work).constants
    (work / "run.json").write_text(json.dumps(facts | {"mean": [0.25, 0.25, 0.25]}))
    after = judged(work)
    assert after.constants == ((0.25, 0.25, 0.25), before[1])
    assert "normalised as" in capsys.readouterr().out


def test_an_older_run_is_judged_with_a_line(work, capsys):
    facts = json.loads((work / "run.json").read_text())
    for key in ("classes", "data_fingerprint", "data_path", "mean", "std"):
        del facts[key]
    (work / "run.json").write_text(json.dumps(facts))
    judged(work)
    assert "those of pets were not checked" in capsys.readouterr().out
    third_class(Path("pets"))
    with pytest.raises(DataError, match="has 2 classes, but pets has 3 and 3"):
        judged(work)


def test_an_onnx_file_is_held_to_the_run_beside_it(work):
    model = Recorded.of_model(work / "model.onnx", ["a", "b"], "pets")
    assert (model.fingerprint, model.classes) == (Recorded.of(judged(work).run).fingerprint, ("a", "b"))
    alone = Recorded.of_model(Path("model.onnx"), ["0"], "UCI optical digits (embedded)")
    assert alone.places == ("digits",)
    with pytest.raises(DataError, match="give --data D"):
        Recorded.of_model(Path("model.onnx"), ["a", "b"], "pets").load(None, Form(32))
    facts = json.loads((work / "run.json").read_text())
    (work / "run.json").write_text(json.dumps(facts | {"status": "interrupted"}))
    with pytest.raises(DataError, match="was interrupted before its end; .*--unfinished"):
        Recorded.of_model(work / "model.onnx", ["a", "b"], "pets")
    assert Recorded.of_model(work / "model.onnx", ["a", "b"], "pets", unfinished=True).fingerprint == model.fingerprint
    with pytest.raises(DataError, match="'a' where it has 'b'"):
        Recorded.of_model(Path("model.onnx"), ["b", "a"], "pets").load("pets", Form(32))


def test_a_graph_and_a_runs_network_are_trained_as_they_are(work, tmp_path):
    again = trained("--data", "pets", out=Path("again"))
    argv = ["--data", "pets", *SMALL, "--out", str(tmp_path / "third")]
    for source in (str(again), str(again / "graph.json")):
        task, asked = prepared(source, *argv)
        assert task.graph == architecture("lenet5", num_classes=2)
        assert (task.architecture, task.recipe.data.image_size) == ("lenet5", 32)
        told = f"only the network of {source} is used; --weights {source} takes its weights, too" in asked.notes
        assert told == Path(source).is_dir()
    (tmp_path / "mine.json").write_text(architecture("lenet5").to_json().replace('"name": "lenet5"', '"name": "Mine"'))
    for given, words in (
        ([], "has 10 classes, but pets has 2; give --data D"),
        (["--set", "network.width=2"], "is a finished graph: network.width cannot be changed"),
        (["--set", "data.image_size=40"], "takes images of 32 pixels, but data.image_size is 40"),
        (["--recipe", "modern"], "Mine is not in the zoo, so there is no recipe; give --recipe FILE"),
    ):
        with pytest.raises(DiptychError) as error:
            task_of("mine.json", *argv, *given)
        assert words in str(error.value)
    digits = task_of("mine.json", "--data", "digits", *SMALL)
    assert digits.architecture == "Mine"
    (tmp_path / "two.json").write_text(architecture("lenet5", in_channels=2).to_json())
    with pytest.raises(DiptychError, match="takes images with 2 channels, but UCI optical digits"):
        task_of("two.json", "--data", "digits")


def test_a_folder_of_an_architectures_name_is_not_in_its_way(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lenet5").mkdir()
    assert task_of("lenet5", "--data", "digits").architecture == "lenet5"
    with pytest.raises(UnknownNameError, match="did you mean lenet5"):
        task_of("LeNet-5", "--data", "digits")


def test_the_recipe_is_named(work):
    assert json.loads((work / "run.json").read_text())["recipe"].endswith("small.toml")
