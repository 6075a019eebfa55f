"""Lengths of time as people write them."""

import re

LONGEST = 1e9  # seconds, about 30 years
SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def seconds_in(text: str) -> float | None:
    """The seconds in a text like `90s`, `10m`, `1h` or `1.5h`; None for any other text."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if match is None or not 0 < (seconds := float(match[1]) * SECONDS[match[2]]) <= LONGEST:
        return None
    return seconds
