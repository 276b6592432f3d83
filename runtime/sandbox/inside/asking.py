"""How a judge asks the subject: one numbered question after another, and an answer that may be anything."""

import builtins
from typing import Any

from .channel import Channel
from .plain import NotPlain, decode, encode
from .remote import Remote, number_of, raised

MAX_STEPS = 10_000
"""Elements that the iterators of one case may give: an endless one is the code's doing, not the tests'."""


class Subject:
    """The way to the code.

    Attributes:
        in_place: Whether what a call does to its arguments is done to the tests' own, too.
        asked: Whether the present case has used anything of the code's.
        last: The last thing that the code did for it, for a message.
        error: The last exception that was raised here in the code's stead.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel, self._number = channel, 0
        self._errors: dict[str, type[Exception]] = {}
        self.in_place = False
        self.begin()

    def begin(self) -> None:
        """Forget what an earlier case has done."""
        self.asked, self.last, self._steps = False, "", 0
        self.error: Exception | None = None

    def ask(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        """Do one operation on the code's objects.

        Raises:
            Exception: What the code raised, as far as there is such a class here.
            NotPlain: When an argument cannot travel.
        """
        is_call = operation == "call"
        self._steps += operation == "next"
        if self._steps > MAX_STEPS:
            raise self._raised(
                {"type": "RuntimeError", "message": "it gives elements without end"}, operation
            )
        value, changed = self._do("change" if is_call and self.in_place else operation, list(args), kwargs)
        for place, inner in changed.items():
            _change(args[place], inner)
        if is_call:
            self.last = f"the last call gave {_brief(value)}"
        return value

    def named(self, paths: list[str]) -> dict[str, Any]:
        """What the code calls by these names, without those that it does not define."""
        asked, self.asked = self.asked, True
        answer, _ = self._do("names", paths, {})
        if type(answer) is not dict or not all(_is_named(*pair) for pair in answer.items()):
            raise self._lie()
        found: dict[str, Any] = {}
        for path in paths:  # and no other: a name like `abs` must not become the code's
            match answer.get(path):
                case [value]:
                    found[path] = value
                case [_, base]:
                    found[path] = self._errors[path] = type(path, (_exception(base),), {})
        plain = any(type(value) is not Remote and not isinstance(value, type) for value in found.values())
        self.asked = asked or plain  # a constant is used without a question
        return found

    def _do(self, operation: str, args: list[Any], kwargs: dict[str, Any]) -> tuple[Any, dict[int, Any]]:
        self.asked = True
        body = encode([operation, args, kwargs], number_of)
        self._number += 1
        self._channel.send(encode({"call": self._number, "do": body}))
        frame = self._channel.receive()
        if frame is None:
            raise SystemExit
        reply = decode(frame)
        if reply["number"] != self._number:
            raise SystemExit(f"an answer numbered {reply['number']!r} to question {self._number}")
        try:
            answer = decode(reply["did"], lambda number: Remote(self, number))
        except NotPlain as error:
            raise self._lie() from error
        match answer:
            case ["value", value, dict(changed)] if all(_is_place(key, len(args)) for key in changed):
                return value, changed
            case ["error", dict(told)]:
                raise self._raised(told, operation)
        raise self._lie()

    def _lie(self) -> Exception:
        return self._raised({"type": "RuntimeError", "message": "its process answered what is no answer"}, "")

    def _raised(self, told: dict[Any, Any], operation: str) -> Exception:
        self.error = raised(told, self._errors, operation)
        where = f" (solution.py, line {told['line']})" if told.get("line") else ""
        self.last = f"the code raised {told.get('type')}: {str(told.get('message'))[:300]}{where}"
        return self.error


def _is_named(path: object, value: object) -> bool:
    return (
        type(path) is str
        and type(value) is list
        and (len(value) == 1 or (len(value) == 2 and type(value[1]) is str))
    )


def _is_place(key: object, length: int) -> bool:
    return type(key) is int and 0 <= key < length


def _exception(name: str) -> type[Exception]:
    kind = vars(builtins).get(name)
    return kind if isinstance(kind, type) and issubclass(kind, Exception) else Exception


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
