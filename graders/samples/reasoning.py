"""Splits what a model wrote into its reasoning and its answer.

Models write their reasoning between tags (`<think>…</think>`, `[THINK]…[/THINK]`) or in channels (the Harmony format of
gpt-oss), and a prompt may have opened the reasoning already, so that only the closing tag is in the text.

* A closing tag without an opening one ends a thought that began before it: everything before the tag is reasoning.
* There may be several thoughts. A thought that does not end leaves the text without an answer.
* With channels, the answer is what stands in the channel `final`, and everything else is reasoning.
* A tag inside a code block, in inline code or between quotation marks is text, not a tag. Code blocks count only outside
  thoughts, because an unfinished thought often leaves a code fence open.
* Tokens that end a turn (`<|im_end|>`, `</s>`, …) and a byte order mark are not part of the answer.
* A text with more than 1,000 tags has no answer.

A text without any of these is its own answer, character for character. The time is linear in the length of the text.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple, TypeAlias

Thoughts: TypeAlias = Literal["skip", "keep"]
"""Whether a grader type looks at the answer only (`skip`), or at the whole text that the model wrote (`keep`)."""

_TAGS = {
    "think": "think", "thinking": "think", "seed:think": "seed:think", "thought": "thought", "thoughts": "thought",
    "reasoning": "reasoning", "reflection": "reflection", "scratchpad": "scratchpad",
}  # fmt: skip
"""Names of XML-like tags; a thought ends with a tag whose name has the same value."""
_TOKENS = {
    "[THINK]": "[/THINK]",  # Magistral
    "<|begin_of_thought|>": "<|end_of_thought|>",  # Sky-T1, OpenThinker
    "<|START_THINKING|>": "<|END_THINKING|>",  # Command A
    "◁think▷": "◁/think▷",  # Kimi
    "<|think|>": "<|/think|>",
    "<|thinking|>": "<|/thinking|>",
    "<|channel>thought": "<channel|>",  # Gemma
}
"""Opening and closing tokens of models that do not use such tags."""
_CLOSING = {close: opening for opening, close in _TOKENS.items()}
_ENDS = (
    "<|im_end|>", "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|return|>", "<|call|>",
    "<|end_of_turn|>", "<end_of_turn>", "<turn|>", "<eos>", "<｜end▁of▁sentence｜>", "<|end▁of▁sentence|>",
    "<|END_OF_TURN_TOKEN|>", "<|END_RESPONSE|>", "[EOS]", "</s>",
)  # fmt: skip
"""Tokens that end a turn, or a text."""
_BOM = "\ufeff"

_MARK = re.compile(
    r"<(?P<close>/?)[ \t]{0,8}(?P<tag>(?i:" + "|".join(_TAGS) + r"))(?:[ \t][^<>\n]{0,80})?(?<!/)>"
    r"|(?P<token>" + "|".join(map(re.escape, [*_TOKENS, *_CLOSING])) + ")"
    r"|<\|channel\|>[ \t]{0,8}(?P<channel>analysis|commentary|final)\b"
    r"(?:[^<\n]{0,200}(?:<\|constrain\|>[^<\n]{0,50})?<\|message\|>)?"
    r"|(?P<end><\|(?:end|return|call|start)\|>)"
)
_ROLE = re.compile(r"<\|(?:end|return|call|message)\|>|<\|start\|>[^<\n]{0,100}")
_FENCE = re.compile(r"(?:^[ \t>]{0,80}|(?<=[>\]▷])[ \t]{0,8})(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
MAX_MARKS = 1_000
"""Tags and tokens of a text; one with more has no answer. Models repeat a tag without end where their training goes wrong."""
_TICKS = re.compile(r"`+|\n")
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "«": "»", "`": "`"}
_BARE_CHANNELS = ("analysis", "assistantfinal")
"""How the channels of the Harmony format begin in a text from which special tokens were removed."""


class Split(NamedTuple):
    """A text, split.

    Attributes:
        reasoning: The thoughts, without their tags; empty if there are no thoughts.
        answer: The text without thoughts; None if a thought does not end, so that the text has no answer.
    """

    reasoning: str
    answer: str | None


def may_have_thoughts(text: str) -> bool:
    """Whether a text has a character that begins a tag or a token: most have not, and this is a hundred times faster."""
    return "<" in text or "[" in text or "◁" in text


def split(text: str) -> Split:
    """Split a text into its reasoning and its answer."""
    if may_have_thoughts(text) and _MARK.search(text) is not None:
        reader = _MarkReader(text)
        thoughts, parts = reader.read()
        if reader.has_found:
            answer = None if parts is None else _outlined(_ended(_joined(parts).removeprefix(_BOM)))
            return Split("\n\n".join(filter(None, map(str.strip, thoughts))), answer)
    begin, final = _BARE_CHANNELS
    if begin in text and (bare := text.lstrip().removeprefix("assistant")).startswith(begin):
        thought, found, answer = bare.partition(final)
        if found:
            return Split(thought.removeprefix(begin).strip(), _outlined(_ended(answer)))
    return Split("", _ended(text.removeprefix(_BOM)))


def answers(text: str, *, most: int) -> Iterator[str]:
    """Texts that may be the answer in an answer whose form can be checked, such as JSON; the likeliest first.

    The whole text comes first, because a tag may be quoted inside the answer. Then come the answer as `split` finds it, and
    what follows each closing tag, since a thought may quote one as well.

    Args:
        text: What the model wrote.
        most: How many closing tags are looked at.
    """
    yield _ended(text.removeprefix(_BOM)).strip()
    found = split(text).answer
    if found is not None:
        yield found.strip()
        closing = (mark for mark in _MARK.finditer(text) if mark["close"] or mark["token"] in _CLOSING)
        for _, mark in zip(range(most), closing, strict=False):
            yield _ended(text[mark.end() :]).strip()


class _Fence(NamedTuple):
    """A line that may begin or end a code block."""

    start: int
    marks: str
    info: str

    def closes(self, opening: "_Fence") -> bool:
        return self.marks.startswith(opening.marks) and not self.info.strip()

    @property
    def opens(self) -> bool:
        return not (self.marks[0] == "`" and "`" in self.info)


class _MarkReader:
    """Reads a text from its beginning to its end, from mark to mark."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._fences = (_Fence(found.start(1), found[1], found[2]) for found in _FENCE.finditer(text))
        self._spans = _inline_code(text)
        self._fence, self._span = next(self._fences, None), next(self._spans, None)
        self._block: _Fence | None = None
        self._opened_in_block: dict[str, int] = {}
        self._inside: str | None = None  # the name of the thought, or of the channel, that the text is in
        self._position = 0
        self._thoughts: list[str] = []
        self._answer: list[str] = []
        self._has_thought = self._has_channels = self._has_final = self._is_endless = False

    @property
    def has_found(self) -> bool:
        """Whether the text has a thought or a channel."""
        return self._has_thought or self._has_channels or self._is_endless

    def read(self) -> tuple[list[str], list[str] | None]:
        """The thoughts, and the parts of the answer; None when there is no answer."""
        for count, mark in enumerate(_MARK.finditer(self._text)):
            if count == MAX_MARKS:
                self._is_endless = True
                return [self._text], None
            if not self._is_text(mark):
                self._take(mark)
        is_open = self._inside is not None
        self._leave(len(self._text))
        if self._has_channels:
            thoughts = [_ROLE.sub("", thought) for thought in self._thoughts]
            return thoughts, self._answer if self._has_final else None
        return self._thoughts, None if is_open else self._answer

    def _take(self, mark: re.Match[str]) -> None:
        if mark["channel"]:
            self._enter_channel(mark)
        elif mark["end"]:
            self._end_message(mark)
        else:
            name, closes = _tag_of(mark)
            if closes:
                self._close(name, mark)
            elif self._inside is None:
                self._enter(name, mark)
                self._has_thought = True

    def _close(self, name: str, mark: re.Match[str]) -> None:
        if self._inside is None:  # the thought began with the prompt, or before a tag that it quotes
            self._thoughts += [*self._answer, self._text[self._position : mark.start()]]
            self._answer.clear()
            self._position = mark.end()
        elif self._inside != name:
            return
        self._enter(None, mark)
        self._has_thought = True

    def _enter_channel(self, mark: re.Match[str]) -> None:
        self._leave(mark.start())
        if not self._has_channels:
            self._thoughts += self._answer
            self._answer.clear()
        is_final = mark["channel"] == "final"
        self._has_channels, self._has_final = True, self._has_final or is_final
        self._enter(None if is_final else "a channel", mark)

    def _end_message(self, mark: re.Match[str]) -> None:
        if self._has_channels and self._inside is None:
            self._enter("a channel", mark)

    def _enter(self, name: str | None, mark: re.Match[str]) -> None:
        """Begin a thought, or with None the answer, behind a mark."""
        self._leave(mark.start())
        self._inside, self._position = name, mark.end()
        self._block = None

    def _leave(self, end: int) -> None:
        """Keep the text from the last mark up to here."""
        part = self._text[self._position : end]
        (self._answer if self._inside is None else self._thoughts).append(part)
        self._position = max(end, self._position)

    def _is_text(self, mark: re.Match[str]) -> bool:
        """Whether a mark is code or a quotation."""
        start, end = mark.span()
        if self._is_inside_block(mark):
            return True
        while self._span is not None and self._span[1] < end:
            self._span = next(self._spans, None)
        if self._span is not None and self._span[0] <= start:
            return True
        before, after = self._text[start - 1 : start], self._text[end : end + 1]
        return bool(before) and _QUOTES.get(before) == after

    def _is_inside_block(self, mark: re.Match[str]) -> bool:
        start = mark.start()
        while self._fence is not None and self._fence.start < start:
            fence, self._fence = self._fence, next(self._fences, None)
            if self._inside is not None or fence.start < self._position:
                continue
            if self._block is None:
                self._block, self._opened_in_block = fence if fence.opens else None, {}
            elif fence.closes(self._block):
                self._block = None
        if self._inside is not None or self._block is None:
            return False
        return not self._ends_prompted_thought(mark, self._block)

    def _ends_prompted_thought(self, mark: re.Match[str], block: _Fence) -> bool:
        """Whether a closing tag after an opening fence ends a thought that has left the fence open.

        It does when it stands first on its line, the block has no opening tag for it, there was no thought before, and the
        next fence is not the end of the block.
        """
        if mark["channel"] or mark["end"]:
            return bool(mark["channel"]) and not self._has_channels
        name, closes = _tag_of(mark)
        if not closes:
            self._opened_in_block[name] = self._opened_in_block.get(name, 0) + 1
            return False
        if self._opened_in_block.get(name, 0):
            self._opened_in_block[name] -= 1
            return False
        line = self._text.rfind("\n", max(block.start, mark.start() - 80), mark.start())
        if self._has_thought or line < 0 or self._text[line : mark.start()].strip():
            return False
        return self._fence is None or not self._fence.closes(block)


