"""`python -m doctor [--json] [--clean]`: what this machine can do, what is wrong with it, and what to do about it."""

import json
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from deploy import shell
from deploy.commands import add_options, option
from deploy.errors import first_line
from deploy.options import Parser, path
from deploy.shell import say
from diptych.errors import UsageError
from doctor.finding import Finding, gigabytes
from doctor.place import Place

NEEDED = ("doctor.examination", "doctor.view")  # modules that import other people's packages

OPTIONS = (
    option("--json", action="store_true", help="print the findings as JSON"),
    option("--clean", action="store_true", help="remove the project's caches, after saying which; nothing else"),
    option("--environments", type=path, metavar="FOLDER", help="the folder of the environments; default: .nox"),
)


def main(argv: Sequence[str]) -> int:
    """Exit status 0 where all is well, 1 where a problem was found."""
    parser = Parser(prog="python -m doctor", description=__doc__)
    add_options(parser, OPTIONS)
    options = parser.parse_args(argv)
    place = Place.here()
    if options.environments:
        if not options.environments.is_dir():
            raise UsageError(f"--environments {options.environments}: no such folder")
        place = Place(place.root, options.environments)
    try:
        for module in NEEDED:
            import_module(module)
    except ImportError as error:
        return unable(place, error, as_json=options.json)
    return clean(place, as_json=options.json) if options.clean else report(place, as_json=options.json)


def unable(place: Place, error: ImportError, *, as_json: bool) -> int:
    """Print why the doctor cannot examine anything: its own environment lacks something, or has it damaged."""
    own = next((one for one in place if one.folder.samefile(sys.prefix)), None)
    name = (error.name or "").partition(".")[0] or "a package"
    text = f"{name} cannot be imported ({first_line(error)})"
    remedy = own.again if own else f"install {name} for {sys.executable}"
    found = Finding(own.kind if own else Path(sys.prefix).name, text, remedy)
    if as_json:
        say(json.dumps({"well": False, "problems": 1, "sections": {"environments": [found.to_json()]}}))
    else:
        say(f"problem    {found.subject}: {found.text}")
        say(f"remedy     {found.remedy}")
    return 1


def report(place: Place, *, as_json: bool) -> int:
    """Examine, and print every section when it is ready, or all of them as JSON."""
    from doctor import view
    from doctor.examination import examine

    screen, sections = view.status(), {}
    with screen.status("looking") as status:
        for section, findings in examine(place, lambda name: status.update(f"looking at the {name}")):
            sections[section] = findings
            if not as_json:
                status.stop()
                view.show(section, findings)
                status.start()
    problems = sum(one.is_problem for findings in sections.values() for one in findings)
    if as_json:
        listed = {section: [one.to_json() for one in findings] for section, findings in sections.items()}
        say(json.dumps({"well": not problems, "problems": problems, "sections": listed}, allow_nan=False))
    else:
        view.end(problems)
    return 1 if problems else 0


def clean(place: Place, *, as_json: bool) -> int:
    """Remove the caches. Each is named with its size before it is removed."""
    from doctor.caches import caches

    removed = []
    for one in caches(place):
        size, where = one.size, [str(folder) for folder in one.paths]
        removed.append({"what": one.what, "bytes": size, "paths": where})
        if not as_json:
            more = f" and {len(where) - 1} more" if len(where) > 1 else ""
            say(f"remove     {one.what}: {gigabytes(size)} in {where[0]}{more}")
        one.remove()
    if as_json:
        say(json.dumps({"removed": removed}))
    elif not removed:
        say("there is no cache to remove")
    return 0


if __name__ == "__main__":
    shell.run(main)
