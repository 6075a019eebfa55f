"""How a network is trained, in no framework's terms: data sets, batch plans, schedules, recipes, run folders."""

from deploy import __version__ as __version__
