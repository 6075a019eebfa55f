"""Compares the three implementations of a network and says where they differ."""

from deploy import __version__ as __version__
