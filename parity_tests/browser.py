"""A headless Chromium that shows the page of a package, as `python -m http.server` serves it, and pages of parity."""

import base64
import re
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from deploy.package.manifest import PackageError
from deploy.package.npm import runtime_files

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
SECONDS = 60  # that anything may take
ENDS = ("ready", "answered", "refused", "broken")  # states of the page in which nothing goes on
SHOWN = """return [...document.querySelectorAll("#answers li")].map((row) =>
    [row.querySelector(".class").textContent, Number(row.dataset.probability)])"""
CUT = """return [...document.querySelectorAll("p, dd, pre, h1, li, svg")]
    .filter((part) => !part.closest(".scroll, .wide") && part.getBoundingClientRect().right > innerWidth)
    .map((part) => part.outerHTML.slice(0, 80))"""
PIXELS = """
const [content, channels, done] = arguments;
(async () => {
  const { drawn, pixelsOf } = await import("./images.mjs");
  const bytes = Uint8Array.from(atob(content), (character) => character.charCodeAt(0));
  const { pixels, height, width } = pixelsOf(await drawn(new Blob([bytes])), channels);
  let text = "";
  for (const pixel of pixels) text += String.fromCharCode(pixel);
  return [btoa(text), height, width];
})().then(done, (error) => done(`${error.name}: ${error.message}`));
"""


def runtime_folder(folder: Path) -> Path:
    """onnxruntime-web in a folder. Skips the test where npm cannot get it."""
    try:
        for name, content in runtime_files().items():
            (folder / name).write_bytes(content)
    except PackageError as error:
        pytest.skip(str(error))
    return folder


class Page:
    """The page of a package in a browser."""

    def __init__(self, driver: Any, address: str) -> None:
        self.driver, self.address = driver, address

    def open(self, path: str = "web/") -> str:
        """Load the page and wait until it has begun. Returns its state."""
        self.driver.get(self.address + path)
        return self.settled()

    def settled(self) -> str:
        end = time.monotonic() + SECONDS
        while (state := self.driver.execute_script("return document.body.dataset.state")) not in ENDS:
            assert time.monotonic() < end, f"still {state}: {self.driver.get_log('browser')}"
            time.sleep(0.02)
        return state

    def ask(self, path: Path) -> list[tuple[str, float]]:
        """The classes and probabilities that the page shows for a file; none if it refuses the file."""
        self.driver.execute_script("document.body.dataset.state = 'asked'")
        self.driver.find_element("id", "file").send_keys(str(path))
        self.settled()
        return [(name, probability) for name, probability in self.driver.execute_script(SHOWN)]

    def text(self, part: str) -> str:
        return self.driver.execute_script("return document.getElementById(arguments[0]).textContent", part)

    def pixels(self, content: bytes, channels: int = 3) -> np.ndarray:
        """The pixels `(H, W, C)` that the page's modules read from a file. Raises `ValueError` with their error."""
        found = self.driver.execute_async_script(PIXELS, base64.b64encode(content).decode(), channels)
        if isinstance(found, str):
            raise ValueError(found)
        text, height, width = found
        return np.frombuffer(base64.b64decode(text), np.uint8).reshape(height, width, channels)

    def look_at(self, page: Path, width: int, *, dark: bool) -> None:
        """Nothing sticks out of the page, its colours follow the system's, and the console stays empty."""
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.get(page.as_uri())
        assert self.driver.execute_script("return document.documentElement.scrollWidth") <= width
        assert self.driver.execute_script(CUT) == []
        background = self.driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(20, 23, 28)" if dark else "rgb(255, 255, 255)")
        assert self.driver.get_log("browser") == []

    def printed(self, page: Path) -> int:
        """How many sheets of paper the page takes. Each has text on it."""
        self.driver.get(page.as_uri())
        content = base64.b64decode(self.driver.print_page())
        sheets = re.findall(rb"/Type /Page\b.*?/Contents (\d+) 0 R", content, re.DOTALL)
        for sheet in sheets:
            drawn = re.search(rb"\n%s 0 obj.*?\bstream\r?\n" % sheet, content, re.DOTALL)
            assert drawn
            # the compressed data says itself where it ends; its last byte may look like an end of line
            assert re.search(rb"T[jJ]\b", zlib.decompressobj().decompress(content[drawn.end() :]))
        return len(sheets)

    def fetched(self) -> set[str]:
        """The addresses of all that the page has loaded."""
        return set(self.driver.execute_script("return performance.getEntries().map((entry) => entry.name)"))


@contextmanager
def shown(package: Path) -> Iterator[Page]:
    """The page of a package in a fresh browser. Skips the test where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, chromedriver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not chromedriver:
        pytest.skip("there is no Chromium with its driver: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile, served(package) as address:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options, webdriver.ChromeService(chromedriver))
        try:
            driver.set_script_timeout(SECONDS)
            yield Page(driver, address)
        finally:
            driver.quit()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address under which `python -m http.server` serves a folder."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout
            port = re.search(r"port (\d+)", server.stdout.readline())
            assert port
            yield f"http://127.0.0.1:{port[1]}/"
        finally:
            server.terminate()
