"""Objects of the prelude's classes in test source: the code cannot see or decide what is expected, and right code passes."""

from collections.abc import Iterator
from typing import Any

import pytest

from runtime import SyncEvaluator

NODE = (
    "class Node:\n    def __init__(self, v, next=None):\n        self.v = v\n        self.next = next\n"
    "    def same(self, other):\n        return self.v == other.v\n"
    "    def values(self):\n        return [self.v]\n"
    "    def __iter__(self):\n        return iter([self.v])\n"
    "    @classmethod\n    def of(cls, values):\n        node = None\n"
    "        for v in reversed(values): node = cls(v, node)\n        return node\n"
)
BUILD = f"{NODE}def build(values):\n    return Node.of(values)\ndef listed(n):\n    out = []\n    while n: out.append(n.v); n = n.next\n    return out\n"
COLOR = "import enum\nclass Color(enum.Enum):\n    RED = 1\n    BLUE = 2\n"
POINT = (
    "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Point:\n    x: int\n    y: int = 0\n"
)
STACK = "class Stack:\n    def __init__(self): self.items = []\n    def push(self, x): self.items.append(x)\n    def pop(self): return self.items.pop()\n"
REVERSE = "def reverse(n):\n    p = None\n    while n: n.next, p, n = p, n, n.next\n    return p\n"
LIES = (
    "class Node:\n    def __init__(self, *a): self.v, self.next = 0, None\n    def __eq__(self, o): return True\n"
    "    def same(self, o): return True\n    def values(self): return []\n    def __iter__(self): return iter([])\n"
    "    @classmethod\n    def of(cls, v): return Node()\ndef f(x): return Node()\ndef reverse(n): return Node()\n"
)
IMPORT = "from solution import f\n"

