"""Compares the three implementations of a network and says where they differ; `parity.diff` compares two networks."""

from deploy import __version__ as __version__
