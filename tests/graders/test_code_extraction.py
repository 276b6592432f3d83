"""The code in an answer is found however its fences stand, and CommonMark decides where it says something."""

import html
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from graders.kinds.code_testing.extraction import MOST, possible_codes
from graders.kinds.code_testing.markdown import fenced_blocks, lines_of
from graders.kinds.code_testing.marks import MAX_CHARACTERS, MAX_MARKS, relevant
from runtime.sandbox.inside.candidates import judged
from tests.strategies import any_str

F = "```"
CODE = "print(7)\n"


def code_in(text: str, prelude: str = "", names: tuple[str, ...] = (), program: str = "") -> str | None:
    """What is run of an answer, as the sandbox chooses it."""
    best, code = 0, None
    for candidate in possible_codes(text, names):
        found = judged(prelude, candidate.blocks, candidate.chosen, names, program)
        merit = found["compiles"] + found["acts"] + (found["acts"] and found["defines"])
        if code is None or merit > best:
            best, code = merit, found["code"] or candidate.code
    return code


def codes_in(text: str) -> list[str]:
    return [candidate.code for candidate in possible_codes(text)]


SEVEN = {
    # fences as CommonMark has them
    "no fence": CODE,
    "plain": f"{F}python\n{CODE}{F}",
    "without a language": f"{F}\n{CODE}{F}\nDone.",
    "indented, without a fence": f"    {CODE}",
    "indented in its block": f"{F}python\n    {CODE}{F}",
    "never closed": f"So:\n{F}python\n{CODE}",
    "never closed, without a language": f"Answer:\n{F}\n{CODE}",
    "four backticks": f"````python\n{CODE}````",
    "a longer closing fence": f"{F}python\n{CODE}`````",
    "tildes": f"~~~python\n{CODE}~~~",
    "tildes and a longer closing fence": f"~~~~py\n{CODE}~~~~~\nDone",
    "line ends CR LF": f"{F}python\r\nprint(7)\r\n{F}\r\n",
    "line ends CR": f"{F}python\rprint(7)\r{F}\r",
    "an indented closing fence": f"{F}python\n{CODE}   {F}",
    "in a list": f"1. so:\n   {F}python\n   {CODE}   {F}\n2. done",
    "in a list behind its number": f"1. {F}python\n   {CODE}   {F}",
    "in a list behind its bullet": f"- {F}python\n  {CODE}  {F}",
    "in a list, deep": f"10. a\n\n    - {F}python\n      {CODE}      {F}\n",
    "in a block quote": f"> {F}python\n> {CODE}> {F}",
    "in a list in a block quote": f"> - {F}python\n>   {CODE}>   {F}",
    "tabs before everything": f"\t{F}python\n\t{CODE}\t{F}",
    "four spaces before everything": f"    {F}python\n    {CODE}    {F}",
    # what an info string says
    "python3": f"{F}Python3\n{CODE}{F}",
    "a version": f"{F}python 3.11\n{CODE}{F}",
    "attributes": f"{F}{{.python .numberLines}}\n{CODE}{F}",
    "a file": f"{F}python:main.py\n{CODE}{F}",
    # code on the line of the fence
    "a call behind the language": f"{F}python print(7)\n{F}",
    "a call behind the language and a tab": f"{F}python\tprint(7)\n{F}",
    "a call behind the fence": f"{F} print(7)\n{F}",
    # special tokens around it
    "the tokens of Llama": "<|python_tag|>print(7)<|eom_id|>",
    "the header of Llama": "<|start_header_id|>assistant<|end_header_id|>\n\nprint(7)<|eot_id|>",
    "the header of ChatML": "<|im_start|>assistant\nprint(7)<|im_end|>",
    # what the code prints
    "its output behind it": f"{F}\n{CODE}{F}\nOutput:\n{F}\n8\n{F}",
    "its output behind code on the line of the fence": f"{F}python print(7)\n{F}\nOutput:\n{F}\n8\n{F}",
    "its output in bold": f"{F}\n{CODE}{F}\n**Expected output**:\n\n{F}\nx = 8\n{F}",
    "its output with an underlined label": f"{F}\n{CODE}{F}\n__Output__\n{F}\nx = 8\n{F}",
    "its output as Python": f"{F}python\n{CODE}{F}\nThis prints:\n{F}python\n8\n{F}",
    "its output without a word": f"{F}\n{CODE}{F}\n{F}\n8\n{F}",
    "its output behind words on the fence's line": f"{F}\n{CODE}{F}\nOutput: {F}\n8\n{F}",
    "the result of running it": f"{F}\n{CODE}{F}\nResult of running it (on 3.11):\n{F}\n(8, 'a')\n{F}",
    "a session behind it": f"{F}\n{CODE}{F}\nUsage:\n{F}\n>>> f(2)\n8\n{F}",
    "a shell behind it": f"{F}\n{CODE}{F}\n{F}\n$ python a.py\n8\n{F}",
    "code behind a word for output": f"{F}\nx\n{F}\nThe following program prints the result:\n{F}\n{CODE}{F}",
    "code behind a label of output": f"{F}\nx = 8\n{F}\nFinal result:\n{F}\n{CODE}{F}",
    "a title": f"{F}py title='a.py'\n{CODE}{F}",
    "the language below the fence": f"{F}\npython\n{CODE}{F}",
    "blocks of other languages": f"{F}json\n[1]\n{F}\n{F}python\n{CODE}{F}\n{F}output\n7\n{F}\n{F}bash\nls\n{F}",
    "Markdown around it": f"````markdown\n# A\n{F}python\n{CODE}{F}\n````",
    "Markdown around it with fences as long": f"{F}markdown\n{F}python\n{CODE}{F}\n{F}",
    # the prompt has opened the fence
    "only a closing fence": f"{CODE}{F}",
    "only a closing fence of tildes": f"{CODE}~~~",
    "only a closing fence and prose": f"{CODE}{F}\nThat prints seven.",
    "only a closing fence and a word": f"{CODE}{F}\nDone",
    "only a closing fence on the last line": f"print(7){F}",
    "only a closing fence, the language first": f"python\n{CODE}{F}",
    "only a closing fence, then output": f"{CODE}{F}\nOutput:\n{F}\n7\n{F}",
    "only a closing fence, then a use": f"{CODE}{F}\nUsage:\n{F}python\nf(3)\n{F}",
    "only a closing fence in the last line, then output": f"print(7){F}\nExample:\n{F}\n7\n{F}",
    # something else on the fence's line
    "words before the fence": f"Solution: {F}python\n{CODE}{F}",
    "words before the fence and a word behind": f"Solution: {F}python\n{CODE}{F}\nDone",
    "words before the fence and another block": f"Solution: {F}python\n{CODE}{F}\nRun:\n{F}bash\npython x\n{F}",
    "bold before the fence": f"**Code:**{F}python\n{CODE}{F}**End**",
    "a tag before the fence": f"<answer>{F}python\n{CODE}{F}</answer>",
    "a table's bars": f"| {F}python\n{CODE}{F} |",
    "a zero-width space before the fence": f"\u200b{F}python\n{CODE}{F}",
    "a token behind the closing fence": f"{F}python\n{CODE}{F}<|im_end|>",
    "prose behind the closing fence": f"{F}python\n{CODE}{F} That prints it.",
    "a full stop behind the closing fence": f"{F}python\n{CODE}{F}.",
    "the closing fence on the last line": f"{F}python\nprint(7){F}",
    "the closing fence on the last line and prose": f"{F}python\nprint(7){F}\nThat is it.",
    "the closing fence of a comment": f"{F}python\nprint(7){F}  # it's\nIt's.",
    "an opening fence that closes": f"{F}python\n{CODE}{F}python\n",
    "a closing fence indented too far": f"{F}python\n{CODE}    {F}\n\nThat's it.",
    "a closing fence behind a tab": f"{F}python\n{CODE}\t{F}\n",
    "a shorter closing fence": f"`````python\n{CODE}{F}",
    "a closing fence of the other kind": f"{F}python\n{CODE}~~~",
    "all in one line": f"{F}python print(7){F}",
    "between backticks": "The code is `print(7)`.",
    "a block that leaves its list": f"1. so:\n   {F}python\n{CODE}   {F}",
    "a bullet before the fence only": f"- {F}python\n{CODE}{F}",
    "a block quote's first line only": f"> {F}python\n{CODE}{F}",
    "a thought with a fence that it never closed": f"<think>\nmaybe\n{F}python\nprint(8)\nno, wait\n</think>\n\n{F}python\n{CODE}{F}",
    # tags and tokens without a fence
    "answer": "So:\n<answer>\nprint(7)\n</answer>",
    "code": "<code>print(7)</code>",
    "pre and code": "<pre><code class='language-python'>\nprint(7)\n</code></pre>",
    "a fence in an answer": f"<answer>\n{F}python\n{CODE}{F}\n</answer>",
    "a fence that an answer closes": f"<answer>\n{F}python\n{CODE}</answer>",
    "a fence in a line of an answer": f"<answer>{F}print(7){F}</answer>",
    "an answer that only closes": "print(7)\n</answer>",
    "a token at the end": "print(7)<|im_end|>",
    "tokens at the end": "print(7)</s><eos>\n<｜end▁of▁sentence｜>",
    "brackets": "[PYTHON]\nprint(7)\n[/PYTHON]",
    # marks and separators
    "a byte order mark": f"\ufeff{F}python\n{CODE}{F}",
    "a byte order mark in the block": f"{F}python\n\ufeff{CODE}{F}",
    "a byte order mark and no fence": f"\ufeff{CODE}",
    "U+2028 for line ends": f"{F}python\u2028print(7)\u2028{F}",
    "NEL for line ends": f"So:\u0085{F}python\u0085print(7)\u0085{F}\u0085Done",
    "U+2029 behind the closing fence": f"{F}python\n{CODE}{F}\u2029Done.",
    "U+2028 before the opening fence": f"Here:\u2028{F}python\n{CODE}{F}",
}


