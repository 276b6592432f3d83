"""What stands in a judge for an object of the subject: calling it asks the subject, comparing it does not."""

import builtins
import types
from collections.abc import Callable, Iterator
from typing import Any, Literal, Protocol

from .codec import NotPlain

NOTHING: Any = object()
"""What stands for no object, where None may be one."""


MAX_ARGUMENTS = 20
"""Arguments of an exception, and classes that its own is derived from, which are looked at."""
MAX_STATUS = 9


class Asks(Protocol):
    """How a stand-in reaches its object."""

    def ask(self, operation: str, /, *args: Any, **kwargs: Any) -> Any:
        """Do one operation in the subject."""
        ...

    def hash_of(self, remote: "Remote") -> int:
        """The hash of an object, as a table of the tests' needs it."""
        ...

    def same(self, one: "Remote", other: object) -> bool:
        """Whether an object equals another, or a value of the tests'."""
        ...


Origin = Literal["class", "named", "made", "answer"]
"""What an object of the code's is to the tests: what they name (a class, by its name, or anything else), what they make with
a class, or what the code answered."""


class Note:
    """What the tests' process knows of one object of the code's.

    Attributes:
        origin: What it is to the tests.
        kind: For a class of the prelude's, the author's own class of that name.
        local: What was made of the author's class in the same way, as long as only the tests have had the object.
        steps: What the tests did to make it, if they did.
        parts: The objects in the fields that it was copied with.
        owner: For an attribute of an answer, that answer and the attribute's name.
        make: Makes it in the code's process; None when it is there.
    """

    __slots__ = ("kind", "local", "make", "origin", "owner", "parts", "steps")

    def __init__(self, origin: Origin) -> None:
        self.origin, self.local = origin, NOTHING
        self.kind: type | None = None
        self.steps: list[Any] = []
        self.parts: list[Remote] = []
        self.owner: tuple[Remote, str] | None = None
        self.make: Callable[[Remote], None] | None = None


class Remote:
    """An object of the subject's that is not plain data: a function, a class, an instance, an iterator.

    It equals no plain data, and no number can be added to it: the subject would have to be told the other side, and its
    answer would be the verdict. Elements, attributes and results come over as plain data where they are that.
    """

    __slots__ = ("__asks", "__id", "__note")  # mangled: the object may have attributes of any name

    def __init__(self, asks: Asks, number: int, origin: "Origin" = "made") -> None:
        object.__setattr__(self, "_Remote__asks", asks)
        object.__setattr__(self, "_Remote__id", number)
        object.__setattr__(self, "_Remote__note", Note(origin))

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Call the object with plain data and stand-ins."""
        return self.__asks.ask("call", self, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if (
            name.startswith("__") and name != "__name__"
        ):  # protocols of copy, pickle and the like are about the stand-in
            raise AttributeError(name)
        return self.__asks.ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self.__asks.ask("setattr", self, name, value)

    def __getitem__(self, key: Any) -> Any:
        return self.__asks.ask("getitem", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.__asks.ask("setitem", self, key, value)

    def __delitem__(self, key: Any) -> None:
        self.__asks.ask("delitem", self, key)

    def __iter__(self) -> Iterator[Any]:
        found = self.__asks.ask("iter", self)
        return found if type(found) is Remote else iter(found)

    def __next__(self) -> Any:
        return self.__asks.ask("next", self)

    def __len__(self) -> int:
        return int(self.__asks.ask("len", self))

    def __bool__(self) -> bool:
        return bool(self.__asks.ask("bool", self))

    def __int__(self) -> int:
        return int(self.__asks.ask("int", self))

    def __float__(self) -> float:
        return float(self.__asks.ask("float", self))

    def __str__(self) -> str:
        return str(self.__asks.ask("str", self))

    def __repr__(self) -> str:
        return str(self.__asks.ask("repr", self))

    def __enter__(self) -> Any:
        return self.__asks.ask("enter", self)

    def __exit__(self, *exception: object) -> bool:
        return bool(self.__asks.ask("exit", self))

    def __instancecheck__(self, instance: object) -> bool:
        return type(instance) is Remote and bool(self.__asks.ask("isinstance", instance, self))

    def __subclasscheck__(self, subclass: object) -> bool:
        return type(subclass) is Remote and bool(self.__asks.ask("issubclass", subclass, self))

    def __eq__(self, other: object) -> bool:
        return bool(self.__asks.same(self, other))

    def __hash__(self) -> int:
        found: int = self.__asks.hash_of(self)
        return found


def id_of(remote: Remote) -> int:
    """The number of a stand-in's object."""
    note = note_of(remote)
    if note.make is not None:
        note.make(remote)
    number: int = remote._Remote__id  # noqa: SLF001  # its own class's, mangled
    return number


