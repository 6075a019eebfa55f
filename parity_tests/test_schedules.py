"""Schedules against PyTorch's own schedulers, where both compute the same."""

import pytest
import torch
from torch.optim import lr_scheduler

from netspec.compare import Difference, limits
from trainspec.schedules import Constant, Cosine, Linear, OneCycle, Polynomial, Schedule, Step, Triangle, learning_rate

TOTAL, PER_EPOCH = 90, 9
SUMMIT = int(0.23 * TOTAL)
PEERS = {
    "constant": (Constant(0.1), lambda sgd: lr_scheduler.ConstantLR(sgd, factor=1.0)),
    "step": (
        Step(0.1, milestones=(3, 0.5), gamma=0.2),
        lambda sgd: lr_scheduler.MultiStepLR(sgd, [3 * PER_EPOCH, TOTAL // 2], gamma=0.2),
    ),
    "linear": (
        Linear(0.1, floor=0.02),
        lambda sgd: lr_scheduler.LinearLR(sgd, start_factor=1.0, end_factor=0.2, total_iters=TOTAL),
    ),
    "polynomial": (Polynomial(0.1, power=1.7), lambda sgd: lr_scheduler.PolynomialLR(sgd, TOTAL, power=1.7)),
    "cosine": (Cosine(0.1, floor=0.003), lambda sgd: lr_scheduler.CosineAnnealingLR(sgd, TOTAL, eta_min=0.003)),
    "one cycle": (OneCycle(0.1), lambda sgd: lr_scheduler.OneCycleLR(sgd, 0.1, total_steps=TOTAL)),
    "triangle": (
        Triangle(0.1, final=0.0),
        lambda sgd: lr_scheduler.SequentialLR(
            sgd,
            [
                lr_scheduler.LinearLR(sgd, start_factor=0.2, total_iters=SUMMIT),
                lr_scheduler.LinearLR(sgd, start_factor=1.0, end_factor=0.0, total_iters=TOTAL - SUMMIT),
            ],
            milestones=[SUMMIT],
        ),
    ),
    "warm-up": (
        Constant(0.1, warmup_epochs=2),
        lambda sgd: lr_scheduler.LinearLR(sgd, start_factor=1 / (2 * PER_EPOCH), total_iters=2 * PER_EPOCH - 1),
    ),
}


@pytest.mark.parametrize("total", [1, 2, 3, 4, 7])
def test_a_short_cycle_is_pytorchs(total: int):
    check(OneCycle(0.1), lambda sgd: lr_scheduler.OneCycleLR(sgd, 0.1, total_steps=total), total)


@pytest.mark.parametrize(("schedule", "peer"), PEERS.values(), ids=PEERS)
def test_rates_are_pytorchs(schedule: Schedule, peer):
    check(schedule, peer, TOTAL)


def check(schedule: Schedule, peer, total: int) -> None:
    sgd = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = peer(sgd)
    for step in range(total):
        ours = learning_rate(schedule, step, total, PER_EPOCH)
        theirs = scheduler.get_last_lr()[0]
        difference = Difference(abs(ours - theirs) / theirs, limits().float64, f"step {step}")
        assert difference.within, str(difference)
        sgd.step()
        if step + 1 < total:
            scheduler.step()
