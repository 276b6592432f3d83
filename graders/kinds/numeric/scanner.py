r"""Numbers as people and models write them, read exactly and in linear time.

Accepted, with the `form` that says so: `42` (integer), `3.5` `.5` (decimal), `1,234,567` `1'234` `1_234` and thin or no-break
spaces, Indian `12,34,567` (thousands), `3/4` `½` `\frac{3}{4}` (fraction), `1 3/4` `1½` (mixed), `1.5e3` `1.5×10^3` `10³`
(scientific), `50%` `50 percent` (percent), `$5` `5 €` `USD 5` (currency), `1.5 million` (magnitude). Several combine.

Never guessed, because two readings are possible: `1,5` and `12,34` (a decimal comma or a list), `1.234,5`, `12 345` with
plain spaces, `10-12`, `5k` and `5M`; pieces of expressions (`graders.kinds.numeric.standing`); and what words change
(`graders.kinds.numeric.words`), of which only `minus` and `negative` are read, as the sign. Neither are `inf`, `nan`,
`1e999`, `1e-999`, `1/0` or more than `MAX_DIGITS` digits numbers. Each of these is an `UnreadableNumber`, not silence: an answer
that ends in one has not given the number that stood before it. Dates, times, versions, ordinals and names (`2024-01-05`,
`10:30`, `1.2.3`, `3rd`, `x2`) are not quantities at all and are passed over.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, NamedTuple

from graders.kinds.numeric.cases import WINDOW as CASES
from graders.kinds.numeric.cases import other_answers
from graders.kinds.numeric.forms import MAX_DIGITS, SPAN, NumberError, Parts, Percent
from graders.kinds.numeric.marks import COIN, DASH, GAP, SPACES
from graders.kinds.numeric.notation import plain
from graders.kinds.numeric.standing import Standing, standing
from graders.kinds.numeric.words import ALTERNATIVE, NEUTRAL, Words, words_around

_FOR_READERS = str.maketrans({DASH: "–", GAP: " ", COIN: "¤"})
_WRAPPING = " \t\r\n\xa0$*`\"'()[].!?,;:"
_HEAD: Final = 128
"""Bytes at a cut in which a number may lack its beginning, or what stands before it."""


class Number(NamedTuple):
    """A finite number found in a text.

    Attributes:
        exact: Its value, without rounding: two different integers are never equal, and 1.1 - 1 is 0.1.
        text: What was read, in plain notation (ASCII digits and signs, LaTeX commands written out).
        form: What was accepted, parts joined by `+`, for example `currency+thousands`.
    """

    exact: Fraction
    text: str
    form: str

    @property
    def value(self) -> float:
        """The nearest float; finite."""
        return float(self.exact)


@dataclass(frozen=True, slots=True)
class UnreadableNumber:
    """Something that looks like a number but cannot be rewarded as one.

    Attributes:
        text: What was found.
        reason: Why it is not read.
    """

    text: str
    reason: str


class Occurrence(NamedTuple):
    """A number, or what looks like one, and the bytes of the plain notation that it takes."""

    found: Number | UnreadableNumber
    start: int
    end: int


def scan(text: str, *, percent: Percent = "ratio") -> Iterator[Number | UnreadableNumber]:
    """Every number of a text from left to right, and what looks like one but cannot be read.

    Args:
        text: Anything.
        percent: What `50%` is worth: `ratio` 0.5, `number` 50.
    """
    for occurrence in occurrences(plain(text), percent):
        yield occurrence.found


def small_number(text: str) -> Number | None:
    """The number that a text of up to 15 digits is, as `scan` reads it; None for any other text."""
    digits = text.strip()
    if len(digits) < 16 and digits.isdigit() and digits.isascii():
        return Number(Fraction(int(digits)), digits, "integer")
    return None


def find_numbers(text: str, *, percent: Percent = "ratio") -> list[Number]:
    """Every readable number of a text."""
    return [found for found in scan(text, percent=percent) if isinstance(found, Number)]


def last_number(text: str, *, percent: Percent = "ratio") -> Number | UnreadableNumber | None:
    """The last of `scan(text)`, found from the end: the rest of a long answer is not read."""
    last = last_occurrence(plain(text), percent)
    return last.found if last else None


def last_occurrence(data: bytes, percent: Percent) -> Occurrence | None:
    """The last of `occurrences(data)`, found from the end."""
    size = 3 * _HEAD
    while size < len(data):
        found = _last(data[-size:], _HEAD, percent)
        if found:
            shift = len(data) - size
            return Occurrence(found.found, found.start + shift, found.end + shift)
        size *= 8
    return _last(data, 0, percent)


def _last(data: bytes, head: int, percent: Percent) -> Occurrence | None:
    text = data.decode("latin-1")
    spans = [span for span in _spans(data, text) if span[0] >= head]
    return next(
        (
            Occurrence(found, start, end)
            for start, end in reversed(spans)
            if (found := _read(text, start, end, percent))
        ),
        None,
    )


def parse_number(text: str, *, percent: Percent = "ratio") -> Number:
    """Read a text that is one number and nothing else but quotes, brackets and punctuation around it.

    Raises:
        NumberError: When it is anything else.
    """
    data = plain(text)
    found = list(occurrences(data, percent)) if len(data) <= 4 * MAX_DIGITS else []
    if len(found) != 1:
        raise NumberError(f"{_shown(data.decode('latin-1'))} is not one number")
    number = found[0].found
    if isinstance(number, UnreadableNumber):
        raise NumberError(f"{number.text!r} is {number.reason}")
    if (data[: found[0].start] + data[found[0].end :]).decode("latin-1").strip(_WRAPPING):
        raise NumberError(f"{_shown(data.decode('latin-1'))} is more than a number")
    return number


def occurrences(data: bytes, percent: Percent) -> Iterator[Occurrence]:
    """Every number of a text in plain notation, from left to right, and what looks like one but cannot be read."""
    text = data.decode("latin-1")
    for start, end in _spans(data, text):
        found = _read(text, start, end, percent)
        if found is not None:
            yield Occurrence(found, start, end)


def _spans(data: bytes, text: str) -> Iterator[tuple[int, int]]:
    for match in SPAN.finditer(data):
        start, end = match.span()
        before = text[start - 1 : start]
        if text[start] == "." and (before.isalnum() or before == "."):
            start += 1  # a full stop or a range: "No.5", "1..5"
        yield start, end


def _read(text: str, start: int, end: int, percent: Percent) -> Number | UnreadableNumber | None:
    """The number at a span; None when it is part of a name."""
    written = text[start:end]
    if end - start > 4 * MAX_DIGITS:
        return UnreadableNumber(_shown(written), f"longer than {MAX_DIGITS} digits")
    where = standing(text, start, end)
    if where is Standing.NAME:
        return None
    words = _words(text, start, end) if where is Standing.FREE else NEUTRAL
    if where is Standing.FREE and words is NEUTRAL and written.isdigit() and end - start < 60:
        return Number(Fraction(int(written)), written, "integer")
    shown, parts = _shown(written.strip(SPACES)), Parts.of(written)
    if parts is None:
        return UnreadableNumber(shown, "not finite")
    if parts.form == "name" or words.passed_over:
        return None
    if where is not Standing.FREE or words.reason:
        return UnreadableNumber(shown, words.reason or where.value)
    if parts.currency and text[end : end + 1] == "m" and not text[end + 1 : end + 2].isalnum():
        return UnreadableNumber(shown, "ambiguous: metres or millions")
    return _valued(_signed(parts, words, text, start), words, shown, percent)


def _words(text: str, start: int, end: int) -> Words:
    words = words_around(text, start, end)
    if words.reason or words.passed_over:
        return words
    others = other_answers(text[max(0, start - CASES) : start], text[end : end + CASES])
    return replace(words, others=words.others + others) if others else words


def _signed(parts: Parts, words: Words, text: str, start: int) -> Parts:
    if text[start] == DASH and text[start - 1 : start].isalpha():
        parts = replace(parts, negative=False)  # "the total—42"
    if words.sign:
        return replace(parts, negative=words.sign != "plus", signs=parts.signs + 1)
    return parts


def _valued(parts: Parts, words: Words, shown: str, percent: Percent) -> Number | UnreadableNumber:
    """The number, unless it is ambiguous or another one is offered beside it."""
    shown = f"{words.sign} {shown}" if words.sign else shown
    try:
        exact = parts.exact(percent)
    except NumberError as refusal:
        return UnreadableNumber(shown, str(refusal))
    if any(_worth(other, percent) != exact for other in words.others):
        return UnreadableNumber(shown, ALTERNATIVE)
    return Number(exact, shown, parts.forms())


def _worth(written: str, percent: Percent) -> Fraction | None:
    parts = Parts.of(written)
    try:
        return parts.exact(percent) if parts else None
    except NumberError:
        return None


def _shown(text: str) -> str:
    text = text.translate(_FOR_READERS)
    return text if len(text) <= 60 else f"{text[:57]}..."
