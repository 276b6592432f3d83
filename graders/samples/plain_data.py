"""Makes the values of dataset rows plain: what numpy, pandas, pyarrow and the standard library hold becomes JSON's own types.

Rows of parquet files and of trainers hold `numpy.int64`, arrays, `Decimal` or `Timestamp` where JSON has numbers, lists and
texts. `plain` is the one function that converts them, and `_BY_LIBRARY` and `_STANDARD` the table of what becomes what.
None of these libraries is imported here; a value's classes say where it comes from.
"""

import math
from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal
from enum import Enum
from itertools import chain
from types import NoneType
from typing import Any
from uuid import UUID

from graders.errors import ConfigurationError

Path = tuple[str | int, ...]

_ATOMS = frozenset({str, int, float, bool, NoneType})
_AS_THEY_ARE = frozenset({bytes, bytearray, complex})
"""Not JSON, but a Python grader can be given them, and sets."""
_LISTS = frozenset({list, tuple, set, frozenset})
_PLAIN = _ATOMS | _AS_THEY_ARE | _LISTS | {dict}
MAX_DIGITS = 4_300
"""Digits of a whole number: more of them take a time that grows with their square, and Python does not read them."""
_LONGEST: int = 10**MAX_DIGITS
MAX_SHOWN_STEPS = 10
MAX_LEVELS = 300
"""Levels of maps and lists; JSON has fewer here."""


def plain(value: Any, path: Path = ()) -> Any:
    """A value as plain data: the same object where it is plain already.

    Args:
        value: Anything.
        path: Where it stands, for the error.

    Raises:
        ConfigurationError: When it, or something inside it, cannot become plain data; names the path and the type.
    """
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is dict and _ATOMS.issuperset(map(type, value.values())) and _ATOMS.issuperset(map(type, value)):
        return value  # as most rows are
    return value if _is_plain(value) else _made(value, path)


def _is_plain(value: Any) -> bool:
    """Whether a value is plain already; level by level, since rows of JSON are, and some have a million values."""
    level = [value]
    for _ in range(MAX_LEVELS):
        kinds = set(map(type, level))
        if not kinds <= _PLAIN:
            return False
        dicts = [inner for inner in level if type(inner) is dict] if dict in kinds else []
        if not _ATOMS.issuperset(map(type, chain.from_iterable(dicts))):
            return False
        lists = [inner for inner in level if type(inner) in _LISTS] if kinds & _LISTS else []
        level = [*chain.from_iterable(map(dict.values, dicts)), *chain.from_iterable(lists)]
        if not level:
            return True
    return False


def _made(value: Any, path: Path) -> Any:
    """A value as plain data, looked at one by one."""
    kind = type(value)
    if kind in _ATOMS:
        return value
    if kind is dict:
        return _dict(value, path)
    if kind in _LISTS:
        return _list(value, path)
    return value if kind in _AS_THEY_ARE else _converted(value, path)


def item(value: Any) -> Any:
    """A dataset row as plain data; a `Series`, which is how pandas gives a row of a frame, becomes a map.

    Raises:
        ConfigurationError: When something inside it cannot become plain data; names the path and the type.
    """
    if type(value) is not dict and _library(value) == "pandas" and hasattr(value, "items"):
        value = dict(value.items())
    try:
        return plain(value)
    except RecursionError:
        raise ConfigurationError("it is nested too deep") from None


def rows(values: Any, what: str) -> Any:
    """A column of rows as a sequence: a generator, an array or a `Series` becomes a list, a `DataFrame` its rows.

    Args:
        values: One value for each row.
        what: What an error calls them.

    Raises:
        ConfigurationError: When it is not a column: a text, one object, something that is not iterable.
    """
    if isinstance(values, (list, tuple)):
        return values
    if _library(values) == "pandas" and hasattr(values, "columns"):
        return _records(values)
    if isinstance(values, (set, frozenset)):
        raise ConfigurationError(f"{what}: expected a list with one for each row; a set has no order")
    if isinstance(values, (str, bytes, bytearray, Mapping)):
        raise ConfigurationError(
            f"{what}: expected a list with one for each row, got a single {type(values).__name__}; "
            "write it in brackets, or use grade() for one row"
        )
    if hasattr(values, "__getitem__") and hasattr(values, "__len__") and _library(values) is None:
        return values
    if hasattr(values, "__aiter__"):
        raise ConfigurationError(
            f"{what}: an asynchronous generator cannot be read here; give a list, such as [row async for row in …]"
        )
    try:
        return list(values)
    except TypeError:
        raise ConfigurationError(
            f"{what}: expected a list with one for each row, got {type(values).__name__}"
        ) from None