def set_number(remote: Remote, made: Remote) -> None:
    """Let a stand-in stand for the object of another."""
    object.__setattr__(remote, "_Remote__id", id_of(made))


def note_of(remote: Remote) -> Note:
    """What is known of a stand-in's object."""
    note: Note = remote._Remote__note  # noqa: SLF001  # likewise
    return note


class NotTravelling(NotPlain):
    """The tests give the code what is not plain data.

    Attributes:
        is_of_data: Whether it is a method or a view of plain data. An answer of another type than the tests expect leads to
            that: `answer.index` of a text is a method.
    """

    def __init__(self, value: object) -> None:
        super().__init__(f"the tests give the code a {type(value).__name__}, and only plain data travels")
        of = getattr(value, "__self__", None)
        self.is_of_data = isinstance(value, _VIEWS) or (isinstance(value, _METHODS) and type(of) in _PLAIN)


_PLAIN = (bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset)
_METHODS = (types.BuiltinMethodType, types.MethodWrapperType)
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))


def number_of(value: object) -> int:
    """The number that a stand-in travels as.

    Raises:
        NotTravelling: When it is something else.
    """
    if type(value) is Remote:
        return id_of(value)
    raise NotTravelling(value)


class RemoteError(RuntimeError):
    """An exception of the subject's that has no counterpart here."""


def raised(told: dict[Any, Any], known: dict[str, type[BaseException]], operation: str) -> BaseException:
    """The exception that a subject's is here: of the nearest class that is known here, else a `RuntimeError`.

    Args:
        told: Its type and message, as the subject tells them, the names of its class and those it is derived from
            (`kinds`, nearest first), and its arguments where these are plain (`args`).
        known: Classes of the code's own exceptions that the tests name.
        operation: What was asked for; only `next` may end an iteration.
    """
    name, message = str(told.get("type")), str(told.get("message"))
    kind = known_kind([name, *_list(told.get("kinds"))], known)
    if kind is None or (issubclass(kind, (StopIteration, StopAsyncIteration)) and operation != "next"):
        # StopIteration out of `all(map(f, inputs))` would end the loop, and none of the inputs would have been tried
        return RemoteError(f"{name}: {message}")
    if kind is SystemExit:
        return SystemExit(
            int(message) if message.isdecimal() and len(message) <= MAX_STATUS else message or None
        )
    return (
        _made(kind, _list(told.get("args")), message)
        or _made(kind, [message], message)
        or _bare(kind, message)
    )


def known_kind(names: list[Any], known: dict[str, type[BaseException]]) -> type[BaseException] | None:
    """The class of the first of some names that is known here; a test may expect the exit of a program."""
    for name in map(str, names):
        kind = known.get(name) or vars(builtins).get(name)
        if isinstance(kind, type) and (kind is SystemExit or issubclass(kind, Exception)):
            return kind
    return None


def _list(value: object) -> list[Any]:
    return value[:MAX_ARGUMENTS] if type(value) is list else []


def _made(kind: type[BaseException], args: list[Any], message: str) -> BaseException | None:
    """An exception made of arguments, if it then says what the code's said."""
    try:
        error = kind(*args)
        return error if str(error) == message else None
    except Exception:  # noqa: BLE001  # some take other arguments
        return None


def _bare(kind: type[BaseException], message: str) -> BaseException:
    try:
        return kind(message)
    except TypeError:
        bare = kind.__new__(kind)
        bare.args = (message,)
        return bare