@pytest.mark.parametrize("name", SEVEN)
def test_the_code_is_found(name: str) -> None:
    assert (code_in(SEVEN[name]) or "").strip() == CODE.strip()


DOCSTRING = (
    'def f():\n{0}"""Use it so:\n\n{0}```python\n{0}f()\n{0}```\n{0}"""\n{0}return 7\n\n\nprint(f())\n'
)
KEPT = {
    **{
        f"a fenced example in a docstring, indented by {width!r}": DOCSTRING.format(width)
        for width in ("    ", "  ", "   ", "\t")
    },
    "a fenced example in a module's docstring": '"""Use it so:\n\n```\nf()\n```\n"""\nprint(7)\n',
    "a fenced example in a text": "x = '''\n```python\nf()\n```\n'''\nprint(7)\n",
    "backticks in a text": "print('```' and 7)\n",
    "backticks in a comment": "print(7)  # not '```'\n",
    "separators in a text": "print('a\u2028b\x85c\x0cd')\n",
    "two tildes": "x = ~~7\nprint(x)\n",
    "a comment like a heading": "# ---\n# 1. so\nprint(7)\n",
    "a line like a list": "x = (8\n- 1)\nprint(x)\n",
    "no line end": "print(7)\n\n\n",
}


@pytest.mark.parametrize("behind", ["", "\nDone.\n", "\n\nOutput:\n```\n7\n```\n"])
@pytest.mark.parametrize("name", KEPT)
def test_what_is_in_the_code_stays_in_it(name: str, behind: str) -> None:
    assert code_in(f"So:\n\n{F}python\n{KEPT[name]}{F}{behind}") == KEPT[name]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        F,
        f"{F}\n{F}",
        f"{F}python\n\n{F}",
        "\ufeff",
        f"{F}python\npython\n{F}",
        "<answer></answer>",
    ],
)
def test_there_is_no_code_only_where_there_is_none(text: str) -> None:
    assert code_in(text) in (None, "<answer></answer>")


