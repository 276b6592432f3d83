"""Plain data between processes that do not trust each other: tagged JSON, exact Python types, nothing that runs.

Plain are exact values of `None`, `bool`, `int`, `float`, `str`, `bytes`, `list`, `tuple`, `dict`, `set`, `frozenset` and
`complex`. A value of a subclass travels as its base type, read by the base type's own methods; numpy's scalars and arrays
travel as what `tolist` makes of them. JSON's own values stand for themselves, anything else is an object with one key::

    {"t": […]} tuple    {"s": […]} set    {"f": […]} frozenset    {"d": [[k, v], …]} dict    {"o": {…}} dict of str keys
    {"i": "hex"} a large int    {"b": "base64"} bytes    {"c": [re, im]} complex
    {"v": [name, parts]} a value of the standard library, and {"r": n} what `foreign` numbered: both only where there is a `foreign`
"""

import base64
import json
from collections.abc import Callable, Iterable
from typing import Any

from .. import standard

MAX_DEPTH = 100
MAX_BYTES = 16 << 20
MAX_PARTS = 1_000_000
_MAX_NESTING = 3 * MAX_DEPTH + 5  # a dict of any keys takes three brackets a level
_SMALL = 1 << 63
_MANY = 64  # equal hashes: more of them make the building of a set slow, and no honest data has them
_SAME = frozenset({type(None), bool, float, str})
_SAME_OR_INT = _SAME | {int}
_NESTED = frozenset({list, dict})
_dumps = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode

Foreign = Callable[[object], int]
Remote = Callable[[int], object]


class NotPlain(ValueError):
    """A value that cannot travel, or bytes that are no value."""


def encode(value: object, foreign: Foreign | None = None, *, as_json: bool = False) -> bytes:
    """Write a value.

    Args:
        value: What is to travel.
        foreign: Gives the number that something not plain travels as; raises `NotPlain` for what has none.
        as_json: Whether it is compared with a value out of JSON: numbers of `decimal`, `fractions` and numpy then travel as
            the integer or float that they are.

    Raises:
        NotPlain: When something in it is not plain, or it is too deep or too large; the message names the type.
    """
    try:
        body = _dumps(_Writer(foreign, as_json=as_json).write(value, 0)).encode("utf-8", "surrogatepass")
    except RecursionError:
        raise NotPlain("too deep for what is left of this thread's stack") from None
    if len(body) > MAX_BYTES:
        raise NotPlain(f"{len(body):,} bytes of plain data; at most {MAX_BYTES:,} travel")
    _check_brackets(body)
    return body


