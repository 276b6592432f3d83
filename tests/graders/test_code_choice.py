"""Of several blocks the one that defines what is tested is the code, with what it lacks; white space and prompts do not hide it."""

import io
import sys
from contextlib import redirect_stdout
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders.kinds.code_testing.extraction import MOST, possible_codes
from graders.kinds.code_testing.forms import read_tests
from graders.kinds.code_testing.purpose import MAX_SOURCE, Purpose, purpose_of
from graders.kinds.code_testing.sessions import begins_session, split
from graders.kinds.code_testing.white_space import dedented, plain
from tests.graders.test_code_extraction import F, code_in
from tests.strategies import any_str

ADD = "def add(a, b):\n    return a + b"
USE = "print(add(1, 2))"
NBSP = "\u00a0"
REPL = ">>> def add(a, b):\n...     return a + b\n...\n"


def block(code: str, info: str = "python", fence: str = F) -> str:
    return f"\n{fence}{info}\n{code}\n{fence}\n"


ADDS = {
    # uses behind the definition
    "a use behind it": f"{block(ADD)}Usage:{block(USE)}",
    "a use and no languages": f"{block(ADD, '')}Usage:{block(USE, '')}",
    "a use that says Python": f"{block(ADD, '')}Usage:{block(USE)}",
    "a use in fences of four": block(ADD, fence="````") + block(USE, fence="````"),
    "a use in tildes": block(ADD, fence="~~~") + block(USE, fence="~~~"),
    "a use in a variable": block(ADD) + block("result = add(1, 2)\nassert result == 3"),
    "a use that imports it": block(ADD) + block("from solution import add\nprint(add(1, 2))"),
    "a use that wraps it": block(ADD) + block("add = timed(add)"),
    "a test": block(ADD) + block("def test_add():\n    assert add(1, 2) == 3\n"),
    "a test class": block(ADD) + block("class TestAdd(TestCase):\n    def add(self):\n        return None"),
    "a use in Markdown": f"````markdown{block(ADD)}{block(USE)}````",
    "a use behind words": f"Code: {F}python\n{ADD}\n{F}\nUse: {F}python\n{USE}\n{F}",
    "a use, CR LF": (block(ADD) + block(USE)).replace("\n", "\r\n"),
    "a use, CR": (block(ADD) + block(USE)).replace("\n", "\r"),
    "a use, U+2028": (block(ADD) + block(USE)).replace("\n", "\u2028"),
    "a use, only a closing fence before it": f"{ADD}\n{F}\nUsage:{block(USE)}",
    "a use in a list": f"1. So:\n   {F}python\n   {ADD.replace(chr(10), chr(10) + '   ')}\n   {F}\n2. Use:\n   {F}python\n   {USE}\n   {F}",
    "a use in code tags": f"<pre><code>\n{ADD}\n</code></pre>\nUse <code>add(1, 2)</code>, <code>3</code>, <code>b</code>.",
    "a use between backticks": "Write `def add(a, b): return a + b` and use `add(1, 2)`.",
    "code on the line of the fence": f"{F}python def add(a, b): return a + b\n{F}\n{block(USE)}",
    "a text block": block(ADD, "text") + block(USE),
    "a shell before and output behind": block("pip install x", "bash")
    + block(ADD)
    + block("python a.py", "sh")
    + block("3", "text"),
    "another language": block(ADD) + block("function add(a, b) { return a + b; }", "javascript"),
    "a signature behind it": block(ADD) + block('def add(a, b):\n    """Add."""\n    # TODO\n    ...'),
    "a signature in a line": block(ADD) + block("def add(a, b): ..."),
    "a signature before it": block("def add(a, b): pass") + block(ADD) + block(USE),
    "a signature over two lines": block("def add(a,\n    b): ...") + block(ADD) + block(USE),
    "two versions": block("def add(a, b):\n    return 0") + "better" + block(ADD),
    "two versions, the fence behind words": block("def add(a, b):\n    return 0") + "better" + block(ADD)[1:],
    # forms of definitions
    "a lambda": block("add = lambda a, b: a + b") + block(USE),
    "a lambda with a type": block("add: object = lambda a, b: a + b") + block(USE),
    "a value": block("import operator\nadd = operator.add") + block(USE),
    "a method": block("class S:\n    def add(self, a, b):\n        return a + b\n\nadd = S().add")
    + block(USE),
    "async": block("async def add(a, b):\n    return a + b") + block("print(asyncio.run(add(1, 2)))"),
    "decorated": block("from functools import cache\n\n\n@cache\n" + ADD) + block(USE),
    "a main guard": block(f"{ADD}\n\n\nif __name__ == '__main__':\n    {USE}") + block(USE),
    "a solution": block("class Solution:\n    def add(self, a, b):\n        return a + b")
    + block("print(Solution().add(1, 2))"),
    # several blocks
    "a helper before it": block("def plus(x, y):\n    return x + y") + block("add = lambda a, b: plus(a, b)"),
    "a helper behind it": block("def add(a, b):\n    return plus(a, b)")
    + block("def plus(x, y):\n    return x + y"),
    "helpers and imports": block("def plus(x, y):\n    return operator.add(x, y)")
    + block("def add(a, b):\n    return plus(a, b)")
    + block("import operator")
    + block(USE),
    "an import of the use": block("class Solution:\n    def add(self, a: List, b):\n        return a + b")
    + block("from typing import List\nprint(Solution().add(1, 2))"),
    "two helpers, the nearest counts": block("def plus(x, y):\n    return 0")
    + block("def plus(x, y):\n    return x + y")
    + block("def add(a, b):\n    return plus(a, b)"),
    "a use of a local name": block("result = add(1, 2)\nprint(result)")
    + block("def add(a, b):\n    result = a + b\n    return result"),
    "a global of a function": block("def add(a, b):\n    return a + b + zero")
    + block("def reset():\n    global zero\n    zero = 0\n\n\nreset()"),
    "a block that is broken": block("def plus(x, y:") + block(ADD) + block("1 +"),
    "parts that do not go together": block("x = plus = sum")
    + block("from __future__ import annotations\n\n\ndef add(a, b):\n    return a + b if a else plus"),
    # sessions
    "a session behind it": block(ADD) + block(">>> add(1, 2)\n3"),
    "a session behind it, pycon": block(ADD) + block(">>> add(1, 2)\n3", "pycon"),
    "a session": block(REPL + ">>> add(1, 2)\n3"),
    "a session without a fence": REPL,
    "a session behind words": f"So:\n\n{REPL}\nDone.",
    "a session behind a banner": block(f"Python 3.11.2 on linux\n{REPL}"),
    "a session behind a comment": block(f"# so\n\n{REPL}"),
    "a session, indented": block("  " + REPL.replace("\n", "\n  ")),
    "a session without spaces": block(REPL.replace(">>> ", ">>>")),
    "a session with tabs": block(">>> def add(a, b):\n...\treturn a + b"),
    "a session with an error": block(
        f"{REPL}>>> add(1, '')\nTraceback (most recent call last):\n  File 'x'\nTypeError: x\n>>> 1\n1\n...\n"
    ),
    "a session and a use": block(REPL) + block(USE),
    "IPython": block(
        "In [1]: def add(a, b):\n   ...:     return a + b\n   ...:\n\nIn [2]: add(1, 2)\nOut[2]: 3"
    ),
    "code and then a session": block(f"{ADD}\n\n>>> add(1, 2)\n3"),
    # white space
    "U+00A0": block(ADD.replace(" ", NBSP).replace(f"def{NBSP}", "def ")),
    "U+00A0 in turn with spaces": block(ADD.replace("    ", f"{NBSP} {NBSP} ")),
    "U+00A0 without a fence": ADD.replace("    ", NBSP * 4),
    "U+00A0 before the whole block": block(f"{NBSP}{NBSP}" + ADD.replace("\n", f"\n{NBSP}{NBSP}")),
    **{
        f"U+{ord(space):04X}": block(ADD.replace("    ", space))
        for space in "\u1680\u2003\u2009\u202f\u205f\u3000\x0b"
    },
    **{
        f"U+{ord(nothing):04X}": block(ADD.replace("return", f"{nothing}return"))
        for nothing in "\u200b\u200c\u200d\u2060\ufeff"
    },
    "a tab behind spaces": block("def add(a, b):\n    x = a\n\treturn x + b"),
    "spaces behind a tab": block("def add(a, b):\n\tx = a\n    return x + b"),
    "indented": block("    " + ADD.replace("\n", "\n    ")),
    "indented with tabs": block("\t" + ADD.replace("\n", "\n\t")),
    "indented, but for a comment": block("  " + ADD.replace("\n", "\n  ") + "\n# done"),
    "indented code": f"It is:\n\n    {ADD.replace(chr(10), chr(10) + '    ')}\n\nIt adds.",
}


