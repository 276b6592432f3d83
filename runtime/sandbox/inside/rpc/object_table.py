"""The code's objects as a judge holds them: by number, with a few operations that tell the code nothing but its inputs.

No operation compares an object with plain data, or computes with the two: what the code's object is compared with would
tell it the expected answer, and its answer would be a verdict.
"""

import operator
import types
from collections import deque
from collections.abc import Callable
from typing import Any

from ..made import fields_of
from ..source_code import MAX_TEXT, described
from .codec import NotPlain, decode, encode
from .proxy import MAX_ARGUMENTS

FILE = "solution.py"


def _fill(value: object, fields: dict[str, Any]) -> None:
    for name, inner in fields.items():
        object.__setattr__(value, name, inner)


def _elements(value: Any) -> list[Any] | None:
    return [type(value).__name__, list(value)] if type(value) in (deque, bytearray) else None


OPERATIONS: dict[str, Callable[..., Any]] = {
    "blank": lambda kind: kind.__new__(kind),
    "bool": bool,
    "call": lambda function, /, *args, **kwargs: function(*args, **kwargs),
    "delitem": operator.delitem,
    "elements": _elements,
    "enter": lambda manager: type(manager).__enter__(manager),
    "exit": lambda manager: type(manager).__exit__(manager, None, None, None),
    "fill": _fill,
    "float": float,
    "getattr": getattr,
    "getitem": operator.getitem,
    "int": int,
    "isinstance": isinstance,
    "issubclass": issubclass,
    "iter": iter,
    "len": len,
    "method": lambda value, name, /, *args, **kwargs: getattr(value, name)(*args, **kwargs),
    "next": next,
    "repr": repr,
    "same": operator.eq,  # of two of the code's own objects
    "setattr": setattr,
    "setitem": operator.setitem,
    "state": lambda value: [type(value).__name__, fields_of(value)],
    "str": str,
}


class Objects:
    """What the judge of this process has been told a number of."""

    def __init__(self, module: types.ModuleType) -> None:
        self._module = module
        self._held: dict[int, object] = {}
        self._encode, self._decode, self._described = encode, decode, described

    def named(self, path: str) -> object:
        """What the code calls by a name; in `Class.method`, of an instance made without arguments.

        A function that is not there may be a method of a class `Solution`, as in answers to LeetCode's problems.

        Raises:
            NameError: When there is no such name.
        """
        try:
            return self._follow(path)
        except AttributeError:
            if path in vars(getattr(self._module, "Solution", None) or object):
                return self._follow(f"Solution.{path}")
            raise NameError(f"the code defines no {path!r}") from None

    def _follow(self, path: str) -> object:
        found: Any = self._module
        for part in path.split("."):
            found = getattr(found() if isinstance(found, type) else found, part)
        return found

    def do(self, body: bytes) -> bytes:
        """Do one operation.

        Args:
            body: `[operation, args, kwargs]` with the numbers of objects among them.

        Returns:
            `["value", value, changed]` or `["error", {…}]`. The operation `change` is a call whose `changed` arguments
            are told by their position.
        """
        try:
            operation, args, kwargs = self._decode(body, self._remembered)
            if operation == "names":
                return self._encode(["value", self._names(args), {}], self._number)
            if operation == "change":
                return self._change(args, kwargs)
            return self._encode(["value", OPERATIONS[operation](*args, **kwargs), {}], self._number)
        except BaseException as error:  # noqa: BLE001  # a stranger's object may raise anything
            return self._encode(["error", {**self._described(error, FILE), **_kinds(error)}])

    def _change(self, args: list[Any], kwargs: dict[str, Any]) -> bytes:
        before = {
            place: self._encode(value, self._number)
            for place, value in enumerate(args)
            if type(value) in (list, dict, set)
        }
        result = args[0](*args[1:], **kwargs)
        changed = {}
        for place, body in before.items():
            try:
                if self._encode(args[place], self._number) != body:
                    changed[place] = args[place]
            except NotPlain:
                continue
        return self._encode(["value", result, changed], self._number)

    def _names(self, paths: list[str]) -> dict[str, list[Any]]:
        """What the code calls by each name: `[value]`, or `[None, bases]` for an exception's class; others are left out."""
        found: dict[str, list[Any]] = {}
        for path in paths:
            try:
                value = self.named(path)
            except NameError:
                continue
            if isinstance(value, types.ModuleType):
                continue  # what the tests judge with, they import themselves
            if isinstance(value, type) and issubclass(value, Exception):
                found[path] = [None, [kind.__name__ for kind in value.__mro__[1:]]]
            else:
                found[path] = [value]
        return found

    def _number(self, value: object) -> int:
        self._held[id(value)] = value
        return id(value)

    def _remembered(self, number: int) -> object:
        return self._held[number]


def _kinds(error: BaseException) -> dict[str, Any]:
    """What an exception's class is derived from, by name, and its arguments where they are short and plain."""
    try:
        kinds = [kind.__name__ for kind in type.__dict__["__mro__"].__get__(type(error))]
        args = list(error.args)
        short = len(args) <= MAX_ARGUMENTS and all(
            type(value) in (bool, int, float, str, type(None)) and len(repr(value)) <= MAX_TEXT
            for value in args
        )
    except BaseException:  # noqa: BLE001  # a stranger's class
        return {}
    return {"kinds": kinds[1:MAX_ARGUMENTS], "args": args if short else []}
