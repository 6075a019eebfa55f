"""Begin a training with the weights of a file, or of a run, as fine-tuning does."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Self

from diptych.errors import RecipeError, WeightsError
from diptych.reading import check_file, sha256_of
from netspec import Graph
from netspec.init import Weights
from netspec.tensor_file import IN_RUN
from netspec.weights import Notice, fit_weights, head_of
from trainspec.judging import check_finished, same_names
from trainspec.optim import settings
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
    def read(
        cls, given: "Given", graph: Graph, recipe: Recipe, drawn: Weights, classes: Sequence[str], notice: Notice
    ) -> Self:
        """Read the file of `given` for a network of these `classes`.

        `drawn` has the values of what is drawn anew: a head for other classes, and as the recipe says. `notice` is
        called with a sentence about each. Raises `WeightsError` for a file that does not fit otherwise, and
        `RecipeError` where a head that is drawn anew is frozen.
        """
        path, asked = given.file, anew_by(recipe, graph)
        anew = asked
        if given.classes is not None and len(given.classes) == len(classes) and not same_names(given.classes, classes):
            nodes = [name for output in graph.outputs for name in head_of(graph, output)]
            which = f"the head {nodes[0]} is" if len(nodes) == 1 else f"the heads {', '.join(nodes)} are"
            notice(f"{path} has weights for other classes, or for these in another order: {which} drawn anew")
            anew |= {name for name in graph.params if name.rpartition(".")[0] in nodes}
        fitted = fit_weights(graph, path, drawn, notice, anew)
        frozen = {name for group in settings(graph, recipe) if group.is_frozen for name in group.names}
        if head := next((name for name in fitted.anew if name in frozen - asked), None):
            raise RecipeError(f"parameters: '{head}' is drawn anew, so its values mean nothing; do not freeze it")
        return cls(fitted.weights, path, sha256_of(path, WeightsError), fitted.anew)

    @property
    def facts(self) -> dict[str, Any]:
        return {"weights": {"file": str(self.path), "sha256": self.sha256, "drawn_anew": list(self.anew)}}


@dataclass(frozen=True)
class Given:
    """A file of weights, and the classes that it is for; None where only their number is known."""

    file: Path
    classes: tuple[str, ...] | None = None

    @classmethod
    def at(cls, path: Path, notice: Notice) -> Self:
        """The file `path`, or the one in it if it is a run's folder. Raises a `DiptychError` where there is none.

        A run names the classes, by its folder or by its own file. `notice` is called with a note about a run that is
        not finished.
        """
        is_folder = os.path.isdir(path)
        file = path / IN_RUN if is_folder else path
        if not is_folder and not (path.name == IN_RUN and os.path.isfile(path.with_name("run.json"))):
            return cls(check_file(path, WeightsError))
        run = Run.open(file.parent)
        check_finished(run, unfinished=True, notice=notice)
        classes = run.facts.get("classes")
        return cls(check_file(file, WeightsError), None if classes is None else tuple(classes))


def anew_by(recipe: Recipe, graph: Graph) -> frozenset[str]:
    """The tensors that the recipe's tables `[[parameters]]` draw anew. The last table that says so or not decides."""
    chosen: dict[str, bool] = {}
    for table in recipe.parameters:
        if table.anew is not None:
            chosen |= {name: table.anew for name in graph.params if fnmatchcase(name, table.match)}
    return frozenset(name for name, anew in chosen.items() if anew)
