"""The channel between a sandboxed process and its supervisor: length-prefixed frames over one socket."""

import os

HEADER = 4
MAX_FRAME = 64 << 20


class Channel:
    """Reads and writes frames; each is its length in four bytes, the highest first, and its body."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # bound now: foreign code may replace what stands in `os`, and runs before an answer is written
        self._read_some, self._write_some = os.read, os.write

    def receive(self) -> bytes | None:
        """The body of the next frame; None when the supervisor has closed the channel, or broken it."""
        header = self._read(HEADER)
        if header is None:
            return None
        length = int.from_bytes(header, "big")
        return None if length > MAX_FRAME else self._read(length)

    def send(self, body: bytes) -> None:
        """Write one frame.

        Raises:
            ValueError: When it is longer than a frame may be.
            OSError: When the supervisor has closed the channel.
        """
        if len(body) > MAX_FRAME:
            raise ValueError(f"{len(body)} bytes are more than the {MAX_FRAME} that a frame may have")
        rest = memoryview(len(body).to_bytes(HEADER, "big") + body)
        while rest:
            rest = rest[self._write_some(self._descriptor, rest) :]

    def _read(self, length: int) -> bytes | None:
        parts = []
        while length:
            part = self._read_some(self._descriptor, min(length, 1 << 20))
            if not part:
                return None
            parts.append(part)
            length -= len(part)
        return b"".join(parts)
