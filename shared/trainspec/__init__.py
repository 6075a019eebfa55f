"""The parts of training that do not depend on a framework: data sets, batch plans, schedules, recipes, run folders."""

from typing import TYPE_CHECKING

from deploy import __version__ as __version__
from deploy.lazy import lazy

if TYPE_CHECKING:
    from trainspec.data import DataSet as DataSet, open_data as open_data
    from trainspec.evaluation import Evaluation as Evaluation, evaluate as evaluate
    from trainspec.recipes import Recipe as Recipe, find_recipe as find_recipe, read_recipe as read_recipe
    from trainspec.runs import Run as Run
    from trainspec.schedules import Schedule as Schedule, learning_rate as learning_rate

__all__ = [
    "DataSet",
    "Evaluation",
    "Recipe",
    "Run",
    "Schedule",
    "evaluate",
    "find_recipe",
    "learning_rate",
    "open_data",
    "read_recipe",
]

__getattr__, __dir__ = lazy(
    __name__,
    data=("DataSet", "open_data"),
    evaluation=("Evaluation", "evaluate"),
    recipes=("Recipe", "find_recipe", "read_recipe"),
    runs=("Run",),
    schedules=("Schedule", "learning_rate"),
)
