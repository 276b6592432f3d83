r"""Where in a text the answer stands, and the one number that stands there.

`last` and `first` look through prose. `whole`, `boxed`, a marker and a regular expression name a place, and that place
must state one number: it may be repeated (`7 = 7.0`, `65 (65)`) and have a unit, but two different ones, or one beside
something unreadable, are no answer; otherwise a model would be rewarded for naming every candidate.

Each search is linear in the text.
"""

import re
from itertools import islice
from typing import Final, Self, get_args

import re2
from pydantic import Field, model_validator

from graders.kinds.numeric.calculations import results
from graders.kinds.numeric.equations import is_unsolved, left_side
from graders.kinds.numeric.forms import NumberError, Percent
from graders.kinds.numeric.marks import ALGEBRA
from graders.kinds.numeric.notation import plain
from graders.kinds.numeric.places import Place, behind_marker, boxes
from graders.kinds.numeric.remarks import without_remark
from graders.kinds.numeric.scanner import (
    Number,
    UnreadableNumber,
    last_occurrence,
    occurrences,
    parse_number,
    small_number,
)
from graders.kinds.numeric.short_answers import Mode, short_answer
from graders.kinds.numeric.text_end import before_end
from graders.kinds.numeric.withdrawal import is_withdrawn, restated
from graders.kinds.numeric.word_or_object import WordOrObject
from graders.pattern import Pattern, encodable

MAX_STATEMENT: Final = 10_000
"""Characters of a place that is to state one number."""
MAX_ELEMENTS: Final = 10_000
"""Elements of a list of numbers."""
MAX_STATED: Final = 100
"""Numbers in a place that is to state one, however often it repeats it."""
MAX_PLACES: Final = 100
"""Different texts that may stand in boxes or behind markers."""


class Extract(WordOrObject):
    r"""Where the answer stands.

    In JSON a word, or an object with one field: `"last"`, `{"after": "####"}`, `{"regex": "x = (.*)"}`.

    Attributes:
        mode: `whole` text; `last` or `first` number of the text; `boxed`: inside the last `\boxed{…}` or `\fbox{…}`.
        after: Behind the last occurrence of this marker, to the end of the line; of the next line with text (or all of the
            formula, code block or list there), when nothing but marks follows on the same one.
        regex: The last match of this RE2 expression: its first group, or all of it when it has none.
    """

    word_field = "mode"
    words = get_args(Mode)

    mode: Mode | None = None
    after: str | None = Field(default=None, min_length=1)
    regex: Pattern | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(field is not None for field in (self.mode, self.after, self.regex)) != 1:
            raise ValueError('name one place: "last", {"after": "####"} or {"regex": "…"}')
        return self


def find_places(text: str, extract: Extract) -> list[Place]:
    """The parts of a text where the answer may stand, the one that counts last; empty when there is no such place."""
    if extract.after is not None:
        return behind_marker(text, extract.after)
    if extract.regex is not None:
        group = 1 if extract.regex.groups else 0
        text = encodable(text)
        last = None
        for match in extract.regex.finditer(text):
            last = match
        if last is None or last.group(group) is None:
            return []
        return [Place(last.group(group), text, end=last.end(group))]
    return boxes(text) if extract.mode == "boxed" else [Place(text)]


def read_number(text: str, extract: Extract, percent: Percent = "ratio") -> Number:
    """The one number that a text gives at the place `extract` names.

    Raises:
        NumberError: When there is no such place, or it does not state one readable number.
    """
    return short_answer(text, extract.mode, extract.after) or search_number(text, extract, percent)


def search_number(text: str, extract: Extract, percent: Percent = "ratio") -> Number:
    """The same number, searched for in any text; `short_answer` is quicker where it finds one.

    Raises:
        NumberError: When there is no such place, or it does not state one readable number.
    """
    text = text if extract.regex else before_end(text)
    if extract.mode in ("first", "last", "whole") and (number := small_number(text)):
        return number
    if extract.mode == "first":
        return _first(plain(text), percent)
    if extract.mode == "last":
        return _last(plain(text), percent)
    places = _places(text, extract)
    answer = _stated(places[-1], percent)
    for other in _earlier(places):
        _agrees(answer, other, percent, strict=extract.mode == "boxed")
    return answer


def read_numbers(text: str, extract: Extract, percent: Percent = "ratio") -> list[Number]:
    """The one list of numbers that a text gives at the place `extract` names, in brackets or bare.

    A comma always separates here: `[1,234]` has two elements.

    Raises:
        NumberError: If there is no list, or there are several different ones.
    """
    places = _places(text if extract.regex else before_end(text), extract)
    answer = _list_in(places[-1], extract, percent)
    for other in _earlier(places):
        stated = _list_or_none(Place(other.text), extract, percent)
        if stated is not None and not _same(stated, answer):
            raise NumberError("there are two different lists")
    return answer


