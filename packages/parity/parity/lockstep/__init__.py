"""Trains PyTorch and Keras side by side on the same batches, and judges every step from the state before it.

`lockstep(task, steps)` returns a `Record`; `lines(record)` are its words, `as_json(record)` its facts, and
`draw_lockstep` a plot of it.
"""

from parity.lockstep.fault import Fault
from parity.lockstep.judge import Finding
from parity.lockstep.record import Record
from parity.lockstep.session import lockstep

__all__ = ["Fault", "Finding", "Record", "lockstep"]
