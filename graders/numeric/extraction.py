r"""Where in a text the answer stands, and the one number that stands there.

`last` and `first` look through prose. `whole`, `boxed`, a marker and a regular expression name a place, and that place
must state one number: it may be repeated (`7 = 7.0`, `65 (65)`) and have a unit, but two different ones, or one beside
something unreadable, are no answer; otherwise a model would be rewarded for naming every candidate.

Each search is linear in the text.
"""

from collections.abc import Mapping
from fractions import Fraction
from itertools import islice
from typing import Any, Final, Literal, Self

import re2
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from graders.numeric.forms import NumberError, Percent
from graders.numeric.notation import ALGEBRA, plain
from graders.numeric.scanner import Number, Unreadable, last_number, parse_number, scan
from graders.pattern import Pattern, encodable

Mode = Literal["whole", "last", "first", "boxed"]

MAX_STATEMENT: Final = 10_000
"""Characters of a place that is to state one number."""
MAX_ELEMENTS: Final = 10_000
"""Elements of a list of numbers."""


class Extract(BaseModel):
    r"""Where the answer stands.

    In JSON a word, or an object with one field: `"last"`, `{"after": "####"}`, `{"regex": "x = (.*)"}`.

    Attributes:
        mode: `whole` text; `last` or `first` number of the text; `boxed`: inside the last `\boxed{…}`.
        after: Behind the last occurrence of this marker, to the end of the line (of the next line with text, when
            nothing follows on the same one).
        regex: The last match of this RE2 expression: its first group, or all of it when it has none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    mode: Mode | None = None
    after: str | None = Field(default=None, min_length=1)
    regex: Pattern | None = None

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        return {"mode": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(field is not None for field in (self.mode, self.after, self.regex)) != 1:
            raise ValueError('name one place: "last", {"after": "####"} or {"regex": "…"}')
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, dump: SerializerFunctionWrapHandler) -> Any:
        return self.mode or without_none(dump(self))

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return word_or_object(
            handler.resolve_ref_schema(handler(schema)), ["whole", "last", "first", "boxed"]
        )


def without_none(dumped: dict[str, Any]) -> dict[str, Any]:
    """The fields that were given."""
    return {name: value for name, value in dumped.items() if value is not None}


def word_or_object(schema: JsonSchemaValue, words: list[str]) -> JsonSchemaValue:
    """The JSON schema of an option that is a word, or an object with one field of its model."""
    places = {name: field for name, field in schema["properties"].items() if name not in ("mode", "kind")}
    return {
        "anyOf": [{"enum": words, "type": "string"}, {**schema, "properties": places}],
        "description": schema.get("description", ""),
    }


def find_place(text: str, extract: Extract) -> str | None:
    """The part of a text where the answer stands; None when there is no such place."""
    if extract.after is not None:
        _, marker, rest = text.rpartition(extract.after)
        return (rest.strip().partition("\n")[0].strip() or None) if marker else None
    if extract.regex is not None:
        group = 1 if extract.regex.groups else 0
        found: str | None = None
        for match in extract.regex.finditer(text):
            found = match.group(group)
        return found
    return last_boxed(text) if extract.mode == "boxed" else text


def last_boxed(text: str) -> str | None:
    r"""What the last outermost `\boxed{…}` holds, with balanced braces; None when it is missing or cut off."""
    masked = text.replace(r"\{", "  ").replace(r"\}", "  ")
    found, position = None, 0
    while (start := masked.find(r"\boxed", position)) >= 0:
        position = start + len(r"\boxed")
        lead = masked[position : position + 16]
        opening = position + len(lead) - len(lead.lstrip())
        found = None
        if masked[opening : opening + 1] != "{":
            continue
        depth, position = 1, opening + 1
        while depth:
            closing = masked.find("}", position)
            if closing < 0:
                return None
            depth += masked.count("{", position, closing) - 1
            position = closing + 1
        found = text[opening + 1 : position - 1]
    return found


def read_number(text: str, extract: Extract, percent: Percent = "ratio") -> Number:
    """The one number that a text gives at the place `extract` names.

    Raises:
        NumberError: When there is no such place, or it does not state one readable number.
    """
    place = _place(text, extract)
    if extract.mode == "first":
        return _readable(next(scan(place, percent=percent), None))
    if extract.mode == "last":
        return _readable(last_number(place, percent=percent))
    return _stated(place, percent)


def read_numbers(text: str, extract: Extract, percent: Percent = "ratio") -> list[Number]:
    """The one list of numbers that a text gives at the place `extract` names, in brackets or bare.

    A comma always separates here: `[1,234]` has two elements.

    Raises:
        NumberError: When there is none, or there are several different ones.
    """
    place = _place(text, extract).replace(r"\{", "{").replace(r"\}", "}")
    inside = [match.group(1) for match in _BRACKETS.finditer(encodable(place))]
    inside = [content for content in inside if any(map(str.isdigit, content))]
    if extract.mode in ("last", "first"):
        inside = inside[-1:] if extract.mode == "last" else inside[:1]
        if not inside:
            raise NumberError("there is no list in brackets")
    lists = [_elements(content, percent) for content in islice(inside or [place], 100)]
    if any([number.exact for number in other] != [number.exact for number in lists[0]] for other in lists):
        raise NumberError("there are two different lists")
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


def _place(text: str, extract: Extract) -> str:
    place = find_place(text, extract)
    if place is None:
        wanted = r"\boxed{…}" if extract.mode else f"marker {extract.after!r}" if extract.after else "match"
        raise NumberError(f"there is no {wanted}")
    return place


def _readable(found: Number | Unreadable | None) -> Number:
    if found is None:
        raise NumberError("there is no number")
    if isinstance(found, Unreadable):
        raise NumberError(f"{found.text!r} is {found.reason}")
    return found


def _stated(place: str, percent: Percent) -> Number:
    if len(place) > MAX_STATEMENT:
        raise NumberError(f"the answer is longer than {MAX_STATEMENT} characters")
    numbers = [_readable(found) for found in scan(place, percent=percent)]
    if not numbers:
        raise NumberError("there is no number")
    different: Mapping[Fraction, Number] = {number.exact: number for number in numbers}
    if len(different) > 1:
        one, other = islice((number.text for number in different.values()), 2)
        raise NumberError(f"there are two different numbers, {one!r} and {other!r}")
    if ALGEBRA.encode("latin-1") in plain(place).rpartition(b"=")[2]:
        raise NumberError("it is an expression, not a number")
    return numbers[0]
