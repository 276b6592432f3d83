"""The messages of a model grader: published blocks, templates inside every one, and errors that say where."""

from typing import Any

import pytest
from hypothesis import given
from pydantic import TypeAdapter

from graders import GraderError, GradingError, InvalidOptions, Registry, Sample, Template
from graders.kinds.messages import InputText, Message, SamplingParams, render, templates_of
from tests.strategies import any_str, json_values

INSTALLED = Registry.installed()
SAMPLE = Sample("four")
ITEM = {"q": "2+2?", "picture": "https://example.org/a.png", "sound": "UklGRg=="}


def message(content: object, role: str = "user", **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def rendered(content: object, role: str = "user") -> Any:
    grader = INSTALLED.load({"type": "score_model", "model": "m", "input": [message(content, role)]})
    return render([found for _, found in grader.find(Message)], SAMPLE, ITEM)[0]["content"]


def problems(**changed: Any) -> dict[str, str]:
    config = {"type": "score_model", "model": "m", "input": [message("{{sample.output_text}}")]}
    with pytest.raises(InvalidOptions) as caught:
        INSTALLED.load({**config, **changed})
    return {problem.where: problem.message for problem in caught.value.problems}


def test_a_text_stays_a_text() -> None:
    assert rendered("{{item.q}} {{sample.output_text}}") == "2+2? four"


@pytest.mark.parametrize(
    ("block", "filled"),
    [
        ({"type": "input_text", "text": "Q: {{item.q}}"}, {"type": "input_text", "text": "Q: 2+2?"}),
        (
            {"type": "output_text", "text": "{{sample.output_text}}"},
            {"type": "output_text", "text": "four"},
        ),
        (
            {"type": "input_image", "image_url": "{{item.picture}}"},
            {"type": "input_image", "image_url": "https://example.org/a.png"},
        ),
        (
            {"type": "input_image", "image_url": "{{item.picture}}", "detail": "low"},
            {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "low"},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "{{item.sound}}", "format": "wav"}},
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        ),
    ],
)
def test_templates_work_inside_every_block(block: dict[str, Any], filled: dict[str, Any]) -> None:
    assert rendered(block) == [filled]
    assert rendered([block, block]) == [filled, filled]


def test_a_list_may_hold_texts_too() -> None:
    assert rendered(["{{item.q}}", {"type": "input_text", "text": "b"}]) == [
        {"type": "input_text", "text": "2+2?"},
        {"type": "input_text", "text": "b"},
    ]
    assert rendered(["a"], "assistant") == [{"type": "output_text", "text": "a"}]


def test_what_was_filled_in_is_not_filled_in_again() -> None:
    found = Message(role="user", content="{{sample.output_text}}")
    assert found.render(Sample("{{item.q}}"), ITEM)["content"] == "{{item.q}}"


@given(any_str())
def test_every_message_can_be_encoded(text: str) -> None:
    for content in ("{{sample.output_text}}", ["{{sample.output_text}}"]):
        shown = Message(role="user", content=content).render(Sample(text), {})["content"]
        words = shown if isinstance(shown, str) else shown[0]["text"]
        assert words.encode(errors="strict").decode() == words


def test_a_variable_that_is_missing_is_not_an_empty_text() -> None:
    with pytest.raises(GradingError, match=r"item\.nothing"):
        Message(role="user", content="{{item.nothing}}").render(SAMPLE, ITEM)


def test_content_that_is_compiled_is_taken_as_it_is() -> None:
    block = InputText(type="input_text", text=Template("a"))
    assert Message(role="user", content=(block, Template("b"))).pieces()[0] is block


@pytest.mark.parametrize(
    ("content", "where", "why"),
    [
        (
            3,
            "input.0.content",
            "expected a text, or a block with a type of input_text, output_text, input_image, ",
        ),
        ("{{", "input.0.content", "the '{{' at character 0 has no '}}'"),
        ({"text": "a"}, "input.0.content.type", "expected one of input_text, output_text, "),
        ({"type": ["input_text"]}, "input.0.content.type", "expected one of input_text, "),
        (
            {"type": "image"},
            "input.0.content.type",
            "expected one of input_text, output_text, input_image, input_audio, got",
        ),
        ({"type": "input_text"}, "input.0.content.text", "this field is required"),
        (["a", {"type": "input_text", "text": "{{"}], "input.0.content.1.text", "the '{{' at character 0"),
        (["a", None], "input.0.content.1", "expected a text, or a block"),
        (
            {"type": "input_text", "text": "a", "txt": 1},
            "input.0.content.txt",
            "no such field; did you mean 'text'?",
        ),
        (
            {"type": "input_text", "text": "a", "url": 1},
            "input.0.content.url",
            "no such field; the fields are type, text",
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "a", "format": "ogg"}},
            "input.0.content.input_audio.format",
            "expected 'mp3' or 'wav', got 'ogg'",
        ),
    ],
)
def test_wrong_content_says_where_and_why(content: object, where: str, why: str) -> None:
    found = problems(input=[message(content)])
    assert list(found) == [where]
    assert found[where].startswith(why)


