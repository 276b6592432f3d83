"""Every source of a sample becomes the same object; what no sample is says so."""

import pickle
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from graders import ConfigurationError, Sample
from graders.samples.sample import FIELDS, PUBLISHED_FIELDS
from graders.samples.sample_column import SampleColumn
from tests.strategies import any_str, json_values

CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
COMPLETION: dict[str, Any] = {
    "id": "x",
    "object": "chat.completion",
    "created": 0,
    "model": "m-1",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "hello", "tool_calls": [CALL]},
        },
        {"index": 1, "finish_reason": "stop", "message": {"role": "assistant", "content": "other"}},
    ],
}
RESPONSE: dict[str, Any] = {
    "id": "r",
    "object": "response",
    "created_at": 0,
    "model": "m-2",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [{"type": "function", "name": "add", "parameters": {}, "strict": True}],
    "output": [
        {
            "type": "reasoning",
            "id": "rs",
            "summary": [{"type": "summary_text", "text": "I think"}],
        },
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a": 1}'},
        {
            "type": "message",
            "id": "m",
            "role": "assistant",
            "status": "completed",
            "content": [
                {"type": "output_text", "text": "hel", "annotations": []},
                {"type": "output_text", "text": "lo", "annotations": []},
            ],
        },
    ],
}


def test_the_empty_answer_has_the_published_shape() -> None:
    assert Sample.parse("").to_dict() == {
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "", "tool_calls": []},
                "finish_reason": "stop",
            }
        ],
        "output_text": "",
        "output_json": None,
        "output_tools": [],
        "output_reasoning_summary": None,
    }


def test_a_full_sample_shows_every_field() -> None:
    sample = Sample(
        "1", model="m", output_audio={"id": "a"}, input_tools=[CALL], output_reasoning_summary="s"
    )
    assert set(sample.to_dict()) == set(PUBLISHED_FIELDS)
    assert sample.to_dict()["output_json"] == 1


@pytest.mark.parametrize(
    "source", [COMPLETION, ChatCompletion.model_validate(COMPLETION)], ids=["json", "client"]
)
def test_a_chat_completion_gives_its_first_choice(source: object) -> None:
    for sample in (Sample.load(source), Sample.from_chat_completion(source)):
        assert sample.output_text == "hello"
        assert sample.output_tools == [CALL]
        assert sample.model == "m-1"
        assert sample.choices[1]["message"]["content"] == "other"


@pytest.mark.parametrize("source", [RESPONSE, Response.model_validate(RESPONSE)], ids=["json", "client"])
def test_a_response_gives_its_text_its_calls_and_its_reasoning(source: object) -> None:
    for sample in (Sample.load(source), Sample.from_response(source)):
        assert sample.output_text == "hello"
        assert sample.output_tools == [CALL]
        assert sample.model == "m-2"
        assert sample.output_reasoning_summary == "I think"
        assert sample.input_tools is not None
        assert sample.input_tools[0]["name"] == "add"


@pytest.mark.parametrize("odd", [["x"], 5, 10**5000], ids=["list", "number", "huge"])
def test_a_part_of_a_response_whose_type_is_no_text_is_refused(odd: object) -> None:
    parts = [{"type": odd, "content": "no"}, {"type": "message", "content": "yes"}]
    with pytest.raises(ConfigurationError, match=r"^output\.0\.type: expected a text"):
        Sample.load({"output": parts})


def test_a_conversation_gives_its_last_message() -> None:
    sample = Sample.load(
        [
            {"role": "user", "content": "2+2?"},
            {"role": "assistant", "content": [{"type": "text", "text": "4"}, "!"], "tool_calls": [CALL]},
        ]
    )
    assert sample.output_text == "4!"
    assert sample.output_tools == [CALL]


def test_text_a_sample_and_a_read_only_mapping_are_sources() -> None:
    sample = Sample("a")
    assert Sample.load(sample) is sample
    assert Sample.load("a") == sample
    assert Sample.load(MappingProxyType({"output_text": "a"})) == sample


