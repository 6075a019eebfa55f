"""Holds the three implementations of a network to one another and says where they part."""

from deploy import __version__ as __version__
