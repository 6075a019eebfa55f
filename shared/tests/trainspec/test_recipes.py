from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from asked import options, task_of
from hypothesis import given, settings, strategies as st

from diptych.errors import RecipeError, UnknownNameError
from netspec import architecture, find, list_architectures
from netspec.reduce import least_image
from trainspec.augment import Mixup
from trainspec.data import open_data
from trainspec.optim import settings as settings_of
from trainspec.recipes import (
    ParameterTable,
    Recipe,
    find_recipe,
    override,
    read_recipe,
    to_toml,
)
from trainspec.recipes.find import recipe_file
from trainspec.recipes.options import parse_duration
from trainspec.schedules import HTD, Cosine, OneCycle

NUMERALS = {"digits", "mnist", "mnist-png"}  # mirrored ones do not occur
DATA = ("cifar10", "cifar100", "cifar10-jpeg", "fashion_mnist", "flowers5", *sorted(NUMERALS))


def read(tmp_path: Path, text: str) -> Recipe:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return read_recipe(path)


@pytest.mark.parametrize("name", list_architectures())
def test_every_network_has_a_modern_recipe_of_a_size_that_it_takes(name):
    recipes = {data: find_recipe(name, find(name).family, data) for data in DATA}
    assert {data for data in DATA if not recipes[data].augmentation.flip} == NUMERALS
    sizes = {data: recipe.data.image_size or max(find(name).input_shape[1:]) for data, recipe in recipes.items()}
    for data, size in sizes.items():
        options = recipes[data].network
        architecture(name, image_size=size, distinct_blocks=True, **options)  # refuses a size that it does not take
        assert size >= least_image(name, **options)
    small = (size for data, size in sizes.items() if data not in ("flowers5", "fashion_mnist"))
    assert max(small) <= 128, "CIFAR has to fit into memory"


def test_a_recipe_without_an_image_size_is_for_the_networks_own():
    recipes = {name: find_recipe(name, "efficientnet", "flowers5") for name in ("efficientnet_b0", "efficientnet_b7")}
    assert {recipe.data.image_size for recipe in recipes.values()} == {None}
    task = task_of("resnet20", "--data", "digits")
    assert (task.graph.input_shape, task.recipe.data.image_size) == ((3, 32, 32), 32)
    task = task_of("resnet20", "--data", "digits", "--set", "data.image_size=17")
    assert (task.graph.input_shape, task.recipe.data.image_size) == ((3, 17, 17), 17)
    assert task.data.train.images.shape[1:] == (17, 17, 3)


def test_the_most_specific_recipe_wins():
    assert find_recipe("vgg19", "vgg", "digits").epochs == find_recipe("vgg19", "vgg", "mnist").epochs == 8
    assert recipe_file("lenet5", "lenet", "mnist").name == "lenet.mnist.toml"
    assert find_recipe("vgg19", "vgg", "cifar10").schedule.peak == 0.01
    assert find_recipe("vgg19_bn", "vgg", "cifar10").schedule.peak == 0.05
    assert find_recipe("nin_bn", "nin", "digits").schedule.peak == 0.02
    original = find_recipe("nin_bn", "nin", "cifar10", "original")
    assert (original.schedule.peak, original.optimizer.weight_decay, original.init) == (0.05, 2e-4, "glorot_uniform")
    assert find_recipe("pyramidnet101_a360", "pyramidnet", "cifar100").data.image_size == 64
    assert find_recipe("pyramidnet110_a48", "pyramidnet", "cifar100").data.image_size is None


