"""The command-line options by which a person says which network is meant, the same in every command."""

import argparse
from typing import Any

from deploy.options import name_or_path as name_or_path, path as path
from diptych.errors import UsageError
from netspec.graph import Graph
from netspec.registry import resolve


def add_form_options(parser: Any) -> None:
    """Which form of a network is meant; for a parser or a group of its arguments."""
    parser.add_argument("--num-classes", type=int, metavar="N", help="default: the paper's")
    parser.add_argument("--in-channels", type=int, metavar="C", help="default: the paper's")
    parser.add_argument(
        "--image-size", type=image_size, metavar="PX", help="96, or 96x128 for height x width; default: the paper's"
    )
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the architecture, as dropout=0.2",
    )


def image_size(text: str) -> int | tuple[int, int]:
    height, by, width = text.partition("x")
    return (int(height), int(width)) if by else int(height)


def numbers(text: str) -> tuple[float, ...]:
    """Numbers with commas between them."""
    return tuple(float(part) for part in text.split(","))


def network_of(options: argparse.Namespace) -> Graph:
    """The graph that the options name. Raises `UnknownNameError` and `ShapeError` as `netspec.architecture` does."""
    return resolve(options.network, **form_of(options))


def form_of(options: argparse.Namespace) -> dict[str, Any]:
    """What was chosen, by the names of `netspec.architecture`."""
    given = {key: getattr(options, key) for key in ("num_classes", "in_channels", "image_size")}
    return {key: value for key, value in given.items() if value is not None} | dict(map(_pair, options.option))


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--option takes KEY=VALUE, not '{text}'")
    for read in (int, float):
        try:
            return key, read(value)
        except ValueError:
            continue
    return key, {"true": True, "false": False}.get(value.lower(), value)


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Options of the three export commands."""
    parser.add_argument(
        "network",
        type=name_or_path,
        metavar="ARCH",
        help="an architecture's name, a .json file of a graph, or a RUN: the folder of one, with its trained weights",
    )
    add_form_options(parser)
    parser.add_argument(
        "--weights",
        type=path,
        metavar="FILE",
        help="a .safetensors or .pt file; default: the weights of a RUN, or random probe weights",
    )
    parser.add_argument("--opset", type=int, metavar="N", help="ONNX opset; default: what the exporter is best at")
    parser.add_argument(
        "--out",
        type=path,
        metavar="FILE",
        help="default: exports/ARCH-FRAMEWORK.onnx, or proof/FRAMEWORK.onnx in the folder of a run",
    )
    parser.add_argument("--unfinished", action="store_true", help="take a RUN that did not reach its end, too")
    parser.add_argument(
        "--preset",
        metavar="P",
        help="what the file says of its images, so that it can be asked: imagenet or cifar10",
    )
    parser.add_argument("--classes", type=path, metavar="FILE", help="names of the classes, one a line, UTF-8")
    parser.add_argument("--mean", type=numbers, metavar="R,G,B", help="mean per channel on the 0..1 scale")
    parser.add_argument("--std", type=numbers, metavar="R,G,B", help="standard deviation per channel likewise")
