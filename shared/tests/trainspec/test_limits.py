"""What one framework takes and the other refuses is refused for both, before either is loaded."""

import subprocess
import sys

import pytest
from asked import task_of

from diptych.errors import DiptychError, RecipeError, ShapeError, StorageError
from netspec import architecture, functional as f, list_architectures, trace
from trainspec.data import FoundData
from trainspec.limits import check_folder, check_limits
from trainspec.plan import draw_epoch
from trainspec.recipes import Recipe, override


def normed(size: int):
    def network(x):
        return f.linear(f.flatten(f.conv_bn(x, 4, 3, name="conv")), 2, name="fc")

    return trace("normed", (3, size, size), network)


def test_a_batch_norm_over_one_value():
    one = Recipe(batch=1)
    with pytest.raises(ShapeError, match="with one image in a batch 'conv.bn' would normalise a single value"):
        check_limits(normed(1), one, 100)
    with pytest.raises(ShapeError, match="single value"):
        check_limits(normed(1), Recipe(batch=64), 1)  # there is only one image
    with pytest.raises(
        ShapeError, match="with one image in each of the 8 parts of a batch 'conv.bn'.*lower accumulate"
    ):
        check_limits(normed(1), Recipe(batch=8, accumulate=8), 100)
    check_limits(normed(1), Recipe(batch=8, accumulate=4), 100)
    check_limits(normed(2), one, 100)
    check_limits(normed(1), Recipe(batch=2), 100)


def test_a_network_without_parameters():
    with pytest.raises(ShapeError, match="nothing has no parameter to train"):
        check_limits(trace("nothing", (3, 8, 8), lambda x: f.global_avg_pool(x)), Recipe(), 100)


def test_networks_whose_norms_need_two_images():
    """At their own size nearly all networks take a batch of one."""
    for name in list_architectures():
        if name.startswith(("vgg19_bn", "resnet20", "mobilenet_v2", "efficientnet_b0", "densenet121")):
            check_limits(architecture(name), Recipe(batch=1), 100)


@pytest.mark.parametrize("seed", [0, 2**32 - 1, 2**32, 5_000_000_000, 2**63 - 1])
def test_every_seed_has_a_plan_of_its_own(seed):
    recipe = override(Recipe(), {"seed": seed})
    one, other = (draw_epoch(number, 0, 50) for number in (recipe.seed, recipe.seed ^ 1))
    assert one.digest != other.digest


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epochs": 10**9}, "but Keras counts fewer"),
        ({"schedule.peak": 1e300}, "schedule.peak = 1e+300 is beyond what float32 holds"),
        ({"optimizer.weight_decay": 1e300}, "optimizer.weight_decay = 1e+300 is beyond"),
        ({"initialisation.tensors": [{"match": "*", "value": -1e300}]}, "value = -1e+300 is beyond"),
        (
            {"schedule.kind": "step", "schedule.milestones": [0.5], "schedule.rates": [1e39]},
            "schedule.rates = 1e+39 is beyond",
        ),
        ({"parameters": [{"match": "*", "freeze": True}]}, "every parameter of normed is frozen"),
        ({"parameters": [{"match": "x*", "freeze": True}]}, "'x*' matches no trainable parameter of normed"),
    ],
)
def test_numbers_that_are_too_large(values, words):
    with pytest.raises(RecipeError) as error:
        check_limits(normed(8), override(Recipe(), values), 1000)
    assert words in str(error.value)


