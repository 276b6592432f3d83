"""What pydantic says of a wrong value is said in words of JSON, at the place where the author wrote it."""

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from graders import InvalidOptions, Registry
from graders.wording import in_words, written_path
from tests.strategies import json_values


class Inner(BaseModel):
    """A model inside an option."""

    size: int


class Cat(BaseModel):
    """One member of a union with a tag."""

    kind: Literal["cat"]


class Dog(BaseModel):
    """The other."""

    kind: Literal["dog"]
    name: str


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]


def wrong(annotation: Any, value: object) -> dict[str, Any]:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(annotation).validate_python(value)
    return dict(caught.value.errors()[0])


@pytest.mark.parametrize(
    ("annotation", "value", "words"),
    [
        (bool, "maybe", "expected true or false"),
        (bool, [], "expected true or false"),
        (int, "x", "expected a whole number"),
        (int, 1.5, "expected a whole number"),
        (int, [], "expected a whole number"),
        (float, "x", "expected a number"),
        (float, None, "expected a number"),
        (str, 1, "expected a text"),
        (list[int], 1, "expected a list"),
        (tuple[int, ...], 1, "expected a list"),
        (set[int], 1, "expected a list"),
        (frozenset[int], "a", "expected a list"),
        (dict[str, int], 1, "expected an object"),
        (Inner, 1, "expected an object"),
        (Inner, {}, "this field is required"),
        (None, 1, "expected null"),
        (Literal["a", "b"], "c", "expected 'a' or 'b'"),
        (Annotated[float, Field(gt=0)], 0, "expected greater than 0"),
        (Annotated[str, Field(min_length=1)], "", "expected a text that is not empty"),
        (Annotated[str, Field(min_length=3)], "", "expected at least 3 characters"),
        (Annotated[str, Field(max_length=3)], "abcd", "expected at most 3 characters"),
        (Annotated[list[int], Field(min_length=1)], [], "expected at least one element"),
        (Annotated[dict[str, int], Field(min_length=2)], {}, "expected at least 2 elements"),
        (Annotated[list[int], Field(max_length=1)], [1, 2], "expected at most 1 elements"),
        (Pet, {"kind": "cow"}, "expected an object whose 'kind' is 'cat' or 'dog'"),
        (Pet, {}, "expected an object whose 'kind' is known"),
    ],
)
def test_an_error_names_what_json_has_and_no_class(annotation: Any, value: object, words: str) -> None:
    assert in_words(wrong(annotation, value)) == words


@pytest.mark.parametrize(
    ("written", "path", "is_missing", "found"),
    [
        ({"extract": "box"}, ("extract", "mode"), False, ("extract",)),
        ({"pet": {"kind": "dog", "name": 1}}, ("pet", "dog", "name"), False, ("pet", "name")),
        ({"pet": {"kind": "dog"}}, ("pet", "dog", "name"), True, ("pet", "name")),
        ({"list": [{"a": 1}]}, ("list", 0, "a"), False, ("list", 0, "a")),
        ({"list": [1]}, ("list", 1, "int"), False, ("list",)),
        ({"score": "linear"}, ("score", "scale"), True, ("score", "scale")),
        ({"a": 1}, ("b",), False, ()),
    ],
)
def test_a_path_leads_through_what_was_written(
    written: Any, path: tuple[str | int, ...], is_missing: bool, found: tuple[str | int, ...]
) -> None:
    assert written_path(written, path, is_missing=is_missing) == found


@given(json_values(), st.lists(st.text(max_size=2) | st.integers(0, 3), max_size=4))
def test_a_path_through_anything_can_be_followed(written: Any, path: list[str | int]) -> None:
    for step in written_path(written, path):
        written = written[step]


PARTS = {"input": "{{sample.output_text}}", "reference": "{{item.a}}"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"type": "numeric_check", **PARTS, "extract": "box"}, "extract: expected"),
        ({"type": "numeric_check", **PARTS, "extract": {"regex": 5}}, "extract.regex: expected a text, got 5"),
        ({"type": "numeric_check", **PARTS, "score": {"linear": 3}}, "score.linear: expected an object, got 3"),
        ({"type": "numeric_check", **PARTS, "score": {"exponential": []}}, "score.exponential: expected an object"),
        ({"type": "string_check", **PARTS, "operation": 1}, "operation: expected 'eq'"),
        ({"type": "string_check", "input": 3, "reference": "", "operation": "eq"}, "input: expected a text, got 3"),
        ({"type": "rubric", "input": "{{sample.output_text}}", "model": "m", "criteria": {"a": 3}}, "criteria.a: expected"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_told_without_the_names_of_classes(config: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        Registry.installed().load(config)
    text = str(caught.value)
    assert text.startswith(message)
    assert not {"instance of", "dictionary", "Input should", "valid"} & set(text.split())
    assert "instance of" not in text
