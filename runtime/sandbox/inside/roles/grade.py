"""Role `grade`: runs the source of a Python grader, and calls its `grade(sample, item)` for the rows it is sent.

The source shares this process with its own samples' code if it executes any: what it computes is its own affair. What is
kept here is the channel: an answer bears the number that came with its rows, and only plain numbers travel.
"""

import json
import marshal
import os
import sys
import types
from collections.abc import Callable
from time import perf_counter
from typing import Any

from ..rpc.channel import Channel
from .compiling import FILE, FUNCTION

MAX_TEXT = 2_000
MAX_FRAMES = 20
ANSWER_SECONDS = 0.02
"""Rewards of a long batch are sent as often as this, so that little is lost when a later row ends the process."""

Answer = float | dict[str, Any]


def serve(channel: Channel) -> None:
    """Load the source, then answer `{"number": n, "rows": [[sample, item], …]}` until the channel closes.

    Answers are `{"number": n, "answers": […]}`, as many in all as there were rows: a number, or an object with the
    `error`, its `message` and `traceback`. A source that does not load answers so for every row. When a row fails and the
    output of several has used up the room for it, the process ends with the answers before that one.
    """
    code, source = channel.receive(), channel.receive()
    if code is None or source is None:
        return
    answer = _Grader(code, source).answer
    dumps, loads, clock, end = json.dumps, json.loads, perf_counter, os._exit
    flush, rewind, is_full = _flush, _rewind, _is_full
    while (frame := channel.receive()) is not None:
        request = loads(frame)
        number = request["number"]
        rewind()
        answers: list[Answer] = []
        last = clock()
        rows = request["rows"]
        for sample, item in rows:
            # before `answers` is looked up: what is called can exchange our variables
            given = answer(sample, item)
            if type(given) is dict and len(rows) > 1 and is_full():
                # whose output it was that filled the streams, only a process for each row can tell
                rewind()
                channel.send(dumps({"number": number, "answers": answers}).encode())
                end(0)
            answers.append(given)
            if clock() - last > ANSWER_SECONDS:
                channel.send(dumps({"number": number, "answers": answers}).encode())
                answers, last = [], clock()
        flush()
        channel.send(dumps({"number": number, "answers": answers}).encode())


class _Grader:
    """A loaded source, or the reason why it did not load."""

    def __init__(self, code: bytes, source: bytes) -> None:
        self._source = source
        self._failed: Answer | None = None
        # bound now: what the source executes may replace what stands in the modules
        self._number, self._describe = _number, _described
        module = types.ModuleType("__grader__")
        module.__file__ = FILE
        sys.modules["__grader__"] = module
        try:
            exec(marshal.loads(code), module.__dict__)  # noqa: S102, S302  # the code came from our own compiler
        except BaseException as error:  # noqa: BLE001  # a stranger's module may raise anything
            self._failed = self._describe(error, source)
            return
        grade = module.__dict__.get(FUNCTION)
        if callable(grade):
            self._grade: Callable[[Any, Any], object] = grade
        else:
            self._failed = {"error": "NameError", "message": f"the source defines no function {FUNCTION}"}

    def answer(self, sample: Any, item: Any) -> Answer:
        """What `grade` returns for one row, as a number; everything else is an error that says what it was."""
        if self._failed is not None:
            return self._failed
        try:
            return self._number(self._grade(sample, item))
        except BaseException as error:  # noqa: BLE001  # a stranger's function may raise anything
            return self._describe(error, self._source)


def _number(value: object) -> Answer:
    """A finite float; a number of a class of its own counts as what its base class says it is.

    Raises:
        Exception: Whatever a hostile value raises.
    """
    kind = type(value)
    if kind is not float and not issubclass(kind, (int, float)):
        value = _of_numpy(value)
        kind = type(value)
    if issubclass(kind, int):
        try:
            number = float(int.__add__(value, 0))  # type: ignore[operator]  # never the value's own __float__
        except OverflowError:
            return _wrong("an integer too large for a float")
    elif issubclass(kind, float):
        number = float.__add__(value, 0.0)  # type: ignore[operator]
    else:
        return _wrong("None" if value is None else f"{kind.__name__} {_brief(value)}")
    if number - number != 0.0:  # NaN and the infinities
        return _wrong(repr(number))
    return number


def _of_numpy(value: object) -> object:
    """One number of numpy's as a plain one; anything else as it is."""
    kind = type(value)
    if kind.__module__ == "numpy" and getattr(value, "shape", None) == () and hasattr(kind, "item"):
        return kind.item(value)
    return value


def _wrong(found: str) -> Answer:
    return {
        "error": "TypeError",
        "message": f"{FUNCTION} returned {found[:200]}; a reward is a finite number",
    }


def _brief(value: object) -> str:
    try:
        return repr(value)[:100]
    except BaseException:  # noqa: BLE001  # a hostile __repr__
        return "(it cannot be shown)"


def _described(error: BaseException, source: bytes) -> Answer:
    """An exception as plain data, with the source's own line numbers and no path of this machine."""
    name = type(error).__name__[:100]
    try:
        text = str(error)[:MAX_TEXT]
    except BaseException:  # noqa: BLE001  # a hostile __str__
        text = "(its message cannot be shown)"
    return {
        "error": name,
        "message": f"{name}: {text}" if text else name,
        "traceback": _traceback(error, source),
    }


def _traceback(error: BaseException, source: bytes) -> str:
    own = source.decode(errors="replace").splitlines()
    lines: list[str] = []
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        if code.co_filename == FILE or lines:
            where = os.path.basename(code.co_filename)
            lines.append(f"{where}, line {step.tb_lineno}, in {code.co_name}")
            if code.co_filename == FILE and 0 < step.tb_lineno <= len(own):
                lines.append(f"    {own[step.tb_lineno - 1].strip()[:200]}")
        step = step.tb_next
    return "\n".join(lines[-2 * MAX_FRAMES :])


def _flush() -> None:
    """Write out what was printed: it is read when a grading fails."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:  # noqa: BLE001, S112  # a stranger's own stream, or a full one
            continue


def _is_full() -> bool:
    """Whether as much was written as the standard output, or the standard error, holds."""
    return any(os.lseek(stream, 0, os.SEEK_CUR) >= os.fstat(stream).st_size for stream in (1, 2))


def _rewind() -> None:
    """Let what is printed from now on take the place of what an earlier batch printed."""
    for descriptor in (1, 2):
        os.lseek(descriptor, 0, os.SEEK_SET)
