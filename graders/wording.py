"""What pydantic says of a wrong value, in words of JSON: one table for graders, settings and requests.

Pydantic speaks of its own classes and of Python's ("a valid dictionary or instance of Decay", "a valid tuple"), which mean
nothing to people who write JSON or TOML.
"""

from collections.abc import Mapping, Sequence
from typing import Any

_EXPECTED = {
    "bool": "expected true or false",
    "date": "expected a date",
    "dict": "expected an object",
    "float": "expected a number",
    "frozen_set": "expected a list",
    "int": "expected a whole number",
    "iterable": "expected a list",
    "list": "expected a list",
    "mapping": "expected an object",
    "model": "expected an object",
    "model_attributes": "expected an object",
    "none_required": "expected null",
    "path": "expected a path",
    "set": "expected a list",
    "string": "expected a text",
    "tuple": "expected a list",
}
"""By the beginning of an error's type: `int_type`, `int_parsing` and `int_from_float` all mean one thing."""
_SUFFIXES = ("_type", "_parsing_size", "_parsing", "_from_float", "_sub_type", "_unicode")


def in_words(details: Mapping[str, Any]) -> str:
    """What is wrong with a value, without the value: `expected a number greater than 0`, `this field is required`.

    Args:
        details: One of `ValidationError.errors()`.
    """
    kind, context = details["type"], details.get("ctx", {})
    if kind == "missing":
        return "this field is required"
    if (expected := _of_length(kind, context)) is not None:
        return expected
    for suffix in _SUFFIXES:
        if (expected := _EXPECTED.get(kind.removesuffix(suffix))) is not None:
            return expected
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return f"expected an object whose {context['discriminator']} is {_or(context.get('expected_tags', 'known'))}"
    message: str = details["msg"].removeprefix("Value error, ")
    wanted = message.removeprefix("Input should be ")
    return message if wanted == message else f"expected {wanted}"


def _of_length(kind: str, context: Mapping[str, Any]) -> str | None:
    """What is expected of a text or a list that is too short or too long; None for other errors."""
    if kind in ("string_too_short", "too_short"):
        what, least = ("characters", "min_length")
        if kind == "too_short":
            what = "elements"
        if context[least] == 1:
            return (
                f"expected {'a text that is not empty' if what == 'characters' else 'at least one element'}"
            )
        return f"expected at least {context[least]:,} {what}"
    if kind in ("string_too_long", "too_long"):
        what = "characters" if kind == "string_too_long" else "elements"
        return f"expected at most {context['max_length']:,} {what}"
    return None


def _or(tags: str) -> str:
    return tags.replace(", ", " or ")


def written_path(
    given: object, path: Sequence[str | int], *, is_missing: bool = False
) -> tuple[str | int, ...]:
    """The keys and indices of a path that lead through what was written.

    Pydantic adds names of its own, such as the member of a union, and goes on inside values that were made of a short form:
    `extract.mode` where `"extract": "box"` was written.

    Args:
        given: What was written.
        path: The `loc` of an error.
        is_missing: Whether the last step is a field that was not written.
    """
    found: list[str | int] = []
    for place, step in enumerate(path):
        is_last = place == len(path) - 1
        if isinstance(given, Mapping):
            if step in given:
                given = given[step]
            elif not (is_last and is_missing):
                continue
            found.append(step)
        elif isinstance(given, (list, tuple)):
            if isinstance(step, int) and step < len(given):
                given = given[step]
                found.append(step)
        elif is_missing:
            return tuple(path)
        else:
            break
    return tuple(found)