def _tag_of(mark: re.Match[str]) -> tuple[str, bool]:
    """The name of the thought that a mark begins or ends, and whether it ends it."""
    if mark["tag"]:
        return _TAGS[mark["tag"].lower()], bool(mark["close"])
    token = mark["token"]
    return _CLOSING.get(token, token), token in _CLOSING


def _inline_code(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each piece of inline code; it begins and ends on one line, with equally many backticks."""
    line: list[tuple[int, int]] = []
    for found in _TICKS.finditer(text):
        if found[0] != "\n":
            line.append(found.span())
            continue
        yield from _pairs(line)
        line = []
    yield from _pairs(line)


def _pairs(runs: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Pairs of runs of backticks that are equally long, from the first on."""
    following: dict[int, int] = {}
    partners: list[int | None] = [None] * len(runs)
    for index in range(len(runs) - 1, -1, -1):
        length = runs[index][1] - runs[index][0]
        partners[index] = following.get(length)
        following[length] = index
    index = 0
    while index < len(runs):
        partner = partners[index]
        if partner is None:
            index += 1
        else:
            yield runs[index][0], runs[partner][1]
            index = partner + 1


def _joined(parts: Iterable[str]) -> str:
    """The parts of an answer; two that no space separates do not become one word."""
    joined: list[str] = []
    for part in parts:
        if not part:
            continue
        if joined and not joined[-1][-1].isspace() and not part[0].isspace():
            joined.append("\n")
        joined.append(part)
    return "".join(joined)


def _outlined(answer: str) -> str:
    """An answer behind a thought, without the empty lines around it; the indentation of its first line stays."""
    first = len(answer) - len(answer.lstrip())
    line = answer.rfind("\n", 0, first) + 1
    return answer[line or first :].rstrip()


def _ended(text: str) -> str:
    """A text without the tokens that end it, and the spaces around them."""
    if not text.rstrip().endswith((">", "]")):  # as each of them does
        return text
    tokens = _ENDS[:-1] if "<s>" in text else _ENDS  # </s> ends what <s> begins
    end, ended = _before_space(text, len(text)), len(text)
    while text.endswith(tokens, 0, end):
        length = next(len(token) for token in tokens if text.endswith(token, 0, end))
        end = ended = _before_space(text, end - length)
    return text[:ended]


def _before_space(text: str, end: int) -> int:
    while end and text[end - 1].isspace():
        end -= 1
    return end
