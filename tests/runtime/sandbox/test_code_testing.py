"""`code_tests` in real processes: who decides what is equal, who is to blame, and who waits for whom."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from graders import GraderResult
from runtime import Evaluator, Settings
from runtime.attacks.costly import CALL, CODE, Costly


@pytest.fixture(scope="module")
def small() -> Settings:
    return Settings(python_memory_mb=1024, sandbox_processes=2)


@pytest.fixture(scope="module")
async def sandboxed(small: Settings) -> AsyncIterator[Evaluator]:
    async with Evaluator(settings=small) as evaluator:
        yield evaluator


async def grade(evaluator: Evaluator, code: str, tests: Any, **options: Any) -> GraderResult:
    config = {"type": "code_tests", "extract": "none", "timeout_s": 10, "tests": tests, **options}
    return await evaluator.grade(config, code)


async def rewards(evaluator: Evaluator, cases: dict[str, tuple[str, Any]], **options: Any) -> dict[str, Any]:
    """What each code gets for its own tests."""
    results = [await grade(evaluator, code, tests, **options) for code, tests in cases.values()]
    return {name: result.reward for name, result in zip(cases, results, strict=True)}


# order


async def test_a_set_earns_nothing_where_the_order_is_the_task(sandboxed: Evaluator) -> None:
    ordering: dict[str, tuple[str, Any]] = {
        "sort": ("def f(x): return set(x)", [{"call": [[3, 1, 2]], "expected": [1, 2, 3]}]),
        "reverse": ("def f(x): return frozenset(x)", [{"call": [[1, 2]], "expected": [2, 1]}]),
        "inner": ("def f(x): return [set(x)]", [{"call": [[2, 1]], "expected": [[1, 2]]}]),
        "in a dict": ("def f(x): return {'a': set(x)}", [{"call": [[2, 1]], "expected": {"a": [1, 2]}}]),
        "keys": ("def f(x): return dict.fromkeys(x)", [{"call": [[2, 1]], "expected": [1, 2]}]),
    }
    assert await rewards(sandboxed, ordering, entry_point="f") == dict.fromkeys(ordering, 0.0)
    test = {"call": [[3, 1, 2]], "expected": [1, 2, 3], "unordered": True}
    assert (await grade(sandboxed, "def f(x): return set(x)", [test], entry_point="f")).reward == 1.0


# what is the code


@pytest.mark.parametrize(
    "answer",
    [
        "print(7)\n```\nThat prints seven.",
        "Solution: ```python\nprint(7)\n```\nDone",
        "```python\nprint(7)```",
        '```python\ndef f():\n  """Use it so:\n  ```\n  f()\n  ```\n  """\n  return 7\nprint(f())\n```',
        "<answer>```python\nprint(7)\n```</answer>",
    ],
)
async def test_an_answer_with_odd_fences_is_run(sandboxed: Evaluator, answer: str) -> None:
    config = {"type": "code_tests", "tests": [{"input": "", "output": "7"}, {"input": "x", "output": "7"}]}
    assert (await sandboxed.grade(config, answer)).reward == 1.0


@pytest.mark.parametrize(
    "answer",
    [
        "```python\ndef add(a, b): return a + b\n```\nUse:\n```python\nprint(add(1, 2))\n```",
        "```\ndef add(a, b): return plus(a, b)\n```\n```\nfrom operator import add as plus\n```",
        "```\n>>> def add(a, b):\n...     return a + b\n```",
        "def add(a, b):\n\u00a0\u00a0return a + b",
    ],
)
async def test_what_defines_the_tested_function_is_run(sandboxed: Evaluator, answer: str) -> None:
    for tests in ([{"call": [1, 2], "expected": 3, "function": "add"}], ["assert add(1, 2) == 3"]):
        assert (await sandboxed.grade({"type": "code_tests", "tests": tests}, answer)).reward == 1.0


async def test_blocks_that_are_too_much_to_parse_do_not_hide_the_code(sandboxed: Evaluator) -> None:
    config = {"type": "code_tests", "entry_point": "f", "tests": [{"call": [], "expected": 7}]}
    for deep in (
        "-" * 50_000 + "1",
        "(" * 9_999,
        "lambda: " * 3_000 + "1",
        "x = " * 9_999 + "1",
        "f." * 30_000 + "a",
    ):
        answer = f"```python\n{deep}\n```\n```python\ndef f(): return 7\n```\n```python\nf()\n```"
        assert (await sandboxed.grade(config, answer)).reward == 1.0


async def test_a_reading_that_is_too_much_to_compile_is_not_chosen(sandboxed: Evaluator) -> None:
    config = {"type": "code_tests", "tests": [{"input": "", "output": "7"}]}
    deep = f"{'-' * 50_000}1"
    assert (await sandboxed.grade(config, f"print(7)\n```\nx = {deep}\n{'(' * 9_999}")).reward == 1.0


# numbers


@pytest.mark.full
async def test_numbers_of_other_types_are_numbers(sandboxed: Evaluator) -> None:
    half = [{"call": [], "expected": 0.5}]
    given: dict[str, tuple[str, Any]] = {
        "Decimal": ("from decimal import Decimal\ndef f(): return Decimal('0.5')", half),
        "Fraction": ("from fractions import Fraction\ndef f(): return Fraction(1, 2)", half),
        "whole": (
            "from fractions import Fraction\nfrom decimal import Decimal\ndef f(): return [Fraction(4, 2), Decimal('3.0'), Decimal(10) ** 30]",
            [{"call": [], "expected": [2, 3, 10**30]}],
        ),
        "float32": ("import numpy\ndef f(): return numpy.float32(0.5)", half),
        "short floats": (
            "import numpy as n\ndef f(): return [n.float32(0.1), n.float16(0.1), n.array([[0.1, 1]], dtype='f4'), n.array(0.1, 'f2')]",
            [{"call": [], "expected": [0.1, 0.1, [[0.1, 1]], 0.1]}],
        ),
        "longdouble": ("import numpy\ndef f(): return numpy.longdouble(0.5)", half),
        "array": (
            "import numpy\ndef f(): return {'a': numpy.eye(2)}",
            [{"call": [], "expected": {"a": [[1, 0], [0, 1]]}}],
        ),
        "subclass": (
            "import numpy\nclass A(numpy.ndarray): pass\ndef f(): return numpy.arange(2).view(A)",
            [{"call": [], "expected": [0, 1]}],
        ),
        "objects": (
            "import numpy\nfrom decimal import Decimal\ndef f(): return numpy.array([Decimal('1.5')], dtype=object)",
            [{"call": [], "expected": [1.5]}],
        ),
        "dates": (
            "import numpy\ndef f(): return numpy.array(['2024-01-01'], dtype='datetime64[D]')",
            [{"call": [], "expected": ["2024-01-01"]}],
        ),
    }
    assert await rewards(sandboxed, given, entry_point="f") == dict.fromkeys(given, 1.0)
    wrong: dict[str, tuple[str, Any]] = {
        "Decimal": ("from decimal import Decimal\ndef f(): return Decimal('0.51')", half),
        "NaN": ("from decimal import Decimal\ndef f(): return Decimal('sNaN')", half),
        "whole": (
            "from decimal import Decimal\ndef f(): return Decimal(10) ** 30",
            [{"call": [], "expected": 10**30 + 1}],
        ),
        "huge": ("from fractions import Fraction\ndef f(): return Fraction(10 ** 400, 3)", half),
        "array": ("import numpy\ndef f(): return numpy.eye(2)", half),
    }
    assert await rewards(sandboxed, wrong, entry_point="f") == dict.fromkeys(wrong, 0.0)


async def test_integers_of_more_than_4300_digits_are_integers(sandboxed: Evaluator) -> None:
    digits = "1" + "0" * 4_999
    echo = "def f(x): return x"
    cases: dict[str, tuple[str, Any]] = {
        "printed": ("print(10 ** 4999)", [{"input": "", "output": digits}]),
        "read": ("print(int(input()) + 1)", [{"input": digits, "output": f"{digits[:-1]}1"}]),
        "returned": (echo, [{"call": [10**4_999], "expected": 10**4_999}]),
        "as a text": (echo, f'[{{"call": [{digits}], "expected": {digits}}}]'),
        "as in a data set": (echo, [{"testtype": "functional", "input": digits, "output": digits}]),
        "as in another": (echo, f'{{"fn_name": "f", "inputs": [[{digits}]], "outputs": [{digits}]}}'),
        "asserted": (echo, [f"assert f({digits}) == {digits} and len(str(f({digits}))) == 5000"]),
    }
    assert await rewards(sandboxed, cases, entry_point="f") == dict.fromkeys(cases, 1.0)
    wrong = {"printed": ("print(10 ** 4999 * 2)", [{"input": "", "output": digits, "tolerance": 1e-6}])}
    assert await rewards(sandboxed, wrong) == {"printed": 0.0}


# long answers


async def test_long_answers_are_compared_like_short_ones(sandboxed: Evaluator) -> None:
    long = list(range(20_000))
    many = [number + 0.5 for number in range(4000)]
    cases: dict[str, tuple[str, Any]] = {
        "equal": ("def f(): return list(range(20000))", [{"call": [], "expected": long}]),
        "one off": ("def f(): return list(range(1, 20001))", [{"call": [], "expected": long}]),
        "one more": ("def f(): return list(range(20001))", [{"call": [], "expected": long}]),
        "a set": (
            "def f(): return {n + 0.5 for n in range(4000)}",
            [{"call": [], "expected": many[::-1], "unordered": True}],
        ),
        "a set of lists": (
            "def f(): return {(n + 0.5,) for n in range(300)}",
            [{"call": [], "expected": [[n + 0.5 + 1e-12] for n in range(300)], "unordered": True}],
        ),
        "the sorted set": (
            "def f(): return {n + 0.5 for n in range(4000)}",
            [{"call": [], "expected": many}],
        ),
        "printed": ("print('ab\\n' * 20000)", [{"input": "", "output": "ab \n" * 20_000}]),
        "printed more": ("print('ab\\n' * 20001)", [{"input": "", "output": "ab\n" * 20_000}]),
        "printed numbers": (
            "print('1.0 ' * 20000)",
            [{"input": "", "output": "1 " * 20_000, "tolerance": 0.1}],
        ),
    }
    wrong = {"one off", "one more", "the sorted set", "printed more"}
    expected = {name: float(name not in wrong) for name in cases}
    assert await rewards(sandboxed, cases, entry_point="f") == expected
    result = await grade(sandboxed, *cases["one off"], entry_point="f")
    assert result.explanation is not None
    assert result.explanation.endswith("15, 16, 17, 18, 19, 20, ...]")


RIGHT = "import time\ndef f(x):\n    time.sleep(0.05)\n    return x + 3\n"


COSTLIEST = ("many pairs", "a long message", "long keys", "words", "answers of 4 MB", "300 threads", "memory")
"""Of each way to cost much: what is received, decoded, compared and split, and the time and memory of the code itself."""


@pytest.mark.full
@pytest.mark.parametrize(
    "costly",
    [
        pytest.param([each for each in CODE if each.name in COSTLIEST], id="of each kind"),
        pytest.param(CODE, id="all", marks=pytest.mark.slow),
    ],
)
async def test_the_costliest_answers_known_are_wrong_and_right_code_beside_them_is_right(
    sandboxed: Evaluator, costly: Sequence[Costly]
) -> None:
    right = [grade(sandboxed, RIGHT, [CALL], entry_point="f") for _ in range(10)]
    results = await asyncio.gather(
        *right, *(sandboxed.grade(each.grader, each.sample, each.item) for each in costly)
    )
    assert [result.reward for result in results[:10]] == [1.0] * 10
    names = [each.name for each in costly]
    assert {name: result.reward for name, result in zip(names, results[10:], strict=True)} == dict.fromkeys(
        names, 0.0
    )


@pytest.mark.parametrize(
    "frame",
    [
        "(99).to_bytes(4, 'big') + b'{}'",  # a head that ends too early
        "(1).to_bytes(4, 'big') + b'1body'",  # a body beside what is no message
        "(2).to_bytes(4, 'big') + b'{}'",  # no message
        "b'ab'",
        "(17).to_bytes(4, 'big') + b'{\"o\":{\"number\":1}}body'",  # a body that is no data
    ],
)
async def test_what_is_no_message_is_no_answer(sandboxed: Evaluator, frame: str) -> None:
    code = f"import os\ndef f(x):\n    m = {frame}\n    os.write(3, len(m).to_bytes(4, 'big') + m)\n    while True: pass\n"
    result = await grade(sandboxed, code, [CALL], entry_point="f", timeout_s=3)
    assert result.failure is not None
    assert (result.reward, result.failure.details) == (0.0, {"type": "protocol"})


# classes of the prelude

WRITTEN = """
class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)
"""
PRELUDES = {
    "written": WRITTEN,
    "without __eq__": WRITTEN.partition("    def __eq__")[0],
    "dataclass": "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int\n    y: int\n",
    "frozen, with slots": "from dataclasses import dataclass\n@dataclass(frozen=True, slots=True)\nclass Point:\n    x: int\n    y: int\n",
    "named tuple": "from typing import NamedTuple\nclass Point(NamedTuple):\n    x: int\n    y: int\n",
}
COMPARED = [
    "assert f(1) == Point(1, 2)",
    "assert Point(1, 2) == f(1)",
    "assert not f(1) != Point(1, 2)",
    "assert [f(1)] == [Point(1, 2)]",
    "assert f(1) in [Point(1, 2)]",
    "assert {'a': f(1)} == {'a': Point(1, 2)}",
    "expected = Point(1, 2)\nassert f(1) == expected",
    "expected = Point(x=1, y=2)\nfound = f(1)\nassert (found.x, found.y) == (expected.x, expected.y)",
    "import unittest\nclass TestIt(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(f(1), Point(1, 2))\n",
]
HONEST = "def f(x): return Point(x, x + 1)\n"
FORGED = {
    "merely wrong": "def f(x): return Point(x, x)\n",
    "equal to everything": "class Point:\n    x = y = 0\n    def __init__(self, *a, **k): pass\n    def __eq__(self, o): return True\n    def __ne__(self, o): return False\ndef f(x): return Point()\n",
    "one object for all": "class P:\n    x = y = 0\nP0 = P()\nclass Point:\n    def __new__(cls, *a, **k): return P0\ndef f(x): return P0\n",
    "a number for all": "def Point(*a, **k): return 7\ndef f(x): return 7\n",
    "a patched method": "Point.__eq__ = lambda *a: True\ndef f(x): return Point(x, x)\n",
    "a class without fields": "class Point:\n    def __init__(self, *a, **k): pass\ndef f(x): return Point()\n",
    "another class": "class Other:\n    def __eq__(self, o): return True\ndef f(x): return Other()\n",
}


@pytest.mark.full
@pytest.mark.parametrize(
    ("prelude", "options"),
    [
        pytest.param(
            *(prelude, {"entry_point": "f"} if named else {}),
            id=f"{prelude}-{'entry point' if named else 'names'}",
            # each class once, and both ways to find the function
            marks=[pytest.mark.slow] if number % 2 == named else [],
        )
        for number, prelude in enumerate(PRELUDES)
        for named in (True, False)
    ],
)
async def test_an_object_is_what_its_fields_are_whatever_its_class_says(
    sandboxed: Evaluator, prelude: str, options: dict[str, str]
) -> None:
    # a tuple of the code's travels as a plain one, whose elements have no names
    compared = [test for test in COMPARED if prelude != "named tuple" or "found.x" not in test]

    codes = {"honest": HONEST, **FORGED}
    graded = [
        grade(sandboxed, code, compared, prelude=PRELUDES[prelude], **options) for code in codes.values()
    ]
    found = {name: each.reward for name, each in zip(codes, await asyncio.gather(*graded), strict=True)}
    assert found == {"honest": 1.0, **dict.fromkeys(FORGED, 0.0)}


LISTS = (
    "class ListNode:\n    def __init__(self, val=0, next=None):\n        self.val, self.next = val, next\n"
)
COLORS = "from enum import Enum\nclass Color(Enum):\n    RED = 1\n    BLUE = 2\n"


async def test_objects_that_the_tests_make_are_given_to_the_code(sandboxed: Evaluator) -> None:
    total = "def f(node):\n    total = 0\n    while node:\n        total, node = total + node.val, node.next\n    return total\n"
    tests = [
        "a = ListNode(1)\na.next = ListNode(2)\nassert a.next.val == 2\nassert f(a) == 3",
        "assert f(ListNode(1, ListNode(5))) == 6",
        "assert f(None) == 0",
    ]
    assert (await grade(sandboxed, total, tests, prelude=LISTS, entry_point="f")).reward == 1.0


async def test_what_the_code_does_to_an_object_of_the_tests_is_seen(sandboxed: Evaluator) -> None:
    code = "def f(node):\n    node.val = 9\n    return node\n"
    tests = ["a = ListNode(1)\nassert a.val == 1\nfound = f(a)\nassert a.val == 9\nassert found == a"]
    assert (await grade(sandboxed, code, tests, prelude=LISTS, entry_point="f")).reward == 1.0


async def test_nested_objects_are_compared_by_all_their_fields(sandboxed: Evaluator) -> None:
    reverse = "def f(node):\n    last = None\n    while node: last, node.next, node = node, last, node.next\n    return last\n"
    test = ["assert f(ListNode(1, ListNode(2))) == ListNode(2, ListNode(1))"]
    assert (await grade(sandboxed, reverse, test, prelude=LISTS, entry_point="f")).reward == 1.0
    assert (
        await grade(sandboxed, "def f(node): return node", test, prelude=LISTS, entry_point="f")
    ).reward == 0.0


async def test_members_of_an_enum_are_the_authors(sandboxed: Evaluator) -> None:
    tests = [
        "assert f(1) == Color.RED",
        "assert f(Color.BLUE) == Color.RED",
        "assert f(1).name == Color.RED.name",
    ]
    codes = {
        "def f(x): return Color.RED": 1.0,
        "def f(x): return Color.BLUE": 0.0,
        "class Color:\n    name = 'RED'\n    def __eq__(s, o): return True\nColor.RED = Color.BLUE = Color()\n"
        "def f(x): return Color.RED": 1 / 3,  # its name is right
    }
    found = [(await grade(sandboxed, code, tests, prelude=COLORS, entry_point="f")).reward for code in codes]
    assert found == pytest.approx(list(codes.values()))


async def test_a_class_that_the_code_completes_is_the_codes(sandboxed: Evaluator) -> None:
    prelude = 'class Stack:\n    """A stack."""\n    def push(self, x):\n        """Put x on it."""\n        raise NotImplementedError\n'
    code = "class Stack:\n    def __init__(self): self.a = []\n    def push(self, x): self.a.append(x)\n    def pop(self): return self.a.pop()\n"
    test = ["s = Stack()\ns.push(1)\nassert s.pop() == 1"]
    assert (await grade(sandboxed, code, test, prelude=prelude)).reward == 1.0
    assert (await grade(sandboxed, code, test)).reward == 1.0


# who is to blame

ESCAPES = {
    "a range": ("def f(): return 10**15", "assert sum(range(f())) == 3"),
    "a list's length": ("def f(): return 10**10", "assert [0] * f() == [0]"),
    "a factorial": ("def f(): return 10**9", "import math\nassert math.factorial(f()) == 6"),
    "a pattern": ("def f(): return 'a' * 40 + '!'", "import re\nassert re.fullmatch(r'(a+)+', f())"),
    "many long texts": (
        "class O:\n    def __repr__(s): return 'x' * 4000000\ndef f(): return O()",
        "assert [repr(f()) for _ in range(4000)] == []",
    ),
    "a constant": ("N = 10**15", "from solution import N\nassert sum(range(N)) == 3"),
    "as the tests load": ("def f(): return 10**15", "N = sum(range(f()))\ndef test_a():\n    assert N == 3"),
    "a NameError": (
        "def f(): raise ValueError",
        "try:\n    r = f()\nexcept Exception as e:\n    raise NameError('x')\nassert r",
    ),
    "an ImportError": (
        "def f(): raise ValueError",
        "try:\n    r = f()\nexcept Exception as e:\n    raise ImportError(str(e)) from None\nassert r",
    ),
    "a handler that is broken": (
        "def f(): raise ValueError",
        "try:\n    r = f()\nexcept Exception:\n    import not_there\nassert r",
    ),
    "an unset variable": (
        "def f(): return []",
        "def check():\n    for x in f():\n        last = x\n    return last\nassert check() == 1",
    ),
    "an evaluated answer": ("def f(): return 'zzz'", "assert eval(f()) == 3"),
    "a broken expression": ("def f(): return '1 +'", "assert eval(f()) == 3"),
    "an end": (
        "class E(Exception): pass\ndef f(): raise E",
        "from solution import E\ntry:\n    f()\nexcept E:\n    raise SystemExit",
    ),
    "an object where a list was meant": (
        "class O:\n    def sort(s, key): return None\ndef f(): return O()",
        "found = f()\nfound.sort(key=lambda x: x)\nassert found == [1]",
    ),
    "an iterator": (
        "import itertools\ndef f(): return itertools.repeat('a')",
        "assert ''.join(f()) == 'aaa'",
    ),
}


@pytest.mark.parametrize("lever", ESCAPES)
async def test_an_answer_that_breaks_the_tests_fails_them(sandboxed: Evaluator, lever: str) -> None:
    code, test = ESCAPES[lever]
    result = await grade(sandboxed, code, test, timeout_s=0.75)
    assert (result.reward, result.failure is None or result.failure.caused_by) in (
        (0.0, True),
        (0.0, "model"),
    )


BROKEN = {
    "no answer used": "while True: pass",
    "an import": "import not_there\nassert f() == 1",
    "an import after a call": "assert f() == 1\nimport not_there",
    "a syntax error": "assert f( == 1",
    "what cannot travel": "assert f(lambda x: x) == 1",
    "its own error": "raise RuntimeError('no')",
    "its own end": "raise SystemExit",
}


@pytest.mark.parametrize("test", BROKEN)
async def test_tests_that_break_by_themselves_are_ungraded(sandboxed: Evaluator, test: str) -> None:
    result = await grade(sandboxed, "def f(*a): return 1", BROKEN[test], timeout_s=1)
    assert result.failure is not None
    assert (result.reward, result.failure.caused_by) == (None, "grader")


# kills


def sessions() -> list[int]:
    """The processes that zygotes of this process have forked: its children's children's children."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {os.getpid()}
    for _ in range(3):
        found = {child for child, parent in parents.items() if parent in found}
    return sorted(found)


