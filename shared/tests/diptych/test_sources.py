"""What a figure depends on, in small packages that are written for the test."""

import sys

import pytest

from diptych.sources import Sources

FILES = {
    "one/__init__.py": """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from one.lazy import late as late
""",
    "one/lazy.py": "def late():\n    return 1\n",
    "one/table.toml": "limit = 1\n",
    "one/base.py": '''
"""The module."""
import math
from pathlib import Path

LIMIT = 3
TABLE = Path(__file__).with_name("table.toml")
HANDLERS = {}

def builds(kind):
    def register(handler):
        HANDLERS[kind] = handler
        return handler
    return register

@builds("a")
def handler(x):
    return x

class Base:
    """A base."""
    def value(self):
        return LIMIT

def unused():
    return 0
''',
    "two/__init__.py": "",
    "two/main.py": '''
import one
from one import base
from one.base import Base, builds as registers

class Derived(Base):
    """Words."""

    def other(self):
        # a comment
        return base.TABLE.read_text()

def run():
    from one.base import HANDLERS
    return Derived().other(), HANDLERS, one.late()
''',
}
ROOT = ("two.main", "run")


@pytest.fixture
def packages(tmp_path, monkeypatch):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in ("one", "two"):
        sys.modules.pop(name, None)


def digest(root=ROOT):
    return Sources(("one", "two")).digest(root)


def test_what_is_reached(packages):
    reached = {place for place in Sources(("one", "two")).reached(ROOT) if place[1]}
    assert reached == {
        ("two.main", "run"),
        ("two.main", "Derived"),
        ("one.base", "Base"),
        ("one.base", "LIMIT"),
        ("one.base", "TABLE"),
        ("one.base", "HANDLERS"),
        ("one.lazy", "late"),
    }
    assert not {"one", "two"} & sys.modules.keys()


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("one/base.py", "LIMIT = 3", "LIMIT = 4"),
        ("one/base.py", "HANDLERS = {}", "HANDLERS = {1: 2}"),
        ("one/lazy.py", "return 1", "return 2"),
        ("one/table.toml", "1", "2"),
        ("two/main.py", "other(self)", "other(self, x=1)"),
    ],
)
def test_code_counts(packages, file, before, after):
    old = digest()
    (packages / file).write_text(FILES[file].replace(before, after))
    assert digest() != old


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("one/base.py", '"""The module."""', '"""Other words."""'),
        ("one/base.py", '"""A base."""', ""),
        ("one/base.py", "return x", "return 2 * x"),
        ("one/base.py", "return 0", "return 1"),
        ("two/main.py", '"""Words."""', '"""Other words, many more."""'),
        ("two/main.py", "# a comment", "# another"),
    ],
)
def test_words_and_what_is_not_used_do_not(packages, file, before, after):
    old = digest()
    (packages / file).write_text(FILES[file].replace(before, after))
    assert digest() == old


def test_a_handler_counts_where_it_is_named(packages):
    old, without = digest(("one.base", "handler")), digest()
    (packages / "one/base.py").write_text(FILES["one/base.py"].replace("return x", "return 2 * x"))
    assert digest(("one.base", "handler")) != old
    assert digest() == without


def test_a_root_that_is_not_there_is_an_error(packages):
    with pytest.raises(LookupError, match=r"there is no nothing in two\.main"):
        digest(("two.main", "nothing"))
