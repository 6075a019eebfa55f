"""A training that changes its framework on the way, in float64, through a checkpoint on the disk.

Three steps in one framework and three in the other are six of either. The rate changes twice on the way.
"""

from collections.abc import Iterator

import pytest

from family_networks import ONE_OF_A_FAMILY, is_light
from netspec.reduce import reduced
from parity.memory import release
from parity.noise_task import noise_task
from training_sides import state_difference, trainer_of
from trainspec.optimizers import Optimizer
from trainspec.schedules import Place
from trainspec.state import TrainState
from two_halves import AVERAGES, HALF, OPTIMIZERS, recipe_of, stepped, through_a_file

FAMILIES = sorted(  # those that Keras compiles fastest
    (family for family, name in ONE_OF_A_FAMILY.items() if is_light(reduced(name))),
    key=lambda family: len(reduced(ONE_OF_A_FAMILY[family]).nodes),
)[: len(OPTIMIZERS)]


UNFIT = ("densenet", "densenet_cifar")


def fits(optimizer: type[Optimizer], family: str) -> bool:
    """Adam divides a gradient by its own size. In reduced DenseNets, some of those of `transition2.norm.bias` and
    `stem.bn.bias` are rounding and nothing else (5e-17 beside 2e-2): two whole trainings of six steps differ there by
    1.0e-9 and 5.6e-9. In other families they differ by 1e-14."""
    return not (optimizer.counts and family in UNFIT)


def matched() -> Iterator[tuple[str, str]]:
    """Every optimizer with a family of its own; those that fit few choose first."""
    left = list(FAMILIES)
    for optimizer in sorted(OPTIMIZERS, key=lambda optimizer: sum(fits(optimizer, family) for family in FAMILIES)):
        family = next(family for family in left if fits(optimizer, family))
        left.remove(family)
        yield optimizer.kind, family


PAIRS = [(optimizer.kind, family) for optimizer in OPTIMIZERS for family in FAMILIES if fits(optimizer, family)]
MATCHED = list(matched())


@pytest.mark.parametrize(
    ("optimizer", "family"),
    [pytest.param(*pair, marks=() if pair in MATCHED else pytest.mark.long) for pair in PAIRS],
)
def test_three_steps_in_one_and_three_in_the_other(optimizer, family, tmp_path):
    task = noise_task(reduced(ONE_OF_A_FAMILY[family], num_classes=10), recipe_of(optimizer))
    trainers, halves, wholes = {}, {}, {}
    for name in ("torch", "keras"):
        trainers[name], state = trainer_of(name, task), TrainState()
        halves[name] = through_a_file(stepped(trainers[name], task, state), state, tmp_path / name)
        wholes[name] = stepped(trainers[name], task, state)
    places = [Place(step, 2 * HALF, task.steps_per_epoch) for step in range(2 * HALF)]
    assert len({task.recipe.schedule.rate(place) for place in places}) == 3
    for begun, other in (("torch", "keras"), ("keras", "torch")):
        trainers[other].restore(halves[begun].tensors)
        changed = stepped(trainers[other], task, TrainState.from_json(halves[begun].content["state"]))
        for name, whole in wholes.items():
            difference = state_difference(changed, whole, task)
            assert difference.within, f"from {begun} to {other}, against {name}: {difference}"
    release()


def test_every_optimizer_and_an_average_of_each_kind():
    assert {average["average.kind"] for average in AVERAGES.values()} == {"ema", "lookahead"}
    assert len(set(FAMILIES)) == len(OPTIMIZERS) >= 5
