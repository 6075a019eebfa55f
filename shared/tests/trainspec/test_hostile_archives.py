"""Archives that are made to do harm end in one line or are read rightly, with little memory, and write nothing."""

import pytest
from hostile import HONEST, hostile_archives
from measured import measured

READ = """
import os
import sys
from diptych.errors import DiptychError
from trainspec.data import open_data
def notice(text):
    raise AssertionError(text)
# measured
for name in sorted(os.listdir()):
    try:
        data = open_data(os.path.abspath(name), 8, notice=notice)
        print("read", len(data.train) + len(data.validation) + len(data.test))
    except DiptychError as error:
        print(f"{type(error).__name__}: {error}")
"""
SLOW = {"many.tar.gz", "many.zip", *(name for name in hostile_archives() if name.startswith(("bomb", "overlapping")))}
SLOW |= {"long name.tar.gz", "pax header.tar.gz", "global header.tar.gz", "image.tar.gz", "other.tar.gz"}
SLOW |= {"tail.tar.gz", "head.tar.gz"}


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A folder that is empty, and the working folder of what is run."""
    folder = tmp_path / "only"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def answers(folder, names: list[str]) -> dict[str, str]:
    """What is said to each archive, once it is known that the memory was little and nothing was written."""
    for name in names:
        hostile_archives()[name](folder / name)
    printed, grown = measured(READ, seconds=300)
    assert grown < 1000, f"{grown} MiB"
    assert sorted(entry.name for entry in folder.iterdir()) == sorted(names)
    assert list(folder.parent.iterdir()) == [folder]  # where the paths out of the archives lead
    found = dict(zip(sorted(names), printed.splitlines(), strict=True))
    for name, answer in found.items():
        assert answer.startswith((f"DataError: {folder / name}: ", f"ArchiveError: {folder / name}: ", "read ")), answer
        assert len(answer) < 5000
    return found


def test_hostile_archives(alone):
    found = answers(alone, sorted(hostile_archives().keys() - SLOW))
    read = {name: answer for name, answer in found.items() if answer.startswith("read ")}
    for name, answer in read.items():
        assert int(answer.split()[1]) in (HONEST, HONEST + 1), name
    assert len(hostile_archives()) >= 60
    assert len(found) - len(read) >= 45


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(SLOW))
def test_an_archive_that_unpacks_to_gigabytes(alone, name):
    answer = answers(alone, [name])[name]
    print(answer)
    assert answer.startswith(("DataError", "ArchiveError")) or name == "tail.tar.gz"
