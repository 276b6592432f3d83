"""Messages between the evaluator and its worker processes: length-prefixed JSON, plain data only.

Nothing is pickled, so what a worker sends can be no more than data; a length beyond the limit is refused unread.
"""

import json
import struct
from typing import Any

from pydantic import TypeAdapter

from graders import GraderResult

HEADER = struct.Struct(">I")
MAX_FRAME = 64 << 20

Message = dict[str, Any]

_RESULTS = TypeAdapter(list[GraderResult])


class FrameError(ValueError):
    """A frame is too long, or is not a JSON object."""


class FrameTooLong(FrameError):
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
        raise FrameTooLong(too_long(len(body)))
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
        message = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise FrameError(f"not JSON: {error}") from error
    if not isinstance(message, dict):
        raise FrameError("not a JSON object")
    return message


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
        FrameError: When they are not valid results.
    """
    try:
        return _RESULTS.validate_python(plain)
    except ValueError as error:
        raise FrameError(f"not results: {error}") from error
