"""Tables, plots and recipe headers out of run folders: everything in them is read from the runs."""

from trainspec.results.headers import count_measured, write_headers
from trainspec.results.report import Report, collect
from trainspec.results.rows import Row

__all__ = ["Report", "Row", "collect", "count_measured", "write_headers"]
