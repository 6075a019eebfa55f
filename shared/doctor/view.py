"""Shows the findings to people: a table for each section, and what to do under each problem."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.shell import printable
from doctor.finding import Finding
from netspec.table import console

WORDS = {False: Text("ok", "green"), True: Text("problem", "bold red")}


def show(section: str, findings: Sequence[Finding]) -> None:
    """Print a section."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=section, title_justify="left", title_style="bold")
    table.add_column("", no_wrap=True)
    table.add_column("subject", no_wrap=True)
    table.add_column("found", overflow="fold")
    for one in findings:
        found = Text(printable(one.text))
        if one.is_problem:
            found.append(f"\nremedy: {printable(one.remedy)}", "yellow")
        table.add_row(WORDS[one.is_problem], Text(printable(one.subject)), found)
    table.show_header = False
    console().print(table)


def end(problems: int) -> None:
    """Print what is wrong in all."""
    words = f"{problems} problem{'s' * (problems > 1)}; the remedies are above" if problems else "all is well"
    console().print(Text(words, "bold red" if problems else "bold green"))


def status() -> Console:
    """Where it is said what is being looked at. In a pipe nothing is said."""
    return Console(stderr=True, quiet=not Console(stderr=True).is_terminal)
