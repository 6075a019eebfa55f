"""Pages: HTML files that need nothing beside them, made of the templates in this folder.

A page extends `base.html`, which has the style (`style.css`) in it. It reads well without JavaScript, in light and
dark, and at the width of a phone.
"""

import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deploy.files import write_bytes
from deploy.shell import printable


def render(template: str, **values: Any) -> str:
    """The text of a page. Values are escaped, and what controls a terminal or turns text around is shown as text."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def shown(value: Any) -> Any:
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=shown,
    )
    environment.filters["urlencode"] = lambda path: quote(os.fsencode(path))  # Jinja's own refuses what is not UTF-8
    environment.filters["code"] = lambda text: Markup("\n").join(map(shown, text.splitlines()))
    return environment.get_template(template).render(**values)


def write(path: Path, text: str) -> None:
    """Write a page, the whole file or nothing. Raises `StorageError`."""
    write_bytes(path, text.encode())
