"""What `python -m parity lockstep` does: trains, prints, and writes the facts and the plot."""

from contextlib import suppress
from dataclasses import replace
from io import BytesIO

from rich.console import Console

from deploy.files import write_together
from deploy.shell import OutputError, printable, say
from diptych.errors import UsageError
from diptych.stopping import between_steps
from parity.lockstep.plot import draw_lockstep
from parity.lockstep.record import JudgedStep
from parity.lockstep.report import as_json, line_of, lines
from parity.lockstep.session import lockstep
from trainspec.recipes import TrainOptions
from trainspec.runs.folder import new_folder
from trainspec.task import prepare

TENTH = 10  # of the judged steps, the first ones and every tenth are printed


def run(network: str, options: TrainOptions, steps: int, every: int) -> int:
    """Train `steps` steps in lockstep and return the exit status.

    Writes `lockstep.json` and `lockstep.svg` into a new folder.
    """
    if steps < 1 or every < 1:
        raise UsageError(f"--steps {steps} --every {every}: both are at least 1")
    if every > steps:
        raise UsageError(f"--every {every}: only the first of {steps} steps would be judged; give at most {steps}")
    options = replace(options, overrides={"precision": "fp32"} | dict(options.overrides))  # whatever the machine has
    with between_steps():
        task, asked = prepare(network, options)
        if getattr(task.recipe.optimizer, "bfloat16", False):
            raise UsageError("lockstep judges the whole update in float64: give --set optimizer.bfloat16=false")
        steps = min(steps, task.recipe.steps(task.steps_per_epoch))  # the schedule has no rate for more
        say(f"lockstep   PyTorch and Keras, {task.recipe.precision}, {steps} steps of {task.batch_size} images")
        record = lockstep(task, steps, every=every, show=Display(steps))
    draw_lockstep(picture := BytesIO(), record)
    folder = new_folder(asked.out, task.architecture, task.data.name)
    write_together(folder, {"lockstep.json": as_json(record).encode(), "lockstep.svg": picture.getvalue()})
    for line in lines(record):
        say(line)
    say(f"written    {folder / 'lockstep.json'}, lockstep.svg")
    return record.status


class Display:
    """A line a step at the beginning, then every tenth; every finding at once. On a terminal, a live line too."""

    def __init__(self, steps: int) -> None:
        self.steps, self.console = steps, Console()

    def __call__(self, step: int, judged: JudgedStep | None) -> None:
        text = line_of(step, self.steps, judged)
        if step <= TENTH or step % TENTH == 0:
            self.say(text)
        elif self.console.is_terminal:
            self.say(text, end="\r")
        for finding in judged.findings if judged else ():
            self.say(f"*** {finding} ***")

    def say(self, text: str, end: str = "\n") -> None:
        """Print a line. If nobody can read it any more, the training goes on."""
        with suppress(OutputError):
            self.console.print(printable(text), end=end, soft_wrap=True, markup=False, highlight=False)