def decode(body: bytes, remote: Remote | None = None) -> Any:
    """Read what `encode` wrote, or what a stranger says that it wrote.

    Args:
        body: The bytes.
        remote: Gives what stands for a number that `foreign` gave; without it there may be none.

    Raises:
        NotPlain: For any other bytes, whatever they are.
    """
    if len(body) > MAX_BYTES:
        raise NotPlain(f"{len(body):,} bytes of plain data; at most {MAX_BYTES:,} travel")
    _check_brackets(body)
    try:
        return _Reader(remote).read(json.loads(body.decode("utf-8", "surrogatepass")), 0)
    except NotPlain:
        raise
    except (
        ArithmeticError,
        AttributeError,
        KeyError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise NotPlain(f"these bytes are no plain data: {type(error).__name__}") from None


class _Writer:
    """Makes the JSON of one value; what it may still write is counted, for data may hold one part many times."""

    def __init__(self, foreign: Foreign | None, *, as_json: bool) -> None:
        self._foreign, self._as_json, self._left = foreign, as_json, MAX_BYTES // 2

    def write(self, value: object, depth: int) -> object:
        kind = type(value)
        if kind in _SAME:
            return value
        if kind is int and -_SMALL < value < _SMALL:  # type: ignore[operator]  # it is one
            return value
        if depth >= MAX_DEPTH:
            raise NotPlain(f"deeper than {MAX_DEPTH} levels")
        return self._container(value, kind, depth + 1)

    def _container(self, value: Any, kind: type, depth: int) -> object:
        if issubclass(kind, list):
            return self._items(list.__iter__(value), list.__len__(value), depth)
        if issubclass(kind, dict):
            return self._dict(list(dict.items(value)), depth)
        if issubclass(kind, tuple):
            if kind is not tuple and self._foreign is not None and (known := standard.parts_of(value)):
                return self._standard(*known, depth)
            return {"t": self._items(tuple.__iter__(value), tuple.__len__(value), depth)}
        if issubclass(kind, frozenset):
            return {"f": self._items(frozenset.__iter__(value), frozenset.__len__(value), depth)}
        if issubclass(kind, set):
            return {"s": self._items(set.__iter__(value), set.__len__(value), depth)}
        return self._scalar(value, kind, depth)

    def _scalar(self, value: Any, kind: type, depth: int) -> object:
        if issubclass(kind, str):
            return str.__str__(value)
        if issubclass(kind, int):
            plain = int.__int__(value)
            return plain if -_SMALL < plain < _SMALL else {"i": hex(plain)}
        if issubclass(kind, float):
            return float.__float__(value)
        if issubclass(kind, bytes):
            return {"b": base64.b64encode(bytes.__getitem__(value, slice(None))).decode()}
        if issubclass(kind, complex):
            number = complex.__complex__(value)
            return {"c": [number.real, number.imag]}
        return self._other(value, kind, depth)

    def _other(self, value: Any, kind: type, depth: int) -> object:
        if self._as_json and (simple := standard.simple(value)) is not None:
            return self.write(simple, depth)
        if kind.__module__ == "numpy" and hasattr(kind, "tolist"):
            listed = kind.tolist(value)
            if type(listed) is not kind:
                return self.write(listed, depth)
        if self._foreign is None:
            raise NotPlain(f"a value of type {kind.__name__[:100]} is not plain data")
        if known := standard.parts_of(value):
            return self._standard(*known, depth)
        return {"r": self._foreign(value)}

    def _standard(self, name: str, parts: list[Any], depth: int) -> object:
        return {"v": [name, self._items(parts, len(parts), depth)]}

    def _dict(self, pairs: list[tuple[Any, Any]], depth: int) -> object:
        self._count(len(pairs))
        if all(type(key) is str for key, _ in pairs):
            return {"o": {key: self.write(inner, depth) for key, inner in pairs}}
        return {"d": [[self.write(key, depth), self.write(inner, depth)] for key, inner in pairs]}

    def _items(self, items: Iterable[object], length: int, depth: int) -> list[object]:
        self._count(length)
        found = list(items)
        kinds = set(map(type, found))
        if kinds <= _SAME or (kinds <= _SAME_OR_INT and _all_small(found)):
            return found
        return [self.write(inner, depth) for inner in found]

    def _count(self, length: int) -> None:
        self._left -= length
        if self._left < 0:
            raise NotPlain(f"more values than the {MAX_BYTES:,} bytes that may travel can hold")


def _all_small(values: list[Any]) -> bool:
    """Whether the integers among some values are short enough to stand for themselves."""
    numbers = [value for value in values if type(value) is int]
    return min(numbers) > -_SMALL and max(numbers) < _SMALL


class _Reader:
    """Makes the value of one piece of JSON; what is wrong with it raises one of the errors that `decode` knows."""

    def __init__(self, remote: Remote | None) -> None:
        self._remote = remote

    def read(self, found: Any, depth: int) -> Any:
        kind = type(found)
        if kind is list:
            self._check(depth)
            if _NESTED.isdisjoint(map(type, found)):
                return found
            return [self.read(inner, depth + 1) for inner in found]
        if kind is dict:
            ((tag, body),) = found.items()
            self._check(depth)
            return _TAGS[tag](self, body, depth + 1)
        return found

    def _check(self, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise NotPlain(f"deeper than {MAX_DEPTH} levels")

    def _items(self, body: Any, depth: int) -> list[Any]:
        if type(body) is not list:
            raise TypeError
        return [self.read(inner, depth) for inner in body]

    def _tuple(self, body: Any, depth: int) -> tuple[Any, ...]:
        return tuple(self._items(body, depth))

    def _set(self, body: Any, depth: int) -> set[Any]:
        return set(_hashable(self._items(body, depth)))

    def _frozenset(self, body: Any, depth: int) -> frozenset[Any]:
        return frozenset(_hashable(self._items(body, depth)))

    def _dict(self, body: Any, depth: int) -> dict[Any, Any]:
        if type(body) is not list:
            raise TypeError
        pairs = [(self.read(key, depth), self.read(inner, depth)) for key, inner in body]
        _hashable([key for key, _ in pairs])
        return dict(pairs)

    def _named(self, body: Any, depth: int) -> dict[str, Any]:
        if type(body) is not dict:
            raise TypeError
        return {key: self.read(inner, depth) for key, inner in body.items()}

    def _int(self, body: Any, depth: int) -> int:
        return int(body, 16)

    def _bytes(self, body: Any, depth: int) -> bytes:
        return base64.b64decode(body, validate=True)

    def _complex(self, body: Any, depth: int) -> complex:
        real, imaginary = body
        if type(real) is not float or type(imaginary) is not float:
            raise TypeError
        return complex(real, imaginary)

    def _standard(self, body: Any, depth: int) -> object:
        if self._remote is None:
            raise TypeError
        name, parts = body
        return standard.make(name, self._items(parts, depth))

    def _foreign(self, body: Any, depth: int) -> object:
        if self._remote is None or type(body) is not int:
            raise TypeError
        return self._remote(body)


_TAGS: dict[str, Callable[[_Reader, Any, int], Any]] = {
    "t": _Reader._tuple,  # noqa: SLF001  # its own table
    "s": _Reader._set,  # noqa: SLF001
    "f": _Reader._frozenset,  # noqa: SLF001
    "d": _Reader._dict,  # noqa: SLF001
    "o": _Reader._named,  # noqa: SLF001
    "i": _Reader._int,  # noqa: SLF001
    "b": _Reader._bytes,  # noqa: SLF001
    "c": _Reader._complex,  # noqa: SLF001
    "r": _Reader._foreign,  # noqa: SLF001
    "v": _Reader._standard,  # noqa: SLF001
}


def _hashable(keys: list[Any]) -> list[Any]:
    """The same keys, if building a table of them is quick: numbers can be chosen so that all have one hash."""
    counts: dict[int, int] = {}
    for key in keys:
        if type(key) is not str:  # the hash of a text cannot be foreseen
            value = hash(key)
            counts[value] = counts.get(value, 0) + 1
            if counts[value] > _MANY:
                raise NotPlain("keys with equal hashes")
    return keys


def _check_brackets(body: bytes) -> None:
    """Refuse what nests deeper than any value, or has more parts, before it is read.

    A reader in C must not be led so deep that its stack ends, and a supervisor must not be kept for seconds.
    """
    if body.count(b"[") + body.count(b"{") <= _MAX_NESTING:
        return
    # without its escapes, a text ends at the next quotation mark, so that every second piece stands outside of texts
    pieces = body.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NO_MARKS).split(b'"')[::2]
    marks = b"".join(pieces)
    if len(marks) > 2 * MAX_PARTS:
        raise NotPlain(f"more than {MAX_PARTS:,} lists, tuples and dicts")
    depth = 0
    for mark in marks.replace(b"[]", b"").replace(b"{}", b""):
        depth += 1 if mark in b"[{" else -1
        if depth > _MAX_NESTING:
            raise NotPlain(f"deeper than {MAX_DEPTH} levels")


_NO_MARKS = bytes(set(range(256)) - set(b'[]{}"'))