Row = tuple[float | None, str, str, Any, dict[str, Any]]
FORGED: dict[str, Row] = {
    "an answer that is changed when the expected one is made": (
        0.0,
        NODE,
        (
            "answer = None\nclass Node:\n    def __init__(self, v, next=None):\n        self.v, self.next = v, next\n"
            "        if answer is not None: answer.v = v\n"
            "def f(x):\n    global answer\n    answer = Node.__new__(Node)\n    answer.v = answer.next = None\n    return answer\n"
        ),
        f"{IMPORT}assert f(3) == Node(4)",
        {},
    ),
    "the expected object itself": (
        0.0,
        NODE,
        (
            "made = []\nold = Node.__init__\ndef new(self, *a, **k):\n    old(self, *a, **k); made.append(self)\n"
            "Node.__init__ = new\ndef f(x): return made[-1]\n"
        ),
        f"{IMPORT}expected = Node(4)\nassert f(3) == expected",
        {},
    ),
    "the member that the tests named": (
        0.0,
        COLOR,
        (
            "seen = []\nclass Meta(enum.EnumMeta):\n    def __getattribute__(c, n):\n"
            "        if n in ('RED', 'BLUE'): seen.append(n)\n        return super().__getattribute__(n)\n"
            "class Color(enum.Enum, metaclass=Meta):\n    RED = 1\n    BLUE = 2\n"
            "class Lie:\n    @property\n    def __dict__(s): return {'_name_': seen[-1]}\nLie.__name__ = 'Color'\ndef f(x): return Lie()\n"
        ),
        f"{IMPORT}assert f(3) == Color.RED",
        {},
    ),
    "private slots that are not looked at": (
        0.0,
        "class B:\n    __slots__ = ('__x',)\n    def __init__(self, x): self.__x = x\n",
        "def f(x): return B(99)",
        f"{IMPORT}assert f(3) == B(4)",
        {},
    ),
    "a class method that makes what is expected": (
        0.0,
        NODE,
        LIES,
        "assert reverse(Node.of([1, 2])) == Node.of([2, 1])",
        {},
    ),
    "a method of the answer's that is given what is expected": (
        0.0,
        NODE,
        LIES,
        f"{IMPORT}assert f(3).same(Node(4))",
        {},
    ),
    "a method of the expected object's": (
        0.0,
        NODE,
        LIES,
        f"{IMPORT}assert f(3).values() == Node(4).values()",
        {},
    ),
    "the elements of the expected object": (
        0.0,
        NODE,
        LIES,
        f"{IMPORT}assert list(f(3)) == list(Node(4))",
        {},
    ),
    "a function that makes what is expected": (
        0.0,
        BUILD,
        LIES,
        "assert reverse(build([1, 2])) == build([2, 1])",
        {"entry_point": "reverse"},
    ),
    "a class that is imported": (0.0, NODE, LIES, "from solution import f, Node\nassert f(3) == Node(4)", {}),
    "a class that is looked up": (0.0, NODE, LIES, "import solution as s\nassert s.f(3) == s.Node(4)", {}),
    "a function of the prelude's": (
        0.0,
        "def is_sorted(a):\n    return a == sorted(a)\n",
        "def is_sorted(a): return True\ndef f(x): return x\n",
        f"{IMPORT}assert is_sorted(f([3, 1]))",
        {},
    ),
    "a function of the prelude's that is imported": (
        0.0,
        "def is_sorted(a):\n    return a == sorted(a)\n",
        "def is_sorted(a): return True\ndef f(x): return x\n",
        "from solution import f, is_sorted\nassert is_sorted(f([3, 1]))",
        {},
    ),
}
HONEST: dict[str, Row] = {
    "a list that a function of the prelude's makes": (
        1.0,
        BUILD,
        REVERSE,
        "assert listed(reverse(build([1, 2, 3]))) == [3, 2, 1]\nassert reverse(build([1, 2])) == build([2, 1])",
        {"entry_point": "reverse"},
    ),
    "the same, in a class Solution": (
        1.0,
        BUILD,
        f"class Solution:\n    def reverse(self, n):\n        {REVERSE.partition(':')[2].strip().replace(chr(10), chr(10) + '    ')}\n",
        "assert listed(reverse(build([1, 2, 3]))) == [3, 2, 1]",
        {"entry_point": "reverse"},
    ),
    "a class method": (
        1.0,
        NODE,
        REVERSE,
        "assert reverse(Node.of([1, 2])) == Node.of([2, 1])",
        {"entry_point": "reverse"},
    ),
    "long lists": (
        1.0,
        BUILD,
        REVERSE,
        (
            "n = None\nfor i in range(250): n = Node(i, n)\nassert listed(reverse(n)) == list(range(250))\n"
            "assert listed(reverse(build(range(250)))) == list(range(249, -1, -1))"
        ),
        {"entry_point": "reverse"},
    ),
    "a circle": (
        1.0,
        BUILD,
        "def f(n):\n    seen = []\n    while n and n not in seen: seen.append(n); n = n.next\n    return len(seen)\n",
        "a = Node(1)\nb = Node(2, a)\na.next = b\nassert f(a) == 2\nassert f(build([1, 2, 3])) == 3",
        {"entry_point": "f"},
    ),
    "an object inside one that is given": (
        1.0,
        BUILD,
        "def f(a): a.next.v = 9\n",
        "b = Node(2)\na = Node(1, b)\nf(a)\nassert b.v == a.next.v == 9\nc = build([1, 2])\nd = c.next\nf(c)\nassert d.v == c.next.v == 9",
        {"entry_point": "f"},
    ),
    "methods that change an object": (
        1.0,
        STACK,
        "def f(s): return len(s.items)\n",
        "s = Stack()\ns.push(1)\ns.push(2)\nassert s.items == [1, 2] and f(s) == 2\ns.push(3)\nassert f(s) == 3 and s.pop() == 3 and f(s) == 2",
        {"entry_point": "f"},
    ),
    "methods that the code completes": (
        1.0,
        "class Stack:\n    def __init__(self):\n        self.items = []\n    def push(self, x):\n        pass\n    def size(self): ...\n",
        STACK + "    def size(self): return len(self.items)\n",
        "s = Stack()\ns.push(1)\nassert s.size() == 1 and s.items == [1]",
        {},
    ),
    "a method of an answer's that changes it": (
        1.0,
        STACK,
        "def f(): return Stack()\n",
        "s = f()\ne = Stack()\ns.push(e)\nassert len(s.items) == 1",
        {"entry_point": "f"},
    ),
    "private slots": (
        1.0,
        "class B:\n    __slots__ = ('__x',)\n    def __init__(self, x): self.__x = x\n    def get(self): return self.__x\n",
        "def f(b): return B(b.get() + 1)",
        f"{IMPORT}assert f(B(1)) == B(2) != f(B(2))",
        {},
    ),
    "members of an enum": (
        1.0,
        COLOR
        + "class Car:\n    def __init__(self, color): self.color = color\ndef cars():\n    return [Car(Color.RED)]\n",
        "def f(c): return Color.BLUE if c is Color.RED else Color.RED\ndef g(c): return f(c.color)\n",
        (
            "from solution import g\nassert f(Color.RED) is Color.BLUE and f(Color(2)) == Color['RED']\n"
            "assert [f(c) for c in Color] == [Color.BLUE, Color.RED]\nassert [g(c) for c in cars()] == [Color.BLUE]"
        ),
        {},
    ),
    "sets and keys": (
        1.0,
        POINT,
        "def f(p): return {Point(p), Point(2)}\ndef g(p): return {p: 1}\n",
        "assert f(1) == {Point(2), Point(1)}\nassert g(Point(1)) == {Point(1): 1}\nassert isinstance(Point(1), Point)",
        {},
    ),
    "answers in objects of the tests'": (
        1.0,
        NODE,
        "def f(n): return Node(n.v + 1, n)\n",
        "a = f(Node(1))\nassert f(a).next == a and Node(0, a).next.v == 2\nc = Node(0)\nc.next = a\nassert f(c).next.next == a",
        {"entry_point": "f"},
    ),
    "classes that are derived from each other": (
        1.0,
        "",
        "class A: pass\nclass B(A): pass\n",
        "from solution import A, B\nassert issubclass(B, A) and not issubclass(A, B) and isinstance(B(), A) and B.__name__ == 'B'",
        {},
    ),
    "a class with contents that are no fields": (
        None,
        "from collections import deque\nclass D(deque): pass\n",
        "def f(x): return D(x)\n",
        "assert f([1]) == D([1])",
        {"entry_point": "f"},
    ),
}
ROWS = {
    f"{table}: {name}": row
    for table, rows in {"forged": FORGED, "honest": HONEST}.items()
    for name, row in rows.items()
}


@pytest.fixture(scope="module")
def evaluator() -> Iterator[SyncEvaluator]:
    with SyncEvaluator() as fresh:
        yield fresh


@pytest.mark.few(17)
@pytest.mark.parametrize("name", ROWS)
def test_only_the_authors_classes_decide_what_is_equal(evaluator: SyncEvaluator, name: str) -> None:
    reward, prelude, code, tests, options = ROWS[name]
    config = {"type": "code_tests", "extract": "none", "prelude": prelude, "tests": tests, **options}
    result = evaluator.grade(config, code, {})
    assert result.reward == reward, result.explanation
