"""The original recipes against the origins' code and tables, written down again from their sources."""

import math

import pytest

from diptych.errors import RecipeError
from netspec import find
from trainspec.recipes import find_recipe, read_recipe
from trainspec.recipes.find import shipped_recipes
from trainspec.results.published import published
from trainspec.schedules import Constant, learning_rate

ORIGINAL = {name.partition("/")[2]: file for name, file in shipped_recipes().items() if name.startswith("original/")}


def steps(*until: tuple[float, float]):
    """The rate of an epoch: that of the first pair with a number of epochs that is not reached."""
    return lambda epoch: next(rate for end, rate in until if epoch < end)


REST = math.inf
RESNET = steps((81, 0.1), (122, 0.01), (REST, 0.001))
LONG = steps((150, 0.1), (225, 0.01), (REST, 0.001))
RATES = {  # origin 1: epochs, batch, and the rate by epoch from 0
    "lenet5": (200, 128, steps((100, 0.01), (150, 0.005), (REST, 0.001))),
    "nin": (200, 128, steps((81, 0.01), (141, 0.005), (REST, 0.001))),
    "nin+tf": (164, 128, steps((80, 0.05), (120, 0.01), (REST, 0.001))),
    "nin_bn": (200, 128, steps((61, 0.05), (121, 0.01), (161, 0.002), (REST, 0.0004))),
    "nin_bn+tf": (200, 128, steps((60, 0.05), (120, 0.01), (160, 0.002), (REST, 0.0004))),
    "vgg19_cifar": (200, 128, steps((80, 0.1), (160, 0.01), (REST, 0.001))),
    "vgg19_cifar+imagenet": (200, 128, steps((80, 0.1), (160, 0.01), (REST, 0.001))),
    "vgg19_cifar+tf": (164, 250, steps((80, 0.1), (120, 0.01), (REST, 0.001))),
    "resnet_cifar": (200, 128, RESNET),
    "preresnet_cifar": (200, 128, RESNET),
    "preresnet_cifar+step": (200, 128, RESNET),
    "preresnet_cifar+cosine": (200, 128, lambda epoch: 0.05 + 0.05 * math.cos(math.pi / 2 * (epoch / 100))),
    "preresnet_cifar+htd": (200, 128, lambda epoch: 0.05 * (1 - math.tanh(9 * epoch / 200 - 6))),
    "wide_resnet": (200, 128, steps((60, 0.1), (120, 0.02), (160, 0.004), (REST, 0.0008))),
    "resnext_cifar": (300, 64, LONG),
    "seresnext29_4x64d": (250, 64, LONG),
    "densenet_cifar": (300, 64, LONG),
    "densenet_cifar+multi_gpu": (250, 64, steps((76, 0.1), (151, 0.01), (211, 0.001), (REST, 0.0005))),
}


@pytest.mark.parametrize("name", RATES)
def test_rates_are_those_of_the_origins_code(name):
    epochs, batch, rate = RATES[name]
    recipe = read_recipe(ORIGINAL[name])
    assert (recipe.epochs, recipe.batch, recipe.schedule.per) == (epochs, batch, "epoch")
    for epoch in range(epochs):
        for step in (0, 390):
            found = learning_rate(recipe.schedule, epoch * 391 + step, epochs * 391, 391)
            assert found == pytest.approx(rate(epoch), rel=1e-12)


def test_origin_2_fine_tunes_every_layer_alike():
    recipe = read_recipe(ORIGINAL["resnet34+imagenet"])
    assert (recipe.epochs, recipe.batch, recipe.optimizer.kind, recipe.optimizer.weight_decay) == (3, 32, "adam", 0.0)
    assert recipe.schedule == Constant(1e-4)
    assert recipe.parameters == ()
    shown = [round(255 * value) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)) for value in values]
    assert [round(value) for value in (*recipe.augmentation.mean, *recipe.augmentation.std)] == shown


TRICKS = {  # of origin 3's rows: what it changes in a recipe
    "mish": lambda recipe: recipe.network.get("activation") == "mish",
    "sd": lambda recipe: "stochastic_depth" in recipe.network,
    "htd": lambda recipe: recipe.schedule.kind == "htd",
    "cos": lambda recipe: recipe.schedule.kind == "cosine",
    "cutout": lambda recipe: recipe.augmentation.cutout is not None,
    "mixup": lambda recipe: recipe.augmentation.mixup is not None,
    "cutmix": lambda recipe: recipe.augmentation.cutmix is not None,
}
ORIGIN_3 = [figure for figure in published() if figure.origin == "origin 3"]


