"""Messages of a process that one grading has for itself: a head, which is plain data, and a body that is not read on the way.

A frame is the length of the head in four bytes, the highest first, then the head, then the body. The supervisor reads heads
only, and only short ones: bodies are what the code under test answers, and are read in another sandboxed process.
"""

from typing import Any

from .codec import NotPlain, decode, encode

LENGTH = 4
SHORT = 32 << 10
"""Bytes of the longest head that the supervisor reads."""


def pack(head: bytes, body: bytes = b"") -> bytes:
    """One frame."""
    return b"".join((len(head).to_bytes(LENGTH, "big"), head, body))


def unpack(frame: bytes) -> tuple[bytes, bytes]:
    """The head and the body of a frame.

    Raises:
        NotPlain: When the frame is shorter than it says.
    """
    end = LENGTH + int.from_bytes(frame[:LENGTH], "big")
    if len(frame) < LENGTH or len(frame) < end:
        raise NotPlain("a message that ends before its head does")
    return frame[LENGTH:end], frame[end:]


def read(frame: bytes) -> tuple[Any, bytes]:
    """The plain data of a frame's head, and its body."""
    head, body = unpack(frame)
    return decode(head), body


def write(message: object, body: bytes = b"") -> bytes:
    """A frame of plain data and a body."""
    return pack(encode(message), body)
