"""Role `compare`: says whether what the code under test answered is what was expected, when reading it may take long.

It holds the answers of one grading and runs nothing. A message has the answer as its body:

* `{"accepted": [values], "tolerance": …, "unordered": …, "rule": …}` and an encoded value, or a short one as `actual`: is it equal to
  one of them;
* `{"output": text, "tolerance": …, "rule": …}` and what a program printed.

The reply is `{"same": bool, "shown": the beginning of the answer}`, or `{"unreadable": why}`.
"""

from typing import Any

from ..rpc.channel import Channel
from ..rpc.codec import NotPlain, decode
from ..rpc.messages import read, write
from ..shared import comparison

MAX_SHOWN = 2_000


def serve(channel: Channel) -> None:
    """Answer until the channel closes."""
    while (frame := channel.receive()) is not None:
        message, body = read(frame)
        channel.send(write(_compared(message, body)))


def _compared(message: dict[str, Any], body: bytes) -> dict[str, Any]:
    values = comparison()
    if "output" in message:
        actual: Any = body.decode(errors="replace")
        expected = message["output"]
        if message["rule"] == "livecodebench":
            same = values.same_output_for_livecodebench(expected, actual)
        else:
            same = values.same_output(expected, actual, message["tolerance"])
        return {"same": same, "shown": values.shown(actual)[:MAX_SHOWN]}
    try:
        actual = decode(body) if body else message["actual"]
    except NotPlain as error:
        return {"unreadable": str(error)}
    if message["rule"] == "livecodebench":
        same = any(values.same_for_livecodebench(expected, actual) for expected in message["accepted"])
        return {"same": same, "shown": values.shown(actual)[:MAX_SHOWN]}
    try:
        same = any(
            values.same_value(expected, actual, message["tolerance"], unordered=message["unordered"])
            for expected in message["accepted"]
        )
    except (
        values.TooManySteps
    ):  # only for elements that differ and have equal hashes, which no honest answer has
        same = False
    return {"same": same, "shown": values.shown(actual)[:MAX_SHOWN]}
