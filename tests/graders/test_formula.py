"""Formulas are arithmetic over floats and nothing else."""

import ast
import math
import unicodedata
from collections.abc import Callable, Mapping

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from graders import FailureKind, Formula, FormulaError, GradingError
from graders.formula import MAX_LENGTH, is_variable, normal_name
from tests.strategies import any_str, formula_soup, formulas

VALUES = {"a": 2.0, "b": 3.0, "c": -0.5}


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("a", 2.0),
        ("a + b", 5.0),
        ("a - b - a", -3.0),
        ("b / a / a", 0.75),
        ("a + b * a", 8.0),
        ("(a + b) * a", 10.0),
        ("2^3^2", 512.0),
        ("-a^2", -4.0),
        ("(-a)^2", 4.0),
        ("2^-1", 0.5),
        ("2^-a", 0.25),
        ("a*-b", -6.0),
        ("--a", 2.0),
        ("-+-a", 2.0),
        ("-abs(c)^2", -0.25),
        ("0^0", 1.0),
        ("007 + .5 + 1. + 1e-9", 8.500000001),
        ("1E2", 100.0),
        ("min(a, b, c)", -0.5),
        ("max(a, b, c,)", 3.0),
        ("min(a)", 2.0),
        ("floor(2.7) + ceil(2.1)", 5.0),
        ("floor(-0.5)", -1.0),
        ("exp(0) + sqrt(9) + abs(-2)", 6.0),
        ("log(exp(1))", 1.0),
        ("floor(1e300)", 1e300),
        ("a\n+\tb", 5.0),
        ("0.1 + 0.2", 0.30000000000000004),
    ],
)
def test_formulas_compute(source: str, value: float) -> None:
    computed = Formula(source)(VALUES)
    assert computed == value
    assert type(computed) is float


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("1 / (a - 2)", "with a = 2: float division by zero"),
        ("sqrt(c)", "with c = -0.5: math domain error"),
        ("c ^ 0.5", "math domain error"),
        ("log(0)", "has no value: math domain error"),
        ("0 ^ -1", "math domain error"),
        ("exp(1000)", "math range error"),
        ("10 ^ 400", "math range error"),
        ("1e300 * 1e300", "the result is inf"),
        ("1e300 * 1e300 - 1e300 * 1e300", "the result is nan"),
        ("floor(1e300 * 1e300)", "cannot convert float infinity"),
    ],
)
def test_what_has_no_finite_value_is_a_failure_and_not_a_number(source: str, why: str) -> None:
    with pytest.raises(GradingError, match=why) as caught:
        Formula(source)(VALUES)
    assert (caught.value.failure.kind, caught.value.failure.caused_by) == (
        FailureKind.FORMULA_PARSE,
        "grader",
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "the formula is empty; write for example 0.5 [*] a"),
        (" \n", "the formula is empty"),
        ("a b", "'a b' is not a formula: an operator or a value is missing at character 3$"),
        ("é b c", "missing at character 3$"),
        ("a ^ b ^ ^ c", "missing at character 9$"),
        ("0.250 * * c", "missing at character 9$"),
        ("a +", "an operator or a value is missing at the end$"),
        ("a * * b", "missing at character 5$"),
        ("a // b", "missing at character 4$"),
        ("1 e5", "missing at character 3$"),
        ("(a", r"'\(' was never closed at character 1$"),
        ("a)", r"unmatched '\)' at character 2$"),
        ("a ** b", r"unexpected '\*\*' at character 3 of 'a \*\* b'; .*; a power is written a \^ b$"),
        ("a.b", r"unexpected '\.b' at character 2"),
        ("2a", "unexpected '2a' at character 1 of '2a'; formulas have numbers, keys"),
        ("1_000", "unexpected '1_000' at character 1"),
        ("0x10", "unexpected '0x10'"),
        ("1.5.2", r"unexpected '1\.5\.2'"),
        ("1e", "unexpected '1e'"),
        ("a × b", "unexpected '×' at character 3"),
        ("a − b", "unexpected '−' at character 3"),
        ("a²", "unexpected '²' at character 2"),
        ("٣", "unexpected '٣' at character 1"),
        ("１", "unexpected '１' at character 1"),
        ("a\0", r"unexpected '\\x00' at character 2"),
        ("\ud800", r"unexpected '\\ud800' at character 1"),
        ("a[0]", r"unexpected '\['"),
        ("'a'", "unexpected"),
        ("a := 1", "unexpected ':'"),
        ("lambda x: x", "unexpected ':'"),
        ("a; b", "unexpected ';'"),
        ("a % b", "unexpected '%'"),
        ("a < b", "unexpected '<'"),
        ("min(a=1)", "unexpected '='"),
        ("a if b else c", "'a if b else c' is not part of a formula; formulas have numbers"),
        ("a and b", "'a and b' is not part"),
        ("not a", "'not a' is not part"),
        ("None", "'None' is not part"),
        ("True", "'True' is not part"),
        ("await a", "'await a' is not part"),
        ("a, b", r"'\(a, b\)' is not part"),
        ("()", r"'\(\)' is not part"),
        ("min(*a)", r"'\*a' is not part"),
        ("min(a for a in b)", "'.a for a in b.' is not part"),
        ("2(a)", r"is not part of a formula"),
        ("min(a)(b)", r"'min\(a\)\(b\)' is not part"),
        ("f(a)", r"unknown function 'f'; formulas have min, max, .*; a product is written a \* \(b\)"),
        ("sqr(a)", r"unknown function 'sqr'; did you mean 'sqrt'\?"),
        ("__import__(a)", "unknown function '__import__'"),
        ("min()", "min needs at least one argument"),
        ("abs()", "abs takes one argument, got 0"),
        ("log(a, b)", "log takes one argument, got 2"),
        ("1e400", "the number 1e400 in the formula is too large"),
        ("9" * 5000, "the number 9{57}… in the formula is too large"),
        ("a" * (MAX_LENGTH + 1), "at most 10000 characters; this one has 10001"),
    ],
    ids=lambda text: ascii(text)[:24],
)
def test_what_is_no_formula_is_refused_and_says_where(source: str, message: str) -> None:
    with pytest.raises(FormulaError, match=message):
        Formula(source)


