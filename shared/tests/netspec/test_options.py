"""Arguments of all commands: paths, and hints to the nearest name."""

import argparse

import pytest

import deploy.__main__
import netspec.__main__
import trainspec.__main__
from deploy.commands import add_options
from deploy.options import Parser, closest, nearest, path
from diptych.errors import DiptychError, UnknownNameError, UsageError
from netspec import architecture, list_architectures
from netspec.options import network_of
from netspec.registry import find
from trainspec.evaluation import RUN_OPTIONS
from trainspec.task import TASK_OPTIONS

WRITTEN = {  # what people write -> what they mean
    "VGG19": "vgg19",
    "Vgg-19": "vgg19",
    "vgg19bn": "vgg19_bn",
    "ResNet-50": "resnet50",
    "resnet-20": "resnet20",
    "resnet_20": "resnet20",
    "wrn_16_8": "wrn16_8",
    "WRN-28-10": "wrn28_10",
    "EfficientNet-B0": "efficientnet_b0",
    "efficientnetb7": "efficientnet_b7",
    "MobileNetV2": "mobilenet_v2",
    "DenseNet121": "densenet121",
    "Inception-v3": "inception_v3",
    "LeNet-5": "lenet5",
    "GoogLeNet": "googlenet",
    "SE-ResNet-50": "seresnet50",
    "ResNeXt-50 (32x4d)": "resnext50_32x4d",
}


@pytest.mark.parametrize("written", WRITTEN)
def test_what_people_write_is_answered_with_the_name(written):
    with pytest.raises(UnknownNameError, match=rf"did you mean {WRITTEN[written]}\?$"):
        find(written)


@pytest.mark.parametrize("name", list_architectures())
def test_every_name_is_found_without_its_punctuation(name):
    assert name in closest(name.upper().replace("_", "-"), list_architectures())


def test_a_pattern_in_capitals():
    with pytest.raises(UnknownNameError, match=r"no network matches 'VGG\*'; did you mean vgg\*\?"):
        netspec.__main__.main(["VGG*"])


def test_filters_that_leave_nothing_say_what_each_would_have():
    with pytest.raises(UnknownNameError, match=r"'resnet\*' --family senet; .* the family has .*seresnet50"):
        netspec.__main__.main(["resnet*", "--family", "senet"])
    with pytest.raises(UnknownNameError, match=r"no network matches 'vgg\*' --size 33$"):
        netspec.__main__.main(["vgg*", "--size", "33"])


def test_a_name_like_none():
    assert nearest("zzz", ["lenet5"]) == "; there is lenet5"
    assert nearest("zzz", []) == ""
    assert nearest("***", ["lenet5"]) == "; there is lenet5"


@pytest.mark.parametrize(
    ("main", "argv", "words"),
    [
        (netspec.__main__.main, ["--famly", "vgg"], "--famly; did you mean --family?"),
        (netspec.__main__.main, ["--famly=vgg"], "--famly=vgg; did you mean --family?"),
        (trainspec.__main__.main, ["agreement", "a", "b", "--jsn"], "unrecognized arguments: --jsn"),
        (deploy.__main__.main, ["predict", "m.onnx", "i.png", "--topp", "3"], "--topp 3; did you mean --top?"),
        (deploy.__main__.main, ["predict", "m.onnx", ""], "argument IMAGE: an empty path"),
        (deploy.__main__.main, ["predict"], "MODEL.onnx"),
    ],
)
def test_unknown_options_get_a_hint(main, argv, words):
    with pytest.raises(DiptychError) as error:
        main(argv)
    assert words in str(error.value)


def test_a_home_folder_where_the_shell_left_the_tilde(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert path("~/runs") == tmp_path / "runs"
    (tmp_path / "~draft").write_text("")
    assert str(path("~draft")) == "~draft"  # which is a file


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "an empty path"),
        ("a\0b", "NUL"),
        ("~nobody-of-this-name/runs", "no home folder ~nobody-of-this-name"),
        ("x" * 256, "the name xxxxxxxxxxxxxxxxxxxx... has 256 bytes; at most 255 are possible"),
        ("é" * 128, "has 256 bytes; at most 255 are possible"),
        ("x/" * 2100, "the path has 4199 bytes"),
    ],
)
def test_paths_that_no_file_system_takes(text, words):
    with pytest.raises(argparse.ArgumentTypeError) as error:
        path(text)
    assert words in str(error.value)


def test_no_home_folder_at_all(monkeypatch):
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda number: (_ for _ in ()).throw(KeyError(number)))
    with pytest.raises(argparse.ArgumentTypeError, match="there is no home folder ~"):
        path("~/runs")


def parsers():
    """Every parser of a command whose module loads no framework; those of the others are made of these options."""
    yield netspec.__main__.parser()
    for options in (TASK_OPTIONS, RUN_OPTIONS, netspec.options.EXPORT_OPTIONS):
        parser = Parser(prog=options[0].names[0])
        add_options(parser, options)
        yield parser


def test_every_option_that_is_a_file_or_folder_expands_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    found = 0
    for parser in parsers():
        for action in parser._actions:
            if action.metavar in ("FILE", "FOLDER", "RUN", "OTHER", "D", "R", "ARCH", "MODEL.onnx", "IMAGE"):
                assert str(action.type("~/x")) == str(tmp_path / "x"), f"{parser.prog} {action.dest}"
                found += 1
    assert found > 12


@pytest.mark.parametrize(
    ("word", "form"),
    [
        ("resnet20", {}),
        ("resnet20:", {}),
        ("resnet20:num_classes=100", {"num_classes": 100}),
        ("resnet20:num_classes=100,activation=mish", {"num_classes": 100, "activation": "mish"}),
        ("resnet20:image_size=48x64, in_channels=1", {"image_size": (48, 64), "in_channels": 1}),
        ("resnet20:image_size=48", {"image_size": 48}),
        ("resnet20(activation=mish)", {"activation": "mish"}),
    ],
)
def test_a_network_in_one_word(word, form):
    assert network_of(word) == ("resnet20", form)
    graph = architecture("resnet20", **form)
    assert (
        architecture("resnet20", **network_of(graph.name)[1]).digest
        == architecture("resnet20", **{key: value for key, value in form.items() if key == "activation"}).digest
    )


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("resnet20:mish", "takes KEY=VALUE, not 'mish'"),
        ("resnet20:image_size=large", "images of PX or HxW pixels, not 'large'"),
        ("resnet20(activation=mish", "NAME:KEY=VALUE"),
    ],
)
def test_a_word_that_is_no_network(word, reason):
    with pytest.raises(UsageError, match=reason):
        network_of(word)
