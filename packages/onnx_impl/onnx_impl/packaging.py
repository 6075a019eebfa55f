"""Packages a run or an ONNX file: what ships is the fastest form of the network, and the variant that takes images."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from deploy.arguments import checked
from deploy.files import check_folder
from deploy.inspection import inspect, read_model
from deploy.outputs import check_apart
from deploy.package.manifest import MODEL
from deploy.package.page import page_files
from deploy.package.writing import check_shippable, place_of, write_package
from diptych.errors import UsageError
from netspec.compare import Difference
from onnx_impl.export import export_onnx
from onnx_impl.export_request import request_of_run
from onnx_impl.inside import takes_images
from trainspec.certificate import figures


@checked
def package(
    model: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    uint8: bool = False,
    web: bool = False,
    runtime: str | os.PathLike[str] | None = None,
    unfinished: bool = False,
    notice: Callable[[str], object] = print,
) -> Path:
    """Write the package of a run, or of an ONNX file (`deploy.package.writing`). Returns its folder.

    Of a run, the batch norms are folded, and the file is verified against the unfolded network. A file is shipped as it
    is. `uint8` adds the variant that takes images, and `web` also a page that runs it in a browser. The files of
    onnxruntime-web come from npm, or from the folder `runtime`. `notice` gets a line about the page's trial. Raises
    a `DiptychError` in one line for what cannot be packaged.
    """
    if runtime is not None and not web:
        raise UsageError("--runtime is for the page: give --web too")
    path = Path(model)
    target = place_of(path, out)
    check_apart(target, path)
    check_folder(target.parent)  # before the work
    exports = None
    if os.path.isdir(path):
        content, difference = folded(path, unfinished=unfinished)
        exports = {f"{MODEL} | onnx.reference": figures(difference)}
    else:
        content = read_model(path, unfinished=unfinished)
    inspected = inspect(content, path)
    check_shippable(inspected, path)  # before the work
    images = takes_images(inspected) if uint8 or web else None
    page = page_files(runtime) if web else None
    return write_package(
        path, target, content=content, uint8=images, page=page, exports=exports, unfinished=unfinished, notice=notice
    )


def folded(run: Path, *, unfinished: bool = False) -> tuple[bytes, Difference]:
    """The bytes of a run's network with folded batch norms, and how they differ from the unfolded one.

    Raises a `DiptychError` if they cannot be made.
    """
    what = request_of_run(run, "onnx", unfinished=unfinished)
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "model.onnx"
        difference = export_onnx(what.graph, what.weights, file, fold_batch_norm=True, metadata=what.metadata)
        return file.read_bytes(), difference