@pytest.mark.parametrize(
    "source",
    [
        "(" * 3000 + "a" + ")" * 3000,
        "-" * 5000 + "a",
        "-" * 200 + "a",
        "^".join(["a"] * 200),
        "^".join(["a"] * 4000),
        "abs(" * 1900 + "a" + ")" * 1900,
        "abs(" * 101 + "a" + ")" * 101,
    ],
    ids=lambda text: text[:6],
)
def test_what_is_nested_too_deeply_is_refused(source: str) -> None:
    with pytest.raises(FormulaError, match="nested"):
        Formula(source)


def test_a_long_sum_is_not_deep() -> None:
    keys = [f"k{n}" for n in range(500)]
    formula = Formula(f"({' + '.join(keys)}) / 500")
    assert formula(dict.fromkeys(keys, 1.0)) == 1.0
    assert Formula("-".join(["1"] * 501))({}) == -499.0


def test_a_formula_knows_its_variables() -> None:
    assert Formula("min(a, b) + a * __import__").variables == {"a", "b", "__import__"}
    assert Formula("1 + 2").variables == frozenset()
    assert repr(Formula("a")) == "Formula('a')"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "a + accuracy",
            "unknown variable 'accuracy'; did you mean 'accurate'[?] keys of the graders: a, accurate",
        ),
        ("zz", "unknown variable 'zz'; keys of the graders: a, accurate"),
        ("sqrt + a", r"unknown variable 'sqrt'; the function is written sqrt\(…\); keys of the graders: "),
        ("__class__", "unknown variable '__class__'"),
    ],
)
def test_names_that_are_no_keys_are_refused(source: str, message: str) -> None:
    with pytest.raises(FormulaError, match=message):
        Formula(source).check_names({"a": 1, "accurate": 2})


def test_a_formula_over_no_keys_says_so() -> None:
    with pytest.raises(FormulaError, match="keys of the graders: none"):
        Formula("a").check_names({})


@pytest.mark.parametrize(
    ("key", "spelled"),
    [
        ("é", "é"),
        ("é", "e\u0301"),
        ("e\u0301", "é"),
        ("ａ", "a"),
        ("a", "ａ"),
        ("ﬁt", "fit"),
        ("名前", "名前"),
        ("सही", "सही"),
        ("ถูก", "ถูก"),
    ],
)
def test_a_key_in_any_script_is_a_variable_however_it_is_spelled(key: str, spelled: str) -> None:
    assert is_variable(key)
    formula = Formula(f"{spelled} + 1")
    formula.check_names({key: 0})
    assert formula({normal_name(key): 1.0}) == 2.0