def test_a_wrong_message_says_where_and_why() -> None:
    assert problems(input=[message("a", "robot"), message("a", name="x"), message("a", type="reply")]) == {
        "input.0.role": "expected 'user', 'assistant', 'system' or 'developer', got 'robot'",
        "input.1.name": "no such field; the fields are role, content, type",
        "input.2.type": "expected 'message', got 'reply'",
    }
    published = {"type": "score_model", "model": "m", "input": [message("a", type="message")]}
    assert INSTALLED.load(published).info.type == "score_model"


@given(json_values())
def test_no_content_makes_loading_fail_with_another_error(content: Any) -> None:
    for one in (content, [content], {"type": "input_text", "text": content}):
        try:
            loaded = INSTALLED.load({"type": "score_model", "model": "m", "input": [message(one)]})
        except GraderError as error:
            assert isinstance(error, InvalidOptions)  # noqa: PT017  # either outcome is right
        else:
            assert [found.role for _, found in loaded.find(Message)] == ["user"]


def test_the_schema_of_a_message_names_the_blocks_and_their_fields() -> None:
    schema = TypeAdapter(Message).json_schema()
    choices = schema["properties"]["content"]["anyOf"]
    blocks = [{"$ref": f"#/$defs/{name}"} for name in ("InputText", "OutputText", "InputImage", "InputAudio")]
    assert choices[:5] == [{"type": "string"}, *blocks]
    assert choices[5]["items"] == {"anyOf": choices[:5]}
    assert schema["$defs"]["InputText"]["required"] == ["type", "text"]


def test_sampling_is_what_was_given_by_our_names() -> None:
    given_params = {
        "seed": 1,
        "top_p": 0.5,
        "temperature": 0,
        "max_completions_tokens": 7,
        "reasoning_effort": "low",
    }
    assert SamplingParams.model_validate(given_params).given() == {
        "seed": 1,
        "top_p": 0.5,
        "temperature": 0.0,
        "max_completion_tokens": 7,
        "reasoning_effort": "low",
    }
    assert SamplingParams.model_validate({"max_completion_tokens": 7}).given() == {"max_completion_tokens": 7}
    assert SamplingParams().given() == {}


def test_both_names_of_one_limit_are_an_error() -> None:
    both = {"max_completion_tokens": 7, "max_completions_tokens": 7}
    (where, message) = next(iter(problems(sampling_params=both).items()))
    assert where == "sampling_params.max_completion_tokens"
    assert message == "this is another name of 'max_completions_tokens', which is given too"


def test_wrong_sampling_says_where_and_why() -> None:
    wrong = {"temperature": 3, "top_p": "most", "max_completion_tokens": 0, "effort": "low"}
    assert problems(sampling_params=wrong) == {
        "sampling_params.temperature": "expected less than or equal to 2, got 3",
        "sampling_params.top_p": "expected a number, got 'most'",
        "sampling_params.max_completion_tokens": "expected greater than or equal to 1, got 0",
        "sampling_params.effort": "no such field; the fields are seed, top_p, temperature, max_completions_tokens, "
        "reasoning_effort",
    }


def test_the_templates_of_messages_are_those_of_all_their_pieces() -> None:
    blocks = [
        "one",
        {"type": "input_text", "text": "two"},
        {"type": "output_text", "text": "three"},
        {"type": "input_image", "image_url": "four"},
        {"type": "input_audio", "input_audio": {"data": "five", "format": "mp3"}},
    ]
    messages = [Message(role="user", content=blocks), Message(role="system", content="six")]
    found = [template.source for template in templates_of(messages)]
    assert found == ["one", "two", "three", "four", "five", "six"]
