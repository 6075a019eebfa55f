"""The page of a package: it runs the variant that takes images in a browser. The files of the page are in `web/`.

The page is tried before it ships: Node.js, which npm needs, runs the page's own modules and onnxruntime-web's files on
the image of the package, and the answer is compared with the expected one.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deploy.errors import LONGEST
from deploy.images import read_image
from deploy.inspection import Inspected
from deploy.package import golden
from deploy.package.manifest import SERVED, UINT8, PackageError
from deploy.package.npm import runtime_files
from deploy.package.onnxruntime_web import RELEASE, WEB
from deploy.package.tensors import read_tensor

SOURCES = Path(__file__).with_name("web")
SHIPPED = ("index.html", "page.css", "page.mjs", "images.mjs", "encoded.mjs", "model.mjs", "onnxruntime-web.LICENSE")
TRIAL = SOURCES / "trial.mjs"
SECONDS = 300
LIMITS = {"PNG": 1e-3, "JPEG": 1e-2, "WebP": 1e-2}  # of a probability, beside `predict`: a browser has its own decoders


def page_files(runtime: str | os.PathLike[str] | None = None) -> dict[str, bytes]:
    """The files of the page by their path in a package; `runtime` as in `npm.runtime_files`. Raises `PackageError`."""
    files = {name: (SOURCES / name).read_bytes() for name in SHIPPED} | runtime_files(runtime)
    return {f"{WEB}/{name}": content for name, content in files.items()}


def try_page(package: Path, inspected: Inspected) -> str:
    """Run the page's modules in Node.js on the image of a package of a checked file. Returns a line of what was found.

    Raises `PackageError` if onnxruntime-web cannot run the model, or if it answers something else there.
    """
    node = shutil.which("node")
    if node is None:
        return f"note: not tried in {RELEASE}, since Node.js is not installed; open the page to try it"
    pixels = read_image(package / golden.IMAGE)[..., : inspected.input_shape[0]]
    model = package / UINT8 / SERVED
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "pixels"
        image.write_bytes(pixels.tobytes())
        answer = _answer([node, *map(str, (TRIAL, package / WEB, model, image, *pixels.shape))])
    if answer is None:
        return f"note: not tried in {RELEASE}, which this Node.js cannot run; open the page to try it"
    expected, limit = read_tensor(package / golden.OUTPUT)[:1], golden.limit(inspected.contract)
    difference = golden.compare(answer, expected, limit, f"{RELEASE} cannot answer for this model")
    return f"{WEB}: {RELEASE} answers as expected, to {difference:.1e} of {limit:.0e} allowed"


def _answer(argv: Sequence[str]) -> NDArray[np.float32] | None:
    """The logits `(1, classes)`, or None if Node.js cannot run onnxruntime-web. Raises `PackageError`."""
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
        started, _, rest = done.stdout.partition("\n")
        found = json.loads(rest) if started else {}
    except subprocess.TimeoutExpired:
        raise PackageError(f"the model is too slow for a browser: no answer of {RELEASE} in {SECONDS} s") from None
    except OSError:
        found = {}
    except ValueError:
        found = {"problem": f"it ends without an answer: {done.stderr.strip() or done.returncode}"}
    if problem := found.get("problem"):
        reason = " ".join(str(problem).split())[:LONGEST]
        raise PackageError(f"the model cannot run in a browser ({RELEASE}: {reason}); package it without --web")
    return np.array([found["logits"]], np.float32) if found else None
