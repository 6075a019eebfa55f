"""`--freeze` and the tables `[[parameters]]`: what is frozen, for how long, and what that means for a batch norm."""

import pytest
from asked import options, task_of

from diptych.errors import RecipeError
from netspec import architecture, initial_weights, list_architectures, ops, save_weights
from trainspec.limits import check_limits
from trainspec.optim import frozen_norms_of, patterns_of, settings, trained_graph
from trainspec.recipes import ParameterTable, Recipe

GRAPH = architecture("resnet20")


def recipe(*tables: ParameterTable) -> Recipe:
    return Recipe(parameters=tables)


def frozen(*tables: ParameterTable) -> frozenset[str]:
    return frozen_norms_of(GRAPH, settings(GRAPH, recipe(*tables)))


def test_patterns_are_the_recipes_last_tables():
    asked = options("--set parameters=[{match='*',rate_factor=0.1}] --freeze stem* --freeze *.bias")
    assert asked.freeze == ("stem*", "*.bias")
    found = asked.recipe_for("resnet20", "resnet_cifar", "digits").parameters
    assert found == (
        ParameterTable("*", rate_factor=0.1),
        ParameterTable("stem*", freeze=True),
        ParameterTable("*.bias", freeze=True),
    )
    task = task_of("resnet20", "--data", "digits", "--freeze", "stem*", "--freeze", "stage1*")
    names = {name for group in task.groups if group.is_frozen for name in group.names}
    assert names == {name for name in settings_names() if name.startswith(("stem", "stage1"))}


def settings_names() -> list[str]:
    return [name for group in settings(GRAPH, Recipe()) for name in group.names]


def test_a_norm_is_frozen_with_its_weight_and_its_bias():
    weight, bias = (ParameterTable(f"stem.bn.{name}", freeze=True) for name in ("weight", "bias"))
    assert frozen(weight, bias) == frozen(ParameterTable("stem*", freeze=True)) == {"stem.bn"}
    assert not frozen(weight)
    assert not frozen(bias)
    assert not frozen(weight, bias, ParameterTable("*", freeze=False))


def test_a_norm_that_is_frozen_at_times_is_trained():
    assert not frozen(ParameterTable("stem*", freeze=True, until=2.0))
    assert not frozen(ParameterTable("stem*", freeze=True), ParameterTable("stem*", freeze=False, until=1.0))
    assert frozen(ParameterTable("stem*", freeze=True), ParameterTable("stem*", rate_factor=2.0, until=1.0))


@pytest.mark.parametrize("name", [name for name in list_architectures() if name.endswith(("20", "121", "_b0"))])
def test_the_trained_graph_of_a_recipe_that_freezes_everything(name):
    graph = architecture(name)
    assert trained_graph(graph, Recipe()) == graph
    changed = trained_graph(graph, recipe(ParameterTable("*", freeze=True)))
    kinds = {node.name: type(node.op) for node in graph}
    norms = {node.name for node in changed if type(node.op) is ops.FrozenBatchNorm}
    assert norms == {name for name, kind in kinds.items() if kind is ops.BatchNorm}
    assert changed.params == graph.params


def test_one_image_is_enough_where_every_norm_is_frozen(draw_normed):
    check_limits(draw_normed, Recipe(batch=1, parameters=(ParameterTable("*norm*", freeze=True),)), 10)


@pytest.fixture
def draw_normed():
    from netspec import functional as f, trace

    return trace("one", (3, 4, 4), lambda x: f.linear(f.batch_norm(f.global_avg_pool(x), name="norm"), 2, name="fc"))


def test_patterns_name_scopes_before_their_parts():
    names = ["stem.weight", "stem.bn.weight", "block.0.conv.weight", "scale"]
    assert patterns_of(names) == ["stem.*", "block.*", "stem.bn.*", "block.0.*", "block.0.conv.*", *names]
    assert patterns_of([]) == []


def test_a_head_that_is_drawn_anew_cannot_be_frozen(tmp_path):
    other = architecture("lenet5", num_classes=7)
    save_weights(other, initial_weights(other), tmp_path / "w.safetensors")
    argv = ("lenet5", "--data", "digits", "--weights", str(tmp_path / "w.safetensors"))
    with pytest.raises(RecipeError, match=r"'fc3\.weight' is drawn anew, so its values mean nothing"):
        task_of(*argv, "--freeze", "fc*")
    assert task_of(*argv, "--freeze", "conv*").warm_start.anew == ("fc3.weight", "fc3.bias")
    task_of(*argv, "--set", "parameters=[{match='fc3*', anew=true, freeze=true}]")  # as it is asked
