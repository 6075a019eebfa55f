"""JSON for programs that read what parity found."""

import json
import math
from typing import Any


def json_text(table: Any, *, ascii_only: bool = True) -> str:
    """`table` as JSON. A number that is not finite is null, since JSON has none."""
    return json.dumps(_finite(table), indent=1, allow_nan=False, ensure_ascii=ascii_only)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value
