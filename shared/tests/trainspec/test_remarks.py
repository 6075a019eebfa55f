"""What is said about a training that cannot follow its recipe as it is written."""

import json

import pytest
from asked import prepared
from fake_framework import FakeTrainer, framework
from samples import class_files, write_folder

from netspec import save_weights
from trainspec.recipes import Recipe, override
from trainspec.results.measured import read_measured
from trainspec.results.rows import rows_of
from trainspec.schedules import Place
from trainspec.training import train


def notes_of(tmp_path, *argv: str) -> str:
    _, asked = prepared("lenet5", "--data", "digits", "--out", str(tmp_path / "runs"), *argv)
    return "\n".join(asked.notes)


def late(epochs: float, **values) -> list[str]:
    """The remarks on a training of 10 steps an epoch."""
    recipe = override(Recipe(), {"epochs": epochs, **{key.replace("__", "."): value for key, value in values.items()}})
    steps = recipe.steps(10)
    return [text.partition(" epochs ")[2] for text in recipe.late(Place(steps - 1, steps, 10))]


STEP = {"schedule__kind": "step"}
BY_EPOCH = {**STEP, "schedule__per": "epoch"}
FREEZE = {"match": "stem*", "freeze": True}


@pytest.mark.parametrize(
    ("epochs", "values", "found"),
    [
        (2, {**STEP, "schedule__milestones": [1, 100, 150]}, ["schedule.milestones has 100, 150 beyond the end"]),
        (
            2,
            {**BY_EPOCH, "schedule__milestones": [2]},
            ["schedule.milestones has 2 beyond the end"],
        ),
        (2, {**STEP, "schedule__milestones": [0.5, 1.9]}, []),
        (2, {"schedule__warmup_epochs": 5}, ["schedule.warmup_epochs = 5 is cut to 1"]),
        (2, {"schedule__warmup_epochs": 1}, []),
        (2, {"evaluate_every": 3}, ["evaluate_every = 3 validates only at the end"]),
        (1.5, {"evaluate_every": 2}, []),
        (2, {"checkpoint__every": "21 steps"}, ['checkpoint.every = "21 steps" is beyond the end']),
        (2, {"checkpoint__every": "2 epochs"}, []),
        (2, {"average__kind": "ema", "average__every": 20, "average__decay": 0.009}, []),
        (
            2,
            {"average__kind": "ema", "average__decay": 0.99},
            ["average.decay = 0.99 leaves 82% of the first weights in the average, which is exported"],
        ),
        (2, {"average__kind": "ema", "average__decay": 0.99, "average__power": 3.0}, []),
        (2, {"average__kind": "lookahead", "average__decay": 0.99}, []),
        (
            0.1,
            {"schedule__kind": "one_cycle"},
            ["schedule.rise = 0.3 of 1 step is not above one, so the only rate is the lowest"],
        ),
        (
            0.3,
            {"schedule__kind": "one_cycle"},
            ["schedule.rise = 0.3 of 3 steps is not above one, so the rate only falls"],
        ),
    ],
)
def test_what_begins_too_late(epochs, values, found):
    assert late(epochs, **values) == found


@pytest.mark.parametrize("kind", ["ema", "lookahead"])
def test_an_average_that_never_begins(kind):
    (text,) = late(2, average__kind=kind, average__every=21)
    assert text.startswith("average.every = 21 leaves the average at the first weights")


def test_a_table_that_never_ends():
    assert late(2, parameters=[{**FREEZE, "until": 1}]) == []
    assert late(2, parameters=[{**FREEZE, "until": 2}]) == ["parameters.until = 2 of 'stem*' is beyond the end"]


def test_a_training_says_it(tmp_path, capsys):
    said = notes_of(tmp_path, "--epochs", "1", "--set", "evaluate_every=2")
    assert "in a training of 1 epochs evaluate_every = 2" in said
    assert "evaluate_every = 2" in capsys.readouterr().out
    assert "evaluate_every" not in notes_of(tmp_path, "--budget", "1s", "--set", "evaluate_every=100000")
    assert notes_of(tmp_path, "--epochs", "20").count("\n") == notes_of(tmp_path).count("\n")


