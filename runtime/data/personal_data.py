"""Personal data and secrets in texts: e-mail addresses, telephone, card and account numbers, keys. Found, and never shown whole."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import re2

_KINDS: tuple[tuple[str, str], ...] = (
    # first, so that the number or address inside a longer secret is not taken for something else
    ("private key", r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----"),
    ("token", r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    (
        "key",
        (
            r"\b(?:sk|pk|rk)[-_](?:[A-Za-z]{1,12}[-_]){0,3}[A-Za-z0-9][\w-]{18,}|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_\w{30,}"
            r"|\bgithub_pat_\w{30,}|\bglpat-[\w-]{18,}|\bxox[abeprs]-[\w-]{10,}|\bAIza[\w-]{35}|\bhf_[A-Za-z0-9]{30,}"
            r"|\bAccountKey=[A-Za-z0-9+/=]{40,}"
        ),
    ),
    (
        "e-mail address",
        r"[A-Za-z0-9][\w.+%-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,4}\.[A-Za-z]{2,24}",
    ),
    ("account number", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b"),
    ("card number", r"\b\d(?:[ -]?\d){12,18}\b"),
    (
        "telephone number",
        r"\+\d{1,3}[ .-]?\(?\d{1,5}\)?(?:[ .-]?\d{2,5}){2,4}\b|(?:\(\d{3}\) ?|\b\d{3}[.-])\d{3}[.-]\d{4}\b",
    ),
)
_ANY = re2.compile("|".join(f"(?:{pattern})" for _, pattern in _KINDS))
_EACH = tuple((kind, re.compile(pattern, re.ASCII)) for kind, pattern in _KINDS)
_SCANNED = 2_000_000
"""Characters of a text that are looked at."""
_FEWEST_DIGITS = 8


class PersonalData(NamedTuple):
    """A part of a text that looks like personal data or a secret.

    Attributes:
        kind: What it looks like: `e-mail address`, `telephone number`, `card number`, `account number`, `key`, `token` or
            `private key`.
        start: Where it begins in the text, in characters.
        end: Where it ends.
    """

    kind: str
    start: int
    end: int


def may_have_personal_data(text: str) -> bool:
    """Whether there may be some: a quick look, in linear time."""
    return _ANY.search(text[:_SCANNED].encode("utf-8", "replace")) is not None


def find_personal_data(text: str) -> Iterator[PersonalData]:
    """Everything in a text that looks like personal data, from its beginning on; parts do not overlap."""
    text = text[:_SCANNED]
    if not may_have_personal_data(text):
        return
    found: list[PersonalData] = []
    for kind, pattern in _EACH:
        for match in pattern.finditer(text):
            if _is_one(kind, match[0]) and not any(
                match.start() < other.end and other.start < match.end() for other in found
            ):
                found.append(PersonalData(kind, *match.span()))
    yield from sorted(found, key=lambda part: part.start)


def masked(text: str) -> str:
    """A text in which personal data are cut down to their first two characters and their length."""
    parts: list[str] = []
    end = 0
    for found in find_personal_data(text):
        parts += [text[end : found.start], mask(text[found.start : found.end])]
        end = found.end
    return "".join([*parts, text[end:]])


def mask(secret: str) -> str:
    """What is shown of a text that is not to be shown: `ma… (17 characters)`."""
    return f"{secret[:2]}… ({len(secret)} characters)"


def _is_one(kind: str, found: str) -> bool:
    if kind == "card number":
        return _passes_luhn([int(digit) for digit in found if digit.isdecimal()])
    if kind == "telephone number":
        return sum(map(str.isdecimal, found)) >= _FEWEST_DIGITS
    if kind == "account number":
        return _passes_mod_97(found.replace(" ", ""))
    return True


def _passes_luhn(digits: list[int]) -> bool:
    """The check digit of payment cards (ISO/IEC 7812-1)."""
    doubled = [
        digit if place % 2 == 0 else sum(divmod(2 * digit, 10))
        for place, digit in enumerate(reversed(digits))
    ]
    return sum(doubled) % 10 == 0 and len(set(digits)) > 1


def _passes_mod_97(number: str) -> bool:
    """The check digits of bank accounts (ISO 13616)."""
    moved = number[4:] + number[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1