def test_a_stored_sample_cannot_bring_json_that_its_text_does_not_hold() -> None:
    assert Sample.load({"output_text": "1", "output_json": {"forged": True}}).output_json == 1


def test_a_stored_null_is_an_empty_answer_only_of_a_model_that_called_a_tool() -> None:
    sample = Sample.load({"output_text": None, "output_tools": [CALL], "choices": None})
    assert (sample.output_text, sample.output_tools) == ("", [CALL])
    assert sample.choices[0]["message"]["content"] == ""
    with pytest.raises(ConfigurationError, match="output_text: expected a text, got null"):
        Sample.load({"output_text": None, "output_tools": None, "choices": None})


@given(
    text=any_str(),
    tools=st.lists(st.just(CALL), max_size=1),
    choices=st.none() | st.lists(st.just({"index": 0}), max_size=2),
    model=st.none() | st.just("m"),
)
def test_storing_and_loading_gives_an_equal_sample(
    text: str, tools: list[dict[str, Any]], choices: list[dict[str, Any]] | None, model: str | None
) -> None:
    sample = Sample(text, output_tools=tools, choices=choices, model=model)
    again = Sample.load(sample.to_stored())
    assert again == sample
    assert again.to_dict() == sample.to_dict()
    assert Sample.load(sample.to_dict()).to_dict() == sample.to_dict()
    assert pickle.loads(pickle.dumps(sample)) == sample  # noqa: S301  # our own bytes


def test_a_bare_text_is_stored_as_text() -> None:
    assert Sample("a").to_stored() == "a"
    assert repr(Sample("a")) == "Sample.load('a')"


def test_samples_compare_by_what_they_hold_and_are_not_hashable() -> None:
    assert Sample("a") != Sample("b")
    assert Sample("a") != "a"
    with pytest.raises(TypeError, match="unhashable"):
        hash(Sample("a"))


