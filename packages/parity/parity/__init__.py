"""Holds the three implementations of a network to one another and says where they part."""

from netspec.lazy import version as _version

__version__ = _version(__name__)