def test_no_recipe_and_no_such_collection(tmp_path):
    with pytest.raises(RecipeError, match=r"no original recipe for vgg19 .*; try --recipe modern or --recipe FILE$"):
        find_recipe("vgg19", "vgg", "cifar10", "original")
    with pytest.raises(RecipeError, match=r"no modern recipe for mine .*; try --recipe FILE$"):
        find_recipe("mine", "mine", "cifar10")
    with pytest.raises(UnknownNameError, match="did you mean modern"):
        find_recipe("vgg19", "vgg", "cifar10", "modem")
    for wrong in ("original/lenet5+dq", "modern/lenet6"):
        with pytest.raises(UnknownNameError, match=r"did you mean \w+/lenet.*\? known: modern/lenet, .*\+wd$"):
            find_recipe("lenet5", "lenet", "cifar10", wrong)
    with pytest.raises(UnknownNameError, match=r"--recipe original/vgg: no such recipe; known: none$"):
        find_recipe("mine", "mine", "cifar10", "original/vgg")
    with pytest.raises(RecipeError, match="no such recipe file"):
        find_recipe("vgg19", "vgg", "cifar10", "mine.toml")
    (tmp_path / "mine.toml").write_text("epochs = 3")
    assert find_recipe("vgg19", "vgg", "cifar10", str(tmp_path / "mine.toml")) == Recipe(epochs=3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch = 3", "unknown key epoch; did you mean epochs?"),
        ("[optimizer]\nweigth_decay = 1", "unknown key optimizer.weigth_decay; did you mean optimizer.weight_decay?"),
        ("[optimiser]\nmomentum = 1", "unknown key optimiser; did you mean optimizer?"),
        ("zzz = 1", "unknown key zzz; known: epochs, batch"),
        ("batch = 3.5", "batch = 3.5 is not allowed; give a whole number"),
        ("accumulate = 3", "accumulate: a batch of 128 images cannot be split into 3 equal parts"),
        ("[average]\nkind = 'sma'", 'average.kind = "sma" is not allowed; choose ema, lookahead'),
        ("epochs = true", "epochs = true is not allowed; give a number"),
        ("epochs = '3'", 'epochs = "3" is not allowed; give a number'),
        ("epochs = 0", "epochs = 0 is not allowed; must be above 0"),
        ("[optimizer]\nmomentum = 1.0", "optimizer.momentum = 1 is not allowed; must be at least 0 and below 1"),
        ("[optimizer]\nnesterov = 1", "optimizer.nesterov = 1 is not allowed; give true or false"),
        ("[optimizer]\nkind = 'adma'", 'optimizer.kind = "adma" is not allowed; choose sgd'),
        ("[schedule]\npeak = nan", "schedule.peak = nan is not allowed; must be finite and above 0"),
        ("[schedule]\nkind = 'htd'\nlower = inf", "schedule.lower = inf is not allowed; must be finite"),
        ("[schedule]\nkind = 'step'\nmilestones = 3", "schedule.milestones = 3 is not allowed; give a list of numbers"),
        ("[schedule]\nkind = 'step'\nmilestones = [0.5, 'x']", 'schedule.milestones = "x" is not allowed'),
        ("[schedule]\nkind = 'step'", "schedule.milestones: a step schedule needs at least one"),
        ("[schedule]\nkind = 'step'\nmilestones = [0.5, 0.2]", "schedule.milestones: must be in ascending order"),
        ("[schedule]\nmilestones = [0.5]", "schedule.milestones belongs to schedule.kind step, not to cosine"),
        ("[schedule]\nkind = 'step'\nfloor = 0", "schedule.floor belongs to schedule.kind linear or polynomial or "),
        ("[schedule]\nkind = 'cosin'", 'schedule.kind = "cosin" is not allowed; choose constant, step, linear, '),
        ("[schedule]\nfloor = 1.0", "schedule.floor: must not be above peak"),
        ("[parameters]\nmatch = '*'", "parameters is a list of sections; write [[parameters]]"),
        ("parameters = 3", "parameters is a list of sections; write [[parameters]]"),
        ("[[parameters]]\nfreeze = true", "parameters[1].match is missing"),
        ("[[parameters]]\nmatch = '*'\nlr_factor = 2", "did you mean parameters.rate_factor?"),
        ("[[parameters]]\nmatch = '*'\nrate = 2", "did you mean parameters.rate_factor?"),
        ("[[parameters]]\nmatch = '*'\nuntil = 0", "parameters[1].until = 0 is not allowed; must be above 0"),
        (
            "[schedule]\nkind = 'one_cycle'\nwarmup_epochs = 2",
            "schedule.warmup_epochs belongs to schedule.kind constant or step or linear or ",
        ),
        ("schedule = 3", "schedule is a section, not a value; write [schedule]"),
        ("schedule = 'cosine'", 'schedule is a section, not a value; write schedule.kind = "cosine"'),
        ("seed = 9999999999999999999", "seed is not allowed; give a whole number between -2**63 and 2**63"),
        ("date = 2020-01-01", "unknown key date"),
        ("epochs = 2020-01-01", "epochs = 2020-01-01 is not allowed"),
        ("epochs = ", "not a TOML file"),
        ("extends = 'nothing.toml'", "extends 'nothing.toml', which does not exist beside it"),
    ],
)
def test_bad_recipes(tmp_path, text, words):
    with pytest.raises(RecipeError) as error:
        read(tmp_path, text)
    assert words in str(error.value)
    assert "mine.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_extends_one_level(tmp_path):
    (tmp_path / "base.toml").write_text("epochs = 3\n[optimizer]\nmomentum = 0.5\nnesterov = false")
    child = read(tmp_path, "extends = 'base.toml'\n[optimizer]\nmomentum = 0.6")
    assert (child.epochs, child.optimizer.momentum, child.optimizer.nesterov) == (3, 0.6, False)
    (tmp_path / "grandchild.toml").write_text("extends = 'mine.toml'")
    with pytest.raises(RecipeError, match="only one level"):
        read_recipe(tmp_path / "grandchild.toml")
    (tmp_path / "base.toml").write_text("epoch = 3")
    with pytest.raises(RecipeError, match=r"base\.toml: unknown key epoch"):
        read_recipe(tmp_path / "mine.toml")


