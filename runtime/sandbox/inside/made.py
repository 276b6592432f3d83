"""Objects that the tests make of the prelude's classes, such as the value that they expect.

The code under test has the prelude too, and may have put another class in the place of one of its classes. So an object that
the tests make is made twice: by the code's class, to be given to the code, and here by the author's own. What the tests read
of it before the code has had it is read here. An object of the code's is compared with it by the author's own class, from its
fields, which are plain data: no method of the code's decides.
"""

import enum
import operator
from collections.abc import Callable
from typing import Any

from .plain import NotPlain, encode
from .remote import NOTHING, Remote, id_of, note_of

PLAIN = (bool, int, float, complex, str, bytes, tuple, list, dict, set, frozenset)
"""Instances of classes derived from these travel as what they are derived from."""
MAX_OBJECTS = 10_000
"""Objects whose fields one comparison asks for."""
MAX_DEPTH = 100

Ask = Callable[..., Any]
_READS: dict[str, Callable[..., Any]] = {
    "bool": bool,
    "float": float,
    "getattr": getattr,
    "getitem": operator.getitem,
    "int": int,
    "len": len,
    "repr": repr,
    "str": str,
}
_CHANGES: dict[str, Callable[..., Any]] = {
    "delitem": operator.delitem,
    "setattr": setattr,
    "setitem": operator.setitem,
}


class Made:
    """The prelude's classes, and what was made of them here.

    Args:
        ask: Does an operation on the code's objects.
        wrong: Gives the exception for code whose class does not do what the prelude's does.
    """

    def __init__(self, ask: Ask, wrong: Callable[[str], BaseException]) -> None:
        self._ask, self._wrong = ask, wrong
        self._named: dict[str, type] = {}
        self._remotes: dict[int, Remote] = {}

    def learn(self, remote: object, kind: type) -> None:
        """Note which class here is that of the prelude's."""
        if type(remote) is Remote:
            note_of(remote).kind = self._named[kind.__name__] = kind

    def do(self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What an operation gives that can be answered here; `NOTHING` when the code has to be asked."""
        first = args[0] if args else None
        if type(first) is not Remote:
            return NOTHING
        note = note_of(first)
        if note.kind is not None:
            return self._of_class(note.kind, operation, args, kwargs)
        if operation in _CHANGES:
            self._change(operation, first, args[1:])
        elif note.local is not NOTHING:
            if operation in _READS:
                return self._known(_READS[operation](note.local, *args[1:]))
            note.local = NOTHING  # the code has it now
        return NOTHING

    def give(self, value: object) -> None:
        """Note that the code is given an object: from now on it is what the code makes of it."""
        if type(value) is Remote:
            note_of(value).local = NOTHING

    def same(self, one: Remote, other: object) -> bool | None:
        """Whether two objects are equal, by the author's class; None when neither is of a class of the prelude's."""
        mine, theirs = self._local(one), self._local(other)
        if type(other) is not Remote and mine is NOTHING and type(other) not in self._named.values():
            return False  # the code's object, and plain data
        if not self._named:
            return None
        seen: dict[int, Any] = {}
        mine = self._twin(one, seen) if mine is NOTHING else mine
        theirs = self._twin(other, seen) if theirs is NOTHING else theirs
        if mine is NOTHING and theirs is NOTHING:
            return None
        return mine is not NOTHING and theirs is not NOTHING and _equal(mine, theirs, 0)

    def _of_class(self, kind: type, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Make an object of a class of the prelude's, or read one of its attributes."""
        if operation == "call":
            given = [self._local(value) for value in args[1:]]
            named = {name: self._local(value) for name, value in kwargs.items()}
            if any(value is NOTHING for value in (*given, *named.values())):
                return NOTHING  # made of what the code answered: it is the code's
            local = kind(*given, **named)
        elif operation == "getattr":
            local = getattr(kind, args[1], NOTHING)
            if not isinstance(local, (kind, *PLAIN)):
                return NOTHING
        else:
            return NOTHING
        if isinstance(local, PLAIN):
            return local
        remote = self._ask(operation, list(args), kwargs)
        if type(remote) is not Remote:
            raise self._wrong(f"the code defines another {kind.__name__!r} than the prelude")
        note_of(remote).local = local
        self._remotes[id(local)] = remote
        return remote

    def _change(self, operation: str, remote: Remote, args: tuple[Any, ...]) -> None:
        """Do a change here that is done to the code's object as well."""
        note, given = note_of(remote), [self._local(value) for value in args]
        if note.local is NOTHING:
            return
        if any(value is NOTHING for value in given):
            note.local = NOTHING
        else:
            _CHANGES[operation](note.local, *given)

    def _local(self, value: Any) -> Any:
        return note_of(value).local if type(value) is Remote else value

    def _known(self, value: Any) -> Any:
        """A value as the tests may have it; `NOTHING` for one that only the code's object can give."""
        if (remote := self._remotes.get(id(value))) is not None:
            return remote
        try:
            encode(value)
        except NotPlain:
            return NOTHING
        return value

    def _twin(self, remote: Any, seen: dict[int, Any]) -> Any:
        """An object of the author's class with the fields of one of the code's; `NOTHING` for one of another class."""
        if type(remote) is not Remote:
            return remote
        number = id_of(remote)
        if number in seen:
            return seen[number]
        if len(seen) > MAX_OBJECTS:
            raise self._wrong("its objects lead to more and more others")
        state = self._ask("state", [remote], {})
        match state:
            case [str(name), dict(fields)] if name in self._named and all(type(key) is str for key in fields):
                kind = self._named[name]
            case _:
                seen[number] = NOTHING
                return NOTHING
        if issubclass(kind, enum.Enum):
            seen[number] = kind.__members__.get(str(fields.get("_name_")), NOTHING)
            return seen[number]
        twin = seen[number] = object.__new__(kind)
        for key, value in fields.items():
            known = self._local(value)
            if known is NOTHING and (known := self._twin(value, seen)) is NOTHING:
                known = value
            try:
                object.__setattr__(twin, key, known)
            except (AttributeError, TypeError):  # the author's class has no place for it
                seen[number] = NOTHING
                return NOTHING
        return twin


def _equal(one: Any, other: Any, depth: int) -> bool:
    """Whether two objects are equal; those of classes without an `__eq__` are when their fields are."""
    kind = type(one)
    compares = isinstance(one, enum.Enum) or any("__eq__" in vars(base) for base in kind.__mro__[:-1])
    if kind is type(other) and not compares:
        if depth > MAX_DEPTH:
            raise RecursionError("the objects are nested too deeply to be compared")
        mine, theirs = fields_of(one), fields_of(other)
        return mine.keys() == theirs.keys() and all(
            _equal(value, theirs[name], depth + 1) for name, value in mine.items()
        )
    return bool(one == other)


def fields_of(value: object) -> dict[str, Any]:
    """The fields of an object: what its `__dict__` and its slots hold."""
    found: dict[str, Any] = {}
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                found[name] = getattr(value, name)
    return {**found, **getattr(value, "__dict__", {})}