@pytest.mark.parametrize(
    "first", ["import math", "def f(): return 7", "@cache", "async def f(): pass", "class A: pass"]
)
def test_code_may_begin_on_the_line_of_its_fence(first: str) -> None:
    assert codes_in(f"So:\n{F}python {first}\n{CODE}{F}")[0] == f"{first}\n{CODE}"


def test_what_is_no_code_on_the_line_of_a_fence_is_not_read() -> None:
    for info in ('python title="a.py"', "python {.numbered}", "python definition", "python 3"):
        assert codes_in(f"{F}{info}\n{CODE}{F}") == [CODE]


@pytest.mark.parametrize(
    "text", [CODE, f"{F}python\n{CODE}{F}", f"So:\n{F}\n{CODE}{F}\nand\n~~~py\n{CODE}~~~\n"]
)
def test_an_ordinary_answer_has_one_reading(text: str) -> None:
    assert codes_in(text) == [CODE]


def test_what_the_prelude_begins_may_go_on_to_a_closing_fence() -> None:
    prelude = "def f(x):\n"
    assert code_in(f"    return x + 1\n{F}\nIt adds one.", prelude) == "    return x + 1\n"
    assert judged(prelude, ["    return x + 1\n"], names=["f"]) == {
        "code": None,
        "compiles": True,
        "acts": True,
        "defines": True,
    }