def _list_or_none(place: Place, extract: Extract, percent: Percent) -> list[Number] | None:
    try:
        return _list_in(place, extract, percent)
    except NumberError:
        return None


def _same(one: list[Number], other: list[Number]) -> bool:
    return [number.exact for number in one] == [number.exact for number in other]


def _list_in(place: Place, extract: Extract, percent: Percent) -> list[Number]:
    text = place.text.replace(r"\{", "{").replace(r"\}", "}")
    matches = [
        match for match in _BRACKETS.finditer(encodable(text)) if any(map(str.isdigit, match.group(1)))
    ]
    if extract.mode in ("last", "first"):
        matches = matches[-1:] if extract.mode == "last" else matches[:1]
        if not matches:
            raise NumberError("there is no list in brackets")
    inside = [match.group(1) for match in matches]
    lists = [_elements(content, percent) for content in islice(inside or [text], 100)]
    if not all(_same(other, lists[0]) for other in lists):
        raise NumberError("there are two different lists")
    if extract.mode != "first" and is_withdrawn(
        text[matches[-1].end() :] + place.after if matches else place.after
    ):
        raise NumberError(_TAKEN_BACK)
    return lists[0]


_BRACKETS = re2.compile(r"[\[({]([^\[\](){}]*)[\])}]")


def _elements(content: str, percent: Percent) -> list[Number]:
    separator = next((mark for mark in ";," if mark in content), None)
    if separator == ",":
        content = content.replace(", and ", ", ").replace(" and ", ", ")
    written = content.split(separator)
    if not written:
        raise NumberError("there is no list")
    if len(written) > MAX_ELEMENTS:
        raise NumberError(f"the list is longer than {MAX_ELEMENTS} numbers")
    return [parse_number(element, percent=percent) for element in written]


_TAKEN_BACK: Final = "the answer is taken back"


def _places(text: str, extract: Extract) -> list[Place]:
    places = find_places(text, extract)
    if not places or (extract.after is not None and not places[-1].text):
        wanted = r"\boxed{…}" if extract.mode else f"marker {extract.after!r}" if extract.after else "match"
        raise NumberError(f"there is no {wanted}")
    return places


def _earlier(places: list[Place]) -> list[Place]:
    """The other places, each text once."""
    different = {place.text: place for place in places if place.text != places[-1].text}
    if len(different) > MAX_PLACES:
        raise NumberError(f"there are more than {MAX_PLACES} different answers")
    return list(different.values())


def _agrees(answer: Number, other: Place, percent: Percent, *, strict: bool) -> None:
    """Refuse a place that states another number; a box (`strict`), also one that holds something unreadable."""
    try:
        number = _stated(Place(_as_in_a_box(other.text) if strict else other.text), percent)
    except NumberError:
        if strict and plain(other.text).decode("latin-1").strip(" .?!_*$").lower() not in _PLACEHOLDERS:
            raise NumberError(
                f"there are two different answers, {other.text[:60]!r} and {answer.text!r}"
            ) from None
        return
    if number.exact != answer.exact and not (_is_heading(other.text) and not strict):
        raise NumberError(f"there are two different answers, {number.text!r} and {answer.text!r}")


_PLACEHOLDERS: Final = frozenset(
    {
        "",
        "answer",
        "your answer",
        "final answer",
        "the answer",
        "your final answer",
        "the final answer",
        "number",
        "result",
    }
)
"""What stands in a box that only shows where the answer is to go."""

_HEADING = re.compile(
    r"[\s*_#]*(?:(?:step|part|case|section|problem|question|option|method|stage|phase|example|solution|approach|chapter|item"
    r"|equation|figure|table|note|round|attempt|task)\W{0,3}\d+|\d{1,2}[.)]\s+[A-Za-z])",
    re.IGNORECASE,
)


def _is_heading(text: str) -> bool:
    """`#### Step 1` and `#### 2. Add` are headings: `####` is a marker and Markdown's mark of one."""
    return _HEADING.match(text) is not None


def _readable(found: Number | UnreadableNumber | None) -> Number:
    if found is None:
        raise NumberError("there is no number")
    if isinstance(found, UnreadableNumber):
        raise NumberError(f"{found.text!r} is {found.reason}")
    return found


def _last(data: bytes, percent: Percent) -> Number:
    last = last_occurrence(data, percent)
    number = _readable(last.found if last else None)
    if last and is_withdrawn(data[last.end :]):
        raise NumberError(_TAKEN_BACK)
    return number


def _first(data: bytes, percent: Percent) -> Number:
    found = list(islice(occurrences(data, percent), 2))
    number = _readable(found[0].found if found else None)
    if is_withdrawn(data[found[0].end : found[1].start if found[1:] else len(data)]):
        raise NumberError(_TAKEN_BACK)
    return number


