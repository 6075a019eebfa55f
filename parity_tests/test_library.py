"""What the commands do, as functions with values: the same in both frameworks."""

import os
import signal
import time
from importlib import import_module
from itertools import count
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import keras_impl
import onnx_impl
import torch_impl
from diptych.errors import DiptychError, RecipeError, UnknownNameError, UsageError
from netspec import Graph, functional as f, load_weights, trace
from trainspec.checkpoints.file import FOLDER, steps_in
from trainspec.predictions import read_predictions
from trainspec.recipes import SGD, Recipe
from trainspec.runs import Run

PACKAGES = {"torch": torch_impl, "keras": keras_impl}


def own_graph() -> Graph:
    return trace("mine", (3, 8, 8), lambda x: f.classify(f.conv_bn(x, 6, 3, name="stem"), 10))


@pytest.fixture(scope="module", params=PACKAGES)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Run]:
    """A graph of one's own by a recipe of one's own, one epoch on the digits."""
    name = request.param
    recipe = Recipe(batch=64, optimizer=SGD(momentum=0.8), precision="fp32")
    settings = {"schedule.peak": 0.05, "augmentation.crop.pad": 1}
    out = tmp_path_factory.mktemp(name)
    package = PACKAGES[name]
    number = {"epochs": np.float64(1), "seed": np.int64(3)}
    return name, package.train(own_graph(), data="digits", recipe=recipe, **number, settings=settings, out=out)


def test_a_training_gives_its_run(trained: tuple[str, Run]) -> None:
    name, run = trained
    assert run.state == "finished"
    assert run.folder.name.startswith(f"mine-{name}-digits-")
    assert 0 <= run.figures["test_top1"] <= 100
    assert run.figures["train_seconds"] > 0
    assert (run.recipe.epochs, run.recipe.seed, run.recipe.optimizer.momentum) == (1, 3, 0.8)
    assert str(run.recipe.augmentation) == "crop (pad 1)"
    assert run.facts["command"] == f"{name}_impl.train(mine)"


def test_evaluations_agree(trained: tuple[str, Run]) -> None:
    name, run = trained
    found = PACKAGES[name].evaluate(run)
    by_path = PACKAGES[name].evaluate(str(run.folder), "digits")
    deployed = onnx_impl.evaluate(run.folder / "model.onnx")
    assert found.top1 == by_path.top1 == deployed.top1
    assert round(found.top1, 3) == run.figures["test_top1"]
    kept = read_predictions(run.folder / f"predictions-{name}.npy")
    assert np.array_equal(found.predictions, kept)


def test_a_run_is_exported(trained: tuple[str, Run], tmp_path: Path) -> None:
    name, run = trained
    difference = PACKAGES[name].export_onnx(run, tmp_path / "mine.onnx")
    assert difference.within
    shipped, written = (onnx.load(path) for path in (run.folder / "model.onnx", tmp_path / "mine.onnx"))
    said, expected = ({one.key: one.value for one in proto.metadata_props} for proto in (written, shipped))
    assert said["classes"] == expected["classes"]
    assert said["weights_sha256"] == expected["weights_sha256"]


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
def test_what_cannot_be_used_is_an_error_before_anything_is_written(package, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownNameError, match="no architecture .resnet21.; did you mean"):
        package.train("resnet21", data="digits")
    with pytest.raises(RecipeError, match="^train: unknown key optimizer.momentun"):
        package.train("lenet5", data="digits", settings={"optimizer.momentun": 0.5})
    with pytest.raises(RecipeError, match="^train: epochs = 0 is not allowed"):
        package.train("lenet5", data="digits", epochs=0)
    with pytest.raises(RecipeError, match="mine is not in the zoo"):
        package.train(own_graph(), data="digits")
    with pytest.raises(RecipeError, match="^recipe: epochs = -1 is not allowed"):
        package.train("lenet5", data="digits", recipe=Recipe(epochs=-1))
    with pytest.raises(UsageError, match=r"^network = .*Linear.*: give a text or a path, or a Graph$"):
        package.train(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)), data="digits")
    assert not list(tmp_path.iterdir())