@pytest.mark.parametrize("name", ADDS)
def test_what_defines_the_entry_point_is_the_code(name: str) -> None:
    found: dict[str, Any] = {"__name__": "solution"}
    exec(code_in(ADDS[name], names=("add",)) or "", found)  # noqa: S102  # written above
    add = found.get("add") or found["Solution"]().add
    result = add(1, 2)
    if name == "async":
        with pytest.raises(StopIteration) as ended:
            result.send(None)
        result = ended.value.value
    assert result == 3


FAILURES = {
    "quotation marks of prose": "def add(a, b):\n    return a + b + len(“”)",
    "a minus of mathematics": "def add(a, b):\n    return a − -b",
    "wide brackets": "def add（a, b):\n    return a + b",
    "a bracket that is open": "def add(a, b):\n    return (a + b",
    "no colon": "def add(a, b)\n    return a + b",
    "a line that is indented too little": "def add(a, b):\n        x = a\n    return x + b",
    "no body": "def add(a, b):\nreturn a + b",
    "examples in its docstring": 'def add(a, b):\n    """\n    >>> add(1, 2)\n    3\n    """\n    return a +',
    "examples in the module's docstring": '"""\n>>> add(1, 2)\n3\n"""\ndef add(a, b):\n    return a +',
    "an indented part": "def add(a, b:\n\n    x = a\n    print(x)\n",
    "a soft hyphen": "def add(a, b):\n    ret\u00adurn a + b",
}


