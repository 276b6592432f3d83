"""The JSON Schema of graders: it refuses what loading refuses for its shape, and says what is wrong where it is."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import jsonschema_rs
import pytest
from pydantic import BaseModel, Field

from graders import ConfigurationError, Grader, Item, PluginError, Registry, Sample, grader
from graders.options import Also
from graders.registry import Entry
from graders.schema import grader_schema

INSTALLED = Registry.installed()
SCHEMA = grader_schema(INSTALLED)
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)

CHECK = {"type": "string_check", "input": "a", "reference": "b", "operation": "eq"}
SCORE = {"type": "score_model", "model": "m", "input": [{"role": "user", "content": "a"}]}
LABEL = {**SCORE, "type": "label_model", "labels": ["a", "b"], "passing_labels": ["a"]}
MULTI = {"type": "multi", "graders": {"a": CHECK}, "calculate_output": "a"}
PYTHON = {"type": "python", "source": "def grade(sample, item): return 1"}
ENDPOINT = {"type": "endpoint", "url": "https://example.com"}
NUMBER = {"type": "numeric_check", "input": "a", "reference": "b"}
RUBRIC = {"type": "rubric", "model": "m", "criteria": {"a": "Is it short?"}}

BAD: list[tuple[Any, list[str | int]]] = [
    ([], []),
    ("string_check", []),
    ({}, []),
    ({**CHECK, "type": "string_chek"}, ["type"]),
    ({**CHECK, "type": None}, ["type"]),
    ({**CHECK, "refrence": "b"}, []),
    ({**CHECK, "operation": "equals"}, ["operation"]),
    ({**CHECK, "input": 1}, ["input"]),
    ({**CHECK, "input": None}, ["input"]),
    ({**CHECK, "name": ""}, ["name"]),
    ({**CHECK, "name": 5}, ["name"]),
    ({**CHECK, "pass_threshold": "0.5"}, ["pass_threshold"]),
    ({**CHECK, "pass_threshold": True}, ["pass_threshold"]),
    ({**CHECK, "votes": 0}, ["votes"]),
    ({**CHECK, "votes": 65}, ["votes"]),
    ({**CHECK, "votes": {"combine": "mean"}}, ["votes"]),
    ({**CHECK, "votes": {"count": 3, "combine": "best"}}, ["votes"]),
    ({**CHECK, "votes": {"count": 3, "most": 1}}, ["votes"]),
    ({key: value for key, value in CHECK.items() if key != "reference"}, []),
    (
        {"type": "text_similarity", "input": "a", "reference": "b", "evaluation_metric": "rouge_6"},
        ["evaluation_metric"],
    ),
    ({**MULTI, "graders": [CHECK]}, ["graders"]),
    ({**MULTI, "graders": {}}, ["graders"]),
    ({**MULTI, "graders": {"a": MULTI}}, ["graders", "a"]),
    ({**MULTI, "graders": {"a b": CHECK}}, ["graders"]),
    ({**MULTI, "graders": {"1a": CHECK}}, ["graders"]),
    ({**MULTI, "graders": {"a": "string_check"}}, ["graders", "a"]),
    ({**MULTI, "graders": {"a": {**CHECK, "operation": "is"}}}, ["graders", "a", "operation"]),
    ({**MULTI, "graders": {"a": {}}}, ["graders", "a"]),
    ({**MULTI, "invalid_grade": [0]}, ["invalid_grade"]),
    ({**MULTI, "calculate_output": 1}, ["calculate_output"]),
    ({**SCORE, "input": []}, ["input"]),
    ({**SCORE, "input": "a"}, ["input"]),
    ({**SCORE, "input": [{"role": "tool", "content": "a"}]}, ["input", 0, "role"]),
    ({**SCORE, "input": [{"role": "user"}]}, ["input", 0]),
    ({**SCORE, "input": [{"role": "user", "content": 1}]}, ["input", 0, "content"]),
    ({**SCORE, "input": [{"role": "user", "content": {"type": "input_text"}}]}, ["input", 0, "content"]),
    ({**SCORE, "input": [{"role": "user", "content": [{"type": "input_video"}]}]}, ["input", 0, "content"]),
    ({**SCORE, "input": [{"role": "user", "content": "a", "name": "b"}]}, ["input", 0]),
    ({**SCORE, "range": [0]}, ["range"]),
    ({**SCORE, "range": [0, 1, 2]}, ["range"]),
    ({**SCORE, "range": {"low": 0}}, ["range"]),
    ({**SCORE, "sampling_params": {"temperature": 3}}, ["sampling_params"]),
    ({**SCORE, "sampling_params": {"top_k": 3}}, ["sampling_params"]),
    ({**SCORE, "sampling_params": {"reasoning_effort": "much"}}, ["sampling_params"]),
    (
        {**SCORE, "sampling_params": {"max_completion_tokens": 1, "max_completions_tokens": 1}},
        ["sampling_params"],
    ),
    ({**SCORE, "sampling_params": {}, "sampling_parameters": {}}, []),
    ({**LABEL, "labels": []}, ["labels"]),
    ({**LABEL, "labels": ["a", ""]}, ["labels", 1]),
    ({**LABEL, "passing_labels": "a"}, ["passing_labels"]),
    ({**PYTHON, "source": {"file": "grade.py"}}, ["source"]),
    ({**PYTHON, "image": "x"}, []),
    ({**PYTHON, "timeout_s": 0}, ["timeout_s"]),
    ({**PYTHON, "memory_mb": 10}, ["memory_mb"]),
    ({**ENDPOINT, "headers": ["a"]}, ["headers"]),
    ({**ENDPOINT, "headers": {"a": 1}}, ["headers"]),
    ({**ENDPOINT, "rate_limit": 0}, ["rate_limit"]),
    ({**ENDPOINT, "rate_limit": 1, "max_rps": 1}, []),
    ({**NUMBER, "extract": "middle"}, ["extract"]),
    ({**NUMBER, "score": {"linear": {"scale": 0}}}, ["score"]),
    ({**RUBRIC, "criteria": {"a": {"weight": 1}}}, ["criteria", "a"]),
    ({**RUBRIC, "criteria": {"a": {"text": "b", "wieght": 1}}}, ["criteria", "a"]),
    ({**RUBRIC, "calls": "two"}, ["calls"]),
    ({"type": "keyword", "words": "red"}, ["words"]),
    ({"type": "best_of", "graders": {"a": {"type": "keyword"}}}, ["graders", "a"]),
]


def places(config: object) -> list[list[str | int]]:
    return [list(error.instance_path) for error in VALIDATOR.iter_errors(config)]


def test_the_schema_is_valid_json_schema() -> None:
    jsonschema_rs.meta.validate(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("good", [CHECK, SCORE, LABEL, MULTI, PYTHON, ENDPOINT, NUMBER, RUBRIC])
def test_what_the_table_of_bad_graders_begins_with_is_good(good: dict[str, Any]) -> None:
    INSTALLED.load(good)
    assert places(good) == []


@pytest.mark.parametrize(("bad", "place"), BAD)
def test_what_loading_refuses_for_its_shape_the_schema_refuses_at_the_same_place(
    bad: Any, place: list[str | int]
) -> None:
    with pytest.raises(ConfigurationError):
        INSTALLED.load(bad)
    assert place in places(bad)


@pytest.mark.parametrize(
    "votes", [1, 64, None, {"count": 3}, {"count": 2, "combine": "mean"}, {"count": 2, "combine": "majority"}]
)
def test_every_way_to_ask_for_votes_is_taken_by_both(votes: Any) -> None:
    config = {**CHECK, "votes": votes, "name": None, "pass_threshold": None}
    INSTALLED.load(config)
    assert places(config) == []


def test_a_wrong_field_is_told_by_itself_and_not_with_what_other_types_want() -> None:
    (error,) = VALIDATOR.iter_errors({**CHECK, "operation": "equals"})
    assert error.message == '"equals" is not one of "eq", "ne" or 3 other candidates'


def test_a_key_may_have_letters_of_any_language() -> None:
    config = {**MULTI, "graders": {"größe": CHECK}, "calculate_output": "größe"}
    INSTALLED.load(config)
    assert places(config) == []


def test_types_and_options_are_described_by_docstrings() -> None:
    string_check = SCHEMA["$defs"]["type:string_check"]
    assert string_check["description"].startswith("Reward 1 when `input` relates to `reference`")
    sampling = SCHEMA["$defs"]["SamplingParams"]
    assert sampling["description"] == "How a judge is sampled; what is not given is the server's own."
    assert sampling["properties"]["temperature"]["description"] == "0 for the likeliest answer."
    assert (
        sampling["properties"]["max_completion_tokens"]["description"]
        == "Another name of max_completions_tokens."
    )
    kinds = SCHEMA["$defs"]["grader"]["properties"]["type"]
    assert dict(zip(kinds["enum"], kinds["enumDescriptions"], strict=True))["multi"] == (
        "Combine the rewards of several graders by a formula."
    )


class Look(BaseModel):
    """How to look at it.

    Attributes:
        far: From how far,
            in metres.
    """

    far: float = float("inf")


@grader("größe", range=(0, 5))
def sizes(
    sample: Sample,
    item: Item,
    *,
    schema: Annotated[int, Also("schéma"), Also("plan")],
    inner: Grader,
    look: Look = Look(),  # noqa: B008  # it never changes
    call: Callable[[float], int] = round,
    note: Annotated[str, Field(description="Said by its annotation.")] = "",
    how: Literal["a", "b"] = "a",
) -> float:
    """Reward the size,
    whatever it is.

    - of a
    - list

    Args:
        schema: How large.
        how: In which way
            it is done.

    Raises:
        ValueError: never.
    """
    return 1.0


OWN = grader_schema(INSTALLED.including(sizes))
OWN_VALIDATOR = jsonschema_rs.Draft202012Validator(OWN)


def test_a_plugins_options_are_described_by_its_docstring_and_annotations() -> None:
    described = OWN["$defs"]["type:größe"]
    assert described["description"] == "Reward the size, whatever it is.\n\n- of a\n- list"
    found = {name: option.get("description") for name, option in described["properties"].items()}
    assert found["type"] == "Reward the size,"
    assert found["schema"] == "How large."
    assert found["how"] == "In which way it is done."
    assert found["note"] == "Said by its annotation."
    assert OWN["$defs"]["Look"]["properties"]["far"] == {
        "type": "number",
        "description": "From how far, in metres.",
    }


@pytest.mark.parametrize("name", ["schema", "schéma", "plan"])
def test_a_required_option_may_be_given_under_each_of_its_names_and_under_one_only(name: str) -> None:
    config = {"type": "größe", "inner": CHECK, name: 1}
    registry = INSTALLED.including(sizes)
    registry.load(config)
    assert OWN_VALIDATOR.is_valid(config)
    for other in {"schema", "schéma", "plan"} - {name}:
        with pytest.raises(ConfigurationError):
            registry.load({**config, other: 1})
        assert not OWN_VALIDATOR.is_valid({**config, other: 1})
    assert not OWN_VALIDATOR.is_valid({"type": "größe", "inner": CHECK})
    assert not OWN_VALIDATOR.is_valid({**config, "inner": {**CHECK, "operation": "is"}})


def test_an_option_that_cannot_be_described_may_be_anything() -> None:
    assert OWN["$defs"]["type:größe"]["properties"]["call"] == {}


def test_a_type_whose_plugin_cannot_be_used_is_left_out_and_named() -> None:
    broken = Registry([Entry("gone", "hostile_graders.unimportable:nothing", "some-plugin", "2.0")])
    errors: list[PluginError] = []
    found = grader_schema(broken, left_out=errors.append)
    assert not jsonschema_rs.Draft202012Validator(found).is_valid({"type": "gone"})
    assert "libmissing.so is not there" in str(errors[0])
    assert grader_schema(broken) == found
