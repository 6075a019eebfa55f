"""Tests of the proof itself: faults are planted in one implementation at a time, and parity has to find them.

A fault of a graph or of weights (`graph_faults`, `weight_faults`) is found if a check of `parity.check` fails, and is
named if that check names the node. A fault of a training step (`step_faults`) is found by `parity.lockstep`, and is
named if that names the stage.
"""