@pytest.mark.parametrize(
    ("code", "compiles", "acts"),
    [
        ("print(7)", True, True),
        ("x = 7", True, True),
        ("(x := 7)", True, True),
        ("Done", True, False),
        ("Output: text", True, False),
        ("pass", True, False),
        ("7\n# seven", True, False),
        ("That is it.", False, False),
        ("\ud800", False, False),
        ("x = '\0'", False, False),
        ("(" * 10_000, False, False),
    ],
)
def test_a_word_of_prose_is_no_program(code: str, compiles: bool, acts: bool) -> None:
    found = judged("", [code])
    assert (found["compiles"], found["acts"]) == (compiles, acts)


# the oracle

_ORACLE = MarkdownIt("commonmark", {"html": False}).disable(["html_block", "reference", "lheading"])


def oracle(text: str) -> list[tuple[str, str]]:
    """The fenced blocks that a parser of CommonMark sees, where it sees no fence that is indented too far to be one."""
    tokens = _ORACLE.parse(text)
    others = [token.content for token in tokens if token.type in ("code_block", "inline")]
    assume(
        not any(line.lstrip().startswith((F, "~~~")) for content in others for line in content.split("\n"))
    )
    return [(token.info.strip(), token.content) for token in tokens if token.type == "fence"]


INFO = st.sampled_from(["", "python", " py3 x", "bash"])
LINES = st.sampled_from(
    [
        "x = 1",
        "    y",
        "",
        "  ",
        "text",
        "`a`",
        "`` b ``",
        "~~",
        "a ```",
        "``` b ```",
        "# c",
        "'''",
        "  d",
        "***",
        "> q",
        "- i",
        "7. n",
    ]
)


@st.composite
def fences(draw: st.DrawFn) -> list[str]:
    """A block, closed or almost."""
    mark, count = draw(st.sampled_from("`~")), draw(st.integers(3, 5))
    opening = " " * draw(st.integers(0, 3)) + mark * count + draw(INFO)
    closing = (
        " " * draw(st.integers(0, 5))
        + mark * draw(st.integers(3, 6))
        + draw(st.sampled_from(["", " ", "\t", "x"]))
    )
    return [opening, *draw(st.lists(LINES, max_size=4)), closing]


@st.composite
def documents(draw: st.DrawFn, depth: int = 2) -> list[str]:
    """Lines of prose, blocks, quotes and list items."""
    prose = LINES.filter(lambda line: line.strip() == line).map(lambda line: ["", line, ""])
    pieces = draw(st.lists(st.one_of(fences(), prose), min_size=1, max_size=4))
    lines = [line for piece in pieces for line in piece]
    if depth and draw(st.booleans()):
        inner = draw(documents(depth - 1))
        if draw(st.booleans()):
            lines += ["", *(f"> {line}" for line in inner), ""]
        else:
            marker = draw(st.sampled_from(["- ", "1. ", "*  ", "10)  "]))
            first, *rest = inner if inner[0].strip() else ["p", *inner]
            lines += [
                "",
                "para",
                "",
                marker + first.lstrip(),
                *(" " * len(marker) + line if line else line for line in rest),
                "",
            ]
    return lines


def test_a_block_that_follows_a_word_for_output_is_code_when_there_is_no_other() -> None:
    assert code_in(f"Result:\n{F}\nx = 7\n{F}") == "x = 7\n"


