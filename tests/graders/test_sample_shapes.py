"""Every shape in which servers and stored runs hold an answer gives its text; a shape that is not known is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import ConfigurationError, Sample
from tests.strategies import json_values

CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}


def assistant(**fields: Any) -> dict[str, Any]:
    return {"role": "assistant", **fields}


@pytest.mark.parametrize(
    "source",
    [
        {"output": [assistant(content="Oslo")]},
        {"output": [{"type": "message", **assistant(content="Oslo")}]},
        {"output": [{"type": "message", **assistant(content=[{"type": "output_text", "text": "Oslo"}])}]},
        {"output": [{"content": "Oslo"}]},
        {"output": assistant(content="Oslo")},
        {"output": "Oslo"},
        {"output": ["Os", "lo"]},
        {"output": [{"type": "output_text", "text": "Oslo"}]},
        {"output": [{"role": "user", "content": "Capital?"}, assistant(content="Oslo")]},
        {"output": [{"type": "web_search_call", "id": "w"}, assistant(content="Oslo")]},
        {"output_text": "Oslo", "output": [assistant(content="Oslo")]},
        {"output_text": "Oslo", "output": []},
        {"output_text": None, "output": [assistant(content="Oslo")]},
        {"output_text": None, "choices": [{"message": assistant(content="Oslo")}]},
        {"output": None, "choices": [{"message": assistant(content="Oslo")}]},
        {"choices": [{"message": assistant(content={"type": "text", "text": "Oslo"})}]},
        {"choices": [{"message": assistant(content=[{"type": "text", "text": {"value": "Oslo", "annotations": []}}])}]},
        {"choices": [{"message": assistant(content=[{"type": "text", "content": "Oslo"}])}]},
        {"choices": [{"message": assistant(content=[{"text": "Os"}, "lo"])}]},
        {"choices": [{"message": assistant(text="Oslo")}]},
        {"choices": [{"text": "Oslo", "index": 0}]},
        [assistant(content="Oslo")],
        [assistant(content=({"type": "text", "text": "Oslo"},))],
        [assistant(content=[{"type": "image_url", "image_url": {}}, {"type": "text", "text": "Oslo"}])],
        [{"type": "reasoning", "summary": []}, {"type": "message", **assistant(content="Oslo")}],
        [assistant(content=[{"type": "text", "text": None}, {"type": "text", "text": "Oslo"}, None])],
        {"output": [{"role": "model", "content": "Oslo"}]},
        {"output": [{"role": "Assistant", "content": "Oslo"}]},
        {"output": [{"type": "final_result", "text": "Oslo"}]},
        {"output": [{"type": "text_output", "content": "Oslo"}]},
        {"output": [{"role": "tool", "content": "1"}, {"type": "ai", "content": "Oslo"}]},
        {"output": [], "choices": [{"message": assistant(content="Oslo")}]},
        {"output": [assistant(content="")], "choices": [{"message": assistant(content="Oslo")}]},
        {"output_text": "", "choices": [{"message": {"content": "Oslo"}}]},
        {"choices": [{"message": assistant(content=None), "text": "Oslo"}]},
        [{"role": "user", "content": "Capital?"}, {"role": "model", "content": "Oslo"}],
        [{"role": "ai", "content": "Oslo"}],
        [{"type": "human", "content": "Capital?"}, {"type": "ai", "content": "Oslo"}],
        [assistant(content=None, text="Oslo")],
        [assistant(content=[{"text": ""}], value="Oslo")],
        [assistant(content=[{"text": [], "content": [None], "value": "Oslo"}])],
        [assistant(content=[{"type": "text", "text": None, "content": "Oslo"}])],
        [assistant(content=[{"type": "file", "text": "1"}, {"type": "text", "text": "Oslo"}])],
    ],
    ids=repr,
)  # fmt: skip
def test_a_known_shape_gives_its_text(source: object) -> None:
    assert Sample.load(source).output_text == "Oslo"


@pytest.mark.parametrize(
    ("content", "text"), [(42, "42"), (-1.5, "-1.5"), ([{"text": 42}], "42"), ([4, "2"], "42")]
)
def test_a_number_is_the_text_that_json_has_for_it(content: object, text: str) -> None:
    assert Sample.load([assistant(content=content)]).output_text == text


@pytest.mark.parametrize(
    ("source", "where"),
    [
        ([assistant(content=True)], "0.content: expected a text, a part or a list of parts"),
        ([assistant(content=float("inf"))], "0.content: expected a text"),
        ([assistant(content=10**400)], "0.content: expected a text"),
        ([assistant(content=[{"type": "text"}])], "0.content.0: a part of type 'text' has no 'text'; got 'type'"),
        ([assistant(content=[{}])], "0.content.0: a part has no 'text'; got an empty object"),
        ([assistant(content=[{"type": "widget", "html": "Oslo"}])], "0.content.0: a part of type 'widget'"),
        ([assistant(content=[{"type": 5, "text": "Oslo"}])], "0.content.0.type: expected a text, got 5"),
        ([assistant(content=[{"text": {"text": False}}])], "0.content.0.text.text: expected a text"),
        ([assistant(parts=[{"text": "Oslo"}])], "0: a message has its text in 'content'; got 'role', 'parts'"),
        ({"choices": [{"message": {}}]}, "choices.0.message: a message has its text in 'content'"),
        ({"choices": [{"message": assistant(answer="Oslo")}]}, "choices.0.message: a message has its text"),
        ({"output": [{}]}, "output.0: a message has its text in 'content'; got an empty object"),
        ({"output": [{"type": "widget"}]}, "output.0: a part of type 'widget' has no 'text'"),
        ({"output": [None]}, "output.0: expected a text or an object of the output"),
        ({"output": 5}, "a Responses object has a list 'output'"),
        ({"output": [], "error": {"message": "no server"}}, "error: there is no sample, since the model did not answer"),
        ({"output": [], "status": "failed"}, "error: there is no sample"),
        ({"output_text": "a", "reasoning_content": 5}, "'reasoning_content' is a text, not int"),
        ({"output": [{"role": "user", "content": "Oslo"}]}, "output.0: a message of the role 'user' is not the model's"),
        ({"output": [{"role": "tool", "content": "Oslo"}]}, "output.0: a message of the role 'tool'"),
        ({"output": [{"role": {}, "content": "Oslo"}]}, "output.0: a message of the role"),
        ({"output": [{"type": "human", "content": "Oslo"}]}, "output.0: a message of the role 'human'"),
        ({"output": [{"type": "final_result", "answer": "Oslo"}]}, "output.0: a part of type 'final_result' is not"),
        ({"output": [{"type": "function_call_output", "output": "Oslo"}]}, "output.0: a part of type 'function_call_output'"),
        ([assistant(content=[{"type": "document", "text": "Oslo"}])], "0.content.0: a part of type 'document'"),
        ([assistant(content=None, parts=[{"text": "Oslo"}])], "0.parts: a message has its text in 'content'"),
        ({"output_text": None}, "output_text: expected a text, got null"),
        ({"output_text": "", "choices": [5]}, "a chat completion has a list 'choices'"),
        ([assistant(content=[{"type": "text", "text": None}])], "0.content.0.text: expected a text, got null"),
        ([assistant(content=[None])], "0.content.0: expected a text, got null"),
    ],
)  # fmt: skip
def test_an_unknown_shape_is_refused_with_its_path(source: object, where: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Sample.load(source)
    assert where in str(caught.value)


def test_parts_inside_parts_have_a_limit() -> None:
    content: Any = "Oslo"
    for _ in range(100):
        content = {"text": content}
    with pytest.raises(ConfigurationError, match="nested more than 50 levels deep"):
        Sample.load([assistant(content=content)])


@pytest.mark.parametrize(
    "message",
    [
        assistant(content=None),
        assistant(),
        assistant(content=None, tool_calls=[CALL]),
        assistant(content=[]),
        assistant(content=None, refusal="I cannot"),
        assistant(content=[{"type": "refusal", "refusal": "I cannot"}]),
        assistant(content=[{"type": "output_audio", "data": "…"}]),
        assistant(content=None, reasoning_content="a thought that reached its limit"),
        assistant(
            content=[{"type": "text", "text": None}], reasoning_content="a thought that reached its limit"
        ),
        assistant(
            content=[
                {"type": "server_tool_use", "id": "s"},
                {"type": "web_search_tool_result", "content": "1"},
            ]
        ),
    ],
    ids=repr,
)
def test_a_model_that_said_nothing_gave_an_empty_text(message: dict[str, Any]) -> None:
    assert Sample.load({"choices": [{"message": message}]}).output_text == ""
    assert Sample.load([message]).output_text == ""


@pytest.mark.parametrize(
    "source",
    [
        {"choices": [{"message": assistant(content="42", reasoning_content="17")}]},
        {"choices": [{"message": assistant(content="42", reasoning="17")}]},
        {"choices": [{"message": assistant(content="42", reasoning_details=[{"type": "reasoning.text", "text": "17"}])}]},
        [assistant(content="42", thinking="17")],
        [assistant(content=[{"type": "thinking", "thinking": "17", "signature": "x"}, {"type": "text", "text": "42"}])],
        [assistant(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "17"}]}, {"text": "42"}])],
        [assistant(content=[{"text": "17", "thought": True}, {"text": "42"}])],
        [assistant(content=[{"type": "redacted_thinking", "data": "…"}, {"type": "reasoning", "text": "17"}, "42"])],
        {"output": [{"type": "reasoning", "content": [{"type": "reasoning_text", "text": "17"}]}, assistant(content="42")]},
        {"output": [{"type": "reasoning", "text": "17", "encrypted_content": "…"}, assistant(content="42")]},
        {"output_text": "42", "reasoning_content": "17"},
        [assistant(content="<think>17</think>\n42")],
        "<think>17</think>\n42",
    ],
    ids=repr,
)  # fmt: skip
def test_reasoning_is_kept_apart_from_the_answer(source: object) -> None:
    sample = Sample.load(source)
    assert sample.answer_text.strip() == "42"
    assert sample.reasoning_text == "17"
    again = Sample.load(sample.to_stored())
    assert again == sample
    assert again.reasoning_text == "17"


@pytest.mark.parametrize("odd", [5, {"a": 1}, [5], [[[]]], {"text": 5}, True], ids=repr)
def test_reasoning_of_an_unknown_shape_is_passed_over(odd: object) -> None:
    sample = Sample.load([assistant(content="42", reasoning=odd)])
    assert (sample.output_text, sample.reasoning_text) == ("42", "")


@pytest.mark.parametrize(
    "source",
    [
        [assistant(content=[{"type": "tool_use", "id": "c1", "name": "add", "input": "{}"}])],
        [assistant(content=None, tool_calls=[CALL])],
        {"output": [assistant(content=None, tool_calls=[CALL])]},
        {"output": [{"type": "function_call", "call_id": "c1", "name": "add", "arguments": "{}"}]},
        [{"type": "function_call", "call_id": "c1", "name": "add", "arguments": "{}"}],
        {"output": [], "output_text": "", "output_tools": [CALL]},
    ],
    ids=repr,
)
def test_calls_of_tools_have_the_shape_of_chat_completions(source: object) -> None:
    assert Sample.load(source).output_tools == [CALL]


def test_a_call_as_completions_had_it_before_tools_is_one() -> None:
    sample = Sample.load([assistant(content=None, function_call={"name": "add", "arguments": "{}"})])
    assert sample.output_tools[0]["function"] == {"name": "add", "arguments": "{}"}


def test_a_shown_output_item_says_how_the_answer_ended() -> None:
    shown = {"output": [assistant(content="42")], "finish_reason": "length", "model": "", "error": None}
    sample = Sample.load(shown)
    assert sample.choices[0]["finish_reason"] == "length"
    assert sample.choices[0]["message"]["content"] == "42"
    assert sample.model is None


def test_a_sample_without_its_reasoning_has_the_answer_for_its_text() -> None:
    messages = [assistant(content="<think>17</think>42"), assistant(content="b")]
    sample = Sample.load({"choices": [{"message": message} for message in messages]}).without_reasoning
    assert sample.output_text == sample.answer_text == "42"
    assert sample.output_json == 42
    assert sample.reasoning_text == "17"
    assert [choice["message"]["content"] for choice in sample.choices] == ["42", "b"]
    assert sample.without_reasoning is sample
    assert Sample("<think>17").without_reasoning.output_text == ""
    assert not Sample("<think>17").has_answer


@given(json_values(8) | st.lists(json_values(4), max_size=3))
def test_no_content_makes_reading_fail_in_another_way(content: Any) -> None:
    for source in (
        [assistant(content=content)],
        {"output": content},
        [assistant(content="", reasoning=content)],
    ):
        try:
            sample = Sample.load(source)
        except ConfigurationError:
            continue
        assert isinstance(sample.output_text, str)
        assert isinstance(sample.reasoning_text, str)


TEXT = st.sampled_from(["5", "5", "", None])
KINDS = st.sampled_from(
    ["text", "output_text", "final_result", "final_output", "text_output", "message", "document", "file", "image", "tool_result",
     "function_call_output", "summary", None]
)  # fmt: skip
ROLES = st.sampled_from(["assistant", "model", "ai", "Assistant", "user", "tool", "system", "critic", None])
FIELDS = st.dictionaries(st.sampled_from(["text", "content", "value", "answer"]), TEXT, max_size=2)


@st.composite
def parts(draw: st.DrawFn) -> dict[str, Any]:
    named = {"type": draw(KINDS), "role": draw(ROLES)}
    return draw(FIELDS) | {name: value for name, value in named.items() if value is not None}


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    content = draw(TEXT | parts() | st.lists(parts() | TEXT, max_size=2))
    role = draw(ROLES)
    return draw(FIELDS) | {"content": content} | ({} if role is None else {"role": role})


def sources() -> st.SearchStrategy[Any]:
    output = st.lists(messages() | parts(), min_size=1, max_size=3)
    choices = st.lists(
        st.fixed_dictionaries({"message": messages()}, optional={"text": TEXT}), min_size=1, max_size=1
    )
    stored = st.fixed_dictionaries({}, optional={"output": output, "output_text": TEXT, "choices": choices})
    return stored | st.lists(messages(), min_size=1, max_size=1) | TEXT


def holds_text(source: Any) -> bool:
    if isinstance(source, list):
        return any(map(holds_text, source))
    if isinstance(source, dict):
        return any(
            holds_text(value) for name, value in source.items() if name not in ("type", "role", "answer")
        )
    return bool(source)


@given(sources())
def test_a_source_with_a_text_is_never_read_as_an_empty_answer(source: Any) -> None:
    try:
        sample = Sample.load(source)
    except ConfigurationError:
        return
    assert bool(sample.output_text) is holds_text(source)
