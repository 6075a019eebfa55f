"""How a network is trained, in no framework's terms: data sets, batch plans, schedules, recipes, run folders."""

from netspec.lazy import version as _version

__version__ = _version(__name__)
