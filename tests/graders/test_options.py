"""A grader's keyword-only parameters are its options, and a wrong option says where and how to mend it."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from graders import (
    Formula,
    Grader,
    InvalidOptions,
    Item,
    Pattern,
    PluginError,
    Registry,
    Sample,
    Template,
    grader,
)
from graders.options import Also, Options, validate_options, validated
from tests.strategies import json_values


class Criterion(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: str
    weight: float = 1.0


@grader("every")
def every(
    sample: Sample,
    item: Item,
    *,
    words: list[str],
    template: Template = Template("{{item.a}}"),  # noqa: B008  # a template never changes
    formula: Formula | None = None,
    pattern: Pattern | None = None,
    criteria: list[Criterion] = [],  # noqa: B006  # a default as a plugin author writes it
    mode: Literal["all", "any"] = "all",
    share: Annotated[float, Field(ge=0, le=1)] = 0.5,
    inner: Grader | None = None,
) -> float:
    """Do nothing with options of every kind."""
    return 0.0


def problems(values: dict[str, Any], context: object = None) -> dict[str, str]:
    with pytest.raises(InvalidOptions) as caught:
        validate_options(every.options, {"words": [], **values}, context)
    return {problem.where: problem.message for problem in caught.value.problems}


def test_options_are_compiled_and_defaults_filled_in() -> None:
    options = validate_options(
        every.options, {"words": ["a"], "formula": "a + 1", "pattern": "a+"}
    ).arguments()
    assert options["words"] == ["a"]
    assert options["formula"]({"a": 1.0}) == 2.0
    assert options["pattern"].search("caat").group(0) == "aa"
    assert options["template"].source == "{{item.a}}"
    assert (options["mode"], options["share"], options["inner"]) == ("all", 0.5, None)


def test_options_that_are_compiled_already_are_taken_as_they_are() -> None:
    template = Template("x")
    assert (
        validate_options(every.options, {"words": [], "template": template}).arguments()["template"]
        is template
    )


def test_options_are_written_back_as_their_author_wrote_them() -> None:
    values = {"words": ["a"], "template": "{{ item.b }}", "formula": "a+1", "pattern": "(a)"}
    written = validate_options(every.options, values).model_dump(mode="json", by_alias=True)
    assert written == {
        **values,
        "criteria": [],
        "mode": "all",
        "share": 0.5,
        "inner": None,
    }


def test_every_option_has_a_json_schema() -> None:
    schema = every.options.model_json_schema()
    assert schema["required"] == ["words"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["words"]["items"] == {"type": "string"}
    assert schema["properties"]["mode"]["enum"] == ["all", "any"]
    assert schema["properties"]["inner"]["anyOf"][0]["required"] == ["type"]


@pytest.mark.parametrize(
    ("values", "where", "message"),
    [
        ({"words": "a"}, "words", "expected a list, got 'a'"),
        ({"words": ["a", 5]}, "words.1", "expected a text, got 5"),
        ({"mode": "ALL"}, "mode", "expected 'all' or 'any', got 'ALL'"),
        ({"share": 2}, "share", "expected less than or equal to 1, got 2"),
        ({"share": float("nan")}, "share", "expected a finite number, got nan"),
        ({"template": 5}, "template", "expected a text, got 5"),
        (
            {"template": "{{question}}"},
            "template",
            "{{question}} must begin with 'item.' or 'sample.', for example {{item.answer}}",
        ),
        (
            {"formula": "a +"},
            "formula",
            "'a +' is not a formula: an operator or a value is missing at the end",
        ),
        ({"pattern": "("}, "pattern", "'(' is not a regular expression that RE2 takes: missing ): ("),
        (
            {"word": []},
            "word",
            "no such field; did you mean 'words'? the fields are words, template, formula, pattern, criteria, mode, share, inner, type",
        ),
        ({"patern": ""}, "patern", "no such field; did you mean 'pattern'?"),
        (
            {"": 1},
            "''",
            "no such field; the fields are words, template, formula, pattern, criteria, mode, share, inner, type, name",
        ),
        ({"criteria": [{"text": "a", "wieght": 2}]}, "criteria.0.wieght", "no such field"),
        ({"criteria": [{}]}, "criteria.0.text", "this field is required"),
        ({"criteria": ["a"]}, "criteria.0", "expected an object, got 'a'"),
        ({"words": "x" * 1000}, "words", "expected a list, got '" + "x" * 57 + "…'"),
        ({"inner": {"type": "x"}}, "inner", "a grader inside a grader needs a registry to load it"),
    ],
)
def test_a_wrong_option_says_what_was_expected_and_what_was_found(
    values: dict[str, Any], where: str, message: str
) -> None:
    found = problems(values)
    assert found[where].startswith(message)


def test_all_wrong_options_are_told_at_once() -> None:
    assert set(problems({"words": 1, "mode": 2, "other": 3})) == {"words", "mode", "other"}


def test_a_missing_option_is_named() -> None:
    with pytest.raises(InvalidOptions, match="words: this field is required"):
        validate_options(every.options, {})


def test_a_field_too_many_where_there_are_none_is_told_so() -> None:
    @grader("none")
    def none(sample: Sample, item: Item) -> float:
        return 0.0

    with pytest.raises(InvalidOptions, match="words: no such field; this type has no options"):
        none(Sample(), {}, words=[])  # type: ignore[call-arg]  # what is tested


def test_a_list_of_graders_is_told_that_a_map_is_wanted() -> None:
    @grader("many")
    def many(sample: Sample, item: Item, *, graders: dict[str, Grader]) -> float:
        return 0.0

    with pytest.raises(
        InvalidOptions, match=r'graders: expected a map .* such as \{"correct": \{…\}\}, got a list'
    ):
        Registry().including(many).load({"type": "many", "graders": []})


def test_options_may_have_names_that_pydantic_models_use_themselves() -> None:
    @grader("named")
    def named(
        sample: Sample,
        item: Item,
        *,
        json: int,
        schema: int,
        copy: int,
        dict: int,  # noqa: A002  # what is tested
        model_config: int,
        model_fields: int,
        arguments: int,
        self: int,
        cls: int,
        option_json: int,
        _private: int,
    ) -> float:
        return (
            json
            + schema
            + copy
            + dict
            + model_config
            + model_fields
            + arguments
            + self
            + cls
            + option_json
            + _private
        )

    loaded = Registry().including(named).load(
        {
            "type": "named", "json": 1, "schema": 2, "copy": 3, "dict": 4, "model_config": 5, "model_fields": 6,
            "arguments": 7, "self": 8, "cls": 9, "option_json": 10, "_private": 11,
        }
    )  # fmt: skip
    assert loaded.function(Sample(), {}) == 66


def takes_reserved(sample: Sample, item: Item, *, type: str) -> float:  # noqa: A002  # what is tested
    return 0.0


def takes_unannotated(sample: Sample, item: Item, *, words) -> float:  # type: ignore[no-untyped-def]
    return 0.0


def takes_sample(sample: Sample, item: Item, *, other: Sample) -> float:
    return 0.0


def takes_any_keyword(sample: Sample, item: Item, **options: int) -> float:
    return 0.0


def takes_any_position(sample: Sample, item: Item, *options: int) -> float:
    return 0.0


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (takes_reserved, "grader 'x': every grader has a field 'type'; call the option otherwise"),
        (takes_unannotated, "grader 'x': the option 'words' needs a type annotation"),
        (takes_sample, "grader 'x': an option has a type that JSON cannot fill: .*Sample"),
        (takes_any_keyword, r"grader 'x': \*\*options cannot be an option: name each option after a '\*'"),
        (takes_any_position, r"grader 'x': \*options cannot be an option"),
    ],
)
def test_a_parameter_that_can_be_no_option_is_refused_when_the_plugin_is_imported(
    function: Callable[..., float], message: str
) -> None:
    with pytest.raises(PluginError, match=message):
        grader("x")(function)


@given(
    st.dictionaries(
        st.text(max_size=3) | st.sampled_from(list(every.options.model_json_schema()["properties"])),
        json_values(),
    )
)
def test_no_json_makes_options_fail_in_another_way(values: dict[str, Any]) -> None:
    try:
        options = validate_options(every.options, values, Registry())
    except InvalidOptions:
        return
    assert isinstance(options, Options)


@grader("renamed")
def renamed(
    sample: Sample,
    item: Item,
    *,
    rate: Annotated[float, Also("max_rps"), Also("limit")] = 1.0,
    other: int = 0,
) -> float:
    """Have an option with two other names."""
    return rate


@pytest.mark.parametrize("name", ["rate", "max_rps", "limit"])
def test_an_option_may_have_other_names(name: str) -> None:
    options = validate_options(renamed.options, {name: 2})
    assert options.arguments() == {"rate": 2.0, "other": 0}
    assert options.model_dump(by_alias=True) == {"rate": 2.0, "other": 0}


@pytest.mark.parametrize(
    ("values", "where", "first"),
    [
        ({"rate": 1, "max_rps": 2}, "max_rps", "rate"),
        ({"rate": 1, "limit": 2}, "limit", "rate"),
        ({"max_rps": 1, "limit": 2}, "limit", "rate"),
    ],
)
def test_an_option_under_two_names_is_an_error(values: dict[str, Any], where: str, first: str) -> None:
    with pytest.raises(InvalidOptions) as caught:
        validate_options(renamed.options, values)
    assert [(problem.where, problem.message) for problem in caught.value.problems] == [
        (where, f"this is another name of {first!r}, which is given too")
    ]


def test_an_unknown_option_beside_other_names_is_still_unknown() -> None:
    with pytest.raises(
        InvalidOptions,
        match=r"^rates: no such field; did you mean 'rate'\? the fields are rate, votes, other, ",
    ):
        validate_options(renamed.options, {"rates": 1})


class Left(BaseModel):
    model_config = ConfigDict(extra="forbid")

    a: int = 0


class Right(BaseModel):
    model_config = ConfigDict(extra="forbid")

    bee: int = 0


@grader("sided")
def sided(sample: Sample, item: Item, *, sides: list[Left | Right]) -> float:
    """Do nothing with one object of two kinds."""
    return 0.0


def test_a_wrong_field_of_one_of_several_objects_names_the_fields_of_all() -> None:
    with pytest.raises(InvalidOptions, match=r"no such field; did you mean 'bee'\? the fields are bee, a"):
        validate_options(sided.options, {"sides": [{"bees": 1}]})


def test_an_object_of_its_own_says_what_its_fields_are() -> None:
    assert validated(Criterion, {"text": "a"}) == Criterion(text="a")
    with pytest.raises(InvalidOptions) as caught:
        validated(Criterion, {"text": 1, "wait": 2})
    assert {problem.where: problem.message for problem in caught.value.problems} == {
        "text": "expected a text, got 1",
        "wait": "no such field; did you mean 'weight'? the fields are weight, text",
    }