@settings(max_examples=40)
@given(st.floats(0, 0.99), st.floats(1e-300, 1e300), st.one_of(st.none(), st.floats(0, 0.99)), st.text())
def test_toml_keeps_every_bit(tmp_path_factory, momentum, peak, dropout, name):
    values = {
        "optimizer.momentum": momentum,
        "schedule.peak": peak,
        "schedule.kind": "step",
        "schedule.milestones": [0.25, 0.5],
    }
    recipe = override(Recipe(), values)
    recipe = replace(recipe, regularisation=replace(recipe.regularisation, dropout=dropout))
    recipe = replace(recipe, data=replace(recipe.data, name=name))
    assert read(tmp_path_factory.getbasetemp(), to_toml(recipe)) == recipe


def test_options_of_the_network(tmp_path):
    recipe = read(tmp_path, "[network]\naux_heads = true\nstochastic_depth = 0.8\nactivation = 'mish'")
    assert recipe.network == {"aux_heads": True, "stochastic_depth": 0.8, "activation": "mish"}
    assert read(tmp_path, to_toml(recipe)) == recipe
    assert Recipe().network == {}
    assert "network" not in to_toml(Recipe())
    asked = options("--set network.aux_heads=true --set network.activation=mish --set network.width=1")
    chosen = asked.recipe_for("vgg19", "vgg", "digits").network
    assert chosen == {"aux_heads": True, "activation": "mish", "width": 1}


def test_another_kind_keeps_what_it_shares_and_drops_the_rest(tmp_path):
    step = read(tmp_path, "[schedule]\nkind = 'step'\npeak = 0.3\nwarmup_epochs = 2\nmilestones = [0.5]")
    assert override(step, {"schedule.kind": "htd"}).schedule == HTD(0.3, warmup_epochs=2)
    assert override(step, {"schedule.kind": "one_cycle"}).schedule == OneCycle(0.3)
    assert override(step, {"schedule.gamma": 0.5}).schedule == replace(step.schedule, gamma=0.5)
    (tmp_path / "base.toml").write_text(to_toml(step))
    child = read(tmp_path, "extends = 'base.toml'\n[schedule]\nkind = 'cosine'\nfloor = 0.01")
    assert child.schedule == Cosine(0.3, warmup_epochs=2, floor=0.01)
    for text in ("schedule.milestones=[0.5]", "schedule.kind=step"):
        with pytest.raises(RecipeError, match=r"schedule\.milestones"):
            options(f"--set {text}").recipe_for("vgg19", "vgg", "digits")


