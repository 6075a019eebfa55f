"""Stores the rows of a long run one by one, so that an interrupted run can resume, and writes their table."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from deploy.files import write_bytes
from diptych.ledger import Ledger, fingerprint, markdown_table
from diptych.machine import describe_machine, describe_versions
from netspec.labels import size_of
from parity.check import CHECKS, Comparison, Result
from parity.dependencies import digest_of_code
from trainspec.certificate import PACKAGES

BUILDERS = ("torch_impl", "keras_impl", "onnx_impl")
ROOTS = (("parity.check", "check"), ("parity.goldens", "expected"))  # the functions that make the results
HEAD = """# Parity of all networks

Written by `nox -s parity -- --all` on {date}: {rows} networks and ops, {compared} comparisons, {failed} failed.
On the CPU ({cpu}, {cores} cores); {versions}.

float32: the largest difference between PyTorch, Keras and onnxruntime at full size, divided by the spread of the
outputs between images. The other columns use the reduced copy, which has each distinct block once; `as` names an equal
copy that was compared before. float64: outputs, gradients, batch-norm statistics and all weights after a step,
relative. onnx: the ONNX builder's float32 outputs against float64, divided by the spread. `*`: there is no count by
other people's code. Failures are in bold; the lines below the table say where they are.

"""


@dataclass(frozen=True)
class Row:
    """A network's results. `twin` is the network that was compared in float64: its reduced copy is the same."""

    network: str
    input: str
    total: int
    macs: int
    reduced: str
    twin: str
    results: tuple[Result, ...]
    seconds: float

    @classmethod
    def of(cls, comparison: Comparison, results: Sequence[Result], seconds: float) -> "Row":
        network, copy = comparison.network, comparison.in_float64
        size = "" if copy is network else size_of(copy.input_shape)
        return cls(
            network.name,
            size_of(network.input_shape),
            network.num_total,
            network.macs,
            size,
            copy.name,
            tuple(results),
            round(seconds, 1),
        )

    @classmethod
    def read(cls, table: dict[str, Any]) -> "Row | None":
        """The row of a line of the ledger; None if the line is not a row."""
        try:
            return cls(**table | {"results": tuple(Result(**result) for result in table["results"])})
        except (TypeError, KeyError):
            return None

    @property
    def failures(self) -> list[Result]:
        return [result for result in self.results if not result.passed]

    def text(self, check: str) -> str:
        return next((result.text for result in self.results if result.check == check), "-")

    def cells(self) -> list[str]:
        """The row as cells of the table, in the order of its columns."""
        copy = f"{self.reduced} as {self.twin}" if self.twin != self.network else self.reduced
        counts = f"{self.total:,}", f"{self.macs:,}"
        failed = {result.check for result in self.failures}
        texts = [f"**{self.text(check)}**" if check in failed else self.text(check) for check in CHECKS]
        name = f"**{self.network}**" if failed else self.network
        return [name, self.input, *counts, *texts, copy, f"{self.seconds:.1f}"]

    def cell(self, check: str) -> str:
        """One cell for a terminal."""
        failed = any(result.check == check for result in self.failures)
        return f"[bold red]{self.text(check):>14}[/]" if failed else f"{self.text(check):>14}"


class Log:
    """The ledger `parity.jsonl` in a folder, and the table made of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.versions = describe_versions(PACKAGES)
        self.ledger = Ledger(folder / "parity.jsonl", Row.read)

    @cached_property
    def rows(self) -> dict[str, Row]:
        """The rows of earlier runs, by fingerprint; read when they are first needed."""
        return self.ledger.rows()

    def find(self, comparison: Comparison) -> Row | None:
        """The row of an earlier run, if everything that it depends on is unchanged and nothing failed."""
        row = self.rows.get(self.fingerprint(comparison))
        return row if row and not row.failures else None

    def add(self, comparison: Comparison, row: Row) -> None:
        """Keep a row."""
        self.ledger.add(self.fingerprint(comparison), row)

    def fingerprint(self, comparison: Comparison) -> str:
        """A hash of everything that a row depends on. A handler counts only if one of the graphs uses it."""
        graphs = [graph for graph in (comparison.network, comparison.in_float32, comparison.in_float64) if graph]
        return fingerprint(comparison, self.versions, digest_of_code(ROOTS, graphs, BUILDERS))

    def write_table(self, rows: Sequence[Row]) -> Path:
        """Write `parity.md`: the table of the rows, then what failed and where. Returns its path."""
        failures = [f"- **{row.network}**: {result.check}: {result.where}\n" for row in rows for result in row.failures]
        head = HEAD.format(
            date=time.strftime("%Y-%m-%d"),
            rows=len(rows),
            compared=sum(len(row.results) for row in rows),
            failed=len(failures),
            versions=", ".join(f"{name} {version}" for name, version in self.versions.items()),
            **describe_machine(),
        )
        columns = ["network", "input", "total", "MACs", *CHECKS, "reduced copy", "seconds"]
        path = self.folder / "parity.md"
        table = markdown_table(columns, (row.cells() for row in rows))
        write_bytes(path, "".join([head, table, "\n" * bool(failures), *failures]).encode())
        return path
