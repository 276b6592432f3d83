"""The most tokens that a question and its answer can take, which a budget sets aside before it is asked.

A token of text is at least one byte of UTF-8, in every tokenizer that can write any text at all; so a prompt has no more
tokens than bytes, and what a chat template puts around a message is allowed for. Pictures and sound have no such bound:
theirs are taken from the dearest models that we know.
"""

from collections.abc import Mapping
from typing import Any

from runtime.judge.wire import Question, encoded

ANSWER_TOKENS = 8_192
"""Of an answer, where neither the grader nor the operator says how many it may have and there is a budget; then it is also
what the server is told."""
MESSAGE_TOKENS = 32
"""Around a message."""
IMAGE_TOKENS = 50_000
"""Of a picture, high detail; gpt-4o-mini counts 2,833 and 5,667 for each of up to eight tiles."""
SOUND_BYTES = 32
"""Base64 for one token of sound, at least: 25 tokens a second, of mp3 with 8 kbit/s."""
LARGEST = 1 << 40
"""Of a limit that a grader asks for; no model writes as much."""


def most_tokens(question: Question) -> tuple[int, int]:
    """Of the prompt and of the answer.

    Args:
        question: With a limit of tokens for the answer; without one, `ANSWER_TOKENS`.
    """
    shape = len(encoded([question.shape.asked, question.shape.text])) if question.shape else 0
    prompt = sum(map(_of_message, question.messages)) + len(encoded(question.extra)) + shape
    answer = question.sampling.get("max_completion_tokens", ANSWER_TOKENS)
    return prompt + 10 * MESSAGE_TOKENS, min(int(answer), LARGEST)


def _of_message(message: Mapping[str, Any]) -> int:
    content = message.get("content")
    if not isinstance(content, list):
        return MESSAGE_TOKENS + len(encoded(message))
    others = {name: value for name, value in message.items() if name != "content"}
    return MESSAGE_TOKENS + len(encoded(others)) + sum(map(_of_block, content))


def _of_block(block: Mapping[str, Any]) -> int:
    kind = block.get("type")
    if kind in ("input_image", "image_url"):
        return IMAGE_TOKENS
    size = len(encoded(block))
    return size // SOUND_BYTES + MESSAGE_TOKENS if kind == "input_audio" else size