def test_a_section_that_is_on_is_switched_on_as_it_is():
    recipe = override(Recipe(), {"augmentation.mixup.alpha": 0.2, "augmentation.mixup": True})
    assert recipe.augmentation.mixup == Mixup(alpha=0.2)
    assert override(recipe, {"augmentation.mixup": True}) == recipe
    assert override(recipe, {"augmentation.mixup": False}).augmentation.mixup is None
    assert override(Recipe(), {"augmentation.mixup": True}).augmentation.mixup == Mixup()
    for order in (1, -1):
        both = {"augmentation.flip": False, "augmentation.flip.mode": "alternating"}
        with pytest.raises(RecipeError, match="augmentation.flip = false and augmentation.flip.mode contradict"):
            override(recipe, dict(list(both.items())[::order]))
    with pytest.raises(RecipeError, match="optimizer is a section"):
        override(recipe, {"optimizer": True})


def test_parameter_tables(tmp_path):
    one, other = "match = '*.bias'\nrate_factor = 64", "match = 'conv1*'\nfreeze = true\nuntil = 2.5"
    recipe = read(tmp_path, f"[[parameters]]\n{one}\n[[parameters]]\n{other}")
    tables = (ParameterTable("*.bias", rate_factor=64), ParameterTable("conv1*", freeze=True, until=2.5))
    assert recipe.parameters == tables
    assert read(tmp_path, to_toml(recipe)) == recipe
    assert "parameters" not in to_toml(Recipe())
    asked = options("--set parameters=[{match='*.bias',freeze=true}]").recipe_for("lenet5", "lenet", "digits")
    assert asked.parameters == (ParameterTable("*.bias", freeze=True),)
    graph = architecture("lenet5")
    biased, rest = sorted(settings_of(graph, asked), key=lambda group: not group.tables)
    assert all(name.endswith(".bias") for name in biased.names)
    assert not any(name.endswith(".bias") for name in rest.names)
    with pytest.raises(RecipeError, match=r"'\*\.bn\.bias' matches no trainable parameter of lenet5"):
        settings_of(graph, replace(asked, parameters=(ParameterTable("*.bn.bias", freeze=True),)))


def test_durations():
    assert [parse_duration(text) for text in ("90s", "10m", "1.5h")] == [90, 600, 5400]


def test_normalisation_constants():
    data = open_data("digits", 8, notice=print)
    augmentation = Recipe().augmentation
    assert augmentation.constants(data) == (data.mean, data.std)
    assert replace(augmentation, normalise="half").constants(data) == ((0.5,) * 3, (0.5,) * 3)
    assert replace(augmentation, normalise="unit").constants(data) == ((0.0,) * 3, (1.0,) * 3)
    own = replace(augmentation, normalise="half", mean=(0.0, 51.0, 255.0))
    assert own.constants(data) == ((0.0, 0.2, 1.0), (0.5,) * 3)
    assert replace(own, std=(1.0, 51.0, 255.0)).constants(data)[1] == (1 / 255, 0.2, 1.0)
    for sets, words in (("mean=[1,2]", "augmentation.mean has 2 numbers"), ("std=[1,2,0]", "must be above 0")):
        with pytest.raises(RecipeError, match=words):
            task_of("lenet5", "--data", "digits", "--set", f"augmentation.{sets}")


@pytest.mark.parametrize("wrap", [tuple, np.array, list])
def test_values_from_python_may_be_tuples_and_arrays(wrap):
    values = {"schedule.kind": "step", "schedule.milestones": wrap([0.5]), "augmentation.flip": np.True_}
    recipe = override(Recipe(), {**values, "parameters": ({"match": "fc.*", "freeze": np.True_},)})
    assert recipe.schedule.milestones == (0.5,)
    assert recipe.augmentation.flip is not None
    assert recipe.parameters[0].freeze is True
    assert architecture("googlenet", aux_heads=np.True_) == architecture("googlenet", aux_heads=True)