@pytest.mark.parametrize("key", ["", "1a", "a b", "a-b", "is", "None", "min", "ｍin", "a.b", "²", "\ud800"])
def test_a_key_that_no_formula_could_name_is_no_variable(key: str) -> None:
    assert not is_variable(key)


FUNCTIONS: dict[str, Callable[..., float]] = {
    "min": lambda *numbers: min(numbers),
    "max": lambda *numbers: max(numbers),
    "abs": math.fabs,  # which takes no complex number
    "floor": lambda x: float(math.floor(x)),
    "ceil": lambda x: float(math.ceil(x)),
    "exp": math.exp,
    "sqrt": math.sqrt,
    "log": math.log,
}


def by_python(source: str, values: Mapping[str, float]) -> float | None:
    """What Python computes; None where it is no finite real number."""
    try:
        value = eval(source, {"__builtins__": {}, **FUNCTIONS}, dict(values))  # noqa: S307  # our own source
    except (ArithmeticError, ValueError, TypeError):  # a TypeError for a comparison of complex numbers
        return None
    return value if isinstance(value, float) and math.isfinite(value) else None


@given(
    pair=formulas(),
    values=st.fixed_dictionaries({name: st.floats(-10, 10) | st.sampled_from([0.0, 1.0]) for name in "abc"}),
)
@example(pair=("a^b^c", "a ** b ** c"), values={"a": 2.0, "b": 3.0, "c": 2.0})
@example(pair=("-a^2", "-a ** 2.0"), values={"a": 3.0, "b": 0.0, "c": 0.0})
def test_a_formula_is_pythons_arithmetic_over_floats(pair: tuple[str, str], values: dict[str, float]) -> None:
    source, python = pair
    expected = by_python(python, values)
    formula = Formula(source)
    if expected is None:
        with pytest.raises(GradingError):
            formula(values)
    else:
        assert formula(values) == expected


ALLOWED = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Call, ast.Name, ast.Load, ast.Constant, ast.Add, ast.Sub, ast.Mult,
    ast.Div, ast.Pow, ast.UAdd, ast.USub,
)  # fmt: skip


@given(formula_soup() | any_str(30) | formulas().map(lambda pair: pair[0]))
def test_nothing_but_the_closed_set_of_nodes_compiles(source: str) -> None:
    try:
        formula = Formula(source)
    except FormulaError:
        return
    # read again by Python, whose integers may not begin with 0
    python = unicodedata.normalize("NFKC", " ".join(source.split())).replace("^", "**")
    try:
        tree = ast.parse(python, mode="eval")
    except SyntaxError as error:
        if "leading zeros" in error.msg:
            return
        raise
    for node in ast.walk(tree):
        assert isinstance(node, ALLOWED)
        if isinstance(node, ast.Constant):
            assert type(node.value) in (int, float)
        if isinstance(node, ast.Call):
            assert isinstance(node.func, ast.Name)
            assert node.func.id in FUNCTIONS
            assert not node.keywords
    try:
        value = formula(dict.fromkeys(formula.variables, 1.5))
    except GradingError:
        return
    assert type(value) is float
    assert math.isfinite(value)


@pytest.mark.parametrize(
    ("source", "numbers", "shown"),
    [
        ("0.5 * a + 0.5 * b", {"a": 1.0, "b": 0.25}, "0.5 * 1 + 0.5 * 0.25"),
        ("a - b", {"a": 2.0, "b": -3.0}, "2 - (-3)"),
        ("max(a,b)", {"a": 1 / 3, "b": None}, "max(0.333333,b)"),
        ("1 + 2", {}, "1 + 2"),
    ],
)
def test_a_formula_shows_its_numbers_in_the_authors_form(
    source: str, numbers: dict[str, float | None], shown: str
) -> None:
    assert Formula(source).with_numbers(numbers) == shown


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("0.5a + b", "; a product is written 0.5 * a"),
        ("a + 2b", "; a product is written 2 * b"),
        (".5correct", "; a product is written .5 * correct"),
        ("{{a}} + b", "; write names without braces: a"),
        ("0.5 * { a }", "; write names without braces: a"),
        ("a }", "; write names without braces"),
        ("a @ b", "and the functions min, max, abs, floor, ceil, exp, sqrt, log"),
    ],
)
def test_a_formula_that_is_written_as_elsewhere_says_how_it_is_written_here(source: str, hint: str) -> None:
    with pytest.raises(FormulaError) as raised:
        Formula(source)
    assert str(raised.value).endswith(hint)
