"""The marks of the plain notation that `graders.kinds.numeric.notation` writes, and patterns that search it."""

from collections.abc import Callable, Iterator
from typing import Final, Protocol

import re2

DASH: Final = "\xad"
GAP: Final = "\xa0"
COIN: Final = "\xa4"
SPACES: Final = f" \t{GAP}"
ALGEBRA: Final = "\xac"
OTHER: Final = "\xa6"
"""Stands in for every character that has no meaning here."""
GREEK: Final = "\xf0"
"""A letter that stands in for every Greek one: after a number it is a variable."""


class Match(Protocol):
    """What is used of a google-re2 match on bytes (the library ships no types)."""

    def group(self, group: int = 0, /) -> bytes | None:
        """The text of a group, None when it took no part."""
        ...

    def groups(self, default: bytes, /) -> tuple[bytes, ...]:
        """Every group, with a default for those that took no part."""
        ...

    def span(self) -> tuple[int, int]:
        """Where the match begins and ends."""
        ...


class BytesPattern(Protocol):
    """What is used of a google-re2 pattern on bytes."""

    def sub(self, repl: bytes | Callable[[Match], bytes], text: bytes, /) -> bytes:
        """Replace every match."""
        ...

    def search(self, text: bytes, /) -> Match | None:
        """The first match anywhere in the text."""
        ...

    def fullmatch(self, text: bytes, /) -> Match | None:
        """Match the whole text."""
        ...

    def finditer(self, text: bytes, /) -> Iterator[Match]:
        """Every match, left to right."""
        ...


def compile_bytes(pattern: str) -> BytesPattern:
    """Compile a google-re2 pattern for Latin-1 bytes."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    compiled: BytesPattern = re2.compile(pattern.encode("latin-1"), options)
    return compiled
