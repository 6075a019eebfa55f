"""Shows the progress of `train_all`."""

from contextlib import suppress
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from deploy.shell import OutputError, printable


class Display:
    """A live line on a terminal that names the current network, and a printed line for each network."""

    def __init__(self, framework: str, networks: int) -> None:
        self.console = Console()
        self.turn, self.networks = 0, networks
        self._live = Progress(
            TextColumn(f"{framework} {{task.fields[place]}}"),
            BarColumn(),
            TextColumn("{task.fields[network]}"),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._task = self._live.add_task("networks", total=networks, network="", place="")

    @property
    def place(self) -> str:
        return f"{self.turn} of {self.networks}"

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._live.stop()

    def turn_of(self, name: str) -> None:
        self.turn += 1
        self._live.update(self._task, completed=self.turn - 1, network=name, place=self.place)

    def say(self, text: str) -> None:
        """Print a line (above the live one). If nobody can read it any more, the training goes on."""
        with suppress(OutputError):
            self.console.print(printable(text), soft_wrap=True, markup=False, highlight=False)
