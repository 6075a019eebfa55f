"""What the doctor looks at."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from doctor.finding import quoted

WORK = {  # what the environments of the noxfile are for: probes with their argument
    "zoo": (),
    "lint": (),
    "onnx": ("build", "runtime"),
    "torch": ("step torch", "runtime"),
    "keras": ("step keras", "runtime"),
    "deploy": ("runtime",),
    "parity": ("step torch", "step keras", "runtime"),
}
ON_GPU = {  # which of them use a GPU, where there is one
    "onnx": ("runtime",),
    "torch": ("step torch", "runtime"),
    "keras": ("step keras",),
    "deploy": ("runtime",),
}


@dataclass(frozen=True)
class Environment:
    """An environment of the noxfile: its folder, named after its kind."""

    folder: Path

    @property
    def kind(self) -> str:
        return self.folder.name

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def again(self) -> str:
        """The remedy for an environment that cannot be repaired."""
        return f"rm -r {quoted(self.folder)}; the next nox makes it again"


@dataclass(frozen=True)
class Place:
    """A checkout, and how many seconds a probe may take. `environments` is the folder of the environments."""

    root: Path
    environments: Path
    seconds: float = 180.0

    @classmethod
    def here(cls) -> "Place":
        """The checkout that this package belongs to."""
        root = Path(__file__).resolve().parents[2]
        return cls(root, root / ".nox")

    @property
    def is_checkout(self) -> bool:
        """Whether nox makes environments here; where pip has installed this package, `root` is Python's own folder."""
        return (self.root / "noxfile.py").is_file()

    @property
    def constraints(self) -> Path:
        return self.root / "constraints.txt"

    def __iter__(self) -> Iterator[Environment]:
        """The environments that there are, in the order of `WORK`."""
        for kind in WORK:
            if (self.environments / kind).is_dir():
                yield Environment(self.environments / kind)
