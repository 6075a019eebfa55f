"""Writes a package: the folder of a model that a server takes as it is."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from deploy import runtime
from deploy.benchmarking import time_sessions
from deploy.certificate import NAME as CERTIFICATE, Exports, certificate_of, entries_of, find_certificate
from deploy.contract import COLOR_RULES
from deploy.errors import ModelError
from deploy.files import clear_abandoned, own_folder
from deploy.inspection import Inspected, inspect, read_model
from deploy.package import golden, triton
from deploy.package.card import card
from deploy.package.facts import PREPROCESSING, facts_of, preprocessing, uint8_interface, versions
from deploy.package.manifest import MODEL, NAME, SERVED, UINT8, Manifest, PackageError, sha256
from deploy.package.modules import script
from deploy.package.onnxruntime_web import WEB, facts as page_facts
from deploy.package.page import try_page
from deploy.timings import written

BENCHMARK = "benchmark.json"
TIMED_BATCHES, TIMED_SECONDS = (1, 8), 0.5
LICENSE = Path(__file__).with_name("LICENSE")  # the repository's: scripts and page are copies of our files
SCRIPTS = {
    "predict.py": ("deploy.package.predict_alone", "The most probable classes of images: python predict.py IMAGE ..."),
    "verify.py": ("deploy.package.verify_alone", "Checks this folder on this machine: python verify.py"),
}


def write_package(
    model: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    content: bytes | None = None,
    uint8: bytes | None = None,
    page: Mapping[str, bytes] | None = None,
    exports: Exports | None = None,
    unfinished: bool = False,
    notice: Callable[[str], object] = print,
) -> Path:
    """Write the package of an ONNX file, or of the one in the folder of a run. Returns its folder.

    `out` is a folder that does not exist yet; by default `package` beside the file. `content` is a file to ship in
    place of the one at `model`, and `exports` what it was compared with, as certificates have it. `uint8` is the
    variant of it that takes images (`onnx_impl.inside`). `page` are the files of the page that runs this variant in a
    browser (`page.page_files`); what its trial finds is a line for `notice`. The accuracy is that of the run, the speed
    that on the CPU of this machine.

    Raises `ModelError` for a file that cannot be used, has no content hash or cannot classify, and `PackageError` if
    the folder exists or cannot be written, or if the model does not run in a browser.
    """
    source = Path(model)
    inspected = inspect(content or read_model(source, unfinished=unfinished), source)
    target = place_of(source, out)
    files = _files(inspected, source, uint8, page, exports)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        clear_abandoned(target.parent)
        with own_folder(target.parent) as temporary:
            folder = temporary / "package"
            for name, text in files.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(text)
            if page is not None:
                notice(try_page(folder, inspected))
            folder.rename(target)  # refused if another process has made it meanwhile
    except OSError as error:
        if os.path.lexists(target):
            raise _exists(target) from None
        raise PackageError(f"{target}: cannot be written: {error.strerror or error}") from None
    return target


def place_of(model: Path, out: str | os.PathLike[str] | None) -> Path:
    """Where the package of a model is written: `out`, by default `package` beside the file or in the run's folder.

    Raises `PackageError` if it exists.
    """
    target = Path(out) if out is not None else (model if os.path.isdir(model) else model.parent) / "package"
    if os.path.lexists(target):
        raise _exists(target)
    return target


def _exists(target: Path) -> PackageError:
    return PackageError(f"{target}: exists; remove it, or give another --out")


def check_shippable(inspected: Inspected, source: Path) -> bytes:
    """Return the labels of a file that can be packaged. Raises `ModelError` for one that cannot."""
    if not inspected.hashed:
        raise ModelError(f"{source}: has no hash over its content; export it again")
    if missing := inspected.contract.missing:
        raise ModelError(f"{source}: its metadata lack {', '.join(missing)}; export with --preset")
    if (channels := inspected.input_shape[0]) not in COLOR_RULES:
        raise ModelError(f"{source}: takes images with {channels} channels; a package is for images with 1 or 3")
    return triton.labels(inspected.contract.classes, source)


def _files(
    inspected: Inspected,
    source: Path,
    uint8: bytes | None,
    page: Mapping[str, bytes] | None,
    exports: Exports | None,
) -> Mapping[str, bytes]:
    contract, channels = inspected.contract, inspected.input_shape[0]
    labels = check_shippable(inspected, source)
    facts = facts_of(inspected, source)
    session = runtime.load(inspected.content, source, provider=runtime.CPU)
    places = [(session, inspected.input_shape, batch) for batch in TIMED_BATCHES]
    timings = time_sessions(places, TIMED_SECONDS, rounds=1)
    files = {
        MODEL: inspected.content,
        SERVED: inspected.content,
        triton.LABELS: labels,
        triton.CONFIG: triton.config(contract, channels),
        PREPROCESSING: preprocessing(contract, channels),
        **golden.make(session, contract, channels),
        BENCHMARK: written(MODEL, timings).encode(),
        "model_card.md": card(facts, contract, timings, uint8 is not None, page is not None),
        LICENSE.name: LICENSE.read_bytes(),
        **{name: script(*described) for name, described in SCRIPTS.items()},
    }
    if uint8 is not None:
        facts[UINT8] = uint8_interface(contract, channels)
        files |= {
            f"{UINT8}/{SERVED}": uint8,
            f"{UINT8}/{triton.LABELS}": labels,
            f"{UINT8}/{triton.CONFIG}": triton.uint8_config(contract, channels),
        }
    files[CERTIFICATE] = _certificate(inspected, source, files, exports)
    if page is not None:
        facts[WEB] = page_facts()
        files |= page
    manifest = Manifest(facts, {name: sha256(text) for name, text in files.items()})
    return files | {NAME: manifest.content()}


def _certificate(inspected: Inspected, source: Path, files: Mapping[str, bytes], exports: Exports | None) -> bytes:
    """That of the files that ship, with what was proved of the file or the run that they were made of."""
    hashes = {name: sha256(content) for name, content in files.items() if name.endswith(".onnx")}
    proved = find_certificate(source, inspected.contract.weights_sha256, hashes[MODEL])
    reasons = {}
    if exports is None and proved is not None:
        exports, reasons = (entries_of(proved, part, hashes[MODEL], MODEL) for part in ("exports", "reasons"))
    return certificate_of(inspected.contract, hashes, exports or None, proved, versions(), reasons)
