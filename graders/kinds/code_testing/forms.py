"""The tests of `code_tests`, in the forms in which people and well-known data sets write them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from pydantic import Field

from graders.contract import brief
from graders.errors import InvalidOptions, Problem
from graders.kinds.code_testing.comparison import Rule, Unordered
from graders.options import Options, validate_options

READ_DIGITS = 4_000
"""Digits of an integer that Python reads at once; it refuses 4,301, since the time grows with their square."""
MAX_DIGITS = 100_000
"""Digits of an integer in the tests of a data set; some ten milliseconds."""


class AnyTest(Options):
    """What every test has.

    Attributes:
        name: How results call it; `test_1` and so on without one.
        weight: What it counts for, beside the others.
        hidden: Whether results must not tell what it gives the code or expects from it.
    """

    name: str = Field("", alias="name")
    weight: float = Field(1.0, alias="weight", gt=0)
    hidden: bool = Field(False, alias="hidden")  # noqa: FBT003  # pydantic's signature


class ProgramTest(AnyTest):
    """A program gets a text on its standard input, and must print another.

    Attributes:
        input: The standard input.
        output: What must be printed.
        tolerance: How far numbers in the output may differ; None to compare text.
        compare: `livecodebench` for the rules of that harness; a tolerance then does not count.
    """

    input: str = Field(alias="input")
    output: str = Field(alias="output")
    tolerance: float | None = Field(None, alias="tolerance", ge=0)
    compare: Rule = Field("default", alias="compare")


class CallTest(AnyTest):
    """A function is called, and must return a value.

    Attributes:
        call: The positional arguments.
        kwargs: The arguments by name.
        expected: What must be returned.
        function: Its name, if it is not the entry point; `Class.method` for an instance made without arguments.
        tolerance: How far floats may differ; None for the grader's.
        wrapped: Whether `expected` may be a list that holds what must be returned, as in APPS.
        unordered: Whether the order of the outermost list does not matter, so that a set may be returned for it; "deep" for
            the order of all lists.
        compare: `livecodebench` for the rules of that harness; `tolerance` and `unordered` then do not count.
    """

    call: list[Any] = Field(alias="call")
    kwargs: dict[str, Any] = Field({}, alias="kwargs")
    expected: Any = Field(alias="expected")
    function: str | None = Field(None, alias="function")
    tolerance: float | None = Field(None, alias="tolerance", ge=0)
    wrapped: bool = Field(False, alias="wrapped")  # noqa: FBT003  # pydantic's signature
    unordered: Unordered = Field(False, alias="unordered")  # noqa: FBT003  # likewise
    compare: Rule = Field("default", alias="compare")

    @property
    def accepted(self) -> list[Any]:
        """Any of what may be returned."""
        is_wrapped = self.wrapped and isinstance(self.expected, list) and len(self.expected) > 0
        return [self.expected, self.expected[0]] if is_wrapped else [self.expected]


class AssertTest(AnyTest):
    """A statement that must not raise.

    Attributes:
        source: `assert add(1, 2) == 3`, or more lines than one.
    """

    source: str = Field(alias="assert")


class SourceTest(AnyTest):
    """Test source: a function `check`, pytest's functions, unittest's classes, or a module full of assertions.

    Attributes:
        source: Its text.
    """

    source: str = Field(alias="source")


Test: TypeAlias = ProgramTest | CallTest | AssertTest | SourceTest

_KINDS: dict[str, type[AnyTest]] = {
    "input": ProgramTest,
    "output": ProgramTest,
    "call": CallTest,
    "assert": AssertTest,
    "source": SourceTest,
}


_LISTS = (list, tuple)
"""What rows of Python hold where JSON has a list."""


def read_tests(found: object) -> list[Test]:
    """Tests out of what an author or a data set wrote.

    Accepted are a list of tests, each an object or the text of an assertion (MBPP); an object with `inputs` and
    `outputs`, and perhaps `fn_name` (APPS, TACO); a list of objects with `testtype` (LiveCodeBench); a text that is
    test source (HumanEval), or any of these as JSON.

    Raises:
        InvalidOptions: If it has none of these forms; with one problem for each test that is wrong.
    """
    if isinstance(found, str):
        found = _parsed(found)
    if isinstance(found, Mapping):
        found = list(_columns(found)) if "inputs" in found else [found]
    if not isinstance(found, _LISTS):
        raise InvalidOptions([Problem((), f"expected a list of tests, got {brief(found)}")])
    tests: list[Test] = []
    problems: list[Problem] = [] if found else [Problem((), "expected at least one test")]
    for place, each in enumerate(found):
        try:
            tests.append(_read(each, f"test_{place + 1}"))
        except InvalidOptions as error:
            problems += [problem.under(place) for problem in error.problems]
    if not problems:
        problems += _twice(tests)
    if problems:
        raise InvalidOptions(problems)
    return tests


def _parsed(text: str) -> object:
    if text.lstrip()[:1] in ("[", "{"):
        try:
            return _read_json(text)
        except (ValueError, RecursionError):
            pass  # Python may begin with a list, too
    return [{"source": text}] if text.strip() else []


def _read(found: object, name: str) -> Test:
    if isinstance(found, (ProgramTest, CallTest, AssertTest, SourceTest)):
        return found
    if isinstance(found, str):
        found = {"assert": found}
    if not isinstance(found, Mapping):
        raise InvalidOptions(
            [Problem((), f"expected a test, such as {{'call': [1, 2], 'expected': 3}}, got {brief(found)}")]
        )
    given = {"name": name, **found}
    if "testtype" in given:
        given = _of_livecodebench(given)
    kind = next((kind for key, kind in _KINDS.items() if key in given), None)
    if kind is None:
        raise InvalidOptions(
            [
                Problem(
                    (), "a test has 'input' and 'output', or 'call' and 'expected', or 'assert', or 'source'"
                )
            ]
        )
    return validate_options(kind, given)  # type: ignore[return-value]  # one of the kinds


def _of_livecodebench(given: dict[str, Any]) -> dict[str, Any]:
    """One of LiveCodeBench's: `functional` tests write each argument, and the result, as a line of JSON.

    They are compared as its harness does, unless they say otherwise.
    """
    kind = given.pop("testtype")
    given.setdefault("compare", "livecodebench")
    if kind != "functional":
        return given
    try:
        lines, output = str(given.pop("input")).split("\n"), str(given.pop("output"))
        call = [_read_json(line) for line in lines if line.strip()]
        return {**given, "call": call, "expected": _read_json(output)}
    except (KeyError, ValueError, RecursionError) as error:
        raise InvalidOptions([Problem((), f"its input and output are not lines of JSON: {error}")]) from None


def _read_json(text: str) -> Any:
    """The value of a JSON text, whose integers may have more digits than Python reads by itself.

    Raises:
        ValueError: When it is not JSON, or has an integer of more than 100,000 digits.
    """
    return json.loads(text, parse_int=_whole)


def _whole(digits: str) -> int:
    if len(digits) <= READ_DIGITS:
        return int(digits)
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"an integer of {len(digits):,} digits; at most {MAX_DIGITS:,} are read")
    if digits.startswith("-"):
        return -_whole(digits[1:])
    half = len(digits) // 2
    high: int = 10**half
    return _whole(digits[:-half]) * high + _whole(digits[-half:])


def _columns(found: Mapping[Any, Any]) -> Iterator[dict[str, Any]]:
    """The tests of one problem of APPS or TACO."""
    inputs, outputs, function = found["inputs"], found.get("outputs"), found.get("fn_name")
    if not (isinstance(inputs, _LISTS) and isinstance(outputs, _LISTS) and len(inputs) == len(outputs)):
        raise InvalidOptions([Problem((), "expected 'inputs' and 'outputs' as two lists of one length")])
    for given, expected in zip(inputs, outputs, strict=True):
        if function is not None:
            yield {"call": given, "expected": expected, "function": function, "wrapped": True}
        else:
            yield {"input": _joined(given), "output": _joined(expected)}


def _joined(text: object) -> object:
    """A text, or a list of its lines as one."""
    if isinstance(text, _LISTS) and all(isinstance(line, str) for line in text):
        return "\n".join(text)
    return text


def _twice(tests: list[Test]) -> list[Problem]:
    seen: set[str] = set()
    return [
        Problem((place, "name"), f"two tests have the name {test.name!r}")
        for place, test in enumerate(tests)
        if test.name in seen or seen.add(test.name)  # type: ignore[func-returns-value]  # adds, and is false
    ]
