"""Begin a training with the weights of a file, or of a run, as fine-tuning does."""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Self

from diptych.errors import WeightsError
from diptych.reading import check_file, sha256_of
from netspec import Graph
from netspec.init import Weights
from netspec.weights import Notice, fit_weights
from trainspec.judging import check_finished
from trainspec.recipes import Recipe
from trainspec.runs import Run


@dataclass(frozen=True, eq=False)
class WarmStart:
    """First weights from the file `path`, except for the tensors `anew`. `facts` is what a run records about them."""

    weights: Weights = field(repr=False)
    path: Path
    sha256: str
    anew: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path, graph: Graph, recipe: Recipe, drawn: Weights, notice: Notice) -> Self:
        """Read `path`. `drawn` has the values of what is drawn anew: a head for other classes, and as the recipe says.

        `notice` is called with a sentence about each. Raises `WeightsError` for a file that does not fit otherwise.
        """
        fitted = fit_weights(graph, path, drawn, notice, anew_by(recipe, graph))
        return cls(fitted.weights, path, sha256_of(path, WeightsError), fitted.anew)

    @property
    def facts(self) -> dict[str, Any]:
        return {"weights": {"file": str(self.path), "sha256": self.sha256, "drawn_anew": list(self.anew)}}


def weights_file(path: Path, notice: Notice) -> Path:
    """`path`, or the file of weights in it if it is a run's folder. Raises a `DiptychError` where there is none.

    `notice` is called with a note about a run that is not finished.
    """
    if path.is_dir():
        check_finished(Run.open(path), unfinished=True, notice=notice)
        path = path / "weights.safetensors"
    return check_file(path, WeightsError)


def anew_by(recipe: Recipe, graph: Graph) -> frozenset[str]:
    """The tensors that the recipe's tables `[[parameters]]` draw anew. The last table that says so or not decides."""
    chosen: dict[str, bool] = {}
    for table in recipe.parameters:
        if table.anew is not None:
            chosen |= {name: table.anew for name in graph.params if fnmatchcase(name, table.match)}
    return frozenset(name for name, anew in chosen.items() if anew)
