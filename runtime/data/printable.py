"""Text that is shown to a person: nothing in it moves a terminal, changes the order of what is read, or is invisible."""

import json
import re
from collections.abc import Callable
from typing import Any

_INVISIBLE = re.compile(
    # printable to Python, and drawn as nothing: joiners, fillers, selectors of variants, and a blank of Braille
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)


def printable(text: str, *, keep: str = "") -> str:
    """A text in which control, bidirectional and invisible characters are written as Python escapes them.

    Args:
        text: Any text; lone surrogates in it are escaped as well, so that it can be encoded.
        keep: Characters that stay, such as line ends where the text has several lines.
    """
    return _written(text, keep, _escaped)


def printable_json(data: object, **options: Any) -> str:
    """JSON whose texts are printable: what is not is written as JSON escapes it, so that it is read as it was.

    Half of a surrogate pair, which not every reader of JSON takes, is replaced by U+FFFD.

    Args:
        data: Plain data.
        options: Those of `json.dumps`.
    """
    return printable_json_text(json.dumps(data, ensure_ascii=False, **options))


def printable_json_text(text: str) -> str:
    """The same of JSON that is text already."""
    return _written(text, "\t\n\r", _escaped_in_json)


def _written(text: str, keep: str, escaped: Callable[[str], str]) -> str:
    """A text in which each character that is neither printable nor to be kept is escaped."""
    if _is_plain(text):
        return text
    return "".join(c if c in keep or _is_plain(c) else escaped(c) for c in text)


def _is_plain(text: str) -> bool:
    return text.isprintable() and not _INVISIBLE.search(text)


def _escaped_in_json(character: str) -> str:
    return "\N{REPLACEMENT CHARACTER}" if "\ud800" <= character <= "\udfff" else json.dumps(character)[1:-1]


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
