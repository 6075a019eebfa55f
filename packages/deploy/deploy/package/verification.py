"""Checks a package: its files, what they say of one another, and that this machine computes what was expected."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from deploy import runtime
from deploy.arguments import checked
from deploy.images import read_image
from deploy.inspection import Inspected, inspect, read_contract
from deploy.package import golden, triton
from deploy.package.facts import PREPROCESSING, facts_of_file, preprocessing, uint8_interface
from deploy.package.manifest import MODEL, SERVED, UINT8, Manifest, PackageError, read_file, read_manifest
from deploy.package.onnxruntime_web import WEB, check_page
from deploy.package.tensors import read_tensor

FROM_FILE = (
    *("architecture", "graph_digest", "weights_sha256", "opset", "ir_version"),
    *("inputs", "outputs", "data", "golden_limit"),
)
NEEDED = (MODEL, SERVED, triton.LABELS, triton.CONFIG, PREPROCESSING, *golden.FILES)  # in every package
VARIANT = tuple(f"{UINT8}/{name}" for name in (SERVED, triton.LABELS, triton.CONFIG))  # where it has one


@checked
def verify(folder: str | os.PathLike[str], *, provider: str | None = None) -> list[str]:
    """Check the package in `folder`. Returns a line for each check that it passes.

    `provider` must run, as in `Classifier`; the default is CUDA if it runs, otherwise the CPU. Raises `DiptychError` in
    one line for the first check that fails.
    """
    return list(checks(Path(folder), provider=provider))


def checks(place: Path, *, provider: str | None = None) -> Iterator[str]:
    """`verify`, one check after the other: each line comes when its check is done."""
    manifest = read_manifest(place)
    has_variant = UINT8 in manifest.facts or not manifest.files.keys().isdisjoint(VARIANT)
    needed = NEEDED + VARIANT * has_variant
    if missing := next((name for name in needed if name not in manifest.files), ""):
        raise PackageError(f"{place}: its manifest does not name {missing}; package the model again")
    strangers = manifest.check_files(place)
    yield f"files: the SHA-256 of all {len(manifest.files)} files and of the manifest are right"
    if strangers:
        yield f"note: not part of the package: {', '.join(strangers[:5])}{', ...' * (len(strangers) > 5)}"
    inspected = _check_contract(place, manifest)
    yield f"contract: {MODEL} is one file; its input, output and metadata agree with the other files"
    contract, channels, limit = inspected.contract, inspected.input_shape[0], golden.limit(inspected.contract)
    golden.check_pixels(place, contract, channels)
    yield f"preprocessing: {golden.IMAGE} gives the expected pixels and the expected input"
    session = runtime.load(inspected.content, place / MODEL, provider=provider)
    difference = golden.check_outputs(session, place, limit)
    yield f"outputs: as expected on {runtime.running(session)} (difference {difference:.1e}, limit {limit:.0e})"
    yield from (f"note: {note}" for note in runtime.notes(runtime.passed_over(session, provider)))
    if has_variant:
        yield _check_uint8(place, manifest, inspected, limit, provider)
    if WEB in manifest.facts:
        yield check_page(manifest, place)


def _check_contract(place: Path, manifest: Manifest) -> Inspected:
    content = read_file(place / MODEL)
    inspected = inspect(content, place / MODEL)
    found = facts_of_file(inspected)
    for key in FROM_FILE:
        if manifest.facts.get(key) != found[key]:
            raise PackageError(f"{place / MODEL}: its {key} differs from the manifest")
    contract, channels = inspected.contract, inspected.input_shape[0]
    _check_fit(
        place,
        {
            SERVED: content,
            triton.LABELS: triton.labels(contract.classes, place / MODEL),
            triton.CONFIG: triton.config(contract, channels),
            PREPROCESSING: preprocessing(contract, channels),
        },
    )
    return inspected


def _check_fit(place: Path, expected: Mapping[str, bytes]) -> None:
    """Raise `PackageError` unless the files in `place` have the content that is expected of the model."""
    for name, content in expected.items():
        if read_file(place / name) != content:
            raise PackageError(f"{place / name}: does not fit {MODEL}")


def _check_uint8(place: Path, manifest: Manifest, inspected: Inspected, limit: float, provider: str | None) -> str:
    """The variant gets the image itself, of which the plain model had the resized pixels."""
    contract, channels, path = inspected.contract, inspected.input_shape[0], place / UINT8 / SERVED
    labels, config = triton.labels(contract.classes, place / MODEL), triton.uint8_config(contract, channels)
    _check_fit(place / UINT8, {triton.LABELS: labels, triton.CONFIG: config})
    content = read_file(path)
    if replace(read_contract(content, path), content_sha256=contract.content_sha256) != contract:
        raise PackageError(f"{path}: its metadata are not those of {MODEL}")
    if manifest.facts.get(UINT8) != uint8_interface(contract, channels):
        raise PackageError(f"{path}: its inputs and outputs differ from the manifest")
    session = runtime.load(content, path, provider=provider)
    pixels = read_image(place / golden.IMAGE)[..., :channels]  # a grey image has three equal ones
    logits = runtime.infer(session, pixels[None], path)
    difference = golden.compare(logits, read_tensor(place / golden.OUTPUT)[:1], limit, path)
    return f"{UINT8}: outputs for the image itself as expected (difference {difference:.1e}, limit {limit:.0e})"
