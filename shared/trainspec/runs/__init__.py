"""What a training leaves behind, and what it shows while it goes on."""

from trainspec.runs.budget import Budget
from trainspec.runs.metrics import EpochMetrics
from trainspec.runs.progress import TrainingProgress
from trainspec.runs.run import Run

__all__ = ["Budget", "EpochMetrics", "Run", "TrainingProgress"]
