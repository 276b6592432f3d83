"""The answer in a text that begins with its prompt, as OpenRLHF sends it: `query` is the decoded prompt and answer together.

Decoding changes a prompt: special tokens appear or are gone, white space differs, and a prompt that was too long lacks its
beginning. So the prompt is looked for without regard to these; where it is not found, nobody can say where the answer begins.
Tokens that end a turn, such as `<|im_end|>`, are no part of the answer where they stand before it or behind it; others are,
for reasoning is marked with some.
"""

from __future__ import annotations

import re

SHORTEST_REST = 16
"""Characters, without white space and special tokens, that must be left of a prompt whose beginning is missing: fewer may be
there by chance."""

_SPECIAL = r"<\|[^<>|\n]{1,64}\|>|<｜[^<>｜\n]{1,64}｜>|</?s>|<(?:bos|eos|pad|unk)>|\[/?INST\]|<(?:start|end)_of_turn>"
_CLOSING = re.compile(
    r"(?:<\|(?:im_end|eot_id|eom_id|end|return|endoftext|end_of_text|pad)\|>|</s>|<(?:eos|pad|end_of_turn)>|\[/INST\]"
    r"|<｜(?:end▁of▁sentence|Assistant)｜>)\s*"
)
_SKIPPED = re.compile(rf"(?:\s|{_SPECIAL})+")


def answer_in(query: str, prompt: str) -> str | None:
    """What follows the prompt in a text; None where the prompt is not at its beginning.

    Args:
        query: The prompt and the answer.
        prompt: The prompt alone.
    """
    start = _end_of(prompt, query)
    if start is None:
        return None
    while prompt and (closing := _CLOSING.match(query, start)) is not None:
        start = closing.end()
    return query[start : _end_of_answer(query, start)]


def _end_of(prompt: str, query: str) -> int | None:
    """Where the prompt ends in a text that begins with it."""
    if query.startswith(prompt):
        return len(prompt)
    wanted = _SKIPPED.sub("", prompt)
    if not wanted:
        return 0
    letters, ends = _letters(query, len(wanted))
    if letters == wanted:
        return ends[-1]
    left = _overlap(wanted, letters)
    return ends[left - 1] if left >= SHORTEST_REST else None


def _letters(text: str, most: int) -> tuple[str, list[int]]:
    """The first characters of a text that are no white space and in no special token, and where each ends in the text."""
    kept: list[str] = []
    ends: list[int] = []
    start = 0
    while start < len(text) and len(ends) < most:
        skipped = _SKIPPED.search(text, start)
        stop = min(skipped.start() if skipped else len(text), start + most - len(ends))
        kept.append(text[start:stop])
        ends.extend(range(start + 1, stop + 1))
        start = skipped.end() if skipped else len(text)
    return "".join(kept), ends


def _overlap(prompt: str, query: str) -> int:
    """Length of the longest end of the prompt with which the query begins; in linear time, as Knuth, Morris and Pratt find it."""
    borders = [0] * len(query)
    length = 0
    for index in range(1, len(query)):
        while length and query[index] != query[length]:
            length = borders[length - 1]
        length += query[index] == query[length]
        borders[index] = length
    length = 0
    for letter in prompt:
        while length and (length == len(query) or query[length] != letter):
            length = borders[length - 1]
        length += length < len(query) and query[length] == letter
    return length


def _end_of_answer(query: str, start: int) -> int:
    """Where the closing tokens begin with which a text ends."""
    end = len(query)
    for token in reversed([*_CLOSING.finditer(query, start)]):
        if token.end() != end:
            break
        end = token.start()
    return end
