"""Texts as every database of the store takes them."""

from graders.pattern import encodable


def storable(text: str) -> str:
    """The text with U+FFFD for each lone surrogate, which no encoder takes, and each NUL, which PostgreSQL does not hold."""
    return encodable(text).replace("\0", "\N{REPLACEMENT CHARACTER}")
