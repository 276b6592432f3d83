"""Changes of a text that should not change a fair reward: white space, a Markdown fence, letter case, the format of numbers.

::

    CHANGES["number_format"]("it is 1234")  # ['it is 1,234', 'it is 1234.0', 'it is 1.234e+3']

Each change gives every text that it makes of one, none of which is the text itself, and none at all where there is nothing
to change: a text without numbers has no other number format. They need no Hypothesis.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from difflib import get_close_matches
from types import MappingProxyType
from typing import TypeAlias

from graders.contract import brief
from graders.errors import ConfigurationError

Change: TypeAlias = Callable[[str], list[str]]
"""Gives the changed texts of a text."""

_NUMBER = re.compile(
    r"(?<![\w.,+-])(?<![0-9][:/])"  # no part of a word, a version, a date, a time or a sum
    r"(?P<sign>-?)(?P<whole>[1-9][0-9]{0,2}(?:,[0-9]{3})+|0|[1-9][0-9]*)(?P<part>\.[0-9]+)?"
    r"(?![\w%]|[.,:/-][0-9])"
)


def white_space(text: str) -> list[str]:
    """White space around the text, and the line ends of Windows: what a model adds without meaning to."""
    windows = re.sub("\r?\n", "\r\n", text)
    return _others(text, [f" {text}", f"{text}\n", f"\n\n{text}\n\n", f"\t{text} \t", windows])


def inner_white_space(text: str) -> list[str]:
    """More white space where there is some between words: two spaces, a tab, a line break, a non-breaking space."""
    words = re.split("[ \t\n]+", text.strip())
    return _others(text, [joint.join(words) for joint in ("  ", "\t", "\n", "\u00a0")])


def markdown_fence(text: str) -> list[str]:
    """The text inside a Markdown code fence, without and with the name of a language, and with a sentence before it."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    language = "json" if text.lstrip()[:1] in {"{", "["} else "text"
    plain = f"{fence}\n{text}\n{fence}"
    return [plain, f"{fence}{language}\n{text}\n{fence}\n", f"Here is the answer:\n\n{plain}"]


def letter_case(text: str) -> list[str]:
    """The text in capitals, in small letters, and with each letter's case turned round."""
    turned = [text.upper(), text.lower(), text.swapcase()]
    # a few letters, as the Turkish dotless i, become another letter and not only another case of it
    return _others(text, [other for other in turned if other.casefold() == text.casefold()])


def number_format(text: str) -> list[str]:
    """The same numbers with and without commas between thousands, with a zero more after the point, and as powers of ten.

    A number is one that stands alone: not the digits of a word, a version, a date or a percentage, and none with leading
    zeros, which is a code. Only the way of writing changes, never the value.
    """
    styles = (_plain, _grouped, _longer, _scientific)
    return _others(text, [_NUMBER.sub(style, text) for style in styles])


CHANGES: Mapping[str, Change] = MappingProxyType(
    {
        "white_space": white_space,
        "inner_white_space": inner_white_space,
        "markdown_fence": markdown_fence,
        "letter_case": letter_case,
        "number_format": number_format,
    }
)
"""Every change by the name that a case file calls it."""


def change_named(name: str) -> Change:
    """The change of this name.

    Raises:
        ConfigurationError: If no change has this name; lists the existing names.
    """
    if name in CHANGES:
        return CHANGES[name]
    near = get_close_matches(str(name).replace(" ", "_"), CHANGES, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigurationError(f"unknown change {brief(name)}; {hint}changes: {', '.join(CHANGES)}")


def _others(text: str, changed: Iterable[str]) -> list[str]:
    """Each changed text once, without the text itself."""
    return [other for other in dict.fromkeys(changed) if other != text]


def _plain(found: re.Match[str]) -> str:
    return found[0].replace(",", "")


def _grouped(found: re.Match[str]) -> str:
    whole = found["whole"].replace(",", "")
    grouped = re.sub("(?<=[0-9])(?=(?:[0-9]{3})+$)", ",", whole)
    return f"{found['sign']}{grouped}{found['part'] or ''}"


def _longer(found: re.Match[str]) -> str:
    return f"{_plain(found)}0" if found["part"] else f"{_plain(found)}.0"


def _scientific(found: re.Match[str]) -> str:
    return f"{Decimal(_plain(found)):e}"
