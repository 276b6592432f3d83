r"""Answers that consist of one plain number and fixed words around it, which need no search: most answers are such.

Only texts are taken whose every character is accounted for by one of the patterns below. For these the search in
`graders.kinds.numeric.extraction` is known to find the same number: the words of the patterns are neutral in its tables, and
nothing else stands there that could change the number, take it back, or offer another one. Every other text is left to
that search. A test reads every combination of the patterns' parts both ways.

* `last`, `first`, `whole`: `42`, `#42`, `#### 42`, `The answer is 42.`, `\boxed{42}`, `$\boxed{42}$`;
* `last`: a text whose last line is `#### 42`, behind the end of a sentence;
* `boxed`: `\boxed{42}`, alone or behind the same words;
* `{"after": "####"}`: any text with one such marker, when a number and nothing else follows it on its line, and no line does.
"""

import re
from fractions import Fraction
from typing import Final, Literal

from graders.kinds.numeric.scanner import Number
from graders.kinds.numeric.text_end import before_end

Mode = Literal["whole", "last", "first", "boxed"]

_NUMBER = r"(-?(?:[0-9]{1,15}(?:\.[0-9]{1,15})?|[1-9][0-9]{0,2}(?:,[0-9]{3}){1,4}))"
_SPACE = r"[ \n]{0,4}"
_WORDS = r"(?:(?:[Tt]he )?(?:final |correct )?[Aa]nswer(?: is:?|:) |#{1,6} ?)?"
_BOX = rf"(?:\\boxed\{{{_NUMBER}\}}|\$\\boxed\{{{_NUMBER}\}}\$)"

_ALONE: Final = re.compile(rf"{_SPACE}{_WORDS}(?:{_NUMBER}|{_BOX})\.?{_SPACE}")
_BOXED: Final = re.compile(rf"{_SPACE}{_WORDS}{_BOX}\.?{_SPACE}")
_REST: Final = re.compile(rf" {{0,4}}{_NUMBER}\.?{_SPACE}")
_ENDS_SENTENCE: Final = (".", "!", ";")


def short_answer(text: str, mode: Mode | None, marker: str | None) -> Number | None:
    """The number that a short or plainly marked answer states; None for any other text, which says nothing about it.

    Args:
        text: What the model wrote.
        mode: Where the answer stands.
        marker: The text that it stands behind; None when it stands behind none.
    """
    if "<" in text and before_end(text) is not text:
        return None
    if marker is not None:
        return _behind(text, marker) if text.count(marker) == 1 else None
    if mode is None:
        return None
    found = (_BOXED if mode == "boxed" else _ALONE).fullmatch(text)
    if found is not None:
        return _number(found[found.lastindex or 0])
    if mode == "last" and "#" in text[-40:]:
        return _on_last_line(text)
    return None


def _behind(text: str, marker: str) -> Number | None:
    found = _REST.fullmatch(text, text.index(marker) + len(marker))
    return None if found is None else _number(found[1])


def _on_last_line(text: str) -> Number | None:
    """The number of `… in all.` and `#### 42` below it."""
    start = text.rindex("#") + 1
    found = _REST.fullmatch(text, start)
    if found is None:
        return None
    before = text[max(0, start - 32) : start].rstrip("# \n")
    return _number(found[1]) if before.endswith(_ENDS_SENTENCE) and before[-2:-1] != "\\" else None


def _number(written: str) -> Number:
    if written.isdigit():
        return Number(Fraction(int(written)), written, "integer")
    if "," in written:
        return Number(Fraction(int(written.replace(",", ""))), written, "thousands")
    digits, _, decimals = written.partition(".")
    exact = Fraction(int(digits + decimals), 10 ** len(decimals))
    return Number(exact, written, "decimal" if decimals else "integer")
