"""The metadata of an ONNX file: the keys, and the values that are allowed.

This is the only definition of them, for writers and readers. Standard library only.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.errors import ModelError

SCHEMA = "1"  # version of the keys below; it changes when a key changes its meaning
RESIZE_RULES = {  # how an image becomes an input of some size, by the name that recipes use
    "crop": "shorter side to size, bilinear with antialiasing, centre crop",
    "margin": "shorter side to 8/7 of size, bilinear with antialiasing, centre crop",
    "squash": "each side to size, bilinear with antialiasing",
}
RESIZE_RULE = RESIZE_RULES["crop"]
KEEPING = {RESIZE_RULES["crop"], RESIZE_RULES["squash"]}  # rules that leave an image of the size as it is
COLOR_RULES = {  # how an image becomes an input with this number of channels
    1: "luma (ITU-R 601), taken before the image is resized",
    3: "RGB; a grey image has its level in all three channels",
}
PROBE_WEIGHTS = "random probe weights, not trained"  # `weights` of an export that was given none
NEEDED = ("classes", "mean", "std", "image_size", "resize_rule")  # needed to answer with class names
WEIGHTS_HASH, CONTENT_HASH = "weights_sha256", "content_sha256"

MOST_TEXT = 1 << 24  # characters of one value; 100,000 long names take a tenth of it
MOST_CLASSES = 100_000
MOST_PIXELS = 8192  # per side
LONGEST_NAME = 1000  # characters of a class name, a label or an architecture
SMALLEST_DEVIATION, LARGEST_CONSTANT = 1e-6, 1e6  # on the 0..1 scale of images

_SIZE = re.compile(r"([1-9][0-9]{0,8})x([1-9][0-9]{0,8})")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Contract:
    """The metadata of an ONNX file. `mean` and `std` are per channel on the 0..1 scale, `image_size` is `(H, W)`.

    `resize_rule` is one of `RESIZE_RULES`. `color_rule` is that of `COLOR_RULES` for the number of channels; a file
    that does not say it is read by the same rule.

    `compression` is a JSON object of what `onnx_impl quantize` did to the network and what that cost.

    A file without classes, mean, std, size or rule (see `missing`) can be run, but it cannot classify images. An empty
    text means that the file does not say.
    """

    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    image_size: tuple[int, int] = (0, 0)
    resize_rule: str = ""
    color_rule: str = ""
    architecture: str = ""
    graph_digest: str = ""
    data: str = ""
    data_fingerprint: str = ""
    weights: str = ""
    compression: str = ""
    weights_sha256: str = ""
    content_sha256: str = ""

    @property
    def missing(self) -> list[str]:
        """The missing keys among those needed to answer with class names."""
        return [key for key in NEEDED if not getattr(self, key) or (key == "image_size" and not all(self.image_size))]

    def is_same_model(self, other: "Contract") -> bool:
        """Whether two files have the same network, weights and classes, and take images in the same way."""
        return all(getattr(self, key) == getattr(other, key) for key in (*NEEDED, "graph_digest", WEIGHTS_HASH))

    def properties(self) -> dict[str, str]:
        """The metadata as written to a file, with the schema's number. Lists are JSON; empty values are left out."""
        height, width = self.image_size
        values = {
            "schema": SCHEMA,
            "classes": _json(self.classes) if self.classes else "",
            "mean": _json(self.mean) if self.mean else "",
            "std": _json(self.std) if self.std else "",
            "image_size": f"{height}x{width}" if height else "",
        }
        texts = (
            "resize_rule",
            "color_rule",
            "architecture",
            "graph_digest",
            "data",
            "data_fingerprint",
            "weights",
            "compression",
            WEIGHTS_HASH,
            CONTENT_HASH,
        )
        values |= {key: getattr(self, key) for key in texts}
        return {key: value for key, value in values.items() if value}

    @classmethod
    def read(cls, entries: Iterable[tuple[str, str]], source: object = "the model") -> "Contract":
        """Read the metadata from their entries, in any order. Unknown keys are ignored.

        A file without a schema number is read as schema 1, since it may come from elsewhere. Raises `ModelError`, which
        names `source`, for another schema and for the first invalid value, with its key and the problem.
        """
        texts: dict[str, str] = {}
        for key, text in entries:
            if key != "schema" and key not in _READERS:
                continue
            if key in texts:
                raise ModelError(f"{source}: its metadata have the key '{key}' twice")
            texts[key] = text
        if (schema := texts.pop("schema", SCHEMA)) != SCHEMA:
            has = f"its metadata have schema {schema[:80]!r}"
            raise ModelError(f"{source}: {has}; this version of Diptych reads schema {SCHEMA}")
        contract = cls(**{key: _value(key, text, source) for key, text in texts.items()})
        if contract.mean and contract.std and len(contract.mean) != len(contract.std):
            counts = f"{len(contract.mean)} means and {len(contract.std)} standard deviations"
            raise ModelError(f"{source}: its metadata contradict each other: {counts}")
        if contract.color_rule and contract.mean and contract.color_rule != COLOR_RULES.get(len(contract.mean)):
            said = f"{len(contract.mean)} means and the rule '{contract.color_rule}'"
            raise ModelError(f"{source}: its metadata contradict each other: {said}")
        return contract

    def check_graph(self, channels: int, size: tuple[int, int], classes: int | None, source: object) -> None:
        """Raise `ModelError` if the metadata do not fit an input `(N, channels, *size)` and `classes` logits."""
        for key, count in (("mean", len(self.mean)), ("std", len(self.std))):
            if count and count != channels:
                raise ModelError(
                    f"{source}: its metadata have {count} values of {key}, but its input has {channels} channels"
                )
        if all(self.image_size) and self.image_size != size:
            said, true = ("x".join(map(str, pair)) for pair in (self.image_size, size))
            raise ModelError(f"{source}: its metadata say images of {said}, but its input takes {true}")
        if self.classes and classes is not None and len(self.classes) != classes:
            raise ModelError(f"{source}: its metadata name {len(self.classes)} classes, but it has {classes} logits")


