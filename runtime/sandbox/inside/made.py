"""Objects that the tests make of the prelude's classes, such as the value that they expect.

The code under test has the prelude too, and may have put another class in the place of one of its classes. So an object that
the tests make is made here, by the author's own class, and what the tests read of it is read here. It is made by the code's
class only when it is given to the code, and is from then on what the code makes of it. An object of the code's is compared with
one of the tests' by the author's own class, from its fields, which are plain data: no method of the code's decides.
"""

import enum
import functools
import operator
import types
from collections.abc import Callable
from typing import Any

from .deferred import Deferred, reachable
from .rpc.proxy import NOTHING, NotTravelling, Remote, id_of, note_of, set_number

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
    "iter": iter,
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
        new: Gives a stand-in for an object that is still to be made.
        ask: Does an operation on the code's objects.
        wrong: Gives the exception for code whose class does not do what the prelude's does.
    """

    def __init__(self, new: Callable[[], Remote], ask: Ask, wrong: Callable[[str], BaseException]) -> None:
        self._new, self._ask, self._wrong = new, ask, wrong
        self._deferred = Deferred(ask, wrong)
        self._named: dict[str, type] = {}
        self._classes: dict[type, Remote] = {}
        self._stubs: set[str] = set()
        self._remotes: dict[int, Remote] = {}
        self._kept: list[object] = []  # what the numbers in `_remotes` are of

    def learn(self, remote: object, kind: type, stubs: set[str]) -> None:
        """Note which class here is that of the prelude's, and which methods the code completes."""
        if type(remote) is Remote:
            note_of(remote).kind = self._named[kind.__name__] = kind
            self._classes[kind], self._stubs = remote, stubs

    def do(self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What an operation gives that can be answered here; `NOTHING` when the code has to be asked."""
        first = args[0] if args else None
        if type(first) is not Remote:
            return NOTHING
        note = note_of(first)
        if note.kind is not None:
            return self._of_class(note.kind, operation, args, kwargs)
        if note.local is NOTHING:
            return self._of_answer(note.owner, args[1:], kwargs) if operation == "call" else NOTHING
        if operation in _CHANGES:
            return self._change(operation, first, args[1:])
        if operation == "isinstance":
            kind = note_of(args[1]).kind
            return NOTHING if kind is None else isinstance(note.local, kind)
        if operation in _READS:
            found = self._read(operation, first, args[1:])
            if found is not NOTHING:
                return found
        note.local = NOTHING  # the code has it now
        return NOTHING

    def _read(self, operation: str, remote: Remote, args: tuple[Any, ...]) -> Any:
        """What the author's class says of an object; `NOTHING` where the code's has to be asked."""
        local = note_of(remote).local
        protocol = f"{type(local).__name__}.{args[0] if operation == 'getattr' else f'__{operation}__'}"
        if protocol in self._stubs:
            return NOTHING
        value = _READS[operation](local, *map(self._here, args))
        if isinstance(value, types.MethodType):
            return self._method(remote, value)
        return self._given(value)

    def _method(self, remote: Remote, method: types.MethodType) -> Callable[..., Any]:
        """A method of an object of the tests', which is called here, and in the code's process if that has the object."""
        name = method.__name__

        def call(*args: Any, **kwargs: Any) -> Any:
            note = note_of(remote)
            here, named = [*map(self._here, args)], {key: self._here(value) for key, value in kwargs.items()}
            if note.local is NOTHING or any(type(value) is Remote for value in (*here, *named.values())):
                note.local = NOTHING
                return self._ask("method", [remote, name, *args], kwargs)
            if getattr(type(note.local), name, None) is not None and note.steps:
                self._deferred.change(remote, "method", [name, *args], kwargs)
            found = self._given(method(*here, **named))
            if note.make is None:
                self._ask("method", [remote, name, *args], kwargs)
            return found

        return call

    def wrapped(self, value: Any) -> Any:
        """A function of the prelude's as the tests have it: the objects that it makes can be given to the code."""
        if not isinstance(value, types.FunctionType) or not self._may_make_objects(value):
            return value
        return functools.wraps(value)(lambda *args, **kwargs: self._given(value(*args, **kwargs)))

    def _may_make_objects(self, function: types.FunctionType) -> bool:
        return any(
            isinstance(value, type) and value.__module__ == "prelude"
            for value in function.__globals__.values()
        )

    def stand_in(self, value: Any) -> Any:
        """The stand-in for an object of one of the prelude's classes; other values as they are."""
        if type(value) not in self._classes:
            return value
        if (known := self._remotes.get(id(value))) is not None:
            return known
        if isinstance(value, enum.Enum):
            return self._of_class(type(value), "getattr", (self._classes[type(value)], value.name), {})
        remote = self._keep(value)
        note_of(remote).make = self._copied
        return remote

    def _keep(self, local: object) -> Remote:
        remote = self._remotes[id(local)] = self._new()
        note_of(remote).local = local
        self._kept.append(local)
        return remote

    def _copied(self, remote: Remote) -> None:
        """Make an object in the code's process with the fields of one that is here, and all that it leads to."""
        made: list[Remote] = []
        waiting = [remote]
        while waiting:
            each = waiting.pop()
            note = note_of(each)
            if note.make != self._copied:
                continue
            note.make = None
            found = self._ask("blank", [self._classes[type(note.local)]], {})
            if type(found) is not Remote:
                raise self._wrong("the code defines another class than the prelude")
            set_number(each, found)
            made.append(each)
            waiting += self._inside(list(fields_of(note.local).values()))
        for each in made:
            fields = fields_of(note_of(each).local)
            note_of(each).parts = self._inside(list(fields.values()))
            self._ask("fill", [each, fields], {})

    def _inside(self, value: Any) -> list[Remote]:
        """The stand-ins for the objects in plain containers."""
        if isinstance(value, dict):
            value = [*value.keys(), *value.values()]
        if isinstance(value, (list, tuple, set, frozenset)):
            return [found for inner in value for found in self._inside(inner)]
        found = self.stand_in(value)
        return [found] if type(found) is Remote else []

    def _given(self, value: Any) -> Any:
        """A value as the tests may have it: stand-ins in place of objects of the prelude's classes."""
        kind = type(value)
        if kind in (list, tuple, set, frozenset):
            return kind(map(self._given, value))
        if kind is dict:
            return {self._given(key): self._given(inner) for key, inner in value.items()}
        if isinstance(value, (types.GeneratorType, map, filter, zip)):
            return map(self._given, value)
        return self.stand_in(value)

    def _here(self, value: Any) -> Any:
        """A value as the author's class may have it: the tests' own object, or one with the fields of the code's."""
        if (local := self._local(value)) is NOTHING and (local := self._twin(value, {})) is NOTHING:
            return value
        return local

    def give(self, value: object) -> None:
        """Note that the code is given an object: it, and what it is made of, are now what the code makes of them."""
        for remote in reachable([value] if type(value) is Remote else []):
            note_of(remote).local = NOTHING

    def same(self, one: Remote, other: object) -> bool | None:
        """Whether two objects are equal, by the author's class; None when neither is of a class of the prelude's."""
        mine, theirs = self._local(one), self._local(other)
        if type(other) is not Remote and mine is NOTHING and type(other) not in self._named.values():
            return False  # the code's object, and plain data
        if not self._named:
            return None
        for value in (mine, theirs):
            if type(value) in self._classes and not _is_all_fields(type(value)):
                raise NotTravelling(value)
        seen: dict[int, Any] = {}
        mine = self._twin(one, seen) if mine is NOTHING else mine
        theirs = self._twin(other, seen) if theirs is NOTHING else theirs
        if mine is NOTHING and theirs is NOTHING:
            return None
        return mine is not NOTHING and theirs is not NOTHING and _equal(mine, theirs, 0)

    def _of_answer(
        self, owner: tuple[Remote, str] | None, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """What the author's class says, where a method of an answer is given what the tests made: maybe what they expect."""
        given = (*args, *kwargs.values())
        if owner is None or not any(
            type(value) is Remote and note_of(value).local is not NOTHING for value in given
        ):
            return NOTHING
        twin = self._twin(owner[0], {})
        method = NOTHING if twin is NOTHING else getattr(twin, owner[1], NOTHING)
        if not isinstance(method, types.MethodType) or f"{type(twin).__name__}.{owner[1]}" in self._stubs:
            return NOTHING
        here = {key: self._here(value) for key, value in kwargs.items()}
        found = self._given(method(*map(self._here, args), **here))
        self._ask("method", [*owner, *args], kwargs)
        for value in given:
            self.give(value)
        return found

    def member(self, value: Any) -> Any:
        """An answer, or what the tests have for that member of an enum: they may compare it with `is`."""
        if type(value) is Remote and any(issubclass(kind, enum.Enum) for kind in self._classes):
            twin = self._twin(value, {})
            return self.stand_in(twin) if isinstance(twin, enum.Enum) else value
        return value

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
            if isinstance(local, (types.FunctionType, types.MethodType)):
                return self._of_author(kind, args[1], local)
            if not isinstance(local, (kind, *PLAIN)):
                return NOTHING
        else:
            return NOTHING
        if isinstance(local, PLAIN):
            return local
        if (known := self._remotes.get(id(local))) is not None:  # a member of an enum
            return known
        remote = self._keep(local)
        self._deferred.make(remote, operation, list(args), kwargs)
        return remote

    def _change(self, operation: str, remote: Remote, args: tuple[Any, ...]) -> Any:
        """Do a change here, and note it for the code's object; `NOTHING` when the code has to do it."""
        note, given = note_of(remote), [self._local(value) for value in args]
        if any(value is NOTHING for value in given):
            note.local = NOTHING
            return NOTHING
        _CHANGES[operation](note.local, *given)
        if note.steps:
            self._deferred.change(remote, operation, list(args), {})
        return NOTHING if note.make is None else None

    def _of_author(self, kind: type, name: str, function: Callable[..., Any]) -> Any:
        """A function of a class of the prelude's, such as one that makes objects; `NOTHING` for one that the code completes."""
        if f"{kind.__name__}.{name}" in self._stubs or not isinstance(function, types.MethodType):
            return NOTHING
        return lambda *args, **kwargs: self._given(
            function(*map(self._here, args), **{key: self._here(value) for key, value in kwargs.items()})
        )

    def hash_of(self, remote: Remote) -> int | None:
        """The hash of an object by the author's class, where that has one of its own; otherwise None."""
        if not any(map(_has_own_hash, self._named.values())):
            local: Any = self._local(remote)
        elif (local := self._local(remote)) is NOTHING:
            local = self._twin(remote, {})
        if local is NOTHING:
            return None
        return hash(local) if _has_own_hash(type(local)) else id(local)

    def _local(self, value: Any) -> Any:
        return note_of(value).local if type(value) is Remote else value

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
        if issubclass(kind, PLAIN):
            seen[number] = NOTHING  # it would have come as plain data
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


def _has_own_hash(kind: type) -> bool:
    """Whether a class says what the hash of its objects is."""
    found: object = kind.__hash__
    return found is not None and found is not object.__hash__


def _is_all_fields(kind: type) -> bool:
    """Whether its objects are compared by their fields or as plain data: not so for one derived from `deque`, say."""
    if issubclass(kind, PLAIN):
        return True
    try:
        object.__new__(kind)
    except TypeError:
        return False
    return True


def fields_of(value: object) -> dict[str, Any]:
    """The fields of an object: what its `__dict__` and its slots hold."""
    found: dict[str, Any] = {}
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            is_private = name[:2] == "__" and name[-2:] != "__"
            field = f"_{kind.__name__.lstrip('_')}{name}" if is_private else name
            if field not in ("__dict__", "__weakref__") and hasattr(value, field):
                found[field] = getattr(value, field)
    return {**found, **getattr(value, "__dict__", {})}
