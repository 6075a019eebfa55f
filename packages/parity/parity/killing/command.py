"""What `python -m parity kill` does: kills trainings, prints a line for each kill, and counts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from deploy.shell import say
from diptych.errors import UsageError
from netspec.init import check_seed
from parity.killing.chain import Killed, train_killed, train_whole

LENGTH = 5  # kills of one training
INSIDE = 3  # every third kill comes inside the write of a checkpoint


def run(frameworks: Sequence[str], kills: int, seed: int, folder: Path) -> int:
    """Kill trainings of each framework `kills` times in all. The runs stay in `folder`, which must be empty or absent.

    A framework that is named twice is tested once. Returns the exit status: 0 if all ended as if they had never been
    killed. Raises `UsageError` for a number or a folder that cannot be used.
    """
    if kills < 1:
        raise UsageError(f"--kills {kills}: at least 1")
    check_seed(seed, "--seed")
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"--out {folder}: not empty; give another folder")
    generator = np.random.default_rng(seed)
    equal = [kill(framework, kills, folder, generator) for framework in dict.fromkeys(frameworks)]
    return 0 if all(equal) else 1


def kill(framework: str, kills: int, folder: Path, generator: np.random.Generator) -> bool:
    """Kill trainings of one framework, and print what came of it. Whether all ended as if never killed."""

    def show(one: Killed) -> None:
        where = f"its newest checkpoint is that of step {one.step}" if one.step else "there is no checkpoint yet"
        say(f"{framework:<6} killed {one.kill}; {where}")

    whole = train_whole(framework, folder)
    say(f"{framework:<6} {whole.run.facts['steps']} steps in {whole.seconds:.1f} s: {whole.run.folder}")
    equal, all_inside = 0, [number % INSIDE == 1 for number in range(kills)]
    for start in range(0, kills, LENGTH):
        chain = train_killed(framework, folder, whole, all_inside[start : start + LENGTH], generator, show)
        equal += 0 if chain.differs else len(chain.kills)
        say(f"{framework:<6} after {len(chain.kills)} kills: {chain.differs or 'equal bit for bit'}")
    inside = sum(all_inside)
    say(f"{framework:<6} {equal} of {kills} kills left no trace, {inside} of them inside the write of a checkpoint")
    return equal == kills
