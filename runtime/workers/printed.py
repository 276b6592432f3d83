"""The output that a plugin prints: passed to the worker's own output; its end is kept for explanations."""

import sys
from collections import deque
from collections.abc import Iterator
from typing import TextIO

KEPT = 20_000
"""Characters that are kept, at least; the last ones."""


class Printed:
    """The end of what was printed, on both streams."""

    def __init__(self) -> None:
        self._parts: deque[str] = deque()
        self._characters = 0

    def add(self, text: str) -> None:
        """Keep one more text."""
        self._parts.append(text[-KEPT:])
        self._characters += len(self._parts[-1])
        while self._characters - len(self._parts[0]) >= KEPT:
            self._characters -= len(self._parts.popleft())

    def take(self) -> str:
        """What was printed since the last time; empty for nothing."""
        text = "".join(self._parts)
        self._parts.clear()
        self._characters = 0
        # what cannot be encoded cannot be sent
        return text[-KEPT:].encode(errors="backslashreplace").decode()


class _Copying:
    """A stream that writes to another one and keeps a copy; in everything else it is the other one."""

    def __init__(self, stream: TextIO, printed: Printed) -> None:
        self._stream, self._printed = stream, printed

    def write(self, text: str) -> int:
        """Write a text."""
        self._printed.add(text)
        return self._stream.write(text)

    def writelines(self, lines: list[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


def keep_what_is_printed() -> Printed:
    """Have `sys.stdout` and `sys.stderr` keep what goes through them; what C code writes, or a child, does not."""
    printed = Printed()
    sys.stdout = _Copying(sys.stdout, printed)
    sys.stderr = _Copying(sys.stderr, printed)
    return printed
