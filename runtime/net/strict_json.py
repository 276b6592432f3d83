"""JSON of a stranger, read so that whatever comes out is plain data that can be written again."""

import json
import math
from collections.abc import Iterable
from typing import Any

from graders.pattern import encodable
from runtime.data.json_weight import check_values, weigh

MAX_DEPTH = 64
"""Levels of nesting."""
MAX_VALUES = 20_000
"""Objects, lists, texts, numbers, constants and keys; each takes about a microsecond."""


def read_json(content: str | bytes) -> Any:
    """The one value of a JSON text (in UTF-8), whose numbers are finite and whose keys are there once.

    An escape that stands for a lone surrogate becomes U+FFFD.

    Raises:
        ValueError: When it is anything else, has more than 20,000 values, or is nested more than 64 levels deep, saying why.
    """
    if len(content) > MAX_VALUES:
        encoded = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        check_values(weigh(encoded), MAX_VALUES)
    try:
        text = content if isinstance(content, str) else content.decode()
        value = json.loads(text, object_pairs_hook=_object, parse_float=_number, parse_constant=_no_number)
    except UnicodeError as error:
        raise ValueError(f"it is not Unicode: {error}") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if _depth(value) > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    written = json.dumps(value, ensure_ascii=False)
    return value if written.isascii() else _encodable(value, written)


def _encodable(value: Any, written: str) -> Any:
    held = encodable(written)
    return value if held is written else json.loads(held)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise ValueError(f"duplicate key {twice[:60]!r}")
    return found


def _number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:60]} is no finite number")
    return number


def _no_number(constant: str) -> float:
    raise ValueError(f"{constant} is not a number")


def _depth(value: Any) -> int:
    """How many levels of lists and objects are inside one another."""
    level: list[Any] = [value]
    depth = 0
    while any(isinstance(each, (dict, list)) for each in level):
        level = [inner for outer in level for inner in _inside(outer)]
        depth += 1
    return depth


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()