WRONG = {  # arguments of `train` -> what is said of them, in both frameworks, before anything is written
    "a budget below 0": ({"budget": -1}, "budget = '-1'"),
    "a budget that is no number": ({"budget": float("nan")}, "budget = 'nan'"),
    "a budget in words": ({"budget": "soon"}, "soon: not a time"),
    "threads in words": ({"threads": "2"}, "threads = '2'"),
    "no threads": ({"threads": 0}, "threads = '0'"),
    "a yes in words": ({"deterministic": "no"}, "deterministic = 'no'"),
    "data as a number": ({"data": 3}, "data = 3: give a text or a path"),
    "a recipe as a number": ({"recipe": 3}, "recipe = 3"),
    "weights as a number": ({"weights": 3}, "weights = 3"),
    "a place as a number": ({"out": 3}, "out = 3"),
    "frozen by number": ({"freeze": 3}, "freeze = 3"),
    "frozen by numbers": ({"freeze": [3]}, "freeze"),
    "settings as a number": ({"settings": 3}, "settings = 3"),
    "settings by number": ({"settings": {3: 3}}, "settings"),
    "epochs twice": ({"epochs": 1, "settings": {"epochs": 2}}, "epochs: given beside settings"),
    "data as a setting": ({"settings": {"data.name": "cifar10"}}, "data.name .* data="),
    "epochs without end": ({"epochs": 1e308}, "epochs"),
    "classes as an option": ({"settings": {"network.num_classes": 7}}, "network.num_classes: the data decide it"),
    "a size as an option": ({"settings": {"network.image_size": 7}}, "write data.image_size instead"),
    "a name as an option": ({"settings": {"network.name": "x"}}, "lenet5 has no option 'name'"),
}


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
@pytest.mark.parametrize("case", WRONG)
def test_wrong_arguments_are_refused_before_anything_is_written(case, package, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, message = WRONG[case]
    with pytest.raises(DiptychError, match=message) as error:
        package.train("lenet5", **{"data": "digits", "epochs": 1} | arguments)
    assert len(str(error.value)) < 300
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
def test_wrong_arguments_of_an_evaluation(package):
    for arguments in ((3,), ("run", 3)):
        with pytest.raises(DiptychError, match="= 3: give a text or a path"):
            package.evaluate(*arguments)


def test_a_run_is_as_good_as_its_folder(trained: tuple[str, Run], tmp_path: Path) -> None:
    name, run = trained
    package = PACKAGES[name]
    more = {"data": "digits", "recipe": run.folder / "recipe.toml", "epochs": 0.1, "out": tmp_path}
    again = package.train(own_graph(), weights=run, settings={"checkpoint.every": "1 steps"}, **more)
    assert again.facts["weights"]["file"] == str(run.folder / "weights.safetensors")
    longer = package.train(own_graph(), resume=again, epochs=0.2)
    assert (longer.folder, longer.recipe.epochs) == (again.folder, 0.2)
    model = package.build(own_graph(), seed=1)
    for place in (run, run.folder):
        package.load_weights(model, place)
    kept = load_weights(own_graph(), run.folder / "weights.safetensors")
    assert all(np.array_equal(array, kept[key]) for key, array in package.get_weights(model).items())


def test_a_path_is_as_good_as_a_text(trained: tuple[str, Run], tmp_path: Path) -> None:
    name, run = trained
    again = PACKAGES[name].train(run.folder, data="digits", recipe=run.folder / "recipe.toml", epochs=0.1, out=tmp_path)
    assert again.facts["architecture"] == "mine"
    found = PACKAGES[name].evaluate(run.folder, Path("digits"))
    assert round(found.top1, 3) == run.figures["test_top1"]


@pytest.mark.parametrize("name", PACKAGES)
def test_ctrl_c_ends_a_training_with_a_checkpoint(name, tmp_path, monkeypatch):
    """As in a notebook: it comes in the middle of a step. The run goes on from there."""
    module = import_module(f"{name}_impl.trainer")
    real, steps = module.Trainer.step, count(1)

    def step(self, batch, now):
        if next(steps) == 4:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.5)
        return real(self, batch, now)

    monkeypatch.setattr(module.Trainer, "step", step)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        PACKAGES[name].train("lenet5", data="digits", epochs=1, precision="fp32", out=tmp_path)
    assert signal.getsignal(signal.SIGINT) == before
    (folder,) = tmp_path.iterdir()
    assert Run.open(folder).state == "interrupted"
    assert steps_in(folder / FOLDER) == [4]
    assert PACKAGES[name].train(resume=folder).state == "finished"
