"""Test source of the shapes that people write: right code gets what it deserves, and wrong code does not escape through them."""

from collections.abc import Iterator
from typing import Any

import pytest

from runtime import SyncEvaluator

Row = tuple[float | None, str, Any, dict[str, Any]]
"""The reward (None for ungraded), the code, the tests, and other options."""

FOUR = "def f(x): return 4"
FIVE = "def f(x): return 5"
NONE = "def f(x): return None"
IMPORT = "from solution import f\n"
CASE = f"{IMPORT}import pytest, sys, unittest\n"
RAISES = f"{IMPORT}import pytest\ndef test_a():\n    with pytest.raises"

EXCEPTIONS: dict[str, Row] = {
    "of a class derived from the expected one": (
        1.0,
        "class Negative(ValueError): pass\ndef f(x): raise Negative('neg')",
        f"{RAISES}(ValueError, match='neg'): f(-1)",
        {},
    ),
    "of the standard library": (
        1.0,
        "import json\ndef f(x): return json.loads(x)",
        f"{RAISES}(ValueError): f('{{')",
        {},
    ),
    "of classes that the code derives from each other": (
        1.0,
        "class A(Exception): pass\nclass B(A): pass\ndef f(x): raise B('b')",
        f"from solution import A, B\n{RAISES}(A): f(-1)\n    assert issubclass(B, A)",
        {},
    ),
    "of an unrelated class": (
        0.0,
        "class Other(Exception): pass\ndef f(x): raise Other",
        f"{RAISES}(RuntimeError): f(-1)",
        {},
    ),
    "that ends a program": (
        1.0,
        "import sys\ndef f(x): sys.exit(x)",
        f"{RAISES}(SystemExit) as e: f(2)\n    assert e.value.code == 2",
        {},
    ),
    "with its arguments": (
        1.0,
        "def f(x): return x['k']",
        f"{RAISES}(KeyError) as e: f({{}})\n    assert e.value.args == ('k',) and str(e.value) == \"'k'\"",
        {},
    ),
    "with a message of its own": (
        1.0,
        "class E(Exception):\n    def __str__(self): return 'custom'\ndef f(x): raise E(1, 2)",
        f"from solution import E\n{RAISES}(E, match='custom'): f(1)",
        {},
    ),
    "that lies about its arguments": (
        0.0,
        "class E(ValueError):\n    args = property(lambda self: 1 / 0)\ndef f(x): raise E",
        f"{IMPORT}assert f(1) == 4",
        {},
    ),
}
ARGUMENTS: dict[str, Row] = {
    "of a function": (
        1.0,
        "def f(operation, function, self=1): return [operation, function, self]",
        f"{IMPORT}assert f(operation=1, function=2, self=3) == [1, 2, 3]",
        {},
    ),
    "of a method": (
        1.0,
        "class C:\n    def go(self, operation, function=1): return [operation, function]",
        "from solution import C\nassert C().go(operation=1, function=3) == [1, 3]",
        {},
    ),
}
ENDS: dict[str, Row] = {
    "exit with 0": (1.0, FOUR, f"{CASE}assert f(3) == 4\nsys.exit(0)", {}),
    "exit as the last statement": (1.0, FOUR, f"{CASE}assert f(3) == 4\nexit()", {}),
    "exit with 1 where it is wrong": (0.0, FIVE, f"{CASE}if f(3) != 4:\n    sys.exit(1)", {}),
    "exit with a text where it is wrong": (
        0.0,
        FIVE,
        f"{CASE}def test_a():\n    if f(3) != 4: sys.exit('bad')",
        {},
    ),
    "exit without a status where it is wrong": (
        0.0,
        FIVE,
        f"{CASE}if f(3) != 4:\n    sys.exit()\nprint('ok')",
        {},
    ),
    "exit in a function": (0.0, FIVE, f"{CASE}def main():\n    if f(3) != 4: sys.exit()\nmain()", {}),
    "exit with a computed status": (0.0, FIVE, f"{CASE}sys.exit(0 if f(3) == 4 else 1)", {}),
    "exit after an exception of the code's": (
        0.0,
        "def f(x): raise ValueError",
        f"{CASE}try: f(3)\nexcept ValueError: sys.exit(0)",
        {},
    ),
    "exit in an answer that is evaluated": (
        0.0,
        "def f(x): return '__import__(\"sys\").exit(0)'",
        f"{IMPORT}assert eval(f(3)) == 4",
        {},
    ),
    "exit before the code is used": (None, FOUR, f"{CASE}sys.exit(0)", {}),
}
SKIPS: dict[str, Row] = {
    "unittest": (
        1.0,
        FOUR,
        (
            f"{CASE}class T(unittest.TestCase):\n"
            "    def test_a(self): self.assertEqual(f(3), 4)\n"
            "    @unittest.skip('later')\n    def test_b(self): self.assertEqual(f(3), 5)\n"
            "    @unittest.expectedFailure\n    def test_c(self): self.assertEqual(f(3), 5)\n"
            "@unittest.skip('later')\nclass U(unittest.TestCase):\n    def test_a(self): self.assertEqual(f(3), 5)\n"
        ),
        {},
    ),
    "pytest": (
        1.0,
        FOUR,
        (
            f"{CASE}def test_a(): assert f(3) == 4\n"
            "@pytest.mark.skip\ndef test_b(): assert f(3) == 5\n"
            "@pytest.mark.xfail\ndef test_c(): assert f(3) == 5\n"
            "@pytest.mark.skipif(sys.platform == 'linux', reason='no')\ndef test_d(): assert f(3) == 5\n"
            "@pytest.mark.skipif(sys.platform != 'linux', reason='no')\ndef test_e(): assert f(3) == 4\n"
            "class TestIt:\n    pytestmark = [pytest.mark.skip]\n    def test_f(self): assert f(3) == 5\n"
        ),
        {},
    ),
    "all": (None, FOUR, f"{CASE}pytestmark = pytest.mark.skip\ndef test_a(): assert f(3) == 4", {}),
    "that depends on an answer": (
        0.5,
        FIVE,
        (
            f"{CASE}@pytest.mark.skipif(f(1) == 5, reason='no')\ndef test_a(): assert f(3) == 4\n"
            "def test_b(): assert f(3) == 5\n"
        ),
        {},
    ),
    "that depends on what the code defines": (
        0.5,
        FIVE,
        (
            f"{CASE}import solution\n@pytest.mark.skipif(not hasattr(solution, 'g'), reason='no')\n"
            "def test_a(): assert solution.g(3) == 4\ndef test_b(): assert f(3) == 5\n"
        ),
        {},
    ),
    "pytest.skip": (0.0, NONE, f"{CASE}def test_a():\n    if f(3) is None: pytest.skip('no')", {}),
    "pytest.xfail": (0.0, NONE, f"{CASE}def test_a():\n    if f(3) is None: pytest.xfail('no')", {}),
    "skipTest": (
        0.0,
        NONE,
        f"{CASE}class T(unittest.TestCase):\n    def test_a(self):\n        if f(3) is None: self.skipTest('no')",
        {},
    ),
}
BLAME: dict[str, Row] = {
    "a name that an empty answer leaves unbound": (
        0.0,
        "def f(x): return []",
        f"{IMPORT}for k in f(3):\n    total = k\nassert total == 3",
        {},
    ),
    "a name that a wrong answer leaves unbound": (
        0.0,
        FIVE,
        f"{IMPORT}if f(3) == 4:\n    y = 1\ndef test_a():\n    assert y == 1",
        {},
    ),
    "a name that no exception binds": (
        0.0,
        FIVE,
        f"{IMPORT}try:\n    f(-1)\nexcept ValueError as e:\n    error = e\nassert 'neg' in str(error)",
        {},
    ),
    "an import that an answer names": (
        0.0,
        "def f(x): return 'zzz'",
        f"{IMPORT}import importlib\ndef test_a():\n    importlib.import_module(f(3))",
        {},
    ),
    "an import in an answer": (0.0, "def f(x): return 'import zzz'", f"{IMPORT}exec(f(3))", {}),
    "a GeneratorExit": (0.0, NONE, f"{IMPORT}if f(3) is None: raise GeneratorExit", {}),
    "a method of an answer": (0.0, "def f(x): return 'x'", f"{IMPORT}assert f(f(3).index) == 1", {}),
    "a view of an answer": (0.0, "def f(x): return {'a': 1}", f"{IMPORT}assert f(f(3).values()) == 1", {}),
    "an import of the tests' own": (None, FOUR, f"{IMPORT}assert f(3) == 4\nimport zzz", {}),
    "a name of the tests' own": (None, FOUR, "assert f(3) == 4\nassert other == 3", {"entry_point": "f"}),
    "a function for the code": (None, FOUR, f"{IMPORT}assert f(lambda: 0) == 4", {}),
}
STANDARD: dict[str, Row] = {
    f"{code} {tests}": (reward, f"{imports}\ndef f(x=0): return {code}", f"{imports}\n{IMPORT}{tests}", {})
    for imports in [
        "import array, datetime, decimal, fractions, uuid\nfrom collections import deque, namedtuple\nP = namedtuple('P', 'x y')"
    ]
    for reward, code, tests in [
        (1.0, "decimal.Decimal('0.5')", "assert f() == decimal.Decimal('0.50') and f() + 1 == 1.5"),
        (0.0, "decimal.Decimal('0.6')", "assert f() == decimal.Decimal('0.50')"),
        (0.0, "decimal.Decimal('sNaN')", "assert f() == decimal.Decimal('0.50')"),
        (1.0, "decimal.Decimal(x) * 2", "assert f(decimal.Decimal('0.1')) == decimal.Decimal('0.2')"),
        (1.0, "fractions.Fraction(1, 2)", "assert f() == fractions.Fraction(2, 4) == 0.5"),
        (1.0, "[fractions.Fraction(1, 2)]", "assert f() == [fractions.Fraction(1, 2)]"),
        (1.0, "datetime.date(2020, 1, 2)", "assert f() == datetime.date(2020, 1, 2) and f().year == 2020"),
        (0.0, "datetime.date(2020, 1, 3)", "assert f() == datetime.date(2020, 1, 2)"),
        (
            1.0,
            "datetime.datetime(2020, 1, 2, 3, tzinfo=datetime.timezone.utc)",
            "assert f().isoformat() == '2020-01-02T03:00:00+00:00' and f().tzinfo is not None",
        ),
        (
            1.0,
            "x + datetime.timedelta(1)",
            "assert f(datetime.date(2020, 1, 2)) < datetime.date(2020, 1, 4)",
        ),
        (1.0, "uuid.UUID(int=5)", "assert f() == uuid.UUID(int=5) and f().int == 5"),
        (1.0, "range(3)", "assert f() == range(3) and len(f()) == 3"),
        (0.0, "range(4)", "assert f() == range(3)"),
        (1.0, "P(1, [2])", "assert f().x == 1 and f() == (1, [2]) == P(1, [2])"),
        (1.0, "x.y", "assert f(P(1, 2)) == 2"),
        (1.0, "deque([1, 2])", "assert f() == deque([1, 2]) and deque([1, 2]) == f()"),
        (0.0, "deque([2, 1])", "assert f() == deque([1, 2])"),
        (0.0, "[1, 2]", "assert f() == deque([1, 2])"),
        (1.0, "bytearray(b'a')", "assert f() == bytearray(b'a')"),
        (0.0, "type('D', (), {'__eq__': lambda *_: True})()", "assert f() == deque([1, 2])"),
        (
            0.0,
            "type('Decimal', (), {'__module__': 'decimal', '__eq__': lambda *_: True})()",
            "assert f() == decimal.Decimal(1)",
        ),
        (
            0.0,
            "type('Decimal', (decimal.Decimal,), {'__eq__': lambda *_: True, '__hash__': None})(2)",
            "assert f() == decimal.Decimal(1)",
        ),
    ]
}
ROWS = {
    f"{table}: {name}": row
    for table, rows in {
        "exception": EXCEPTIONS,
        "arguments": ARGUMENTS,
        "end": ENDS,
        "skip": SKIPS,
        "blame": BLAME,
        "standard": STANDARD,
    }.items()
    for name, row in rows.items()
}


@pytest.fixture(scope="module")
def evaluator() -> Iterator[SyncEvaluator]:
    with SyncEvaluator() as fresh:
        yield fresh


@pytest.mark.few(11)
@pytest.mark.parametrize("name", ROWS)
def test_each_shape_gets_what_its_code_deserves(evaluator: SyncEvaluator, name: str) -> None:
    reward, code, tests, options = ROWS[name]
    result = evaluator.grade({"type": "code_tests", "tests": tests, **options}, code, {})
    assert result.reward == reward, result.explanation
    if reward is None:
        assert result.failure is not None
        assert result.failure.details["type"] == "broken_tests"