@pytest.mark.parametrize("figure", ORIGIN_3, ids=lambda figure: figure.row)
def test_a_row_of_origin_3_has_a_recipe_with_its_tricks_and_no_other(figure):
    row = figure.row.lower().replace("cutout16", "cutout").replace("mixup0.2", "mixup").replace("mixup1", "mixup")
    named = {part for part in row.replace("+", " ").split()[1:] if part in TRICKS}
    name = figure.recipe or "original/resnetv2_cifar"
    recipe = read_recipe(shipped_recipes()[name])
    assert {trick for trick, is_on in TRICKS.items() if is_on(recipe)} == named
    if recipe.augmentation.mixup:
        assert recipe.augmentation.mixup.alpha == float(figure.row.partition("Mixup")[2])
    assert all(mixing.per == "sample" for mixing in recipe.augmentation.mixing)
    assert (recipe.epochs, recipe.batch, recipe.schedule.peak, recipe.schedule.warmup_epochs) == (150, 1024, 0.5, 10)
    assert recipe.augmentation.crop
    assert recipe.augmentation.crop.border == "symmetric"


def test_a_network_with_variants_only_is_told_them():
    with pytest.raises(RecipeError, match=r"try --recipe original/mobilenet_v2\+192px.* or --recipe FILE$"):
        find_recipe("mobilenet_v2", "mobilenet", "cifar10", "original")


def test_every_row_with_additions_has_its_own_recipe():
    recipes = [figure.recipe for figure in published() if figure.recipe]
    assert len(recipes) == len(set(recipes))
    assert all(figure.recipe for figure in ORIGIN_3 if "+" in figure.row)


WITHOUT_FIGURE = {  # rows of origin 3 that its table leaves empty, or that it has for several networks
    "densenet_cifar+origin3",
    "resnetv2_170b_cifar+mish+htd+cutmix",
    "resnetv2_50b_cifar+sd+htd+cutmix+mish",
    "resnext152_c32_cifar+sd",
    "senet152_cifar+sd",
}
WITHOUT_ROW = {"resnetv2_35b_cifar+htd"}


def test_a_recipe_of_origin_3_with_additions_is_one_of_its_rows_or_says_that_it_is_none():
    texts = {name: file.read_text() for name, file in ORIGINAL.items()}
    with_additions = {name for name, text in texts.items() if "+" in name and "MoonArchitect" in text}
    rows = {(figure.recipe or "").partition("/")[2] for figure in ORIGIN_3} - {""}
    assert with_additions == rows | WITHOUT_FIGURE | WITHOUT_ROW
    assert {name for name in with_additions if "no such row" in texts[name].replace("\n# ", " ")} == WITHOUT_ROW


@pytest.mark.parametrize(
    ("network", "least"),
    [
        ("resnetv2_50b_cifar", 0.7),
        ("resnetv2_101b_cifar", 0.5),
        ("resnetv2_152b_cifar", 0.35),
        ("resnext50_c32_cifar", 0.65),
        ("resnext101_c32_cifar", 0.5),
        ("resnext152_c32_cifar", 0.35),
    ],
)
def test_the_survival_rates_of_origin_3(network, least):
    recipe = find_recipe(network, find(network).family, "cifar10", f"original/{network}+sd")
    assert recipe.network["stochastic_depth"] == least


@pytest.mark.parametrize(
    ("name", "decay"),
    [
        ("lenet5", 0.0),
        ("lenet5+dp+da", 0.0),
        ("lenet5+dp+da+wd", 2e-4),
        ("nin+tf", 1e-4),
        ("vgg19_cifar+tf", 3e-4),
        ("wide_resnet", 1e-3),
        ("resnext_cifar", 1e-3),
        ("densenet_cifar", 2e-4),
        ("mobilenet_v2+96px+htd+cutmix", 8e-5),
    ],
)
def test_keras_l2_is_half_of_the_decay(name, decay):
    """Keras's l2(c) is a decay of 2c; TensorFlow's l2_loss has the half in it, and counts all that is trained."""
    optimizer = read_recipe(ORIGINAL[name]).optimizer
    assert (optimizer.weight_decay, optimizer.decay_norms_and_biases) == (decay, name.endswith("+tf"))