@pytest.mark.full
@pytest.mark.parametrize(
    ("where", "times"),
    [
        ("code", 1),
        ("tests", 2),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in (("code", 2), ("tests", 1))),
    ],
)
async def test_a_kill_from_outside_is_no_low_reward(sandboxed: Evaluator, times: int, where: str) -> None:
    slow = "import time\ndef f(x):\n    time.sleep(SECONDS if x == 3 else 0)\n    return x + 3\n"
    tests: list[Any] = [{"call": [2], "expected": 5}, {"call": [3], "expected": 6}]
    if where == "tests":
        tests = ["assert f(2) == 5", "import time\nassert f(3) == 6\ntime.sleep(3)"]
    code = slow.replace("SECONDS", "3" if where == "code" else "0")
    await grade(sandboxed, "def f(x): return x", [{"call": [2], "expected": 2}], entry_point="f")
    grading = asyncio.create_task(grade(sandboxed, code, tests, entry_point="f"))
    for _ in range(times):
        await asyncio.sleep(1)
        for pid in sessions():
            os.kill(pid, signal.SIGKILL)
    result = await grading
    if (
        times == 1 and result.failure is None
    ):  # the second try may have begun with a process that was killed as well
        assert result.reward == 1.0
        return
    assert result.failure is not None
    assert (result.reward, result.failure.caused_by, result.failure.retryable) == (
        None,
        "infrastructure",
        True,
    )