def too_many_digits(value: Any) -> str | None:
    """What is wrong with a whole number that Python does not read; None for anything else."""
    if not isinstance(value, int) or abs(value) < _LONGEST:
        return None
    return f"expected a whole number of at most {MAX_DIGITS:,} digits; write longer ones as text"


def has_infinity(value: object) -> bool:
    """Whether JSON data holds a number that is not finite."""
    if isinstance(value, list):
        return any(map(has_infinity, value))
    if isinstance(value, dict):
        return any(map(has_infinity, value.values()))
    return isinstance(value, float) and math.isinf(value)


def not_json(value: Any) -> str | None:
    """What keeps a value that holds no others from being JSON; None when nothing does."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"expected a finite number, got {value}"
    if value is None or isinstance(value, (str, int, float)):
        return too_many_digits(value)
    return f"expected a text, a number, true, false, null, a list or a map, got {type(value).__name__}"


def json_problem(value: Any, path: Path = (), wrong: Callable[[Any], str | None] = not_json) -> str | None:
    """What keeps plain data from being JSON, with its path; None when nothing does.

    Not JSON are numbers that are not finite, whole numbers of more than 4,300 digits, and what only Python has: sets, bytes
    and complex numbers.

    Args:
        value: Plain data.
        path: Where it stands, for the answer.
        wrong: What is wrong with a value that holds no others.
    """
    levels = [(value, path)]
    while levels:
        value, path = levels.pop()
        if len(path) > MAX_LEVELS:
            return _at(path[:MAX_SHOWN_STEPS], "it is nested too deep")
        if isinstance(value, Mapping):
            levels += reversed([(inner, (*path, str(key))) for key, inner in value.items()])
        elif isinstance(value, (list, tuple)):
            levels += reversed([(inner, (*path, index)) for index, inner in enumerate(value)])
        elif (problem := wrong(value)) is not None:
            return _at(path, problem)
    return None


def _dict(value: dict[Any, Any], path: Path) -> dict[Any, Any]:
    made = {_key(key, path): _made(inner, (*path, str(key))) for key, inner in value.items()}
    is_same = all(map(_is_same, made, value)) and all(map(_is_same, made.values(), value.values()))
    return value if is_same and len(made) == len(value) else made


def _key(key: Any, path: Path) -> Any:
    made = _made(key, path)
    if type(made) not in _ATOMS:
        raise _refused(key, path, "a key is a text")
    return made


def _list(value: Any, path: Path) -> Any:
    made = [_made(inner, (*path, index)) for index, inner in enumerate(value)]
    if all(map(_is_same, made, value)):
        return value
    try:
        return type(value)(made)
    except TypeError:  # a set, of what became maps
        raise _refused(value, path, "a set has texts and numbers") from None


def _is_same(one: object, other: object) -> bool:
    return one is other


def _converted(value: Any, path: Path) -> Any:
    """A value of a type that JSON does not have."""
    if isinstance(value, Mapping):
        return _dict(dict(value), path)
    library = _library(value)
    if library is not None:
        return _BY_LIBRARY[library](value, path)
    for kind, convert in _STANDARD.items():
        if isinstance(value, kind):
            return convert(value, path)
    if hasattr(value, "model_dump"):
        return _made(value.model_dump(mode="json", exclude_none=True), path)
    raise _refused(value, path)


def _library(value: Any) -> str | None:
    """Which library of `_BY_LIBRARY` a value's class, or one of its base classes, comes from."""
    roots = [kind.__module__.partition(".")[0] for kind in type(value).__mro__]
    return next((name for name in _BY_LIBRARY if name in roots), None)


