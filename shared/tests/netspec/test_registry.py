"""Architectures by name: wildcards, choices, and what is refused."""

import numpy as np
import pytest

import netspec
from diptych.errors import DiptychError, GraphError, ShapeError, UnknownNameError
from netspec import architecture, functional as f, list_architectures, registry
from netspec.registry import family, resolve, smallest_image

FAMILIES = {"lenet": 2, "nin": 2, "vgg": 9, "resnet_cifar": 6}  # and those that were added since


def test_wildcards():
    assert list_architectures("vgg1?") == ["vgg11", "vgg13", "vgg16", "vgg19"]
    assert list_architectures("*_bn", family="n*") == ["nin_bn"]
    assert list_architectures("nothing*") == []
    assert len(list_architectures()) == len(set(list_architectures()))


def test_families_stand_in_alphabetical_order():
    families = [netspec.find(name).family for name in list_architectures()]
    assert families == sorted(families)
    assert list_architectures(family="resnet") == ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]


@pytest.mark.parametrize("name", FAMILIES)
def test_families(name):
    found = list_architectures(family=name)
    assert len(found) >= FAMILIES[name]
    assert {netspec.find(entry).family for entry in found} == {name}


@pytest.mark.parametrize("name", list_architectures())
def test_every_architecture_names_its_paper(name):
    assert netspec.find(name).paper


@pytest.mark.parametrize("name", list_architectures())
def test_every_architecture_takes_classes_and_channels(name):
    entry = netspec.find(name)
    graph = architecture(name, num_classes=7, in_channels=1)
    assert graph.input_shape == (1, *entry.input_shape[1:])
    assert graph.shapes[graph.outputs[0]] == (7,)
    assert architecture(name).input_shape == entry.input_shape
    assert architecture(name).shapes[architecture(name).outputs[0]] == (entry.classes,)


def test_image_size():
    assert architecture("resnet20", image_size=40).input_shape == (3, 40, 40)
    assert architecture("resnet20", image_size=(40, 48)).input_shape == (3, 40, 48)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no architecture 'resnet21'.*resnet20"):
        architecture("resnet21")


def test_a_name_like_no_other_is_answered_with_some():
    with pytest.raises(UnknownNameError, match="there are airbench94"):
        architecture("%%%%")


def test_an_unknown_option_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="vgg11 has no option 'dropuot'; did you mean dropout"):
        architecture("vgg11", dropuot=0.1)
    with pytest.raises(UnknownNameError, match="lenet5 has no option 'dropout'; there is activation"):
        architecture("lenet5", dropout=0.1)
    with pytest.raises(UnknownNameError, match="; there are activation, stochastic_depth, dropout$"):
        architecture("resnet20", width=2.0)


def test_options_are_in_the_graphs_name():
    assert architecture("nin", dropout=0.2).name == "nin(dropout=0.2)"
    assert architecture("nin", dropout=0.5).name == "nin"  # the default


SAME = [
    ({"dropout": 0.1, "activation": "mish"}, {"activation": "mish", "dropout": 0.1}, "(activation=mish, dropout=0.1)"),
    ({"width": 2, "dropout": 0}, {"width": 2.0}, "(width=2.0)"),
    ({"activation": "swish"}, {"activation": "silu"}, "(activation=silu)"),
    ({"activation": "leaky"}, {"activation": "leaky_relu"}, "(activation=leaky_relu)"),
]


@pytest.mark.parametrize(("one", "other", "title"), SAME, ids=[title for _, _, title in SAME])
def test_equal_choices_make_equal_graphs(one, other, title):
    first, second = (architecture("resnetv2_18_cifar", **options) for options in (one, other))
    assert first == second
    assert first.name == f"resnetv2_18_cifar{title}"


def test_a_default_by_another_name_is_the_default():
    assert architecture("efficientnet_b0", activation="swish") == architecture("efficientnet_b0")


@pytest.mark.parametrize("name", [name for name in list_architectures() if name != "resnet1202"])
def test_an_image_too_small_is_answered_with_the_smallest(name):
    if works(name, 1):
        return  # it works out for every size, and 0 is refused below
    with pytest.raises(ShapeError) as refusal:
        architecture(name, image_size=1)
    smallest = int(str(refusal.value).rpartition("x")[2])
    assert works(name, smallest)
    with pytest.raises(ShapeError, match=rf"{smallest - 1}x{smallest - 1}.*the smallest .* {smallest}x{smallest}$"):
        architecture(name, image_size=smallest - 1)


