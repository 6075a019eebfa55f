import multiprocessing
from dataclasses import dataclass

import pytest

from diptych.ledger import Ledger, fingerprint, markdown_table


@dataclass(frozen=True)
class Row:
    name: str
    value: float


def read(entry):
    return Row(**entry) if entry.keys() == {"name", "value"} else None


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "folder" / "rows.jsonl", read)


def test_rows_come_back_and_the_newest_counts(ledger):
    assert list(ledger) == []
    for mark, row in (("a", Row("x", 1.0)), ("b", Row("y", 2.0)), ("a", Row("x", 3.0)), ("c", Row("x", 4.0))):
        ledger.add(mark, row)
    assert ledger.rows() == {"a": Row("x", 3.0), "b": Row("y", 2.0), "c": Row("x", 4.0)}
    assert ledger.newest(lambda row: row.name) == {"x": Row("x", 4.0), "y": Row("y", 2.0)}


@pytest.mark.parametrize(
    "torn", [b'{"name": "z', b"\xff\xfe\n", b"[]\n", b"{}\n", b'{"name": 1, "fingerprint": "d"}\n']
)
def test_what_is_no_row_costs_nothing_else(ledger, torn):
    ledger.add("a", Row("x", 1.0))
    with ledger.path.open("ab") as file:
        file.write(torn)
    ledger.add("b", Row("y", 2.0))
    assert ledger.rows() == {"a": Row("x", 1.0), "b": Row("y", 2.0)}


def add(path, name):
    for number in range(100):
        Ledger(path, read).add(f"{name}{number}", Row(name * 50, float(number)))


def test_several_processes_add_to_one_file(ledger):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=add, args=(ledger.path, name)) for name in "ab"]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert len(ledger.rows()) == 200


def test_a_fingerprint_changes_with_its_parts():
    marks = [fingerprint(), fingerprint(1), fingerprint("1"), fingerprint(1, 2), fingerprint((1, 2))]
    assert len(set(marks)) == 5
    assert all(len(mark) == 16 for mark in marks)


def test_markdown():
    assert markdown_table(["a", "b"], [["x", "1"]]) == "| a | b |\n| :-- | --: |\n| x | 1 |\n"
