"""Values of a recipe that are given on the command line."""

from dataclasses import replace
from pathlib import Path

import pytest
from asked import options, task_of, values_of

from diptych.errors import DiptychError, UnknownNameError, UsageError
from trainspec.recipes import TRAIN_OPTIONS, TrainOptions, find_recipe


def test_options_override_single_values():
    asked = options(
        "--epochs 5 --seed 7 --precision fp32 --budget 10m --set optimizer.momentum=0.8 --set batch=64 "
        "--set schedule.milestones=[0.1,0.2] --set schedule.kind=step --out there --data digits"
    )
    recipe = asked.recipe_for("vgg19", "vgg", "digits")
    assert (recipe.epochs, recipe.seed, recipe.precision, recipe.batch) == (5, 7, "fp32", 64)
    assert (recipe.optimizer.momentum, recipe.schedule.kind, recipe.schedule.milestones) == (0.8, "step", (0.1, 0.2))
    assert recipe.optimizer.weight_decay == 5e-4
    assert recipe.data.name == "digits"
    assert (asked.budget, asked.out, asked.data, asked.weights) == (600, Path("there"), "digits", None)
    assert options().recipe_for("vgg19", "vgg", "digits") == replace(
        find_recipe("vgg19", "vgg", "digits"), data=recipe.data
    )


def test_a_value_that_is_given_twice_is_the_last_one_and_says_so(capsys):
    recipe = options("--set batch=256 --set batch=64 --seed 3 --set seed=4").recipe_for("vgg19", "vgg", "digits")
    assert (recipe.batch, recipe.seed) == (64, 3)
    assert capsys.readouterr().out.splitlines() == [
        "note       --set batch=256 is not used: --set batch=64 replaces it",
        "note       --set seed=4 is not used: --seed 3 replaces it",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--epochs five", '--epochs: epochs = "five" is not allowed; give a number'),
        ("--precision fp31", "choose auto, fp64, fp32, tf32, bf16, fp16"),
        ("--budget 10", "not a time; give 90s, 10m or 1h"),
        ("--budget 0m", "not a time"),
        ("--set optimizer.momentum", "give section.key=value"),
        ("--set data.name=cifar10", "choose the data with --data D"),
        ("--budget 99999999999h", "not a time"),
        ("--set optimizer.momentun=0.8", "did you mean optimizer.momentum?"),
        ("--set optimizer=0.8", "optimizer is a section"),
        ("--set batch.size=3", "batch = "),
        ("--set network=3", "network is a section, not a value; write [network]"),
        ("--set network.width=[1]", "network.width = [1] is not allowed; give a number, a text, true or false"),
        ("--set network.stochastic_depth=nan", "network.stochastic_depth = nan is not allowed; must be finite"),
        ("--set network.dropout=0.5", "network.dropout: write regularisation.dropout"),
    ],
)
def test_bad_options(arguments, words):
    with pytest.raises(DiptychError) as error:
        options(arguments).recipe_for("vgg19", "vgg", "digits")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("argv", [["--set", "epochs=1\nbatch=3"], ["--epochs", "1\nseed = 5"]])
def test_two_values_in_one_option_are_refused(argv):
    with pytest.raises(UsageError, match="one value at a time"):
        TrainOptions.read(**values_of(TRAIN_OPTIONS, argv))


def test_the_networks_options_reach_it(tmp_path):
    def graph(*chosen):
        sets = [part for option in chosen for part in ("--set", option)]
        return task_of("googlenet", "--data", "digits", "--recipe", str(path), *sets).graph

    path = tmp_path / "mine.toml"
    path.write_text("[data]\nimage_size = 80\n[regularisation]\ndropout = 0.1\n[network]\naux_heads = true")
    assert graph().heads == {"logits": 1.0, "aux1": 0.3, "aux2": 0.3}
    assert graph().name == "googlenet(dropout=0.1, aux_heads=True)"
    assert graph("network.aux_heads=false").heads == {"logits": 1.0}
    with pytest.raises(UnknownNameError, match="no option 'aux_head'; did you mean aux_heads"):
        graph("network.aux_head=true")
    with pytest.raises(UnknownNameError, match="option aux_heads must be a bool"):
        graph("network.aux_heads=yes")


def test_a_dropout_that_the_network_does_not_have_is_refused():
    with pytest.raises(UnknownNameError, match="regularisation.dropout: lenet5 has no option 'dropout'; leave it out"):
        task_of("lenet5", "--data", "digits", "--set", "regularisation.dropout=0.5")
