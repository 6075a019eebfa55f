"""The page of `python -m parity diff` in a browser."""

from pathlib import Path

import pytest

from browser import shown
from parity.__main__ import main


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """Two networks that differ in their nodes, so that the page has all of its parts."""
    page = tmp_path_factory.mktemp("page") / "diff.html"
    assert main(["diff", "resnet20", "preresnet20", "--out", str(page)]) == 1
    return page


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_in_a_browser(page, width, dark):
    with shown(page.parent) as browser:
        browser.look_at(page, width, dark=dark)
        assert browser.driver.find_element("css selector", ".diagram svg").is_displayed()
        assert len(browser.driver.find_elements("css selector", "tbody tr")) > 50


def test_on_paper(page):
    with shown(page.parent) as browser:
        assert browser.printed(page) > 1
