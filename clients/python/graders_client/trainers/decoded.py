"""The model's part of a text that was decoded from the tokens of prompt and answer."""

from __future__ import annotations

from collections.abc import Sequence

ENDS = (
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "<eos>",
    "</s>",
    "<｜end▁of▁sentence｜>",
)
"""Special tokens that end an answer; further ones are an argument."""
SHORTEST = 8
"""Characters of the end of a prompt by which it is found where its beginning was cut off."""


def answer_in(query: str, prompt: str, ends: Sequence[str] = ENDS) -> str | None:
    """The model's part of a query; None when it cannot be told from the prompt.

    Args:
        query: Prompt and answer. Special tokens may stand before the prompt, and its beginning may be cut off.
        prompt: All of the prompt.
        ends: Special tokens that are cut off the end of the answer.
    """
    place = query.find(prompt)
    if place >= 0:
        answer = query[place + len(prompt) :]
    else:
        cuts = range(1, max(len(prompt) - SHORTEST, 0) + 1)
        cut = next((cut for cut in cuts if query.startswith(prompt[cut:])), None)
        if cut is None:
            return None
        answer = query[len(prompt) - cut :]
    while (end := next((end for end in ends if answer.rstrip().endswith(end)), None)) is not None:
        answer = answer.rstrip()[: -len(end)]
    return answer
