"""`lockstep`: trains both frameworks side by side and judges every step."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from deploy.commands import add_options
from deploy.options import Parser
from deploy.outputs import output_folder
from parity.commands.judging import for_judging

DESCRIPTION = """Trains a network in PyTorch and in Keras side by side, on the same batches, and judges every step.

From one common state both take the step in float64: these must agree, and each update must be NumPy's, or a formula is
wrong and its stage is named (forward, gradient, statistics, update). Each step in the precision asked for is measured
against its own framework's float64 step. Rounding explains a multiple of what a random rounding of weights and inputs
does to that step, or some standard deviations of the rounding of a sum over the batch's pixels: netspec/tolerances.toml
has both numbers. A step with a larger error is taken again from nearby states, since a unit at a kink of ReLU can be
the cause. Only an error that stays is reported. The exit status is 0 if no formula differs and rounding explains every
step, 1 if not, and 2 if it cannot be said."""

OTHERWISE = {"--out", "--budget", "--tensorboard", "--precision"}  # not as `train` has them


def main(argv: Sequence[str]) -> int:
    for_judging()
    from trainspec.recipes import TrainOptions
    from trainspec.task import TASK_OPTIONS

    parser = Parser(
        prog="python -m parity lockstep", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser, [one for one in TASK_OPTIONS if not OTHERWISE & {*one.names}])
    parser.add_argument(
        "--out",
        type=output_folder,
        default=Path("lockstep"),
        metavar="FOLDER",
        help="where the folder of the record is made (lockstep)",
    )
    parser.add_argument(
        "--precision",
        metavar="P",
        help="arithmetic of the judged steps; tf32, bf16 and fp16 as `train` has them (fp32)",
    )
    parser.add_argument("--steps", type=int, default=20, metavar="N", help="steps to train (20)")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="judge only every K-th step (1)")
    given = vars(parser.parse_args(argv))
    network, steps, every = (given.pop(name) for name in ("network", "steps", "every"))
    options = TrainOptions.read(**given, budget=None, tensorboard=False)

    from parity.lockstep.command import run

    return run(network, options, steps, every)