def _stated(place: Place, percent: Percent) -> Number:
    """The one number that a place states.

    Raises:
        NumberError: When it states none, or several.
    """
    if len(place.text) > MAX_STATEMENT:
        raise NumberError(f"the answer is longer than {MAX_STATEMENT} characters")
    if number := small_number(place.text):
        return _not_withdrawn(number, b"", place, percent)
    text, denied = without_remark(_as_in_a_box(place.text) if place.boxed else place.text)
    data = plain(text)
    found = list(islice(occurrences(data, percent), MAX_STATED + 1))
    if len(found) > MAX_STATED:
        raise NumberError(f"there are more than {MAX_STATED} numbers")
    found = results(found, data, text)
    numbers = [_readable(occurrence.found) for occurrence in found]
    if not numbers:
        raise NumberError("there is no number")
    different = {number.exact: number for number in numbers}
    if len(different) > 1:
        one, other = islice((number.text for number in different.values()), 2)
        raise NumberError(f"there are two different numbers, {one!r} and {other!r}")
    if ALGEBRA.encode("latin-1") in data.rpartition(b"=")[2]:
        raise NumberError("it is an expression, not a number")
    if denied and _states_the_same(denied, numbers[0], percent):
        raise NumberError(_TAKEN_BACK)
    return _not_withdrawn(numbers[0], data[found[-1].end :], place, percent)


def _not_withdrawn(number: Number, rest: bytes, place: Place, percent: Percent) -> Number:
    after = place.after
    if is_withdrawn(rest) or is_withdrawn(after):
        raise NumberError(_TAKEN_BACK)
    claimed, wrong = restated(after)
    for other in claimed:
        _agrees(number, Place(other), percent, strict=False)
    if any(_states_the_same(other, number, percent) for other in wrong):
        raise NumberError(_TAKEN_BACK)
    if not place.boxed:
        return number
    before = _COLOURED.sub("", place.before)
    if _NEUTRAL_BEFORE.search(before[-24:]) and _NEUTRAL_AFTER.match(after):
        return number
    return _as_surrounded(number, before, after[:96], percent)


def _states_the_same(written: str, number: Number, percent: Percent) -> bool:
    try:
        return parse_number(written, percent=percent).exact == number.exact
    except NumberError:
        return False


def _as_in_a_box(text: str) -> str:
    """What a box holds, where a minus sign may stand apart and `~` is a space."""
    return _APART.sub(r"\1-", _TIE.sub("\xa0", text))


_TIE = re.compile(r"(?<!~)~(?!~)")
_APART = re.compile(r"^([\s$]{0,8})[-−](?:\\[,;:! ]|[\s\xa0]){1,4}(?=[0-9.$])")
_COLOURED = re.compile(
    r"\\(?:f?colorbox|textcolor)\s?(?:\{[^{}]{0,40}\}\s?){1,2}\{\s*$|\\color\s?\{[^{}]{0,40}\}\s?\{\s*$"
)
"""The beginning of a colour that a box stands in."""


_NEUTRAL_BEFORE = re.compile(
    r"(?:^|[.,}\n]|(?<![<>!/+-])=|\b(?:is|equals|get|gives|have)|answer:(?:\*\*)?)[\s$]*(?:\\[\[(])?\s*$"
)
_NEUTRAL_AFTER = re.compile(r"\s*(?:\$+|\\[\])])?\s*(?:[.;](?:\s|$)|$)")


def _as_surrounded(number: Number, before: str, after: str, percent: Percent) -> Number:
    r"""The number of a box with what stands around the box: `-\boxed{5}` is -5, `2\boxed{5}` and `\boxed{5}^2` are nothing."""
    if before[-1:].isdigit() or after[:1].isdigit() or before.rstrip().endswith("}{"):
        raise NumberError("the box is part of a larger expression")
    size = abs(number.exact)
    lead = _without_left_side(plain(before))
    around = lead + str(size).encode() + plain(after)
    found = next(
        (found for found in occurrences(around, percent) if found.start <= len(lead) < found.end), None
    )
    read = _readable(found.found if found else None)
    negated = read.exact < 0 or lead.rstrip(b" $({\xa0\n").endswith((b"-", b"+", b"|"))
    if _digits(read.text) != _digits(str(size)) or (negated and number.exact < 0):
        raise NumberError("the box is part of a larger expression")
    return number._replace(exact=-read.exact if number.exact < 0 else read.exact)


def _without_left_side(lead: bytes) -> bytes:
    r"""What stands before a box, with a name for the other side of its equation: `3x = \\boxed{42}` states 42."""
    text = lead.decode("latin-1").rstrip(" +-$(")
    begin = left_side(text)
    if begin == len(text) or not is_unsolved(text, ""):
        return lead
    return text[:begin].encode("latin-1") + b" x " + lead[text.rindex("=") :]


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))
