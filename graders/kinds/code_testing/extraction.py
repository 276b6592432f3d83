"""The code in a model's answer.

An ordinary answer has one reading, that of CommonMark. Others can be read in more ways than one: the prompt has opened the
fence, a fence stands behind words, the closing one is missing or has something behind it. Then there are several
candidates, in order of preference, and the first one that is a program is the code.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from graders.kinds.code_testing.candidate import Candidate
from graders.kinds.code_testing.code_blocks import UNCLEAR, code_of, likelihood, merit_of, says_code
from graders.kinds.code_testing.languages import is_markdown, without_first_word, without_language
from graders.kinds.code_testing.markdown import Block, fenced_blocks
from graders.kinds.code_testing.marks import Marks, relevant, spans
from graders.kinds.code_testing.sessions import is_balanced, split
from graders.kinds.code_testing.white_space import dedented, plain

BYTE_ORDER_MARK = "\ufeff"
MOST = 20
"""Candidates that are given at most."""
MAX_BEFORE, MAX_BEHIND = 30, 10
"""Blocks before and behind the chosen one that are kept: what it lacks may be in them."""
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
_INDENTED = re.compile(
    r"(?:\A|(?<=\n)[ \t]*+\r?\n)((?:(?:[ ]{4}|[ ]{0,3}\t)[^\n]*+(?:\n|\Z)|[ \t]*+\r?\n)++)"
)
"""Lines that are indented by four columns, behind a blank line."""
_OTHER_LINE_END = re.compile("[\u2028\u2029\u0085]")
_MORE_THAN_CODE = re.compile("[`<\\[\u2028\u2029\u0085]")
"""What is in a text without a fence that may be more than code."""


def possible_codes(text: str, names: Sequence[str] = ()) -> list[Candidate]:
    """What may be the code in an answer, most likely first; nothing when there is no code.

    In each reading that is the last block that defines what is tested. Where none does, or nothing is known of it, it is the last
    block of Python: one that says so, else one that says nothing, else any; what a program
    prints comes last (`graders.kinds.code_testing.code_blocks`). The other blocks of Python are kept beside it, for what
    it lacks. Blocks in a block of Markdown count as blocks of the answer. The readings are, in this order:

    1. CommonMark's; the whole text where that has no block;
    2. what stands before the first fence, if the answer may begin inside a block;
    3. fences anywhere in a line, see `graders.kinds.code_testing.marks`;
    4. without a fence, what stands in tags such as `<answer>` and `<code>`, then between backticks, then in the last
       paragraph that is indented by four columns, which is CommonMark's other kind of code block;
    5. each of these without tags and special tokens at its ends, and without the indentation of its first line, which is all
       that changes in a text that has one reading;
    6. all of these with the separators U+2028, U+2029 and U+0085 for line ends;
    7. each of these with plain white space (`graders.kinds.code_testing.white_space`), and what stands before the prompts
       of a session and behind them (`graders.kinds.code_testing.sessions`).

    Of a text with very many fences or characters only the end is read (`graders.kinds.code_testing.marks.relevant`).
    A byte order mark, and a first line that only names the language, are not part of the code.

    Args:
        text: The answer.
        names: The functions and classes that are tested, the most important first.
    """
    text = relevant(text.lstrip(BYTE_ORDER_MARK))
    found = _all_readings(text, names)
    if len(found) > 1 and _OTHER_LINE_END.search(text):
        found += _all_readings(_OTHER_LINE_END.sub("\n", text), names)
    found = [each.changed(_without_mark) for each in dict.fromkeys(found)]
    found += [each.changed(lambda code: dedented(plain(code))) for each in found[:MOST]]
    found += [Candidate((part,)) for each in found[:MOST] for part in _of_session(each.code)]
    return [each for each in dict.fromkeys(found) if each.code.strip()][:MOST]


def _all_readings(text: str, names: Sequence[str]) -> list[Candidate]:
    marks = Marks(text)
    blocks = fenced_blocks(text) if marks.count else []
    marked = list(marks.blocks()) if marks.count else []
    found = [_chosen(blocks, names) if blocks else Candidate((text,))]
    is_plain = marks.count == 2 * len(blocks) and all(block.closed for block in blocks)
    if is_plain and (
        _chosen(marked, names).code == found[0].code if marked else not _MORE_THAN_CODE.search(text)
    ):
        return [*found, found[0].changed(dedented), *([] if marked else _indented(text))]
    before = marks.before()
    found += [] if before is None else [Candidate((before,))]
    found += [_chosen(marked, names)] if marked else [*map(_alone, _unfenced(text, names)), *_indented(text)]
    if marked and all(block.closed for block in marked) and not all(block.closed for block in blocks):
        found.insert(0, found.pop())  # a fence that CommonMark does not see would make it even
    return found + [each.changed(lambda code: dedented(_without_ends(code))) for each in found]


def _alone(code: str) -> Candidate:
    return Candidate((code,))


def _without_mark(code: str) -> str:
    return without_language(code.lstrip(BYTE_ORDER_MARK))


def _of_session(code: str) -> list[str]:
    head, entered = split(code)
    return [head, entered] if entered.strip() and is_balanced(head) else []


def _unfenced(text: str, names: Sequence[str]) -> list[str]:
    tagged = [[found[2] for found in pattern.finditer(text)] for pattern in (_TAGGED, _BRACKETED)]
    in_line = _best(spans(text), names)[:1]
    return [
        *_best(tagged[0], names)[:2],
        *_best(tagged[1], names)[:2],
        *in_line,
        *map(without_first_word, in_line),
    ]


def _best(codes: Sequence[str], names: Sequence[str]) -> list[str]:
    """The codes, those first that define what is tested, and of equal ones the later."""
    places = range(len(codes))
    ranks = [merit_of(code, names) for code in codes]
    return [codes[place] for place in sorted(places, key=lambda place: (-ranks[place], -place))]


def _indented(text: str) -> list[Candidate]:
    """The last paragraphs that are indented, if what stands around them is no code."""
    found = [each[1] for each in _INDENTED.finditer(text) if each[1].strip()]
    around = _INDENTED.sub("\n", text)
    return [_alone(dedented(found[-1]))] if found and around.strip() and not says_code(around) else []


def _chosen(blocks: Sequence[Block], names: Sequence[str]) -> Candidate:
    """The last block that most likely is the code, with the others of Python; a blank one only when there is no other."""
    found = [(block, code_of(block)) for block in _unfolded(blocks, 0)]
    found = [(block, code) for block, code in found if code.strip()] or found
    if len(found) == 1:
        return Candidate((found[0][1],))
    ranks = [likelihood(block, code, names) for block, code in found]
    chosen = max(reversed(range(len(found))), key=ranks.__getitem__)
    kept = [place for place, rank in enumerate(ranks) if rank > UNCLEAR or place == chosen]
    at = kept.index(chosen)
    kept = kept[max(at - MAX_BEFORE, 0) : at + MAX_BEHIND + 1]
    return Candidate(tuple(found[place][1] for place in kept), kept.index(chosen))


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