@pytest.mark.parametrize("behind", ["", block(USE)])
@pytest.mark.parametrize("name", FAILURES)
def test_code_that_does_not_compile_stays_as_it_is(name: str, behind: str) -> None:
    code = FAILURES[name]
    assert (code_in(block(code) + behind, names=("add",)) or "").strip("\n") == code.strip("\n")


def test_the_last_version_counts_even_if_it_is_broken() -> None:
    assert code_in(block(ADD) + "or" + block(f"{ADD} +"), names=("add",)) == f"{ADD} +\n"


def test_a_block_that_needs_the_chosen_one_defines_nothing_for_it() -> None:
    text = block("def add(a, b):\n    return a + b + n") + block("n = 5\nprint(add(n, n))")
    assert code_in(text, names=("add",)) == "def add(a, b):\n    return a + b + n\n"


READS = "n = int(input())\nprint(n * 2)"
SOLVE = "def solve(n):\n    return n * 2"
MAIN = 'if __name__ == "__main__":\n    print(solve(int(input())))'
PROGRAMS = {
    "one block": block(READS),
    "a main guard in a block of its own": block(SOLVE) + block(MAIN),
    "a main guard, then a use": block(f"{SOLVE}\n\n\n{MAIN}") + block("print(solve(5))"),
    "a main guard, then a test": block(f"{SOLVE}\n\n\n{MAIN}") + block("assert solve(5) == 10"),
    "its input and output": f"{block(READS)}Input:{block('5', '')}Output:{block('10', '')}",
    "a generator of inputs": block(READS) + block("import random\nprint(random.randint(1, 9))"),
    "a run": block(READS) + block('import subprocess\nsubprocess.run(["python", "a.py"])'),
    "imports of their own": block("import sys") + block("n = int(sys.stdin.readline())\nprint(n * 2)"),
    "a notebook": block("n = int(input())") + block("print(n * 2)"),
    "three blocks": block("import sys")
    + block(SOLVE)
    + block("def main():\n    print(solve(int(sys.stdin.readline())))\n\n\nmain()")
    + block("echo 3 | python a.py", "bash"),
    "a draft": block("n = int(input())\nprint(n * 3)") + "No:" + block(READS),
    "a draft, then blocks": block("n = int(input())\nprint(n * 3)")
    + block(SOLVE)
    + block("print(solve(int(input())))"),
    "a function behind": block("n = int(input())\nprint(solve(n))") + "where" + block(SOLVE),
    "open(0)": block("print(int(open(0).read()) * 2)") + block("print(open('a').read())"),
    "a reader of its own": block("def read():\n    return int(input())")
    + block(SOLVE)
    + block("print(solve(read()))"),
    "a session": block(READS) + block(">>> print(7)\n7"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_last_block_that_does_the_work_is_the_program(name: str) -> None:
    code, out = code_in(PROGRAMS[name], program="reads"), io.StringIO()
    stdin = io.StringIO("4\n")
    with patch.object(sys, "stdin", stdin), redirect_stdout(out):
        exec((code or "").replace("open(0)", "sys.stdin"), {"__name__": "__main__", "sys": sys})  # noqa: S102
    assert out.getvalue() == "8\n"


def test_a_program_without_input_need_not_read() -> None:
    text = block("print(8)") + block("def helper():\n    return 7")
    assert code_in(text, program="silent") == "print(8)\n"
    assert code_in(block("x = 1") + block("y = 2"), program="silent") == "y = 2\n"


# any order, any fence

PARTS = [
    "import operator",
    "def plus(x, y):\n    return operator.add(x, y)",
    "def add(a, b):\n    return plus(a, b)",
    "print(add(1, 2))",
    "result = add(3, 4)\nprint(result)",
]


@given(st.permutations(PARTS), st.lists(st.sampled_from(["", "python", "py3"]), min_size=5, max_size=5))
def test_blocks_may_stand_in_any_order(parts: list[str], infos: list[str]) -> None:
    text = "and".join(block(part, info) for part, info in zip(parts, infos, strict=True))
    found: dict[str, Any] = {}
    exec(code_in(text, names=("add",)) or "", found)  # noqa: S102  # written above
    assert found["add"](1, 2) == 3


@given(any_str(200), st.lists(any_str(6), max_size=3))
def test_any_text_is_read_for_any_names(text: str, names: list[str]) -> None:
    for answer in (text, block(text) + block(ADD), f"{REPL}{text}"):
        found = possible_codes(answer, names)
        assert len(found) <= MOST
        assert all(candidate.code.strip() for candidate in found)


def test_blocks_far_away_are_not_kept() -> None:
    text = block("x = 1") * 60 + block(ADD) + block("y = 2") * 60
    assert len(possible_codes(text, ["add"])[0].blocks) == 41


# white space

PROGRAM = st.lists(
    st.sampled_from(
        [
            "x = 1\n",
            "if x:\n    y = 2\n",
            "if x:\n\ty = 2\n",
            f"s = '{NBSP}\u200b'\n",
            f'"""{NBSP}\n\t{NBSP}x\n    y"""\n',
            "# \u3000 it's\n",
            "t = '''a\n\tb\n    c'''\n",
            "u = 'it\\'s'\n",
        ]
    ),
    max_size=6,
).map("".join)


@given(PROGRAM)
def test_texts_and_comments_keep_their_white_space(code: str) -> None:
    found: dict[str, Any] = {}
    same: dict[str, Any] = {}
    exec(code.replace("if x", "if 1"), found)  # noqa: S102  # of the list above
    exec(plain(code).replace("if x", "if 1"), same)  # noqa: S102  # likewise
    del found["__builtins__"], same["__builtins__"]
    assert found == same


@given(any_str(200))
def test_plain_white_space_is_plain(code: str) -> None:
    assert plain(plain(code)) == plain(code)
    assert "".join(dedented(code).split()) == "".join(code.split())


def test_a_text_that_is_never_closed_is_no_text() -> None:
    assert plain(f'{NBSP}x = """{NBSP}y\n{NBSP}"""" z """') == f' x = """{NBSP}y\n{NBSP}"""" z """'
    assert plain(f'"""\\"""\n{NBSP}y') == '"""\\"""\n y'
    assert plain(f'x = """\n{NBSP}y') == 'x = """\n y'
    assert plain(f'"""\\""" """\\"""\n{NBSP}y') == '"""\\""" """\\"""\n y'


# sessions


@pytest.mark.parametrize(
    ("text", "head", "entered"),
    [
        ("x = 1\n", "x = 1\n", ""),
        (">>> x\n1\n>>> y\n", "", "x\ny\n"),
        (">>> x\n>>>\n", "", "x\n\n"),
        ("a\n>>> if x:\n...   y\n... \n2\n... z\n", "a\n", "if x:\n  y\n\n"),
        ("a\n    >>> x\n", "a\n    >>> x\n", ""),
        (">>>> quoted\n", ">>>> quoted\n", ""),
        ("In [x]\n", "In [x]\n", ""),
        (">>> f()\nTraceback (most recent call last):\n  x\nE\n>>> y\n", "", "y\n"),
        (">>> x\n....\n", "", "x\n"),
    ],
)
def test_what_was_entered_is_code(text: str, head: str, entered: str) -> None:
    assert split(text) == (head, entered)


def test_a_session_begins_with_a_prompt() -> None:
    assert begins_session("\n# so\n\n  >>> x")
    assert begins_session("In [12]: x")
    assert not begins_session("x\n>>> x")
    assert not begins_session("\n # x\n")


# what the tests use


def test_names_are_the_entry_point_and_those_that_calls_use() -> None:
    call = {"call": [], "expected": 1}
    assert purpose_of(read_tests([call]), "A.run", "solution").names == ("A",)
    given = read_tests([{**call, "function": "f"}, {**call, "function": "g.h"}])
    assert purpose_of(given, "main", "solution").names == ("main", "f", "g")


def test_names_without_an_entry_point_are_those_that_the_tests_call_and_do_not_define() -> None:
    given = read_tests(["assert add(1, len([2])) == 3", "assert set(solution.sub(3)) == m.x(1)"])
    assert purpose_of(given, None, "solution").names == ("add", "sub")
    source = read_tests("def check(c):\n    if (1): assert Stack().pop() == c\ncheck(2)")
    assert purpose_of(source, None, "solution").names == ("Stack",)
    long = read_tests(f"x = [{'f(1), ' * MAX_SOURCE}]\nassert g() == x")
    assert purpose_of(long, None, "solution").names == ("f", "g")


def test_code_whose_tests_use_no_name_is_a_program() -> None:
    silent, reading = {"input": " ", "output": "7"}, {"input": "7", "output": "7"}
    assert purpose_of(read_tests([silent]), None, "m") == Purpose((), is_program=True)
    assert purpose_of(read_tests([silent, reading]), None, "m") == Purpose((), is_program=True, reads=True)
    assert not purpose_of(read_tests([silent, "assert f()"]), None, "m").is_program
