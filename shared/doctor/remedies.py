"""What to do about a probe that failed."""

import re

from deploy.shell import OUT_OF_MEMORY
from doctor.place import Environment

MEMORY = "|".join(("SIGKILL|MemoryError|not enough memory|Cannot allocate memory", *map(re.escape, OUT_OF_MEMORY)))
# An environment that lacks TensorFlow says KERAS_BACKEND=, too; it is made again.
BACKEND = r"^(?!.* is 'tensorflow',).*KERAS_BACKEND=|Keras's configuration"
REMEDIES = {  # what a problem says -> what helps where a new environment would not; the first that fits
    "did not end within": "end other programs that use this machine, and try again",
    "No space left": "free room on the disk, or set TMPDIR to another folder",
    BACKEND: "set KERAS_BACKEND=tensorflow, or mend keras.json",
    "CUDA|CUDNN|cuDNN|[Dd]river": "see what nvidia-smi says, or set CUDA_VISIBLE_DEVICES=-1 to use the CPU",
    MEMORY: "end other programs, or give the container more memory (docker run -m 4g)",
}


def remedy(one: Environment, problem: str) -> str:
    """The remedy for what a probe said in an environment: by default, to make the environment again."""
    return next((helps for said, helps in REMEDIES.items() if re.search(said, problem)), one.again)
