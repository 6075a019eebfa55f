"""One rule for how an image of any size and colour becomes the input: in training, evaluation and deployment."""

import io

import numpy as np
import pytest
from PIL import Image
from samples import write_folder

from deploy.contract import COLOR_RULES, RESIZE_RULES, Contract
from deploy.errors import ModelError
from deploy.inputs import prepare
from diptych.errors import RecipeError, ShapeError
from netspec import architecture
from trainspec.data import Form, open_data
from trainspec.data.images import decode, resize_arrays
from trainspec.recipes import Recipe, TrainOptions, override
from trainspec.task import prepare as prepare_task

FORMS = [Form(12, resize, channels) for resize in RESIZE_RULES for channels in COLOR_RULES]
KINDS = {"RGB": (20, 31, 3), "tall": (40, 9, 3), "L": (25, 14), "small": (5, 4, 3), "exact": (12, 12, 3)}


def pixels(kind: str) -> np.ndarray:
    return np.random.default_rng(len(kind)).integers(0, 256, KINDS[kind], np.uint8)


def png(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels(kind)).save(file, "PNG")
    return file.getvalue()


def by_pillow(array: np.ndarray, form: Form) -> np.ndarray:
    """The rules in Pillow's own words: luma, then the box, then the resize."""
    image = Image.fromarray(array).convert("L" if form.channels == 1 else "RGB")
    width, height = image.size
    side = min(width, height) * (7 / 8 if form.resize == "margin" else 1)
    left, top = (width - side) / 2, (height - side) / 2
    box = (0, 0, width, height) if form.resize == "squash" else (left, top, left + side, top + side)
    made = np.asarray(image.resize((form.size, form.size), Image.Resampling.BILINEAR, box=box))
    return made.reshape(form.shape)


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_training_and_deployment_make_the_same_pixels(form, kind):
    expected = by_pillow(pixels(kind), form)
    np.testing.assert_array_equal(decode(png(kind), form, kind), expected)
    np.testing.assert_array_equal(resize_arrays(pixels(kind)[None], form)[0], expected)
    deployed = prepare(png(kind), (form.size, form.size), form.channels, rule=form.rule)
    np.testing.assert_array_equal(deployed, expected)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_folder_is_read_in_its_form(tmp_path, form):
    files = {f"{name}/{kind}.png": png(kind) for name in "ab" for kind in KINDS}
    path = write_folder(tmp_path / "set", files)
    for _ in range(2):  # decoded, then from the cache
        data = open_data(str(path), form.size, notice=str, resize=form.resize, channels=form.channels)
        assert data.image_shape == form.shape
        assert len(data.mean) == len(data.std) == form.channels
        wanted = {by_pillow(pixels(kind), form).tobytes() for kind in KINDS}
        assert {image.tobytes() for image in data.train.images} <= wanted
        assert f"Resize rule: {form.rule}." in data.notes


def test_squash_keeps_the_borders_that_crop_cuts_off(tmp_path):
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, :4] = 255
    assert resize_arrays(wide[None], Form(8)).max() == 0
    assert resize_arrays(wide[None], Form(8, "squash")).max() == 255


def test_luma_and_grey():
    red = np.zeros((1, 4, 4, 3), np.uint8)
    red[..., 0] = 255
    assert (resize_arrays(red, Form(4, channels=1)) == 76).all()  # 0.299 * 255
    grey = np.full((1, 4, 4), 93, np.uint8)
    assert (resize_arrays(grey, Form(4, channels=3)) == 93).all()
    assert (resize_arrays(grey, Form(4, channels=1)) == 93).all()


def test_the_recipe_says_the_form_and_the_file_says_the_rules(tmp_path):
    recipe = override(Recipe(), {"data.resize": "squash", "data.channels": 1})
    task, _ = prepare_task("lenet5", TrainOptions("digits", recipe, out=tmp_path))
    assert task.graph.input_shape == (1, 32, 32)
    assert task.data.image_shape == (32, 32, 1)
    contract = Contract.read(task.metadata(task.weights).items())
    assert (contract.resize_rule, contract.color_rule) == (RESIZE_RULES["squash"], COLOR_RULES[1])
    assert Form.of_file(contract, "the file") == recipe.data.form(32)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"augmentation.std": [1e-5] * 3}, "std: a standard deviation of"),
        ({"augmentation.mean": [3e8] * 3, "augmentation.std": [1.0] * 3}, "mean: .* is out of range"),
    ],
)
def test_what_no_model_can_say_is_refused_before_the_training(tmp_path, changes, match):
    values = {"augmentation.mean": [1.0] * 3, "augmentation.std": [1.0] * 3} | changes
    with pytest.raises(RecipeError, match=f"the model of this training: .*{match}.*; nothing would be exported"):
        prepare_task("lenet5", TrainOptions("digits", override(Recipe(), values), out=tmp_path))


@pytest.mark.parametrize("value", [2, 0, True, "1", 1.0])
def test_channels_are_one_or_three(value):
    with pytest.raises(RecipeError, match=r"data\.channels"):
        override(Recipe(), {"data.channels": value})


def test_a_graph_of_one_channel_gets_luma(tmp_path):
    graph = architecture("lenet5", in_channels=1)
    task, _ = prepare_task(graph, TrainOptions("digits", Recipe(), out=tmp_path))
    assert task.data.image_shape == (32, 32, 1)
    assert task.recipe.data.channels == 1
    with pytest.raises(ShapeError, match=r"takes images of 1 channels, but data\.channels is 3"):
        prepare_task(graph, TrainOptions("digits", Recipe(), {"data.channels": 3}, out=tmp_path))


def test_rules_that_contradict_the_channels():
    entries = {"mean": "[0.5]", "std": "[0.5]", "color_rule": COLOR_RULES[3]}
    with pytest.raises(ModelError, match="contradict each other: 1 means"):
        Contract.read(entries.items())
    with pytest.raises(ModelError, match="color_rule: a rule that this version does not know"):
        Contract.read([("color_rule", "green only")])
