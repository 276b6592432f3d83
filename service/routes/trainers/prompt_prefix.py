"""The answer in a text that begins with its prompt, as OpenRLHF sends it: `query` is the decoded prompt and answer together.

Decoding changes a prompt: special tokens appear or are gone, white space differs, and a prompt that was too long lacks its
beginning. So the prompt is looked for without regard to these; where it is not found, nobody can say where the answer begins.
Tokens that end a turn, such as `<|im_end|>`, are no part of the answer where they stand before it or behind it, and neither is the
header with which a chat template opens the model's turn, such as `<|im_start|>assistant` and the end of its line. Other tokens
are, for reasoning is marked with some.
"""

import re

SHORTEST_REST = 16
"""Characters, without white space and special tokens, that must be left of a prompt whose beginning is missing: fewer may be
there by chance."""

_SPECIAL = r"<\|[^<>|\n]{1,64}\|>|<｜[^<>｜\n]{1,64}｜>|</?s>|<(?:bos|eos|pad|unk|BOS_TOKEN|EOS_TOKEN)>|\[/?INST\]|<(?:start|end)_of_turn>"
_CLOSING = re.compile(
    r"(?:<\|(?:im_end|eot|eot_id|eom_id|end|return|endoftext|end_of_text|pad|END_OF_TURN_TOKEN)\|>|</s>|<(?:eos|pad|end_of_turn)>|\[/INST\]"
    r"|<｜(?:end▁of▁sentence|Assistant)｜>)\s*"
)
_CLOSED = re.compile(rf"\s*(?:{_CLOSING.pattern})")
_SKIPPED = re.compile(rf"(?:\s|{_SPECIAL})+")
_ROLES = ("assistant", "model")
_END_OF_HEADER = re.compile(r"<\|(?:end_header_id|header_end|end_of_role|im_sep|im_middle)\|>")
_HEADER = re.compile(
    r"(?:(?:<\|(?:im_start|start|start_header_id|header_start|start_of_role|im_assistant)\|>|<start_of_turn>)(?:assistant|model)"
    rf"|(?:<\|START_OF_TURN_TOKEN\|>)?<\|(?:assistant|CHATBOT_TOKEN)\|>)(?:{_END_OF_HEADER.pattern})?"
)
_PLAIN_HEADER = re.compile(r"\s*(?:assistant|model)\n{1,2}")
"""The header where special tokens are left out, as `skip_special_tokens` of a tokenizer does it."""
_ROLE_FIRST = re.compile(r"\s*(?:system|user)\n")
_LINE_OF_HEADER = re.compile(
    r"(?:(?:\n|\|>|<start_of_turn>)(?:assistant|model)(?:<\|(?:end_header_id|header_end)\|>)?|<\|assistant\|>)\Z"
)
"""The end of a prompt behind which a template ends the line; others, such as `<|im_sep|>`, are followed by the answer."""
_LINE_ENDS = re.compile(r"(?:[ \t]*\n)*")
_LONGEST_HEADER = 64
_LONGEST_TAIL = 1_024
"""Characters of a prompt's end in which its last letter is looked for."""


def answer_in(query: str, prompt: str) -> str | None:
    """What follows the prompt in a text; None where the prompt is not at its beginning.

    Args:
        query: The prompt and the answer.
        prompt: The prompt alone.
    """
    start = _end_of(prompt, query)
    if start is None:
        return None
    if prompt:
        start = _end_of_template(query, start, prompt)
    return query[start : _end_of_answer(query, start)]


def _end_of_template(query: str, start: int, prompt: str) -> int:
    """Where what a chat template has put between a prompt and its answer ends.

    Args:
        query: The prompt and the answer.
        start: Where the prompt ends in it; where it was decoded otherwise, where its last letter does.
        prompt: The prompt alone.
    """
    is_whole = query.startswith(prompt)
    if not is_whole:
        tail = prompt[_last_letter(prompt) :]
        is_whole = tail != "" and query.startswith(tail, start)
        start = start + len(tail) if is_whole else _end_of_match(_END_OF_HEADER, query, start)
    while (closing := _CLOSED.match(query, start)) is not None:
        start = closing.end()
    header = _HEADER.match(query, start)
    is_plain = _ROLE_FIRST.match(prompt) is not None
    if header is not None:
        start = header.end()
    elif is_plain:
        start = _end_of_match(_PLAIN_HEADER, query, start)
    if not is_whole:
        return _end_of_match(_LINE_ENDS, query, start)
    is_inside_line = header is not None or not prompt[-1].isspace()
    before = query[max(0, start - _LONGEST_HEADER) : start]
    if is_inside_line and (_LINE_OF_HEADER.search(before) or (is_plain and before.endswith(_ROLES))):
        return _end_of_match(_LINE_ENDS, query, start)
    return start


def _last_letter(prompt: str) -> int:
    """Where the last character of a prompt ends that is no white space and in no special token."""
    skipped = _SKIPPED.finditer(prompt, max(0, len(prompt) - _LONGEST_TAIL))
    return next((each.start() for each in skipped if each.end() == len(prompt)), len(prompt))


def _end_of_match(pattern: re.Pattern[str], text: str, start: int) -> int:
    found = pattern.match(text, start)
    return start if found is None else found.end()


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
