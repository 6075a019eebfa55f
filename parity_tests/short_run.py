"""A short training: LeNet-5 on the digits for one epoch, in PyTorch."""

from pathlib import Path

import torch_impl.__main__


def short_run(out: Path, *options: str) -> Path:
    """The folder of the run, in `out`."""
    torch_impl.__main__.main(["train", "lenet5", "--data", "digits", "--epochs", "1", *options, "--out", str(out)])
    (folder,) = out.iterdir()
    return folder
