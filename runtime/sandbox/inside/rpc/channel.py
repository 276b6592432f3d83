"""The channel between a sandboxed process and its supervisor: length-prefixed frames over one socket."""

import os

HEADER = 4
MAX_FRAME = 64 << 20
CHUNK = 1 << 16


class Channel:
    """Reads and writes frames; each is its length in four bytes, the highest first, and its body."""

    def __init__(self, descriptor: int, *, ahead: bool = True) -> None:
        """Take the socket.

        Args:
            descriptor: Its descriptor.
            ahead: Whether more may be read than one frame: nobody else will read from the socket then.
        """
        self._descriptor, self._ahead = descriptor, ahead
        self._received = bytearray()
        # bound now: foreign code may replace what stands in `os`, and runs before an answer is written
        self._read_some, self._write_some = os.read, os.write

    def receive(self) -> bytes | None:
        """The body of the next frame; None when the supervisor has closed the channel, or broken it."""
        if not self._fill(HEADER):
            return None
        length = int.from_bytes(self._received[:HEADER], "big")
        if length > MAX_FRAME or not self._fill(HEADER + length):
            return None
        body = bytes(self._received[HEADER : HEADER + length])
        del self._received[: HEADER + length]
        return body

    def _fill(self, length: int) -> bool:
        """Read until so much is there; False when the channel closes before that."""
        received = self._received
        while len(received) < length:
            part = self._read_some(self._descriptor, CHUNK if self._ahead else length - len(received))
            if not part:
                return False
            received += part
        return True

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
