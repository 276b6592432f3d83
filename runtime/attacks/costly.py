"""Samples that cost a service most: nobody else's grading may be slower than its share, wrong or lost beside them.

Each is a grader, and a sample that makes as much work of it as is known. They are wrong answers, or sources that give no
reward: none of them may earn one beyond 0, except where a text is merely long.
"""

import random
from dataclasses import dataclass, field
from functools import cache
from typing import Any

TIMEOUT_S = 2.0
"""Of each test, and of each `python` grading: those that the clock must end."""

CALL: dict[str, Any] = {"call": [2], "expected": 5}

RAW_ANSWER = """
import os

def f(x):
    body = BODY
    message = b'{"o":{"number":1}}'
    frame = len(message).to_bytes(4, 'big') + message + body
    rest = memoryview(len(frame).to_bytes(4, 'big') + frame)
    while rest:
        rest = rest[os.write(3, rest):]
    while True:
        pass
"""
RAW_MESSAGE = """
import os

def f(x):
    message = MESSAGE
    frame = len(message).to_bytes(4, 'big') + message
    rest = memoryview(len(frame).to_bytes(4, 'big') + frame)
    while rest:
        rest = rest[os.write(3, rest):]
    while True:
        pass
"""


@dataclass(frozen=True, slots=True)
class Costly:
    """One sample.

    Attributes:
        name: What it does.
        grader: The grader's JSON.
        sample: What the model wrote.
        item: The row.
        may_earn: Whether a reward above 0 is right: a long text may be similar to its reference.
    """

    name: str
    grader: dict[str, Any]
    sample: str
    item: dict[str, Any] = field(default_factory=dict)
    may_earn: bool = False


def _code(name: str, code: str, test: dict[str, Any] | str = "", **options: Any) -> Costly:
    grader = {
        "type": "code_tests",
        "extract": "none",
        "timeout_s": TIMEOUT_S,
        "tests": [test or CALL],
        "entry_point": "f",
        **options,
    }
    return Costly(name, grader, code)


def _python(name: str, body: str) -> Costly:
    source = f"def grade(sample, item):\n    {body}\n"
    return Costly(name, {"type": "python", "source": source}, "x")


@cache
def _texts(count: int = 150_000, length: int = 400_000) -> tuple[str, str]:
    """Two long texts of the same words in different orders."""
    numbers = random.Random(1)  # noqa: S311  # no secret
    words = numbers.choices([letter * times for letter in "abcdefghijklmnop" for times in (1, 2, 3)], k=count)
    one = " ".join(words)[:length]
    numbers.shuffle(words)
    return one, " ".join(words)[:length]


def _similar(metric: str) -> Costly:
    one, other = _texts()
    grader = {
        "type": "text_similarity",
        "input": "{{sample.output_text}}",
        "reference": "{{item.text}}",
        "evaluation_metric": metric,
    }
    return Costly(f"{metric} of long texts", grader, one, {"text": other}, may_earn=True)


def _number(name: str, text: str) -> Costly:
    grader = {"type": "numeric_check", "input": "{{sample.output_text}}", "reference": "{{item.answer}}"}
    return Costly(name, grader, text, {"answer": "42"})