@pytest.mark.parametrize(
    "sizes", [range(1, 225), range(17, 225), range(20, 225, 4), [224], [19, 27, 35, *range(36, 225)], range(20, 200)]
)
def test_the_smallest_size_is_found_among_gaps(sizes):
    def build(size: int) -> None:
        if size not in sizes:
            raise ShapeError("no")

    assert smallest_image(build, 224) == sizes[0]


def test_no_size_at_all():
    def build(size: int) -> None:
        raise ShapeError("no")

    with pytest.raises(ShapeError, match="no image size up to 9 works"):
        smallest_image(build, 9)


def test_a_cause_that_is_not_the_size_is_named(monkeypatch):
    def draw(x, classes, *, groups=2.0):
        return f.classify(f.conv(x, 8, 3, groups=int(groups), name="conv"), classes)

    entry = registry.Entry("odd", "odds", "-", (4, 8, 8), 10, draw, ())
    monkeypatch.setitem(registry._ARCHITECTURES, "odd", entry)
    with pytest.raises(ShapeError, match=r"odd\(groups=3.0\): 3 groups do not divide 4 and 8 channels"):
        architecture("odd", groups=3)


def test_any_width_divides_into_groups():
    graph = architecture("resnext50_c32_cifar", width=1.5)
    assert {node.op.groups for node in graph if node.op.kind == "conv"} == {1, 32}


def works(name: str, size: int) -> bool:
    try:
        architecture(name, image_size=size)
    except ShapeError:
        return False
    return True


@pytest.mark.parametrize("choice", [{"num_classes": 0}, {"in_channels": -1}, {"image_size": 0}, {"image_size": (8, 0)}])
def test_at_least_one_of_everything(choice):
    with pytest.raises(ShapeError, match="at least one"):
        architecture("resnet20", **choice)


@pytest.mark.parametrize(
    "choice",
    [
        {"num_classes": 2.5},
        {"num_classes": True},
        {"num_classes": "10"},
        {"in_channels": 1.5},
        {"image_size": 32.0},
        {"image_size": (32, 32.5)},
    ],
)
def test_whole_numbers_only(choice):
    with pytest.raises(ShapeError, match="in whole numbers, not"):
        architecture("resnet20", **choice)


@pytest.mark.parametrize("size", [(32,), (32, 32, 32), "32"])
def test_a_size_or_two(size):
    with pytest.raises(ShapeError, match="resnet20"):
        architecture("resnet20", image_size=size)


def test_numpy_numbers_are_numbers():
    plain = architecture("resnet20", num_classes=3, in_channels=1, image_size=(32, 40), dropout=0.5)
    numpy = architecture(
        "resnet20",
        num_classes=np.int64(3),
        in_channels=np.uint8(1),
        image_size=(np.int32(32), np.int64(40)),
        dropout=np.float64(0.5),
    )
    assert numpy.to_json() == plain.to_json()


@pytest.mark.parametrize("name", [None, 5, ["resnet20"]])
def test_a_name_is_text(name):
    with pytest.raises(UnknownNameError, match="is chosen by its name"):
        architecture(name)


def test_resolve_takes_graphs_names_and_files(tmp_path, small):
    path = tmp_path / "net.json"
    path.write_text(small.to_json())
    assert resolve(small) is small
    assert resolve(str(path)) == small
    assert resolve("lenet5", num_classes=3) == architecture("lenet5", num_classes=3)


def test_a_finished_graph_has_nothing_to_choose(small):
    with pytest.raises(UnknownNameError, match="num_classes cannot be changed"):
        resolve(small, num_classes=3)


def test_no_such_file():
    with pytest.raises(UnknownNameError, match=r"no file nowhere\.json"):
        resolve("nowhere.json")


def test_no_file_but_a_folder(tmp_path):
    (tmp_path / "net.json").mkdir()
    with pytest.raises(GraphError, match=r"net\.json cannot be read: Is a directory"):
        resolve(str(tmp_path / "net.json"))


def test_an_architecture_is_registered_once():
    with pytest.raises(ValueError, match="two architectures are named 'lenet5'"):
        family("odds", lambda x, classes: x, {"lenet5": ()}, paper="-", input_shape=(3, 8, 8), classes=1)


def test_user_errors_are_one_family():
    assert issubclass(GraphError, DiptychError)
    assert issubclass(UnknownNameError, DiptychError)
