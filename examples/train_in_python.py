"""Train one network by one recipe in PyTorch and in Keras, and say how far apart the two runs end.

python examples/train_in_python.py [FOLDER]
"""

import sys
from pathlib import Path

import keras_impl
import torch_impl
from trainspec.agreement import compare_runs

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/examples")
settings = {"schedule.peak": 0.02, "augmentation.crop.pad": 2}  # replace the recipe's own values
precision = "fp32"  # bf16 is faster on some CPUs, and its rounding differs between the frameworks

runs = []
for package in (torch_impl, keras_impl):
    run = package.train("lenet5", data="digits", epochs=2, precision=precision, settings=settings, out=folder)
    print(f"{run.folder}: top-1 {run.figures['test_top1']} % after {run.figures['train_seconds']} s of training")
    print(f"evaluated: {package.evaluate(run)}")
    runs.append(run)

for line in compare_runs(*(run.folder for run in runs)):
    print(line)
