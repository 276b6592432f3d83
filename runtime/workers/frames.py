"""Messages between the evaluator and its worker processes: length-prefixed JSON, plain data only.

Nothing is pickled, so what a worker sends can be no more than data; a length beyond the limit is refused unread.
"""

import json
import struct
from typing import Any

from pydantic import TypeAdapter

from graders import GraderResult
from runtime.data.json_weight import INLINE_BYTES, TooManyValues, check_values, collector_paused, weigh_aside

HEADER = struct.Struct(">I")
MAX_FRAME = 64 << 20
"""Bytes of a message to a worker: a row, or the reply to a call."""
MAX_ANSWER = 32 << 20
"""Bytes of a message from a worker: a call with its sample and item, or results."""
MAX_RESULT = 4 << 20
"""Bytes of one sample's result."""
MAX_VALUES = 200_000
"""JSON values of a message from a worker, besides `RESULT_VALUES` for each sample; they take some 30 ms to parse."""
RESULT_VALUES = 100
"""JSON values of a result that says little."""
MAX_PARTS = 1_000
"""Results inside one sample's result, at any depth."""

Message = dict[str, Any]

_RESULTS = TypeAdapter(list[GraderResult])


class FrameError(ValueError):
    """A frame is too long, or is not a JSON object."""


class MessageTooLong(FrameError):
    """A frame is longer than a frame may be."""


def encode(data: object) -> bytes:
    """Plain data as JSON.

    Raises:
        FrameError: When it is not plain data, or longer than a frame may be.
    """
    try:
        body = json.dumps(data, separators=(",", ":")).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise FrameError(f"it is not plain data: {error}") from error
    if len(body) > MAX_FRAME:
        raise MessageTooLong(too_long(len(body)))
    return body


def too_long(length: int) -> str:
    """What is wrong with a message of so many bytes."""
    return f"{length} bytes are more than the {MAX_FRAME} that a message may have"


def frame(body: bytes) -> bytes:
    """An encoded message with its length before it."""
    return HEADER.pack(len(body)) + body


def frame_length(header: bytes) -> int:
    """The length of the body that follows a header.

    Raises:
        FrameError: When it is longer than a frame may be.
    """
    (length,) = HEADER.unpack(header)
    if length > MAX_FRAME:
        raise FrameError(too_long(length))
    return int(length)


def unpack(body: bytes) -> Message:
    """A frame's body as a message.

    Raises:
        FrameError: When it is not a JSON object.
    """
    try:
        with collector_paused(body):
            message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"not JSON: {error}") from error
    if not isinstance(message, dict):
        raise FrameError("not a JSON object")
    return message


async def unpack_weighed(body: bytes, *, samples: int = 1) -> Message:
    """The same, of a message that a plugin may have made: one of too many values is refused before it is parsed.

    Args:
        body: The frame's body.
        samples: How many samples the worker grades at the moment.

    Raises:
        FrameError: When it has more than 200,000 values and 100 for each sample, or is not a JSON object.
    """
    if len(body) > INLINE_BYTES:
        try:
            check_values(await weigh_aside(body), MAX_VALUES + RESULT_VALUES * samples)
        except TooManyValues as error:
            raise FrameError(str(error)) from None
    return unpack(body)


def results_to_plain(results: list[GraderResult]) -> list[Any]:
    """Results as plain data.

    Raises:
        FrameError: When a plugin has put something else into one.
    """
    try:
        plain: list[Any] = _RESULTS.dump_python(results, mode="json", warnings="error")
    except (ValueError, RecursionError) as error:
        raise FrameError(f"not plain data: {error}") from error
    return plain


def results_from_plain(plain: object) -> list[GraderResult]:
    """Results out of plain data, with every rule of `GraderResult` checked again.

    Raises:
        FrameError: When they are not valid results, or one has more than 1,000 results inside it.
    """
    for each in plain if isinstance(plain, list) else ():
        if _parts(each) > MAX_PARTS:
            raise FrameError(f"not results: more than {MAX_PARTS:,} of them are parts of one")
    try:
        return _RESULTS.validate_python(plain)
    except ValueError as error:
        raise FrameError(f"not results: {error}") from error


def _parts(result: object) -> int:
    """How many results are inside the plain data of one; counting ends beyond `MAX_PARTS`."""
    level, count = [result], 0
    while level and count <= MAX_PARTS:
        parts = [each.get("parts") for each in level if isinstance(each, dict)]
        level = [part for inner in parts if isinstance(inner, dict) for part in inner.values()]
        count += len(level)
    return count
