"""Takes the files of onnxruntime-web from the npm registry, or from a folder, and checks them before they are used."""

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from deploy.errors import LONGEST
from deploy.package.manifest import PackageError, sha256
from deploy.package.onnxruntime_web import FILES, NAME, RELEASE, TARBALL, VERSION

SECONDS = 300  # for 33 MB
PLACES = ("", "dist", f"node_modules/{NAME}/dist")  # where a folder may have the files
_QUIET = ("--ignore-scripts", "--loglevel=error", "--no-update-notifier", "--fetch-retries=1")
_ELSEWHERE = "or give --runtime FOLDER"


def runtime_files(folder: str | os.PathLike[str] | None = None) -> dict[str, bytes]:
    """The files of `onnxruntime_web.FILES` by name: from `folder`, or from the npm registry by `npm pack`.

    `folder` is the `dist` folder of the npm package, or one that holds it. Raises `PackageError` in one line if a file
    is missing or has another hash, and if npm is not installed or cannot get the package.
    """
    files = _unpacked(_packed()) if folder is None else _found(Path(folder))
    source = "the npm registry" if folder is None else folder
    for name, expected in FILES.items():
        if sha256(files[name]) != expected:
            raise PackageError(f"{source}: its {name} is not the one of {RELEASE}; give the files of that release")
    return files


def _found(folder: Path) -> dict[str, bytes]:
    try:
        place = next((at for at in map(folder.joinpath, PLACES) if all((at / name).is_file() for name in FILES)), None)
        if place is None:
            names = " and ".join(FILES)
            raise PackageError(f"{folder}: has no {names}; give the folder dist of {RELEASE}")
        return {name: (place / name).read_bytes() for name in FILES}
    except OSError as error:
        raise PackageError(f"{folder}: cannot be read: {error.strerror or error}") from None


def _packed() -> bytes:
    """The tarball of the pinned release. npm keeps it in its own cache, so a second time needs no network."""
    npm = shutil.which("npm")
    if npm is None:
        raise PackageError(f"npm is not installed, which gets {RELEASE}: install Node.js, {_ELSEWHERE}")
    with tempfile.TemporaryDirectory() as folder:  # away from any package.json
        command = (npm, "pack", f"{NAME}@{VERSION}", *_QUIET)
        try:
            done = subprocess.run(
                command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
            )
            content = (Path(folder) / f"{NAME}-{VERSION}.tgz").read_bytes() if done.returncode == 0 else b""
        except subprocess.TimeoutExpired:
            raise PackageError(f"npm did not download {RELEASE} in {SECONDS} s: try again, {_ELSEWHERE}") from None
        except OSError as error:
            reason = error.strerror or error
            raise PackageError(f"npm did not download {RELEASE} ({reason}): {_ELSEWHERE[3:]}") from None
    if not content:
        raise PackageError(f"npm did not download {RELEASE} ({_reason(done.stderr)}): repair npm, {_ELSEWHERE}")
    if hashlib.sha512(content).hexdigest() != TARBALL:
        raise PackageError(f"the {RELEASE} from npm is not the published one: its SHA-512 differs; {_ELSEWHERE[3:]}")
    return content


def _unpacked(tarball: bytes) -> dict[str, bytes]:
    """The files of a tarball. Its hash was checked before."""
    files = {}
    with tarfile.open(fileobj=io.BytesIO(tarball), mode="r:gz") as archive:
        for name in FILES:
            member = archive.extractfile(f"package/dist/{name}")
            files[name] = member.read() if member else b""
    return files


def _reason(complaint: bytes) -> str:
    """npm's own words in one line: the code of its error and its first sentence."""
    lines = [line.removeprefix("npm error").strip() for line in complaint.decode(errors="replace").splitlines()]
    code = next((line for line in lines if line.startswith("code ")), "")
    said = next((line for line in lines if line.count(" ") > 2), "")
    return ": ".join(filter(None, (code, said)))[:LONGEST] or "it does not say why"
