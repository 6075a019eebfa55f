"""`python -m netspec`: the zoo as a table, the layers of one network, and its diagram."""

import argparse
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from deploy import shell
from deploy.commands import add_options
from deploy.options import Parser, name_or_path
from deploy.outputs import output_file
from deploy.shell import say
from diptych.errors import UnknownNameError
from netspec import table
from netspec.graph import Graph
from netspec.options import FORM_OPTIONS, form_of, image_size
from netspec.registry import Entry, architecture, find, list_architectures, matching, resolve


def main(argv: Sequence[str]) -> None:
    options = read(argv)
    if options.diagram:
        draw(resolve(options.diagram, **form(options)), options.out or Path(f"{Path(options.diagram).stem}.svg"))
    elif options.show:
        show(options.show, resolve(options.show, **form(options)), as_json=options.json)
    else:
        entries = [(entry, architecture(entry.name)) for entry in selected(options)]
        if options.json:
            print(table.as_json(entries))
        else:
            table.print_zoo(entries, origin_rows=options.origin is not None)


def read(argv: Sequence[str]) -> argparse.Namespace:
    """Parse the command line. Raises `UsageError` for what is not understood or would have no effect."""
    reader = parser()
    options = reader.parse_args(argv)
    filters = options.patterns or None, options.family, options.size, options.origin
    if options.out and not options.diagram:
        reader.error("--out is the file of --diagram; give --diagram ARCH too")
    if options.json and options.diagram:
        reader.error("--json is for the list or --show; --diagram draws SVG")
    if form(options) and not (options.show or options.diagram):
        reader.error("--num-classes, --in-channels, --image-size and --option are for --show and --diagram")
    if (options.show or options.diagram) and any(value is not None for value in filters):
        reader.error("PATTERN, --family, --size and --origin are for the list; --show and --diagram take one ARCH")
    return options


def form(options: argparse.Namespace) -> dict[str, Any]:
    """The chosen form of a network."""
    return form_of(options.num_classes, options.in_channels, options.image_size, options.option)


def parser() -> Parser:
    parser = Parser(prog="python -m netspec", description="Lists networks, or shows one of them.")
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="names by wildcard, as 'resnet*'; default: all")
    chosen = parser.add_argument_group("which of them", "A network is listed if it matches every filter.")
    chosen.add_argument("--family", metavar="NAME", help="families by wildcard, as 'resnet*'")
    chosen.add_argument("--size", type=image_size, metavar="PX", help="native image size: 32, or 96x128")
    chosen.add_argument(
        "--origin", metavar="TEXT", help="text in the rows of the origins' tables, as 'origin 1' or 'densenet'"
    )
    one = parser.add_argument_group("one network", "ARCH is a name, or a .json file of a graph.")
    only = one.add_mutually_exclusive_group()
    only.add_argument(
        "--show",
        type=name_or_path,
        metavar="ARCH",
        help="its layers, with shapes, parameters and MACs, and its options",
    )
    only.add_argument("--diagram", type=name_or_path, metavar="ARCH", help="its blocks, drawn into an SVG file")
    one.add_argument("--out", type=output_file, metavar="FILE", help="the SVG file of --diagram; default: ARCH.svg")
    add_options(one, FORM_OPTIONS)
    parser.add_argument("--json", action="store_true", help="JSON: the list, or with --show the graph itself")
    return parser


def selected(options: argparse.Namespace) -> list[Entry]:
    """The networks that match one of the patterns and every filter. Raises `UnknownNameError` if none does."""
    entries = [find(name) for name in list_architectures()]
    names = matching(options.patterns or ["*"], [entry.name for entry in entries])
    families = matching([options.family or "*"], sorted({entry.family for entry in entries}), "family")
    size = (options.size, options.size) if isinstance(options.size, int) else options.size
    text = (options.origin or "").lower()
    found = [
        entry
        for entry in entries
        if entry.name in names
        and entry.family in families
        and (size is None or entry.input_shape[1:] == size)
        and (options.origin is None or (entry.origin and fnmatchcase(entry.origin.lower(), f"*{text}*")))
    ]
    if not found:
        filters = {"--family": options.family, "--size": options.size, "--origin": options.origin}
        given = [f"{key} {value}" for key, value in filters.items() if value is not None]
        others = [entry.name for entry in entries if entry.name not in names and entry.family in families]
        hint = f"; a network must match every filter; the family has {', '.join(others[:12])}"
        raise UnknownNameError(
            f"no network matches {' '.join([*map(repr, options.patterns), *given])}"
            + (hint + ", ..." * (len(others) > 12) if options.family and others else "")
        )
    return found


def show(network: str, graph: Graph, *, as_json: bool) -> None:
    if as_json:
        print(graph.to_json(), end="")
        return
    from netspec.layers import print_layers

    print_layers(graph)
    if network in list_architectures():
        choices = (f"{option}={default}" for option, default in find(network).options.items())
        say(f"options: {', '.join(choices) or 'none'}")


def draw(graph: Graph, file: Path) -> None:
    """Write the diagram and print its path."""
    from deploy.files import write_bytes
    from netspec.diagram import as_svg

    write_bytes(file, as_svg(graph).encode())
    say(file)


if __name__ == "__main__":
    shell.run(main)
