"""What every family of networks has in common: options, image sizes, names."""

import re
from inspect import signature
from pathlib import Path

import pytest

from diptych.errors import GraphError, ShapeError, UnknownNameError
from netspec import architecture, architectures, explicit_noise, inference, list_architectures
from netspec.functional import MIXED
from netspec.ops import Activation, Dropout, Scale, ShakeDrop, StochasticDepth
from netspec.registry import find

FILES = sorted(Path(architectures.__path__[0]).glob("*.py"))
FAMILIES = {find(name).family: name for name in reversed(list_architectures())}  # the first network of each
DRAWN = {  # the first network of each family and of each function that draws some of it
    (find(name).family, find(name).function): name for name in reversed(list_architectures())
}


def having(*options: str) -> list[tuple[str, str]]:
    """A network of each family and function that has one of the options, and the option."""
    return [(name, option) for name in DRAWN.values() for option in options if option in find(name).options]


@pytest.mark.parametrize("name", FAMILIES.values())
def test_odd_sizes_one_channel_two_classes(name):
    try:
        graph = architecture(name, num_classes=2, in_channels=1, image_size=(101, 93))
    except ShapeError as error:  # TResNet's squares of 4x4 must tile the image
        size = int(re.search(r"the smallest image size is (\d+)x", str(error))[1])
        graph = architecture(name, num_classes=2, in_channels=1, image_size=size)
    assert graph.shapes[graph.outputs[0]] == (2,)


@pytest.mark.parametrize(("name", "option"), having("dropout", "stochastic_depth"))
def test_noise_changes_no_weights(name, option):
    kind = {"dropout": Dropout, "stochastic_depth": StochasticDepth}[option]
    none = {"dropout": 0.0, "stochastic_depth": 1.0}[option]
    plain, noisy = architecture(name, **{option: none}), architecture(name, **{option: 0.37})
    assert not [node for node in plain if isinstance(node.op, kind)]
    assert [node for node in noisy if isinstance(node.op, kind)]
    assert noisy.digest == plain.digest == architecture(name).digest


@pytest.mark.parametrize("name", ["pyramidnet110_a48", "pyramidnet164_a270_bn", "pyramidnet101_a360"])
def test_shakedrop_ends_each_branch_of_a_pyramid(name):
    plain, shaken = architecture(name), architecture(name, shakedrop=0.5)
    survivals = {node.inputs[0]: node.op.survival for node in shaken if isinstance(node.op, ShakeDrop)}
    blocks = sum(node.op.kind == "add" for node in plain)
    assert list(survivals.values()) == pytest.approx([1 - 0.5 * place / blocks for place in range(1, blocks + 1)])
    assert all(re.fullmatch(r"stage\d\.block\d+\.conv[23]\.bn", source) for source in survivals)
    assert shaken.params == plain.params
    assert shaken.digest != plain.digest == architecture(name, shakedrop=1.0).digest, "it scales at inference"
    scales = {node.inputs[0]: node.op.factor for node in inference(shaken) if isinstance(node.op, Scale)}
    assert scales == survivals
    assert inference(shaken).digest == shaken.digest == explicit_noise(shaken).digest


def test_stochastic_depth_falls_linearly_to_its_last():
    graph = architecture("resnet18", stochastic_depth=0.6)
    survivals = [node.op.survival for node in graph if isinstance(node.op, StochasticDepth)]
    assert survivals == pytest.approx([0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6])


@pytest.mark.parametrize("given", ["swish", "leaky", "mish", "gelu"])
@pytest.mark.parametrize(("name", "option"), having("activation"))
def test_activation_replaces_every_other(name, option, given):
    """But none of squeeze and excitation: their gates are not activations of the network."""
    default = find(name).options[option]
    graphs = architecture(name), architecture(name, activation=given)
    before, after = (
        [n.op.fn for n in graph if isinstance(n.op, Activation) and ".se." not in n.name] for graph in graphs
    )
    fn = {"swish": "silu", "leaky": "leaky_relu"}.get(given, given)
    assert set(before) == {default} or (default == MIXED and len(set(before)) > 1)
    assert after == [fn] * len(before)


def test_every_network_has_a_choice_of_activations():
    assert [name for name in list_architectures() if "activation" not in find(name).options] == []


def test_nat_has_mish_or_the_mixture():
    """The form of the ImageNet networks and of the CIFAR-10 networks are two values of one option."""
    mixed = architecture("nat_m1", activation=MIXED, distinct_blocks=True)
    functions = [node.op.fn for node in mixed if isinstance(node.op, Activation) and ".se." not in node.name]
    assert functions[0] == functions[-1] == "hard_swish"
    assert set(functions) == {"relu", "hard_swish"}
    assert architecture("nat_m1", activation="mish").digest == architecture("nat_m1").digest


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small"])
def test_unknown_activation(name):
    with pytest.raises(GraphError, match="no activation 'rely'"):
        architecture(name, activation="rely")


@pytest.mark.parametrize("value", [1.5, 0.0, -0.5])
@pytest.mark.parametrize(("name", "option"), having("stochastic_depth"))
def test_impossible_survival(name, option, value):
    with pytest.raises(GraphError, match=f"survival probability {value} is outside 0 < survival <= 1"):
        architecture(name, **{option: value})


@pytest.mark.parametrize("value", [0, -1, -0.5])
@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_small", "resnetv2_18_cifar"])
def test_impossible_width(name, value):
    with pytest.raises(GraphError, match="choose a width above 0"):
        architecture(name, width=value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400])
@pytest.mark.parametrize(("name", "option"), [*having("dropout", "stochastic_depth"), ("mobilenet_v2", "width")])
def test_numbers_are_finite(name, option, value):
    with pytest.raises(UnknownNameError, match=f"{name}: option {option} must be a finite number"):
        architecture(name, **{option: value})


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_family_file_has_under_200_lines(file):
    assert len(file.read_text().splitlines()) < 200


def test_a_block_takes_six_parameters_at_most():
    files = [module for module in vars(architectures).values() if hasattr(module, "__file__")]
    functions = [value for module in files for value in vars(module).values() if hasattr(value, "__wrapped__")]
    called = {call.function for name in FAMILIES.values() for call in architecture(name).blocks}
    blocks = [function for function in functions if function.__name__ in called]
    assert called <= {function.__name__ for function in blocks}
    assert {function.__name__ for function in blocks if len(signature(function).parameters) > 6} == set()


def test_a_family_has_a_file_of_its_name():
    assert set(FAMILIES) == {file.stem for file in FILES} - {"__init__"}


def test_a_row_has_a_size_and_classes_of_its_own():
    assert find("nat_m4").input_shape == (3, 240, 240)
    assert (find("nat_m3").classes, find("nat_m3_cifar10").classes) == (1000, 10)
    assert find("resnest101e").input_shape == (3, 256, 256)


def test_variants_have_defaults_of_their_own():
    assert find("efficientnet_b0").options["dropout"] == 0.2
    assert find("efficientnet_b7").options["dropout"] == 0.5
    assert architecture("efficientnet_b7", dropout=0.5).name == "efficientnet_b7"


def test_logits_of_airbench_are_scaled():
    """By a ninth, or in the version for Muon by the number of values that the last layer reads."""
    plain, muon = architecture("airbench94"), architecture("airbench94", logit_scale=1 / 256)
    assert [graph.nodes[-1].op.factor for graph in (plain, muon)] == [1 / 9, 1 / 256]
    assert muon.nodes[:-1] == plain.nodes[:-1]
