"""Test-time augmentation: its views by hand, and the mean of their logits in `deploy`."""

from typing import get_args

import numpy as np
import pytest
import torch

import deploy.__main__
from deploy import Classifier, DeployError
from deploy.views import VIEWS, View, mean_logits, views_of
from netspec.compare import Difference, limits
from tiny_classifier import images, write_run
from trainspec.recipes.recipe import TestTimeAugmentation

IMAGE = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1)
BY_HAND = {  # the rows of each view of the rows 012, 345, 678
    (False, (0, 0)): ["012", "345", "678"],
    (True, (0, 0)): ["210", "543", "876"],
    (False, (1, 1)): ["434", "101", "434"],
    (True, (1, 1)): ["434", "101", "434"],
    (False, (-1, -1)): ["454", "787", "454"],
    (True, (-1, -1)): ["454", "787", "454"],
    (True, (0, 1)): ["101", "434", "767"],
    (False, (-1, 0)): ["345", "678", "345"],
}


@pytest.mark.parametrize(("view", "rows"), BY_HAND.items())
def test_a_view_by_hand(view, rows):
    mirrored, shift = view
    made = View(1.0, mirrored, shift).of(IMAGE)
    assert ["".join(map(str, row)) for row in made[0, :, :, 0]] == rows


def test_the_views_are_airbenchs():
    images = np.random.default_rng(0).normal(size=(2, 7, 5, 3))
    placed = torch.from_numpy(images).permute(0, 3, 1, 2)
    padded = torch.nn.functional.pad(placed, (1, 1, 1, 1), "reflect")
    expected = [
        flipped for part in (placed, padded[:, :, :7, :5], padded[:, :, 2:, 2:]) for flipped in (part, part.flip(-1))
    ]
    made = [view.of(images) for view in VIEWS["mirror_shift"]]
    assert [view.weight for view in VIEWS["mirror_shift"]] == [0.25, 0.25, 0.125, 0.125, 0.125, 0.125]
    for ours, theirs in zip(made, expected, strict=True):
        assert np.array_equal(ours, theirs.permute(0, 2, 3, 1).numpy())


def test_every_kind_is_a_mean_and_can_stand_in_a_recipe():
    assert get_args(TestTimeAugmentation) == tuple(VIEWS)
    for tta, views in VIEWS.items():
        assert sum(view.weight for view in views) == 1
        assert len(set(views)) == len(views)
        constant = mean_logits(lambda images: np.full((len(images), 2), 3.0), IMAGE, tta)
        assert np.array_equal(constant, [[3.0, 3.0]])


def test_the_logits_of_views_are_averaged_by_weight():
    mean = mean_logits(lambda images: images[:, 0, :2, 0], IMAGE, "mirror_shift")
    rows = [BY_HAND[view.mirrored, view.shift][0] for view in VIEWS["mirror_shift"]]
    weights = [0.25, 0.25, 0.125, 0.125, 0.125, 0.125]
    assert np.array_equal(mean, [[np.dot(weights, [int(row[place]) for row in rows]) for place in (0, 1)]])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("given"))


@pytest.mark.parametrize("tta", VIEWS)
def test_a_classifier_takes_the_mean(folder, tta):
    plain, augmented = (Classifier(folder / "run", isolate=False, tta=kind) for kind in ("none", tta))
    pixels = images(70)  # more than a batch
    parts = [view.weight * plain.logits(view.of(pixels)).astype(np.float64) for view in VIEWS[tta]]
    difference = Difference(np.abs(augmented.logits(pixels) - sum(parts)).max(), limits().float32_forward, "mean")
    assert difference.within, str(difference)
    assert (tta == "none") == np.array_equal(plain.logits(pixels), augmented.logits(pixels))


def test_the_command_takes_views(folder, capsys):
    answers = []
    for tta in VIEWS:
        deploy.__main__.main(["predict", str(folder / "run"), str(folder / "images/one.png"), "--tta", tta, "--json"])
        answers.append(capsys.readouterr().out)
    assert len(set(answers)) == len(VIEWS)
    with pytest.raises(DeployError, match="--tta: invalid choice: 'both'"):
        deploy.__main__.main(["predict", "m.onnx", "a.png", "--tta", "both"])
    with pytest.raises(DeployError, match="did you mean mirror"):
        Classifier(folder / "run", tta="miror")


def test_a_kind_that_is_not_known():
    for wrong in ("miror", 3, None):
        with pytest.raises(DeployError, match="is not known; "):
            views_of(wrong)