CODE: tuple[Costly, ...] = (
    _code("16 MiB of lists", RAW_ANSWER.replace("BODY", "b'[' + b','.join([b'[[1]]'] * 300000) + b']'")),
    _code(
        "many pairs",
        RAW_ANSWER.replace(
            "BODY", "b'{\"d\":[' + b','.join([b'[{\"t\":[%d]},1]' % i for i in range(230000)]) + b']}'"
        ),
    ),
    _code("16 MiB that nest", RAW_ANSWER.replace("BODY", "b'[' * (16 << 20)")),
    _code("a long message", RAW_MESSAGE.replace("MESSAGE", "b'[' + b'[],' * 2000000 + b'1]'")),
    _code("a short message of many lists", RAW_MESSAGE.replace("MESSAGE", "b'[' + b'[],' * 10000 + b'1]'")),
    _code("integers", "def f(x): return [1] * 8000000"),
    _code("nested lists", "def f(x): return [[[]]] * 330000"),
    _code("nested sets", "def f(x): return {frozenset(range(i)) for i in range(1800)}"),
    _code("long keys", "def f(x): return {(0,) * 4000 + (i,): 1 for i in range(900)}"),
    _code("equal hashes", "def f(x): return [i * (2**61 - 1) for i in range(1, 200000)]"),
    _code(
        "numbers in any order",
        "def f(x): return {i + 0.25 for i in range(4000)}",
        {"call": [2], "expected": [i + 0.5 for i in range(3999, -1, -1)], "unordered": True},
    ),
    _code(
        "lists in any order",
        "def f(x): return [[i + 0.25] for i in range(1500)]",
        {"call": [2], "expected": [[i + 0.5] for i in range(1500)], "unordered": True},
    ),
    _code("an integer of 16 Mbit", "def f(x): return 1 << (1 << 24)"),
    _code("short lines", "print('ab\\n' * ((16 << 20) // 3 - 2), end='')", {"input": "1", "output": "5"}),
    _code("empty lines", "print('\\n' * ((16 << 20) - 3) + 'x', end='')", {"input": "1", "output": "5"}),
    _code("words", "print('1 ' * ((16 << 20) // 2 - 2))", {"input": "1", "output": "5", "tolerance": 1e-6}),
    _code(
        "a long error",
        "import sys\nsys.stderr.write('x' * ((16 << 20) - 10))\nraise SystemExit(3)",
        {"input": "1", "output": "5"},
    ),
    _code(
        "answers of 4 MB",
        "class O:\n    def __repr__(s): return 'x' * 4000000\ndef f(x): return O()",
        "assert [repr(f(1)) for _ in range(4000)] == []",
    ),
    _code(
        "an endless iterator",
        "import itertools\ndef f(x): return itertools.repeat(1)",
        "assert sum(f(1)) == 3",
    ),
    _code("a loop", "def f(x):\n    while True: pass"),
    _code(
        "300 threads",
        "import threading\ndef g():\n    while True: pass\ndef f(x):\n    for _ in range(300): threading.Thread(target=g, daemon=True).start()\n    g()",
    ),
    _code("memory", "def f(x): return len([bytearray(1 << 20) for _ in range(100000)])"),
)
"""Answers of code under test."""

PYTHON: tuple[Costly, ...] = (
    _python("a loop in C", "return 9 ** 9 ** 9"),
    _python(
        "300 busy threads",
        "import threading\n    def g():\n        while True: pass\n    for _ in range(300): threading.Thread(target=g, daemon=True).start()\n    g()",
    ),
    _python("memory in a source", "return len([bytearray(1 << 20) for _ in range(100000)])"),
    _python("output", "import os\n    while True: os.write(1, b'x' * 65536)"),
    _python("a long exception", "raise ValueError('x' * 50000000)"),
)
"""Sources."""

TEXTS: tuple[Costly, ...] = (
    *map(_similar, ("fuzzy_match", "bleu", "gleu", "meteor", "rouge_l")),
    _number("digits with commas", "1," * 200_000),
    _number("fractions", "\\frac{" * 60_000),
    _number("powers", "9^9^9^9/3 " * 40_000),
    Costly(
        "a pattern",
        {"type": "pattern_match", "input": "{{sample.output_text}}", "pattern": "(a|a)*b$"},
        "a" * 400_000,
    ),
    Costly(
        "a path through wide JSON",
        {
            "type": "string_check",
            "input": "{{sample.output_json[*][*]}}",
            "reference": "x",
            "operation": "eq",
        },
        "[" + ",".join(["[1,2,3,4]"] * 40_000) + "]",
    ),
)
"""Texts."""

COSTLY: tuple[Costly, ...] = (*CODE, *PYTHON, *TEXTS)