def _json(values: Sequence[Any]) -> str:
    """JSON that UTF-8 can hold. File names that are not UTF-8 contain lone surrogates, which are written as escapes."""
    return json.dumps(values, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def _value(key: str, text: str, source: object) -> Any:
    try:
        if len(text) > MOST_TEXT:
            raise ValueError(f"{len(text):,} characters")
        return _READERS[key](text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{source}: its metadata cannot be used: {key}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "lists nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON ({error})"
    return str(error)


def _list(text: str, what: str) -> list[Any]:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not finite")

    values = json.loads(text, parse_constant=refuse)
    if not isinstance(values, list) or not values:
        raise ValueError(f"not a list of {what}")
    return values


def _classes(text: str) -> tuple[str, ...]:
    names = _list(text, "names")
    if len(names) > MOST_CLASSES:
        raise ValueError(f"{len(names):,} classes; at most {MOST_CLASSES:,} are read")
    for place, name in enumerate(names):
        if problem := problem_of_name(name):
            raise ValueError(f"the name of class {place} {problem}")
    return tuple(names)


def problem_of_name(name: object) -> str:
    """Why a class cannot have this name, to be said after it; "" if it can."""
    if not isinstance(name, str) or not name.strip():
        return "is not text"
    return f"has {len(name):,} characters; at most {LONGEST_NAME:,} are possible" if len(name) > LONGEST_NAME else ""


def normal_form(name: str) -> str:
    """A name in Unicode's form NFC: two are the same if these are equal. File systems write the other form, too."""
    return unicodedata.normalize("NFC", name)


def _numbers(text: str) -> tuple[float, ...]:
    values = _list(text, "numbers")
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{str(value)[:40]!r} is not a number")
        if not abs(value) <= LARGEST_CONSTANT:  # of a whole number of any size; NaN is not, either
            raise ValueError(f"{str(value)[:40]} is out of range")
    return tuple(float(value) for value in values)


def _deviations(text: str) -> tuple[float, ...]:
    values = _numbers(text)
    if min(values) < SMALLEST_DEVIATION:
        raise ValueError(f"a standard deviation of {min(values)}; each must be above 0")
    return values


def _image_size(text: str) -> tuple[int, int]:
    match = _SIZE.fullmatch(text)
    if not match:
        raise ValueError(f"{text[:40]!r} is not HxW")
    height, width = int(match[1]), int(match[2])
    if max(height, width) > MOST_PIXELS:
        raise ValueError(f"{text}; a side has at most {MOST_PIXELS} pixels")
    return height, width


def _rule_of(rules: Mapping[Any, str]) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in rules.values():
            raise ValueError(f"a rule that this version does not know: {text[:80]!r}")
        return text

    return read


def _text(text: str) -> str:
    if len(text) > LONGEST_NAME:
        raise ValueError(f"{len(text):,} characters")
    return text


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number of JSON")


def _object(text: str) -> str:
    if not isinstance(json.loads(text, parse_constant=_refuse), dict):
        raise ValueError("not a JSON object")
    return text


def _sha256(text: str) -> str:
    if not _SHA256.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is not a SHA-256")
    return text


_READERS = {
    "classes": _classes,
    "mean": _numbers,
    "std": _deviations,
    "image_size": _image_size,
    "resize_rule": _rule_of(RESIZE_RULES),
    "color_rule": _rule_of(COLOR_RULES),
    "architecture": _text,
    "graph_digest": _sha256,
    "data": _text,
    "data_fingerprint": _text,
    "weights": _text,
    "compression": _object,
    WEIGHTS_HASH: _sha256,
    CONTENT_HASH: _sha256,
}
