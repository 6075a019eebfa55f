"""The run's folder, the display of a running training, and its time budget."""

from trainspec.runs.budget import Budget
from trainspec.runs.metrics import EpochMetrics
from trainspec.runs.progress import TrainingProgress
from trainspec.runs.run import Run

__all__ = ["Budget", "EpochMetrics", "Run", "TrainingProgress"]
