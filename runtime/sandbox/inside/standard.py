"""Values of the standard library that travel between tests and code: `Decimal`, `Fraction`, dates, `UUID`, ranges, named tuples.

Where a value is compared with JSON, `simple` makes a number of a number, a list of an array.

Only what cannot be changed is here: a copy of it is as good as the value. A value travels as the name of its type and
parts of plain data, and is made anew from them on the other side, so that no class of the code's decides what it equals.
"""

import collections
import functools
import importlib
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

NAMED = "namedtuple"
MAX_FIELDS = 255
MAX_DIGITS = 100_000
"""Digits of an integer that a `Decimal` is written out as."""


class _Kind(NamedTuple):
    """How values of one type travel.

    Attributes:
        parts: The arguments that make the value, plain data or values of this module.
        make: Makes a value of the type and its parts.
    """

    parts: Callable[[Any], list[Any]]
    make: Callable[[Any, list[Any]], object] = lambda kind, parts: kind(*parts)


_DAY = ("year", "month", "day")
_CLOCK = ("hour", "minute", "second", "microsecond", "tzinfo")


def _attributes(*names: str) -> Callable[[Any], list[Any]]:
    return lambda value: [getattr(value, name) for name in names]


def _with_fold(kind: Any, parts: list[Any]) -> object:
    *first, fold = parts
    return kind(*first, fold=fold)


KINDS: dict[str, _Kind] = {
    "builtins.range": _Kind(_attributes("start", "stop", "step")),
    "datetime.date": _Kind(_attributes(*_DAY)),
    "datetime.datetime": _Kind(_attributes(*_DAY, *_CLOCK, "fold"), _with_fold),
    "datetime.time": _Kind(_attributes(*_CLOCK, "fold"), _with_fold),
    "datetime.timedelta": _Kind(_attributes("days", "seconds", "microseconds")),
    "datetime.timezone": _Kind(lambda value: list(value.__getinitargs__())),
    "decimal.Decimal": _Kind(lambda value: [str(value)]),
    "fractions.Fraction": _Kind(_attributes("numerator", "denominator")),
    "uuid.UUID": _Kind(_attributes("int"), lambda kind, parts: kind(int=parts[0])),
}


def parts_of(value: Any) -> tuple[str, list[Any]] | None:
    """The name of a value's type and its parts; None for a value that does not travel in this way."""
    kind = type(value)
    if issubclass(kind, tuple):
        fields = getattr(kind, "_fields", None)
        if type(fields) is not tuple or len(fields) != tuple.__len__(value):
            return None
        return NAMED, [kind.__name__, list(fields), list(tuple.__iter__(value))]
    name = f"{kind.__module__}.{kind.__qualname__}"
    known = KINDS.get(name)
    if known is None or getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is not kind:
        return None
    return name, known.parts(value)


def make(name: str, parts: list[Any]) -> object:
    """The value that `parts_of` took apart.

    Raises:
        Exception: When a stranger wrote what makes no value.
    """
    if name == NAMED:
        kind_name, fields, values = parts
        return _named_tuple(kind_name, tuple(fields))(*values)
    known = KINDS[name]
    module, _, kind = name.partition(".")
    return known.make(getattr(importlib.import_module(module), kind), parts)


@functools.lru_cache(maxsize=256)
def _named_tuple(name: str, fields: tuple[str, ...]) -> Any:
    if len(fields) > MAX_FIELDS:
        raise ValueError(f"more than {MAX_FIELDS} fields")
    return collections.namedtuple(name, fields)  # noqa: PYI024  # the code's own fields


def simple(value: Any) -> Any:
    """What JSON has for a value of `decimal`, `fractions` or numpy; None for one of another type.

    A number that is whole becomes an int, another a float (infinite where it is too large for one); an array becomes a list,
    and a moment or duration of numpy its text. A short float of numpy becomes the number that it is printed as, as in the
    items of a dataset: `float32(0.1)` is 0.1.

    Raises:
        Exception: When it has no such value: a signalling NaN.
    """
    kinds = {
        f"{kind.__module__}.{kind.__qualname__}" for kind in type.__dict__["__mro__"].__get__(type(value))
    }
    if "decimal.Decimal" in kinds:
        is_whole = value.is_finite() and value.adjusted() <= MAX_DIGITS and value == value.to_integral_value()
        return int(value) if is_whole else float(value)
    if "fractions.Fraction" in kinds:
        return value.numerator if value.denominator == 1 else _quotient(value.numerator, value.denominator)
    if not kinds & {"numpy.ndarray", "numpy.generic"}:
        return None
    if kinds & {"numpy.datetime64", "numpy.timedelta64"}:
        return str(value)
    if kinds & {"numpy.longdouble", "numpy.clongdouble"}:  # their `tolist` makes them what they were
        return complex(value) if "numpy.clongdouble" in kinds else float(value)
    kind, size = (getattr(getattr(value, "dtype", None), name, None) for name in ("kind", "itemsize"))
    if kind in ("m", "M"):
        value = value.astype(str)
    elif kind == "f" and size in (2, 4):
        value = value.astype(str).astype(float)
    return value.tolist()


def _quotient(numerator: int, denominator: int) -> float:
    try:
        return numerator / denominator
    except OverflowError:
        return float("inf") if numerator > 0 else float("-inf")