def test_what_a_stored_sample_carries_beside_its_fields_is_passed_over() -> None:
    stored = {
        "output_text": "a",
        "output_json": 5,
        "usage": {"total_tokens": 3},
        "finish_reason": "stop",
        5: 2,
    }
    assert Sample.load(stored) == Sample("a")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (None, "a list of messages; got NoneType"),
        (b"x", "a list of messages; got bytes"),
        (1, "a sample is text, a stored sample"),
        ({}, "'output' as a Responses object; got an empty object"),
        ({"role": "assistant", "content": "a"}, "got 'role', 'content'; write messages as a list"),
        ({"messages": [{"role": "assistant", "content": "a"}]}, "got 'messages'; write messages as a list"),
        ({"output_text": 1}, "sample.output_text is text, not int"),
        ({"output_text": "a", "choices": "x"}, "'choices' is a list, not str"),
        ({"output_text": "a", "output_tools": 1}, "'output_tools' is a list, not int"),
        ({"choices": []}, "a list 'choices' with at least one choice"),
        ({"choices": [1]}, "a list 'choices' with at least one choice"),
        ({"choices": [{"text": 5}]}, "has a 'message'"),
        ({"choices": [{"message": {"tool_calls": 5}}]}, "'tool_calls' is a list, not int"),
        ({"choices": [{"message": {"tool_calls": "xy"}}]}, "'tool_calls' is a list, not str"),
        ({"output": [1]}, "output.0: expected a text or an object of the output, got 1"),
        ([], "an assistant message .*; got no message"),
        ([{"role": "user", "content": "a"}], "an assistant message .*; got 'user'"),
        ([{"role": "assistant", "content": "a"}, 5], "a message is a JSON object, not int"),
        (["text"], "a message is a JSON object, not str"),
        ([{"role": "assistant", "tool_calls": {"a": 1}}], "'tool_calls' is a list, not dict"),
    ],
)
def test_what_is_no_sample_says_what_one_is(source: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        Sample.load(source)


def test_each_kind_of_source_names_itself() -> None:
    with pytest.raises(ConfigurationError, match="a chat completion is a JSON object, not int"):
        Sample.from_chat_completion(5)
    with pytest.raises(ConfigurationError, match="a Responses object has a list 'output'"):
        Sample.from_response({"output": 5})

    class Odd:
        def model_dump(self, **_: object) -> list[int]:
            return [1]

    with pytest.raises(ConfigurationError, match="a sample is a JSON object, not Odd"):
        Sample.load(Odd())


@given(source=json_values() | st.lists(json_values(4), min_size=1, max_size=2))
def test_no_json_makes_loading_fail_in_another_way(source: Any) -> None:
    try:
        sample = Sample.load(source)
    except ConfigurationError:
        return
    assert isinstance(sample.output_text, str)


@given(
    st.dictionaries(st.sampled_from([*FIELDS, "output", "choices", "message"]), json_values(6))
    | st.fixed_dictionaries(
        {
            "output": st.lists(
                st.dictionaries(st.sampled_from(["type", "content", "summary", "name"]), json_values(4)),
                max_size=3,
            )
        }
    )
    | st.fixed_dictionaries(
        {
            "choices": st.lists(
                st.fixed_dictionaries(
                    {"message": st.dictionaries(st.sampled_from(["content", "tool_calls"]), json_values(4))}
                ),
                min_size=1,
                max_size=2,
            )
        }
    )
)
def test_no_object_with_the_right_keys_makes_loading_fail_in_another_way(source: dict[str, Any]) -> None:
    try:
        sample = Sample.load(source)
    except ConfigurationError:
        return
    assert isinstance(sample.output_text, str)


def nested(opening: str, closing: str, levels: int) -> str:
    return opening * levels + "1" + closing * levels


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        (" 1 ", 1),
        ("true", True),
        ('{"a":1,"a":2}', {"a": 2}),
        ('"\\u0000"', "\0"),
        ("1e300", 1e300),
        ("1e-400", 0.0),
        ('["1e999"]', ["1e999"]),
        ("9" * 4300, int("9" * 4300)),
        ('{"a": [1e99, "x", {"b": 10000000000000000000000000000000000}]}', {"a": [1e99, "x", {"b": 10**34}]}),
    ],
)
def test_valid_json_is_parsed(text: str, value: object) -> None:
    sample = Sample(text)
    assert sample.is_json
    assert sample.output_json == value


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "1 2", "'a'", "{'a':1}", "[1,]", "0123", ".5", "//c\n1", "True", "\x1f1", "\u00a01", "\ufeff1", "\0",
        "NaN", "[NaN]", "Infinity", "-Infinity", "1e400", '{"a": [-1E+0999]}', "9" * 300 + "e10", "9" * 4301,
        "-" + "9" * 5000, "\ud800", '"\ud800"', '"\\ud800"', '"a\tb"', "[" * 100_000, nested("[", "]", 300),
        nested('{"a":', "}", 300),
    ],
    ids=lambda text: ascii(text)[:20],
)  # fmt: skip
def test_what_is_not_json_or_would_be_dangerous_to_hold_is_null(text: str) -> None:
    sample = Sample(text)
    assert not sample.is_json
    assert sample.output_json is None


@given(any_str() | st.text('[]{}",:0123456789eE+-. nulltrfasNIy\\ud8\ud800\0'))
def test_no_text_makes_parsing_fail(text: str) -> None:
    sample = Sample(text)
    assert sample.is_json or sample.output_json is None


def test_a_column_makes_samples_when_somebody_looks() -> None:
    column = SampleColumn(["a", {"output_text": "b"}, Sample("c")])
    assert len(column) == 3
    assert column[1] == Sample("b")
    assert list(column[1:]) == [Sample("b"), Sample("c")]
    assert column.output_texts == ["a", "b", "c"]
    texts = ["a", "b"]
    assert SampleColumn(texts).output_texts is texts
    assert SampleColumn([]).output_texts == []