REFUSED = {
    "--seed 9223372036854775808": "seed",
    "--seed -1": "must be at least 0",
    "--seed 1e3": "give a whole number",
    "--seed nan": "give a whole number",
    "--seed " + "9" * 5000: "give a whole number",
    "--set seed=" + "[" * 9000: "give a whole number",
    "--set schedule.peak=1" + "0" * 400: "not allowed",
    "--set " + "a." * 5000 + "b=1": "unknown key a",
    "--budget " + "9" * 400 + "h": "not a time",
    "--epochs 0": "must be above 0",
    "--epochs 99999999999999999999": "epochs",
    "--epochs 1000000000": "but Keras counts fewer",
    "--precision FP32": "did you mean fp32?",
    "--precision float32": "choose auto, fp64, fp32",
    "--set batch=0": "must be at least 1",
    "--set batch=-3": "must be at least 1",
    "--set optimizer.momentum=1": "below 1",
    "--set optimizer.momentum=nan": "not allowed",
    "--set optimizer.weight_decay=-1": "at least 0",
    "--set schedule.peak=0": "above 0",
    "--set schedule.peak=inf": "not allowed",
    "--set schedule.peak=1e39": "beyond what float32 holds",
    "--set regularisation.label_smoothing=1": "below 1",
    "--set evaluate_every=0": "at least 1",
    "--set augmentation.crop.pad=-1": "at least 0",
    "--set data.image_size=0": "at least 1",
    "--set optimizer.lr=0.1": "unknown key optimizer.lr; did you mean schedule.peak?",
    "--set lr=0.1": "did you mean schedule.peak?",
    "--set learning_rate=0.1": "did you mean schedule.peak?",
    "--set Momentum=0.1": "did you mean optimizer.momentum?",
    "--set batch_size=3": "did you mean batch?",
    "--set wd=3": "did you mean optimizer.weight_decay?",
    "--set dropout=0.3": "did you mean regularisation.dropout?",
    "--set optimiser.momentum=0.3": "unknown key optimiser; did you mean optimizer?",
    "--set schedule.warmup=3": "did you mean schedule.warmup_epochs?",
    "--set network.dropout=0.3": "write regularisation.dropout",
    "--set network.widht=0.3": "has no option 'widht'",
    "--set patchup=true": "patchup: resnet20 has no option 'patchup'; leave it out",
    "--set network.stochastic_depth=1.5": "resnet20(stochastic_depth=1.5): survival probability 1.5 is outside",
    "--set augmentation.cutout.side=63": "augmentation.cutout.side: 63 cuts out the whole of 32x32 images; lower it",
    "--recipe Modern": "did you mean modern?",
    "--recipe nowhere.toml": "no such recipe file",
    "--weights nowhere.safetensors": "nowhere.safetensors",
    "--freeze stm*": "'stm*' matches no trainable parameter of resnet20; did you mean stem.*",
    "--freeze stage1.block1.conv1.weigth": "did you mean stage1.block1.conv1.weight",
    "--freeze *.running_mean": "'*.running_mean' matches no trainable parameter of resnet20",
    "--freeze *": "every parameter of resnet20 is frozen",
    "--lr 0.1": "unrecognized arguments",
    "--epoch-s 3": "did you mean --epochs?",
}


@pytest.mark.parametrize("given", REFUSED, ids=lambda given: given[:40])
def test_what_no_training_takes(given):
    with pytest.raises(DiptychError) as error:
        task_of("resnet20", "--data", "digits", *given.split())
    assert REFUSED[given] in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 700


def test_layers_that_nobody_tells_how_to_mix():
    with pytest.raises(RecipeError, match="network.patchup: leave it out; the table"):
        task_of("preresnet20", "--data", "digits", "--set", "network.patchup=true")


@pytest.mark.parametrize(
    "given",
    ["--recipe Modern", "--recipe nowhere.toml", "--set lr=1", "--weights none", "--epochs 0", "--recipe original"],
)
def test_a_bad_option_is_refused_before_any_data_are_looked_for(given, monkeypatch):
    monkeypatch.setattr("trainspec.task.find_data", lambda *_, **__: pytest.fail("data were looked for"))
    with pytest.raises(DiptychError):
        task_of("vgg19", *given.split())


def test_a_bad_recipe_file_is_refused_before_any_data_are_looked_for(monkeypatch, tmp_path):
    monkeypatch.setattr("trainspec.task.find_data", lambda *_, **__: pytest.fail("data were looked for"))
    (tmp_path / "mine.toml").write_text("epoch = 3")
    with pytest.raises(RecipeError, match="did you mean epochs"):
        task_of("vgg19", "--recipe", str(tmp_path / "mine.toml"))


def test_a_runs_folder_of_a_name_that_the_file_system_does_not_take(tmp_path):
    check_folder(tmp_path, "lenet5", "x" * 200)
    deep = tmp_path.joinpath(*["x" * 200] * 19, "x" * (100 - len(str(tmp_path))))
    check_folder(deep, "lenet5", "digits")
    with pytest.raises(StorageError, match="would have .* bytes; 4095 are possible"):
        check_folder(deep / "x" / ("y" * 200), "lenet5", "digits")
    with pytest.raises(StorageError, match="and 255 are possible; shorten"):
        check_folder(tmp_path / "not" / "yet", "lenet5", "x" * 250)


def test_limits_load_no_framework():
    code = "import sys, trainspec.limits; sys.exit(bool({'torch', 'keras', 'tensorflow', 'onnx'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "argv",
    [("--freeze", "typo"), ("--set", "data.image_size=4"), ("--set", "network.typo=1"), ("--freeze", "*")],
    ids=" ".join,
)
def test_what_no_data_make_right_is_refused_before_they_are_read(argv, monkeypatch):
    monkeypatch.setattr("trainspec.task.find_data", lambda *parts, **more: FoundData("digits", "digits", unread))
    with pytest.raises(DiptychError):
        task_of("lenet5", "--data", "digits", *argv)


def unread(*parts):
    pytest.fail("the images are read")
