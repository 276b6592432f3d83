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
from itertools import islice
from typing import Literal, NamedTuple, TypeAlias

from graders.samples.quotations import InlineCode, is_quoted, quotation_opens
from graders.samples.thought_marks import Mark, find_marks

Thoughts: TypeAlias = Literal["skip", "keep"]
"""Whether a grader type looks at the answer only (`skip`), or at the whole text that the model wrote (`keep`)."""

_ENDS = (
    "<|im_end|>", "<|endoftext|>", "<|end_of_text|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|return|>", "<|call|>",
    "<|end_of_turn|>", "<end_of_turn>", "<turn|>", "<eos>", "<｜end▁of▁sentence｜>", "<|end▁of▁sentence|>",
    "<|END_OF_TURN_TOKEN|>", "<|END_RESPONSE|>", "[EOS]", "[END FINAL RESPONSE]", "</s>",
)  # fmt: skip
"""Tokens that end a turn, or a text."""
_BOM = "\ufeff"
_ROLE = re.compile(r"<\|(?:end|return|call|message)\|>|<\|start\|>[^<\n]{0,100}")
_FENCE = re.compile(r"(?:^[ \t>]{0,80}|(?<=[>\]▷＞])[ \t]{0,8})(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
_FENCE_BEHIND_MARK = re.compile(r"[ \t]{0,8}(`{3,}|~{3,})([^\n]*)$", re.MULTILINE)
MAX_MARKS = 1_000
"""Tags and tokens of a text; one with more has no answer. Models repeat a tag without end where their training goes wrong."""
_BARE_CHANNELS = ("analysis", "assistantfinal")
"""How the channels of the Harmony format begin in a text from which special tokens were removed."""
_CHANNELS_ON_LINES = re.compile(
    r"\s*(?:assistant[ \t]*\n\s*)?analysis[ \t]*\n(?P<thought>.*?)\n[ \t]*assistant[ \t]*\n\s*final[ \t]*\n",
    re.DOTALL,
)
"""The same, where each of the words stands on a line of its own."""
_REST_IS_BLANK = re.compile(r"[ \t]*(?:\n|`{3}|~{3})")


class Split(NamedTuple):
    """A text, split.

    Attributes:
        reasoning: The thoughts, without their tags; empty if there are no thoughts.
        answer: The text without thoughts; None if a thought does not end, so that the text has no answer.
    """

    reasoning: str
    answer: str | None


def split(text: str) -> Split:
    """Split a text into its reasoning and its answer."""
    marks = list(islice(find_marks(text), MAX_MARKS + 1))
    if marks:
        reader = _MarkReader(text, marks)
        thoughts, parts = reader.read()
        if reader.has_found:
            answer = None if parts is None else _outlined(_ended(_joined(parts).removeprefix(_BOM)))
            return Split("\n\n".join(filter(None, map(str.strip, thoughts))), answer)
    return _split_bare_channels(text) or Split("", _ended(text.removeprefix(_BOM)))


def _split_bare_channels(text: str) -> Split | None:
    """The channels of a text that has only their names."""
    begin, final = _BARE_CHANNELS
    if begin not in text:
        return None
    if lines := _CHANNELS_ON_LINES.match(text):
        return Split(lines["thought"].strip(), _outlined(_ended(text[lines.end() :])))
    bare = text.lstrip().removeprefix("assistant")
    thought, found, answer = bare.partition(final)
    if not (found and bare.startswith(begin)):
        return None
    return Split(thought.removeprefix(begin).strip(), _outlined(_ended(answer)))


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
        closing = (mark for mark in find_marks(text) if mark.kind == "close")
        for mark in islice(closing, most):
            yield _ended(text[mark.end :]).strip()


class _Fence(NamedTuple):
    """A line that may begin or end a code block."""

    start: int
    marks: str
    info: str

    @classmethod
    def of(cls, found: re.Match[str]) -> "_Fence":
        return cls(found.start(1), found[1], found[2])

    def closes(self, opening: "_Fence", before: int | None = None) -> bool:
        """Whether it ends a block; a tag that begins at `before` ends its line."""
        first = self.start + len(self.marks)
        info = self.info if before is None else self.info[: max(0, before - first)]
        return self.marks.startswith(opening.marks) and not info.strip()

    @property
    def opens(self) -> bool:
        return not (self.marks[0] == "`" and "`" in self.info)


class _MarkReader:
    """Reads a text from its beginning to its end, from mark to mark.

    What stands in a thought has no influence on how the text behind it is read: fences, inline code and quotations begin
    anew with each part of the text.
    """

    def __init__(self, text: str, marks: list[Mark]) -> None:
        self._text, self._marks = text, marks
        self._last_closing = {mark.name: mark.start for mark in marks if mark.kind == "close"}
        self._fences = map(_Fence.of, _FENCE.finditer(text))
        self._fence = next(self._fences, None)
        self._code = InlineCode(text)
        self._block: _Fence | None = None
        self._opened_in_block: dict[str, int] = {}
        self._inside: str | None = None  # the name of the thought, or of the channel, that the text is in
        self._position = 0
        self._thoughts: list[str] = []
        self._answer: list[str] = []
        self._has_thought = self._has_sure_thought = self._has_channels = self._has_final = (
            self._is_endless
        ) = False

    @property
    def has_found(self) -> bool:
        """Whether the text has a thought or a channel."""
        return self._has_thought or self._has_channels or self._is_endless

    def read(self) -> tuple[list[str], list[str] | None]:
        """The thoughts, and the parts of the answer; None when there is no answer."""
        if len(self._marks) > MAX_MARKS:
            self._is_endless = True
            return [self._text], None
        for mark in self._marks:
            if not self._is_text(mark):
                self._take(mark)
        is_open = self._inside is not None
        self._leave(len(self._text))
        if self._has_channels:
            thoughts = [_ROLE.sub("", thought) for thought in self._thoughts]
            return thoughts, self._answer if self._has_final else None
        return self._thoughts, None if is_open else self._answer

    def _take(self, mark: Mark) -> None:
        if mark.kind == "channel":
            self._enter_channel(mark)
        elif mark.kind == "end":
            self._end_message(mark)
        elif mark.kind == "close":
            self._close(mark)
        elif self._inside is None and self._begins_thought(mark):
            self._enter(mark.name, mark)
            self._has_thought, self._has_sure_thought = True, self._has_sure_thought or not mark.weak

    def _begins_thought(self, mark: Mark) -> bool:
        """Whether an opening tag begins a thought: one that may be something else does at the beginning, or where it is closed."""
        if not mark.weak:
            return True
        if self._has_sure_thought or self._has_channels:
            return False
        if self._last_closing.get(mark.name, -1) > mark.start:
            return True
        is_first = not self._text[: mark.start].strip(f" \t\r\n{_BOM}")
        found = self._text[mark.start : mark.end]
        is_heading = found.startswith("[") and found not in (found.lower(), found.upper())
        return is_first and not is_heading and bool(self._text[mark.end :].strip())

    def _close(self, mark: Mark) -> None:
        if self._inside is None:  # the thought began with the prompt, or before a tag that it quotes
            if mark.weak and (self._has_sure_thought or self._has_channels):
                return
            self._thoughts += [*self._answer, self._text[self._position : mark.start]]
            self._answer.clear()
            self._position = mark.end
        elif self._inside != mark.name:
            return
        self._enter(None, mark)
        self._has_thought, self._has_sure_thought = True, self._has_sure_thought or not mark.weak

    def _enter_channel(self, mark: Mark) -> None:
        self._leave(mark.start)
        if not self._has_channels:
            self._thoughts += self._answer
            self._answer.clear()
        is_final = mark.name == "final"
        self._has_channels, self._has_final = True, self._has_final or is_final
        self._enter(None if is_final else "a channel", mark)

    def _end_message(self, mark: Mark) -> None:
        if self._has_channels and self._inside is None:
            self._enter("a channel", mark)

    def _enter(self, name: str | None, mark: Mark) -> None:
        """Begin a thought, or with None the answer, behind a mark."""
        self._leave(mark.start)
        self._inside, self._position = name, mark.end
        self._block = None
        if name is None and (found := _FENCE_BEHIND_MARK.match(self._text, mark.end)):
            self._block = fence if (fence := _Fence.of(found)).opens else None
            self._opened_in_block = {}
            while self._fence is not None and self._fence.start <= fence.start:
                self._fence = next(self._fences, None)

    def _leave(self, end: int) -> None:
        """Keep the text from the last mark up to here."""
        part = self._text[self._position : end]
        (self._answer if self._inside is None else self._thoughts).append(part)
        self._position = max(end, self._position)

    def _is_text(self, mark: Mark) -> bool:
        """Whether a mark is code or a quotation."""
        if self._is_inside_block(mark):
            return True
        begin, start, end = self._position, mark.start, mark.end
        is_thought = self._inside is not None
        may_end = mark.kind in ("close", "channel") and (is_thought or not self.has_found)
        run = self._code.around(begin, start, end)
        if run is not None:
            return not (may_end and self._code.begins_anew(run, end, is_thought=is_thought))
        return is_quoted(self._text, start, end) and not (
            may_end and quotation_opens(self._text, begin, start, end)
        )

    def _is_inside_block(self, mark: Mark) -> bool:
        while self._fence is not None and self._fence.start < mark.start:
            fence, self._fence = self._fence, next(self._fences, None)
            if self._inside is not None or fence.start < self._position:
                continue
            if self._block is None:
                self._block, self._opened_in_block = fence if fence.opens else None, {}
            elif fence.closes(self._block, mark.start):
                self._block = None
        if self._inside is not None or self._block is None:
            return False
        return not self._ends_prompted_thought(mark, self._block)

    def _ends_prompted_thought(self, mark: Mark, block: _Fence) -> bool:
        """Whether a closing tag after an opening fence ends a thought that has left the fence open.

        It does when it stands first or last on its line, the block has no opening tag for it, there was no thought before,
        and the next fence is not the end of the block.
        """
        if mark.kind in ("channel", "end"):
            return mark.kind == "channel" and not self._has_channels
        if mark.kind == "open":
            self._opened_in_block[mark.name] = self._opened_in_block.get(mark.name, 0) + 1
            return False
        if self._opened_in_block.get(mark.name, 0):
            self._opened_in_block[mark.name] -= 1
            return False
        if self._has_thought or not self._is_at_edge(mark, block.start):
            return False
        behind = _FENCE_BEHIND_MARK.match(self._text, mark.end)
        following = self._fence if behind is None else _Fence.of(behind)
        return following is None or not following.closes(block)

    def _is_at_edge(self, mark: Mark, begin: int) -> bool:
        """Whether a mark stands first or last on its line, or directly before a fence."""
        near = max(begin, mark.start - 80)
        line = self._text.rfind("\n", near, mark.start)
        if line < 0 and near == begin:  # it stands on the line of the fence itself
            return False
        is_first = line >= 0 and not self._text[line : mark.start].strip()
        return is_first or _REST_IS_BLANK.match(self._text, mark.end) is not None


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