def test_a_long_line_above_a_block_is_read_in_no_time() -> None:
    # reading "a_a_a_…" as words in every way would take years
    assert code_in(f"{'a_' * 90}\n{F}\n{CODE}{F}") == CODE
    assert code_in(f"{'a ' * 90}\r{F}\r{CODE}{F}") == CODE


@given(documents(), st.sampled_from(["\n", "\r\n"]))
def test_blocks_are_those_that_commonmark_defines(lines: list[str], end: str) -> None:
    text = end.join(lines)
    found = [(block.info, block.text.replace("\r\n", "\n")) for block in fenced_blocks(text)]
    expected = [(html.unescape(info), content) for info, content in oracle(text)]
    # the last line of an unclosed block gets a line ending from the oracle
    assert [(info, content.rstrip("\n")) for info, content in found] == [
        (info, content.rstrip("\n")) for info, content in expected
    ]


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (" ```\n\tz\n ```", "   z\n"),
        ("> ```\n> \tz\n> ```", "\tz\n"),
        (">  ```\n> \tz\n> ```", " z\n"),
        (">\t```\n>\tz\n> ```", "z\n"),
        ("- ```\n\tz\n  ```", "  z\n"),
        ("-\t```\n\t\tz\n\t```", "\tz\n"),
        ("```\n\tz\n```", "\tz\n"),
    ],
)
def test_a_tab_reaches_to_the_next_fourth_column(text: str, content: str) -> None:
    assert [block.text for block in fenced_blocks(text)] == [content]


@given(st.text(st.sampled_from("`~ \t\n\r>-1.a\"'#<|/\\pyth\u2028\ufeff"), max_size=200))
def test_any_text_is_read(text: str) -> None:
    assert "".join(lines_of(text)) == text
    codes = codes_in(text)
    assert len(codes) <= MOST
    assert all(code.strip() for code in codes)
    assert len(set(codes)) == len(codes)


@given(any_str(300))
def test_any_text_without_a_mark_is_the_code(text: str) -> None:
    plain = text.lstrip("\ufeff")
    assert codes_in(text)[:1] == ([plain] if plain.strip() else []) or any(mark in text for mark in "`~")


PIECES: dict[str, str] = {
    name: piece * (40_000 // len(piece))
    for name, piece in {
        "fences": "```\n",
        "quotes": ">",
        "bullets": "- ",
        "spans": "``` x ",
        "quotation marks": '"""\\',
        "tags": "<code>",
        "line ends": "\u2028```",
    }.items()
}


@pytest.mark.parametrize("name", PIECES)
def test_a_text_of_nothing_but_marks_is_read(name: str) -> None:
    assert len(possible_codes(PIECES[name])) <= MOST
    assert len(possible_codes(f"{F}python\n{PIECES[name]}")) <= MOST


def test_of_very_many_fences_the_last_are_read() -> None:
    many = f"{F}python\nprint(8)\n{F}\n" * MAX_MARKS
    assert code_in(f"{many}{F}python\n{CODE}{F}") == CODE
    assert relevant(many).count(F) == MAX_MARKS
    comments = "# a long comment, repeated over and over\n" * (MAX_CHARACTERS // 40)
    long = f"{F}python\n{comments}{CODE}{F}"
    assert (code_in(f"{many}{long}") or "").endswith(CODE)
    assert code_in(f"{F}python\n{CODE}{F}\n{'x' * MAX_CHARACTERS}") == CODE
    one_line = f"{F} x " * MAX_MARKS
    assert relevant(one_line * 2) == one_line.strip() + " "


def test_fences_of_many_lengths_are_read() -> None:
    text = "\n".join("`" * length + "\nx" for length in range(60, 2, -1))
    assert any(possible_codes(text))


def nested(levels: int) -> Any:
    return CODE if not levels else f"{'`' * (3 + levels)}md\n{nested(levels - 1)}{'`' * (3 + levels)}\n"


@pytest.mark.parametrize("levels", [1, 2, 30])
def test_markdown_in_markdown_is_read(levels: int) -> None:
    assert "print(7)" in (code_in(nested(levels)) or "")
