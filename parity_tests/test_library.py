"""What the commands do, as functions with values: the same in both frameworks."""

from pathlib import Path

import numpy as np
import onnx
import pytest

import keras_impl
import onnx_impl
import torch_impl
from diptych.errors import RecipeError, UnknownNameError
from netspec import Graph, functional as f, trace
from trainspec.evaluation import read_predictions
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
    return name, package.train(own_graph(), data="digits", recipe=recipe, epochs=1, seed=3, settings=settings, out=out)


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
    with pytest.raises(RecipeError, match="unknown key optimizer.momentun"):
        package.train("lenet5", data="digits", settings={"optimizer.momentun": 0.5})
    with pytest.raises(RecipeError, match="epochs = 0 is not allowed"):
        package.train("lenet5", data="digits", epochs=0)
    with pytest.raises(RecipeError, match="mine is not in the zoo"):
        package.train(own_graph(), data="digits")
    assert not list(tmp_path.iterdir())