def _of_numpy(value: Any, path: Path) -> Any:
    """A scalar or an array; a short float becomes the number that it is printed as: `float32(0.1)` is 0.1."""
    if not hasattr(value, "dtype"):
        raise _refused(value, path)
    kind = value.dtype.kind
    if hasattr(value, "mask"):
        return _made(value.tolist(), path)
    if value.ndim:
        if kind in "biuU" or (kind == "f" and value.dtype.itemsize == 8):
            return _made(value.tolist(), path)
        return [_made(inner, (*path, index)) for index, inner in enumerate(value)]
    if kind == "M":
        text = str(value)
        return None if text == "NaT" else _without_zeros(text)
    if kind == "f":
        return float(value) if value.dtype.itemsize == 8 else float(str(value))
    if kind == "m":
        raise _refused(value, path)
    item = value.item()
    return complex(item) if kind == "c" else _made(item, path)


def _of_pandas(value: Any, path: Path) -> Any:
    name = type(value).__name__
    if name in ("NaTType", "NAType"):
        return None
    if name == "Timestamp":
        return value.isoformat()
    if hasattr(value, "columns"):
        return _made(_records(value), path)
    if hasattr(value, "to_numpy"):
        return _made(value.to_numpy(), path)
    raise _refused(value, path)


def _records(frame: Any) -> list[dict[str, Any]]:
    """The rows of a `DataFrame`; its own `to_dict` changes short floats."""
    columns = {str(name): _made(frame[name].to_numpy(), (str(name),)) for name in frame.columns}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _of_arrow(value: Any, path: Path) -> Any:
    for convert in ("as_py", "to_pylist"):
        if hasattr(value, convert):
            return _made(getattr(value, convert)(), path)
    raise _refused(value, path)


def _of_tensors(value: Any, path: Path) -> Any:
    if not hasattr(value, "tolist"):
        raise _refused(value, path)
    return _made(value.tolist(), path)


def _decimal(value: Decimal, path: Path) -> Any:
    """A number, where Python's numbers hold all of its digits; otherwise its digits as text."""
    if not value.is_finite():
        return math.nan if value.is_nan() else float(value)
    if abs(value.adjusted()) > MAX_EXPONENT:
        return str(value)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent >= 0:
        return int(value)
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)


def _without_zeros(moment: str) -> str:
    """A moment, written without the zeros that end its fraction of a second."""
    return moment.rstrip("0").rstrip(".") if "." in moment else moment


def _refused(value: object, path: Path, expected: str = "") -> ConfigurationError:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    wanted = expected or "expected a text, a number, true, false, null, a list or a map"
    return ConfigurationError(_at(path, f"{wanted}, got {name}; convert it, or leave it out of the row"))


def _at(path: Path, message: str) -> str:
    where = ".".join(map(str, path))
    return f"{where}: {message}" if where else message


MAX_EXPONENT = 300
"""Beyond ten to the power of this, the digits of a `Decimal` are text."""

_Convert = Callable[[Any, Path], Any]
_BY_LIBRARY: Mapping[str, _Convert] = {
    "pandas": _of_pandas,
    "numpy": _of_numpy,
    "pyarrow": _of_arrow,
    "torch": _of_tensors,
    "jaxlib": _of_tensors,
}
"""Ahead of the standard library: pandas' `Timestamp` is a `datetime` as well, and `numpy.float64` a `float`."""


def _isoformat(value: Any, path: Path) -> str:
    return str(value.isoformat())


_STANDARD: Mapping[type, _Convert] = {
    Enum: lambda value, path: _made(value.value, path),
    Decimal: _decimal,
    date: _isoformat,
    time: _isoformat,
    UUID: lambda value, path: str(value),
    str: lambda value, path: str.__str__(value),
    int: lambda value, path: int.__int__(value),
    float: lambda value, path: float.__float__(value),
    list: lambda value, path: _list(list(value), path),
    tuple: lambda value, path: _list(tuple(value), path),
}
