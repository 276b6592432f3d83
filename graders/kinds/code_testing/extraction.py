"""The code in a model's answer.

An ordinary answer has one reading, that of CommonMark. Others can be read in more ways than one: the prompt has opened the
fence, a fence stands behind words, the closing one is missing or has something behind it. Then there are several
candidates, in order of preference, and the first one that is a program is the code.
"""

import re
from collections.abc import Iterable, Iterator
from textwrap import dedent

from graders.kinds.code_testing.code_blocks import code_of, likelihood
from graders.kinds.code_testing.languages import is_markdown, without_first_word, without_language
from graders.kinds.code_testing.markdown import Block, fenced_blocks
from graders.kinds.code_testing.marks import Marks, relevant, spans

BYTE_ORDER_MARK = "\ufeff"
MOST = 12
"""Candidates that are given at most."""
MAX_NESTED = 3
"""Levels of Markdown blocks that are looked into."""
MAX_ENDS = 10
"""Tags and special tokens that are taken off either end of a code."""
_TAGS = "answer|code|final|final_answer|pre|program|python|script|solution"
_TAGGED = re.compile(rf"<({_TAGS})\b[^<>\n]{{0,100}}>((?:(?!<\1\b).)*?)</\1>", re.DOTALL | re.IGNORECASE)
_BRACKETED = re.compile(r"\[(PYTHON|CODE|ANSWER)\]((?:(?!\[\1\]).)*?)\[/\1\]", re.DOTALL | re.IGNORECASE)
_OPENING = re.compile(
    rf"\s*(?:<(?:{_TAGS})\b[^<>\n]{{0,100}}>|<[|｜](?:im_start|start_header_id|start)[|｜]>\w{{0,20}}|<[|｜][^<>\n]{{1,40}}[|｜]>|<s>)",
    re.IGNORECASE,
)
_ENDING = re.compile(
    r"(?:<[|｜][^<>\n]{1,40}[|｜]>|</[A-Za-z][\w-]{0,40}>|<[a-z_]{1,20}>|\[/[A-Za-z]{1,20}\])$"
)
_OTHER_LINE_END = re.compile("[\u2028\u2029\u0085]")
_MORE_THAN_CODE = re.compile("[`<\\[\u2028\u2029\u0085]")
"""What is in a text without a fence that may be more than code."""


def possible_codes(text: str) -> list[str]:
    """What may be the code in an answer, most likely first; nothing when there is no code.

    In each reading that is the last block of Python: one that says so, else one that says nothing, else any; what a program
    prints comes last (`graders.kinds.code_testing.code_blocks`). Blocks in a block of Markdown count as blocks of the answer. The readings are, in this order:

    1. CommonMark's; the whole text where that has no block;
    2. what stands before the first fence, if the answer may begin inside a block;
    3. fences anywhere in a line, see `graders.kinds.code_testing.marks`;
    4. without a fence, what stands in tags such as `<answer>` and `<code>`, and then between backticks;
    5. each of these without tags and special tokens at its ends, and without the indentation of its first line, which is all
       that changes in a text that has one reading;
    6. all of these with the separators U+2028, U+2029 and U+0085 for line ends.

    Of a text with very many fences or characters only the end is read (`graders.kinds.code_testing.marks.relevant`).
    A byte order mark, and a first line that only names the language, are not part of the code.
    """
    text = relevant(text.lstrip(BYTE_ORDER_MARK))
    found = _all_readings(text)
    if len(found) > 1 and _OTHER_LINE_END.search(text):
        found += _all_readings(_OTHER_LINE_END.sub("\n", text))
    codes = [without_language(code.lstrip(BYTE_ORDER_MARK)) for code in found]
    return [code for code in dict.fromkeys(codes) if code.strip()][:MOST]


def _all_readings(text: str) -> list[str]:
    marks = Marks(text)
    blocks = fenced_blocks(text) if marks.count else []
    marked = list(marks.blocks()) if marks.count else []
    found = [_chosen(blocks) if blocks else text]
    is_plain = marks.count == 2 * len(blocks) and all(block.closed for block in blocks)
    if is_plain and (_chosen(marked) == found[0] if marked else not _MORE_THAN_CODE.search(text)):
        return [*found, _dedented(found[0])]
    before = marks.before()
    found += [] if before is None else [before]
    found += [_chosen(marked)] if marked else _unfenced(text)
    return found + [_dedented(_without_ends(code)) for code in found]


def _unfenced(text: str) -> list[str]:
    tagged = [[found[2] for found in pattern.finditer(text)][:-3:-1] for pattern in (_TAGGED, _BRACKETED)]
    in_line = spans(text)[-1:]
    return [*tagged[0], *tagged[1], *in_line, *map(without_first_word, in_line)]


def _chosen(blocks: Iterable[Block]) -> str:
    """The text of the last block of Python; of a blank one only when there is no other."""
    found = [(block, code_of(block)) for block in _unfolded(blocks, 0)]
    found = [(block, code) for block, code in found if code.strip()] or found
    return max(reversed(found), key=lambda each: likelihood(*each))[1]


def _unfolded(blocks: Iterable[Block], depth: int) -> Iterator[Block]:
    """The blocks, and in place of a block of Markdown those in it."""
    for block in blocks:
        inner = fenced_blocks(block.text) if depth < MAX_NESTED and is_markdown(block.info) else []
        if inner:
            yield from _unfolded(inner, depth + 1)
        else:
            yield block


def _without_ends(code: str) -> str:
    """The code without opening tags and special tokens before it, and without closing ones behind it."""
    for _ in range(MAX_ENDS):
        opening = _OPENING.match(code)
        if opening is None:
            break
        code = code[opening.end() :]
    for _ in range(MAX_ENDS):
        stripped = code.rstrip()
        ending = _ENDING.search(stripped, max(0, len(stripped) - 60))
        if ending is None:
            break
        code = stripped[: ending.start()]
    return code


def _dedented(code: str) -> str:
    """The code without the indentation of its lines, if its first line has any."""
    return dedent(code) if code.lstrip("\r\n")[:1] in (" ", "\t") else code
