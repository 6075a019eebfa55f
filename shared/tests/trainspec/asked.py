"""What a training command line asks for, read as the commands read it."""

from diptych.cli import values_of
from trainspec.recipes import TRAIN_OPTIONS, TrainOptions
from trainspec.task import TASK_OPTIONS, Asked, Task, prepare


def prepared(*argv: str) -> tuple[Task, Asked]:
    values = values_of(TASK_OPTIONS, argv)
    return prepare(values.pop("network"), TrainOptions.read(**values))


def task_of(*argv: str) -> Task:
    return prepared(*argv)[0]


def options(text: str = "") -> TrainOptions:
    return TrainOptions.read(**values_of(TRAIN_OPTIONS, text.split()))
