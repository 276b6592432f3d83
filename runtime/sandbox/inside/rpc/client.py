"""How a judge asks the subject: one numbered question after another, and an answer that may be anything."""

from collections import deque
from typing import Any

from ..made import Made
from .channel import Channel
from .codec import NotPlain, decode, encode
from .messages import read, write
from .proxy import NOTHING, NotTravelling, Origin, Remote, id_of, known_kind, note_of, number_of, raised

MAX_STEPS = 10_000
"""Elements that the iterators of one case may give: an endless one is the code's doing, not the tests'."""


class Subject:
    """The way to the code.

    Attributes:
        in_place: Whether what a call does to its arguments is done to the tests' own, too.
        asked: Whether the present case has used anything of the code's.
        last: The last thing that the code did for it, for a message.
        errors: The exceptions that were raised here in the code's stead.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel, self._number = channel, 0
        self._errors: dict[str, type[BaseException]] = {}
        self.in_place = False
        self.made = Made(
            self._new, lambda operation, args, kwargs: self._do(operation, args, kwargs)[0], self._wrong
        )
        self.begin()

    def begin(self) -> None:
        """Forget what an earlier case has done."""
        self.asked, self.last, self._steps = False, "", 0
        self.errors: list[BaseException] = []

    def ask(self, operation: str, /, *args: Any, **kwargs: Any) -> Any:
        """Do one operation on the code's objects.

        Raises:
            Exception: What the code raised, as far as there is such a class here.
            NotPlain: When an argument cannot travel.
        """
        if (answer := self.made.do(operation, args, kwargs)) is not NOTHING:
            self.asked = True
            return answer
        is_call = operation == "call"
        self._steps += operation == "next"
        if self._steps > MAX_STEPS:
            raise self._raised(
                {"type": "RuntimeError", "message": "it gives elements without end"}, operation
            )
        value, changed = self._do("change" if is_call and self.in_place else operation, list(args), kwargs)
        for place, inner in changed.items():
            _change(args[place], inner)
        if operation == "getattr" and type(value) is Remote:
            note_of(value).owner = args
        if is_call:
            value = self.made.member(value)
            self.last = f"the last call gave {_brief(value)}"
        return value

    def same(self, one: Remote, other: object) -> bool:
        """Whether an object of the code's equals another of them, or a value of the tests'."""
        if isinstance(other, (deque, bytearray)):
            return bool([type(other).__name__, list(other)] == self.ask("elements", one))
        found = self.made.same(one, other)
        if found is not None:
            return found
        if type(other) is not Remote:
            return False
        return id_of(one) == id_of(other) or bool(self.ask("same", one, other))

    def hash_of(self, remote: Remote) -> int:
        """The hash of an object: by the author's class where that decides what is equal."""
        found = self.made.hash_of(remote)
        return hash(id_of(remote)) if found is None else found

    def _new(self) -> Remote:
        return Remote(self, 0, "made")

    def named(self, paths: list[str]) -> dict[str, Any]:
        """What the code calls by these names, without those that it does not define."""
        asked = self.asked
        answer, _ = self._do("names", paths, {}, uses=False)
        if type(answer) is not dict or not all(_is_named(*pair) for pair in answer.items()):
            raise self._lie()
        found: dict[str, Any] = {}
        for path in paths:  # and no other: a name like `abs` must not become the code's
            match answer.get(path):
                case [value]:
                    found[path] = value
                    if type(value) is Remote and path[:1].isupper():
                        note_of(value).origin = "class"
        found |= self._exceptions({path: answer[path][1] for path in paths if len(answer.get(path, ())) > 1})
        plain = any(type(value) is not Remote and not isinstance(value, type) for value in found.values())
        self.asked = asked
        if plain:  # a constant is used without a question
            self._do("names", [], {})
        return found

    def _do(
        self, operation: str, args: list[Any], kwargs: dict[str, Any], *, uses: bool = True
    ) -> tuple[Any, dict[int, Any]]:
        self.asked = True
        body, origin = self._question(operation, args, kwargs)
        self._number += 1
        self._channel.send(write({"call": self._number, "uses": uses}, body))
        frame = self._channel.receive()
        if frame is None:
            raise SystemExit
        reply, body = read(frame)
        if reply["number"] != self._number:
            raise SystemExit(f"an answer numbered {reply['number']!r} to question {self._number}")
        try:
            answer = decode(body, lambda number: Remote(self, number, origin))
        except NotPlain as error:
            raise self._lie() from error
        match answer:
            case ["value", value, dict(changed)] if all(_is_place(key, len(args)) for key in changed):
                return value, changed
            case ["error", dict(told)]:
                raise self._raised(told, operation)
        raise self._lie()

    def _question(self, operation: str, args: list[Any], kwargs: dict[str, Any]) -> tuple[bytes, Origin]:
        """A question as it travels, and what the objects are to the tests that it is answered with."""
        given: list[Remote] = []

        def number(value: object) -> int:
            value = self.made.stand_in(value)
            found = number_of(value)
            given.append(value)  # type: ignore[arg-type]  # a stand-in, or it would have no number
            return found

        first = note_of(args[0]) if args and type(args[0]) is Remote else None
        is_call = operation in ("call", "change")
        is_answer = first is not None and (first.origin == "answer" or (is_call and first.origin != "class"))
        try:
            body = encode([operation, args, kwargs], number)
        except NotTravelling as error:
            if first is not None and first.origin == "answer":
                raise self._wrong(f"it answered with an object, and {error}") from None
            raise
        if is_call and first is not None and first.kind is None:
            for remote in given[1:]:
                self.made.give(remote)
        if operation == "names":
            return body, "named"
        return body, "answer" if is_answer else "made"

    def _exceptions(self, bases: dict[str, list[Any]]) -> dict[str, type[BaseException]]:
        """Classes for the code's exceptions that the tests name, those first that others are derived from."""
        found: dict[str, type[BaseException]] = {}
        for path in sorted(bases, key=lambda path: len(bases[path])):
            base = known_kind(bases[path], self._errors) or Exception
            found[path] = self._errors[path] = type(path, (base,), {})
        return found

    def _lie(self) -> BaseException:
        return self._wrong("its process answered what is no answer")

    def _wrong(self, message: str) -> BaseException:
        """The exception for code that does what no test can use."""
        return self._raised({"type": "RuntimeError", "message": message}, "")

    def _raised(self, told: dict[Any, Any], operation: str) -> BaseException:
        error = raised(told, self._errors, operation)
        if len(self.errors) < MAX_STEPS:
            self.errors.append(error)
        where = f" (solution.py, line {told['line']})" if told.get("line") else ""
        self.last = f"the code raised {told.get('type')}: {str(told.get('message'))[:300]}{where}"
        return error


def _is_named(path: object, value: object) -> bool:
    return (
        type(path) is str
        and type(value) is list
        and (len(value) == 1 or (len(value) == 2 and type(value[1]) is list))
    )


def _is_place(key: object, length: int) -> bool:
    return type(key) is int and 0 <= key < length


def _change(argument: Any, changed: Any) -> None:
    """Do to an argument what the code did to its copy."""
    if type(argument) is not type(changed):
        return
    if type(argument) is list:
        argument[:] = changed
    elif type(argument) in (dict, set):
        argument.clear()
        argument.update(changed)


def _brief(value: object) -> str:
    if type(value) is Remote:
        return "an object"
    try:
        return repr(value)[:200]
    except Exception:  # noqa: BLE001  # an integer of 4,301 digits
        return f"a value of type {type(value).__name__}"
