"""Collect runs into rows, and write every form of the table."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from deploy.files import write_together
from diptych.errors import DataError
from trainspec.results.earlier import is_earlier, read_rows
from trainspec.results.measured import Measured, read_runs
from trainspec.results.plot import draw_results
from trainspec.results.rows import Row, in_order, newest_by_seed, rows_of
from trainspec.results.tables import to_csv, to_json, to_markdown
from trainspec.runs.curves import FORMATS


@dataclass(frozen=True)
class Report:
    """`rows` of results, and a line for each run that was `left_out`."""

    rows: tuple[Row, ...]
    left_out: tuple[str, ...]

    def write(self, folder: Path) -> list[Path]:
        """Write `results.md`, `.csv`, `.json`, `.png` and `.svg`. Returns their paths. Raises `StorageError`."""
        texts = {
            "md": to_markdown(self.rows, self.left_out),
            "csv": to_csv(self.rows),
            "json": to_json(self.rows, self.left_out),
        }
        files = {f"results.{suffix}": text.encode("utf-8", "backslashreplace") for suffix, text in texts.items()}
        for format in FORMATS:
            draw_results(picture := BytesIO(), self.rows, format)
            files[f"results.{format}"] = picture.getvalue()
        write_together(folder, files)
        return [folder / name for name in files]


def collect(places: Sequence[Path]) -> Report:
    """The results of the runs in `places`, which are folders of runs or folders of such folders.

    A place may also be an earlier `results.json`: its rows stay, except those that a run of `places` makes again.

    Raises `DataError` for a place without runs, and if no run has reached its end.
    """
    earlier = [row for place in places if is_earlier(place) for row in read_rows(place)]
    found = list(read_runs(place for place in places if not is_earlier(place)))
    measured = [one for _, one in found if isinstance(one, Measured)]
    left_out = [one for _, one in found if isinstance(one, str)]
    counted, older = newest_by_seed(measured)
    left_out += older
    if not counted and not earlier:
        raise DataError(f"no finished run can be used ({left_out[0]})")
    made = rows_of(counted)
    again = {row.group for row in made}
    return Report(tuple(in_order([*made, *(row for row in earlier if row.group not in again)])), tuple(left_out))
