"""What stands in a judge for an object of the subject: calling it asks the subject, comparing it does not."""

import builtins
from collections.abc import Iterator
from typing import Any, Literal, Protocol

from .plain import NotPlain

NOTHING: Any = object()
"""What stands for no object, where None may be one."""


class Asks(Protocol):
    """How a stand-in reaches its object."""

    def ask(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        """Do one operation in the subject."""
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
    """

    __slots__ = ("kind", "local", "origin")

    def __init__(self, origin: Origin) -> None:
        self.origin, self.local = origin, NOTHING
        self.kind: type | None = None


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

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the object with plain data and stand-ins."""
        return self.__asks.ask("call", self, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # protocols of copy, pickle and the like are about the stand-in
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

    def __eq__(self, other: object) -> bool:
        return bool(self.__asks.same(self, other))

    def __hash__(self) -> int:
        return hash(self.__id)


def id_of(remote: Remote) -> int:
    """The number of a stand-in's object."""
    number: int = remote._Remote__id  # noqa: SLF001  # its own class's, mangled
    return number


def note_of(remote: Remote) -> Note:
    """What is known of a stand-in's object."""
    note: Note = remote._Remote__note  # noqa: SLF001  # likewise
    return note


class NotTravelling(NotPlain):
    """The tests give the code what is not plain data."""


def number_of(value: object) -> int:
    """The number that a stand-in travels as.

    Raises:
        NotTravelling: When it is something else.
    """
    if type(value) is Remote:
        return id_of(value)
    raise NotTravelling(f"the tests give the code a {type(value).__name__}, and only plain data travels")


class RemoteError(RuntimeError):
    """An exception of the subject's that has no counterpart here."""


def raised(told: dict[str, Any], known: dict[str, type[Exception]], operation: str) -> Exception:
    """The exception that a subject's is here: the built-in one of its name, else a `RuntimeError`.

    Args:
        told: Its type and message, as the subject tells them.
        known: Classes of the code's own exceptions that the tests name.
        operation: What was asked for; only `next` may end an iteration.
    """
    name, message = str(told.get("type")), str(told.get("message"))
    kind = known.get(name) or vars(builtins).get(name)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        return RemoteError(f"{name}: {message}")
    if issubclass(kind, (StopIteration, StopAsyncIteration)) and operation != "next":
        # out of `all(map(f, inputs))` it would end the loop, and none of the inputs would have been tried
        return RemoteError(f"{name}: {message}")
    try:
        return kind(message)
    except TypeError:
        bare = kind.__new__(kind)
        bare.args = (message,)
        return bare
