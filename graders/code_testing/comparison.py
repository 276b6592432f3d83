"""When a result is the expected one."""

import json
import math
from collections.abc import Mapping
from typing import Any


def same_value(expected: Any, actual: Any, tolerance: float) -> bool:
    """Whether a function's result is the expected value.

    Expected values come from JSON, so what JSON does not tell apart is equal: a list and a tuple, a dict's key 1 and the
    key "1". A set equals a list of the same elements in any order. Numbers are equal within the tolerance, relative or
    absolute, where one of them is a float, and exactly otherwise; NaN is NaN. A bool is no number, a text is no number.

    Args:
        expected: The expected value, plain data.
        actual: The result, plain data of exact types.
        tolerance: How far two floats may differ.
    """
    if _is_number(expected) and _is_number(actual):
        return _same_number(expected, actual, tolerance)
    if isinstance(expected, (list, tuple)):
        if isinstance(actual, (set, frozenset)):
            return _same_elements(list(expected), list(actual), tolerance)
        return (
            isinstance(actual, (list, tuple))
            and len(expected) == len(actual)
            and all(same_value(e, a, tolerance) for e, a in zip(expected, actual, strict=True))
        )
    if isinstance(expected, Mapping):
        return (
            isinstance(actual, dict)
            and len(expected) == len(actual)
            and _same_dict(expected, actual, tolerance)
        )
    return type(expected) is type(actual) and bool(expected == actual)


def same_output(expected: str, actual: str, tolerance: float | None = None) -> bool:
    """Whether what a program printed is what was expected.

    White space at the ends of lines, and empty lines at the end, do not count. With a tolerance, lines are compared word
    by word, and words that are numbers within it.
    """
    wanted, found = _lines(expected), _lines(actual)
    if wanted == found:
        return True
    if tolerance is None or len(wanted) != len(found):
        return False
    return all(_same_line(w.split(), f.split(), tolerance) for w, f in zip(wanted, found, strict=True))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same_number(expected: float, actual: float, tolerance: float) -> bool:
    if isinstance(expected, int) and isinstance(actual, int):
        return expected == actual
    try:
        if math.isnan(expected) or math.isnan(actual):
            return math.isnan(expected) and math.isnan(actual)
        return math.isclose(expected, actual, rel_tol=tolerance, abs_tol=tolerance)
    except OverflowError:  # an integer too large for a float
        return expected == actual


def _same_elements(expected: list[Any], actual: list[Any], tolerance: float) -> bool:
    if len(expected) != len(actual):
        return False
    if all(type(element) in (str, int) for element in (*expected, *actual)):
        return set(expected) == set(actual)
    left = list(actual)
    for element in expected:
        found = next((i for i, other in enumerate(left) if same_value(element, other, tolerance)), None)
        if found is None:
            return False
        del left[found]
    return True


def _same_dict(expected: Mapping[Any, Any], actual: dict[Any, Any], tolerance: float) -> bool:
    wanted = {_key(key): value for key, value in expected.items()}
    found = {_key(key): value for key, value in actual.items()}
    return wanted.keys() == found.keys() and all(
        same_value(value, found[key], tolerance) for key, value in wanted.items()
    )


def _key(key: Any) -> str:
    """A dict's key as JSON writes it; what JSON has no key for is equal to no text."""
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, (bool, float)):
        return json.dumps(key)
    if isinstance(key, int):
        return str(key) if key.bit_length() < 10_000 else hex(key)  # Python writes no more than 4,300 digits
    return f"\0{key!r}"


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _same_line(expected: list[str], actual: list[str], tolerance: float) -> bool:
    return len(expected) == len(actual) and all(
        w == f or _same_word(w, f, tolerance) for w, f in zip(expected, actual, strict=True)
    )


def _same_word(expected: str, actual: str, tolerance: float) -> bool:
    try:
        return _same_number(float(expected), float(actual), tolerance)
    except ValueError:
        return False
