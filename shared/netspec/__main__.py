"""`python -m netspec`: the zoo, as a table."""

from collections.abc import Sequence

from netspec import cli, table
from netspec.errors import UnknownNameError
from netspec.options import Parser
from netspec.registry import architecture, find, list_architectures, nearest, resolve


def main(argv: Sequence[str]) -> None:
    parser = Parser(prog="zoo", description="Lists the networks there are, or the layers of one.")
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="names by wildcard, as 'resnet*'; default: all")
    parser.add_argument("--family", default="*", metavar="NAME", help="only this family, by wildcard")
    parser.add_argument("--show", metavar="ARCH", help="the layers of one network, or of a .json file of a graph")
    parser.add_argument("--json", action="store_true", help="JSON: the list, or with --show the graph itself")
    options = parser.parse_args(argv)
    if options.show:
        graph = resolve(options.show)
        print(graph.to_json(), end="") if options.json else table.print_layers(graph)
        return
    names = dict.fromkeys(
        name for pattern in options.patterns or ["*"] for name in list_architectures(pattern, options.family)
    )
    if not names:
        wanted = " ".join(options.patterns) or options.family
        raise UnknownNameError(f"no network matches '{wanted}'{nearest(wanted, dict.fromkeys(list_architectures()))}")
    entries = [(find(name), architecture(name)) for name in names]
    print(table.as_json(entries)) if options.json else table.print_zoo(entries)


if __name__ == "__main__":
    cli.run(main)
