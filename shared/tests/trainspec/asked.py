"""What a training command line asks for, read as the commands read it."""

from collections.abc import Sequence
from typing import Any

from deploy.commands import Option, add_options
from deploy.options import Parser
from trainspec.recipes import TRAIN_OPTIONS, TrainOptions
from trainspec.task import TASK_OPTIONS, Asked, Task, prepare


def values_of(options: Sequence[Option], argv: Sequence[str]) -> dict[str, Any]:
    parser = Parser()
    add_options(parser, options)
    return vars(parser.parse_args(argv))


def prepared(*argv: str) -> tuple[Task, Asked]:
    values = values_of(TASK_OPTIONS, argv)
    return prepare(values.pop("network"), TrainOptions.read(**values))


def task_of(*argv: str) -> Task:
    return prepared(*argv)[0]


def options(text: str = "") -> TrainOptions:
    return TrainOptions.read(**values_of(TRAIN_OPTIONS, text.split()))