def test_a_batch_that_does_not_fit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = write_folder(tmp_path / "set", class_files("ab", count=10))  # 16 images remain for training
    argv = ("--data", str(folder), "--epochs", "1")
    assert "batch" not in notes_of(tmp_path, *argv, "--set", "batch=8")
    said = notes_of(tmp_path, *argv, "--set", "batch=12")
    assert "batch = 12: an epoch takes only whole batches, so it leaves out 4 of the 16 training images" in said
    task, asked = prepared("lenet5", *argv, "--set", "batch=64")
    assert "batch = 64: there are only 16 training images" in "\n".join(asked.notes)
    run = train(task, framework(FakeTrainer), asked)
    assert json.loads((run.folder / "run.json").read_text())["batch"] == 16
    (row,) = rows_of([read_measured(run.folder)])
    assert row.batch == 16


def test_first_values_that_a_file_replaces(tmp_path):
    task, _ = prepared("lenet5", "--data", "digits")
    save_weights(task.graph, task.weights, tmp_path / "w.safetensors")
    dirac = ("--set", "initialisation.dirac.match='*'")
    assert "initialisation" not in notes_of(tmp_path, *dirac)
    said = notes_of(tmp_path, *dirac, "--weights", str(tmp_path / "w.safetensors"))
    assert f"initialisation.dirac: used only for what is drawn anew; all else is from {tmp_path}/w.safetensors" in said


def test_a_file_of_weights_that_is_not_there(tmp_path):
    """What would be drawn anew is drawn with all else."""
    recipe = tmp_path / "mine.toml"
    recipe.write_text('epochs = 1\n[[parameters]]\nmatch = "conv1.*"\nanew = true\n')
    words = "parameters.anew of 'conv1.*' has no effect without --weights FILE: all weights are drawn"
    assert words in notes_of(tmp_path, "--recipe", str(recipe))
    task, _ = prepared("lenet5", "--data", "digits")
    save_weights(task.graph, task.weights, tmp_path / "w.safetensors")
    assert words not in notes_of(tmp_path, "--recipe", str(recipe), "--weights", str(tmp_path / "w.safetensors"))


def test_norms_that_are_frozen_in_part(tmp_path):
    """Their statistics are kept only where they are frozen in every step."""
    recipe, words = tmp_path / "mine.toml", "frozen in some steps only"
    recipe.write_text('epochs = 2\n[[parameters]]\nmatch = "stem.*"\nfreeze = true\nuntil = 1\n')

    def said(*more: str) -> str:
        _, asked = prepared("resnet20", "--data", "digits", "--recipe", str(recipe), "--out", str(tmp_path), *more)
        return "\n".join(asked.notes)

    assert f"parameters: norms that are {words} (stem.bn) use the statistics of the batch" in said()
    assert words not in said("--freeze", "stem.*")
    recipe.write_text(recipe.read_text().replace("stem.*", "*.bn.*"))
    assert f"{words} (stem.bn, ...)" in said()
    recipe.write_text(recipe.read_text().replace("*.bn.*", "*.conv1.weight"))
    assert words not in said()


def test_values_that_change_nothing():
    values = {"schedule.kind": "step", "schedule.milestones": [0.5], "schedule.rates": [0.1]}
    assert list(override(Recipe(), values).idle()) == []
    idle = override(Recipe(), values | {"schedule.gamma": 0.5, "parameters": [{"match": "*.bias", "until": 3}]}).idle()
    assert list(idle) == [
        "schedule.gamma = 0.5 has no effect beside schedule.rates",
        "parameters: the table of '*.bias' sets nothing; give it rate_factor, decay_factor, freeze or anew",
    ]
