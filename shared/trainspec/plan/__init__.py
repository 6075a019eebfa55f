"""Plan an epoch: draw all that is random before any batch is made. Pure functions then make the batches."""

from trainspec.plan.ahead import ahead
from trainspec.plan.apply import HostImages, ImageSource, apply, normalisation, normalise, one_hot
from trainspec.plan.batch import Batch
from trainspec.plan.epoch import BatchPlan, EpochPlan, draw_epoch
from trainspec.plan.sampling import visited

__all__ = [
    "Batch",
    "BatchPlan",
    "EpochPlan",
    "HostImages",
    "ImageSource",
    "ahead",
    "apply",
    "draw_epoch",
    "normalisation",
    "normalise",
    "one_hot",
    "visited",
]
