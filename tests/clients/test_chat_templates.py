"""What chat templates put between a prompt and its answer is no part of the answer, however the two were decoded."""

import re
from collections.abc import Iterator

import pytest
from graders_client.trainers.decoded import answer_in
from hypothesis import given
from hypothesis import strategies as st

# the published templates: the prompt as it is rendered for one question, and what follows the answer
TEMPLATES = {
    "ChatML, Qwen": (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n2+2=<|im_end|>\n<|im_start|>assistant\n",
        "<|im_end|>\n",
    ),
    "Llama 3": (
        (
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n2+2=<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n"
        ),
        "<|eot_id|>",
    ),
    "Llama 4": (
        "<|begin_of_text|><|header_start|>user<|header_end|>\n\n2+2=<|eot|><|header_start|>assistant<|header_end|>\n\n",
        "<|eot|>",
    ),
    "Gemma": ("<bos><start_of_turn>user\n2+2=<end_of_turn>\n<start_of_turn>model\n", "<end_of_turn>\n"),
    "Phi 3, GLM": ("<|user|>\n2+2=<|end|>\n<|assistant|>\n", "<|end|>"),
    "Zephyr": ("<|user|>\n2+2=</s>\n<|assistant|>\n", "</s>"),
    "Phi 4": (
        "<|im_start|>user<|im_sep|>2+2=<|im_end|><|im_start|>assistant<|im_sep|>",
        "<|im_end|>",
    ),
    "Granite": (
        "<|start_of_role|>user<|end_of_role|>2+2=<|end_of_text|>\n<|start_of_role|>assistant<|end_of_role|>",
        "<|end_of_text|>",
    ),
    "Kimi": (
        "<|im_user|>user<|im_middle|>2+2=<|im_end|><|im_assistant|>assistant<|im_middle|>",
        "<|im_end|>",
    ),
    "Command R": (
        "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|USER_TOKEN|>2+2=<|END_OF_TURN_TOKEN|><|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
        "<|END_OF_TURN_TOKEN|>",
    ),
    "DeepSeek": (
        "<｜begin▁of▁sentence｜><｜User｜>2+2=<｜Assistant｜>",
        "<｜end▁of▁sentence｜>",
    ),
    "gpt-oss": ("<|start|>user<|message|>2+2=<|end|><|start|>assistant", "<|return|>"),
}
SPECIAL = re.compile(r"<\|[^|]*\|>|<｜[^｜]*｜>|</?s>|<bos>|<BOS_TOKEN>|<(?:start|end)_of_turn>")


def decoded(prompt: str) -> Iterator[str]:
    """A rendered prompt, and the same as others decode or pass it on."""
    plain = SPECIAL.sub("", prompt)
    yield from (prompt, prompt.strip(), plain, plain.strip(), prompt[: prompt.index("2+2=") + 4])


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("answer", ["4", "x = 2\nx + x = 4", ""])
def test_nothing_of_a_template_is_left(name: str, answer: str) -> None:
    rendered, end = TEMPLATES[name]
    for prompt in decoded(rendered):
        for query in (rendered + answer + end, "<pad><pad>" + rendered + answer + end):
            assert answer_in(query, prompt) == answer, (query, prompt)


@pytest.mark.parametrize("name", ["ChatML, Qwen", "Llama 3", "Llama 4", "Gemma", "Phi 3, GLM", "Zephyr"])
def test_nothing_of_a_template_is_left_where_special_tokens_are_left_out(name: str) -> None:
    rendered, _ = TEMPLATES[name]
    for prompt in decoded(rendered):
        if SPECIAL.search(prompt) is None:
            assert answer_in(SPECIAL.sub("", rendered) + "4", prompt) == "4", prompt


def test_a_header_is_left_out_where_the_prompt_has_none() -> None:
    assert answer_in("user\n2+2=\nassistant\n4", "user\n2+2=") == "4"
    assert answer_in("<s>[INST] 2+2= [/INST] 4</s>", "2+2=") == "4"


@pytest.mark.parametrize(
    ("query", "prompt", "answer"),
    [
        (
            "2+2=\n\n4",
            "2+2=\n",
            "\n4",
        ),  # the prompt to its last character: the second line's end is the model's
        ("<|im_start|>assistant\n\n4", "<|im_start|>assistant\n", "\n4"),
        ("2+2=\n4", "2+2=", "\n4"),
        ("<|im_start|>assistant<|im_sep|>\n4", "<|im_start|>assistant<|im_sep|>", "\n4"),
        ("2+2=<|channel|>final<|message|>4", "2+2=", "<|channel|>final<|message|>4"),
        ("Which one? assistant\n4", "Which one?", " assistant\n4"),
        ("2+2= 4", "2+2=", " 4"),
    ],
)
def test_what_the_model_wrote_is_kept(query: str, prompt: str, answer: str) -> None:
    assert answer_in(query, prompt) == answer


WRITTEN = st.text("ab \n<|>/[]1=_", max_size=30)


@given(st.sampled_from([prompt for prompt, _ in TEMPLATES.values() if prompt[-1].isspace()]), WRITTEN)
def test_an_answer_behind_the_whole_prompt_is_kept_to_the_letter(prompt: str, answer: str) -> None:
    assert answer_in(prompt + answer, prompt) == answer


@given(WRITTEN, WRITTEN)
def test_any_two_texts_give_an_end_of_the_query_or_nothing(query: str, prompt: str) -> None:
    found = answer_in(query, prompt)
    assert found is None or found in query
