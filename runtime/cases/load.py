"""Case files are read and checked: every mistake with its file, line, case and field, and how to mend it."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from graders import CausedBy, ConfigurationError, FailureKind, Sample
from graders.contract import brief
from graders.testing.changes import change_named
from runtime.cases.document import Document, read_document
from runtime.cases.model import (
    Answers,
    Case,
    CaseFile,
    Expectation,
    GraderSource,
    ReadGrader,
    RewardOrder,
    Steps,
    WantedFailure,
    WantedNumber,
)
from runtime.data.grader_sources import with_sources

ONLY = "grader"
"""What the grader of a file is called that has but one."""

_FILE_KEYS = ("grader", "graders", "item", "judge", "cases", "order")
_CASE_KEYS = ("name", "grader", "sample", "item", "judge", "expect")
_EXPECT_KEYS = ("reward", "passed", "failure", "substituted", "sub_rewards", "deterministic", "unchanged_by")
_NUMBER_KEYS = ("about", "within", "at_least", "at_most")
_FAILURE_KEYS = ("kind", "caused_by", "message")
_NUMBER_FORMS = (
    "a number, null (ungraded), {about: 0.5, within: 0.1}, {at_least: 0.5}, {at_most: 0.5} or both bounds"
)
_CAUSES: tuple[str, ...] = get_args(CausedBy)
_KINDS = tuple(kind.value for kind in FailureKind)


def load_cases(path: Path, read_grader: ReadGrader) -> CaseFile:
    """Read and check a case file, and read the grader files that it names.

    Args:
        path: The file; YAML, or JSONL by its ending.
        read_grader: Reads a grader file.

    Raises:
        ConfigurationError: With one line for each mistake, each with file and line.
    """
    document = read_document(path)
    reader = _CaseReader(document, read_grader)
    loaded = reader.read()
    if reader.mistakes:
        raise ConfigurationError("\n".join(reader.mistakes))
    return loaded


class _CaseReader:
    """Turns plain data into a case file, and collects what is wrong with it.

    Attributes:
        mistakes: A line for each.
    """

    def __init__(self, document: Document, read_grader: ReadGrader) -> None:
        self._document, self._read_grader = document, read_grader
        self._names: dict[int, str] = {}
        self.mistakes: list[str] = []

    def read(self) -> CaseFile:
        data = self._mapping(self._document.data, (), _FILE_KEYS, "a case file")
        if self.mistakes and not data:
            return CaseFile(self._document.path, self._document.text, {}, [], [])
        graders = self._graders(data)
        defaults = self._item(data.get("item", {}), ("item",))
        judge = self._answers(data.get("judge"), ("judge",))
        rows = data.get("cases")
        if not isinstance(rows, list) or not rows:
            self._wrong(
                ("cases",), "expected a list with at least one case: - {name: …, sample: …, expect: 1}"
            )
            rows = []
        self._names = {number: _name(row, number) for number, row in enumerate(rows)}
        cases = [self._case(row, number, graders, defaults, judge) for number, row in enumerate(rows)]
        self._check_names()
        orders = self._orders(data.get("order", []))
        self._check_expected(cases, orders)
        return CaseFile(self._document.path, self._document.text, graders, cases, orders)

    def _wrong(self, steps: Steps, message: str) -> None:
        where = f"{self._document.path}:{self._document.line(steps)}: "
        if len(steps) > 1 and steps[0] == "cases" and isinstance(steps[1], int):
            where += f"case {self._names[steps[1]]!r}: "
            steps = steps[2:]
        field = ".".join(map(str, steps))
        self.mistakes.append(where + (f"{field}: {message}" if field else message))

    def _mapping(self, value: Any, steps: Steps, keys: Sequence[str], what: str) -> dict[str, Any]:
        """A mapping with no other keys than these; empty if the value is not a mapping."""
        if not isinstance(value, dict):
            self._wrong(steps, f"expected {what} with {', '.join(keys)}; got {_described(value)}")
            return {}
        for key in value:
            if key not in keys:
                near = get_close_matches(key, keys, n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                self._wrong((*steps, key), f"unknown key; {hint}{what} has {', '.join(keys)}")
        return value

    def _graders(self, data: Mapping[str, Any]) -> dict[str, GraderSource]:
        if ("grader" in data) == ("graders" in data):
            self._wrong((), "expected 'grader: FILE.json', or 'graders: {NAME: FILE.json, …}', and not both")
            return {}
        if "grader" in data:
            found = {ONLY: self._grader(data["grader"], ("grader",))}
        elif isinstance(data["graders"], dict) and data["graders"]:
            found = {name: self._grader(value, ("graders", name)) for name, value in data["graders"].items()}
        else:
            self._wrong(("graders",), f"expected {{NAME: FILE.json, …}}, got {_described(data['graders'])}")
            return {}
        return {name: source for name, source in found.items() if source is not None}

    def _grader(self, value: Any, steps: Steps) -> GraderSource | None:
        if isinstance(value, dict):
            try:
                config = with_sources(value, self._document.path.parent)
            except ConfigurationError as error:
                for problem in error.problems:
                    self._wrong((*steps, *problem.path), problem.message)
                return None
            if steps[0] == "graders":
                config = {"name": steps[1], **config}  # it is shown by the name that the author knows
            path, line = self._document.path, self._document.line
            return GraderSource(config, path, lambda inner: f"{path}:{line((*steps, *inner))}")
        if not isinstance(value, str):
            self._wrong(
                steps, f"expected the path of a grader's JSON, or the grader itself; got {_described(value)}"
            )
            return None
        path = self._document.path.parent / value
        try:
            text = self._read_grader(path)
        except ConfigurationError as error:
            hint = "" if path.exists() else "; paths are relative to the case file"
            self._wrong(steps, f"{error}{hint}")
            return None
        return GraderSource(text.config, path, text.where)

    def _item(self, value: Any, steps: Steps) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self._wrong(steps, f"expected the dataset item, a map of columns; got {_described(value)}")
        return {}

    def _answers(self, value: Any, steps: Steps) -> Answers | None:
        if value is None:
            return None
        if isinstance(value, list) and value:
            return value
        if isinstance(value, dict) and value and all(isinstance(v, list) and v for v in value.values()):
            return value
        self._wrong(
            steps,
            "expected the judge's answers in order, such as [{result: 0.5}] or [0.5], or {MODEL: [answers], …}; "
            f"got {_described(value)}",
        )
        return None

    def _case(
        self,
        row: Any,
        number: int,
        graders: Mapping[str, GraderSource],
        defaults: Mapping[str, Any],
        judge: Answers | None,
    ) -> Case:
        steps: Steps = ("cases", number)
        data = self._mapping(row, steps, _CASE_KEYS, "a case")
        item = {**defaults, **self._item(data.get("item", {}), (*steps, "item"))}
        answers = self._answers(data.get("judge"), (*steps, "judge"))
        expect = data.get("expect", {})
        is_short = "expect" in data and not isinstance(expect, dict)
        if is_short:
            expect = {"reward": expect}
        return Case(
            name=self._names[number],
            line=self._document.line(steps),
            number=number,
            grader=self._chosen(data.get("grader"), (*steps, "grader"), graders),
            sample=self._sample(data, steps),
            item=item,
            expect=self._expectation(expect, (*steps, "expect")),
            answers=judge if answers is None else answers,
            is_short=is_short,
        )

    def _chosen(self, value: Any, steps: Steps, graders: Mapping[str, GraderSource]) -> str:
        if value is None and len(graders) <= 1:
            return next(iter(graders), ONLY)
        if value not in graders and graders:
            names = ", ".join(graders)
            found = "and the case names none" if value is None else f"not {brief(value)}"
            self._wrong(steps, f"expected one of the file's graders ({names}), {found}")
        return str(value)

    def _sample(self, data: Mapping[str, Any], steps: Steps) -> Sample:
        if "sample" not in data:
            if data:
                self._wrong(
                    steps, "expected a 'sample': the answer's text, or {output_text: …, output_tools: […]}"
                )
            return Sample()
        try:
            return Sample.load(data["sample"])
        except ConfigurationError as error:
            hint = "" if isinstance(data["sample"], (dict, list)) else "; quote a number to make it a text"
            self._wrong((*steps, "sample"), f"{error}{hint}")
            return Sample()

    def _expectation(self, value: Any, steps: Steps) -> Expectation:
        data = self._mapping(value, steps, _EXPECT_KEYS, "what is expected")
        return Expectation(
            reward=self._number(data["reward"], (*steps, "reward")) if "reward" in data else None,
            passed=self._bool(data, "passed", steps),
            failure=self._failure(data["failure"], (*steps, "failure")) if "failure" in data else None,
            substituted=self._bool(data, "substituted", steps),
            sub_rewards=self._sub_rewards(data.get("sub_rewards", {}), (*steps, "sub_rewards")),
            deterministic=bool(self._bool(data, "deterministic", steps)),
            unchanged_by=self._changes(data.get("unchanged_by", []), (*steps, "unchanged_by")),
        )

    def _bool(self, data: Mapping[str, Any], key: str, steps: Steps) -> bool | None:
        value = data.get(key)
        if key in data and not isinstance(value, bool):
            self._wrong((*steps, key), f"expected true or false, got {_described(value)}")
            return None
        return value

    def _number(self, value: Any, steps: Steps) -> WantedNumber:
        if value is None:
            return WantedNumber(ungraded=True)
        if _is_number(value):
            return WantedNumber(float(value))
        if not isinstance(value, dict) or not value:
            self._wrong(steps, f"expected {_NUMBER_FORMS}; got {_described(value)}")
            return WantedNumber()
        data = self._mapping(value, steps, _NUMBER_KEYS, "an expected number")
        numbers: dict[str, float] = {}
        for key, number in data.items():
            if not _is_number(number):
                self._wrong((*steps, key), f"expected a number, got {_described(number)}")
            elif key in _NUMBER_KEYS:
                numbers[key] = float(number)
        if ("about" in data) != ("within" in data) or ("about" in data and len(data) > 2):
            self._wrong(steps, "'about' and 'within' stand together, and without bounds")
        if numbers.get("within", 0.0) < 0:
            self._wrong((*steps, "within"), "expected a tolerance of 0 or more")
        if numbers.get("at_least", float("-inf")) > numbers.get("at_most", float("inf")):
            self._wrong(steps, "'at_least' is above 'at_most': no reward can be both")
        return WantedNumber(
            numbers.get("about"), numbers.get("within"), numbers.get("at_least"), numbers.get("at_most")
        )

    def _sub_rewards(self, value: Any, steps: Steps) -> dict[str, WantedNumber]:
        if not isinstance(value, dict):
            self._wrong(
                steps, f"expected a map of parts of the reward, {{a: 1, b: 0}}; got {_described(value)}"
            )
            return {}
        return {key: self._number(number, (*steps, key)) for key, number in value.items()}

    def _failure(self, value: Any, steps: Steps) -> WantedFailure:
        if value is None or value == "none":
            return WantedFailure()
        if isinstance(value, str):
            if value in _CAUSES:
                return WantedFailure(caused_by=value)
            if value in _KINDS:
                return WantedFailure(kind=value)
            near = get_close_matches(value, [*_CAUSES, *_KINDS], n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            kinds = "" if near else f": {', '.join(_KINDS)}"
            self._wrong(
                steps, f"{hint}expected none, who caused it ({', '.join(_CAUSES)}), or its kind{kinds}"
            )
            return WantedFailure()
        if not value:
            self._wrong(steps, "expected none, a cause, a kind, or a map with kind, caused_by or message")
            return WantedFailure()
        data = self._mapping(value, steps, _FAILURE_KEYS, "an expected failure")
        for key, allowed in (("kind", _KINDS), ("caused_by", _CAUSES)):
            if key in data and data[key] not in allowed:
                self._wrong(
                    (*steps, key), f"expected one of {', '.join(allowed)}; got {_described(data[key])}"
                )
        message = data.get("message")
        if message is not None and not isinstance(message, str):
            self._wrong((*steps, "message"), f"expected a part of the message, got {_described(message)}")
            message = None
        return WantedFailure(data.get("kind"), data.get("caused_by"), message)

    def _changes(self, value: Any, steps: Steps) -> tuple[str, ...]:
        names = [value] if isinstance(value, str) else value
        if not isinstance(names, list):
            self._wrong(steps, f"expected a list of changes, such as [white_space]; got {_described(value)}")
            return ()
        found = []
        for index, name in enumerate(names):
            known = name.replace(" ", "_") if isinstance(name, str) else name
            try:
                change_named(known)
            except ConfigurationError as error:
                self._wrong((*steps, index), str(error))
            else:
                found.append(known)
        return tuple(found)

    def _check_names(self) -> None:
        seen: dict[str, int] = {}
        for number, name in self._names.items():
            first = seen.setdefault(name, number)
            if first != number:
                line = self._document.line(("cases", first))
                self._wrong(
                    ("cases", number, "name"), f"the case on line {line} has the same name; rename one"
                )

    def _orders(self, value: Any) -> list[RewardOrder]:
        rows = [value] if isinstance(value, str) else value
        if not isinstance(rows, list):
            self._wrong(
                ("order",), f"expected a list of orders, - good > partial > wrong; got {_described(value)}"
            )
            return []
        return [order for index, row in enumerate(rows) if (order := self._order(row, ("order", index)))]

    def _order(self, row: Any, steps: Steps) -> RewardOrder | None:
        if isinstance(row, str):
            words = row.replace(" >= ", " > >= ").split(" > ")
            strict = [not word.startswith(">= ") for word in words[1:]]
            names = [word.removeprefix(">= ").strip() for word in words]
        elif isinstance(row, list) and all(isinstance(name, str) for name in row):
            names, strict, row = row, [True] * (len(row) - 1), " > ".join(row)
        else:
            self._wrong(steps, "expected good > partial > wrong (or >=), or a list of names, the best first")
            return None
        unknown = [name for name in names if name not in self._names.values()]
        for name in unknown:
            near = get_close_matches(name, self._names.values(), n=1)
            hint = (
                f"did you mean {near[0]!r}?" if near else "a name with > in it is written in a list of names"
            )
            self._wrong(steps, f"no case is called {name!r}; {hint}")
        if len(names) < 2:
            self._wrong(steps, "expected at least two cases: good > wrong")
        return RewardOrder(row, self._document.line(steps), names, strict)

    def _check_expected(self, cases: Sequence[Case], orders: Sequence[RewardOrder]) -> None:
        """A case that expects nothing can never fail."""
        ordered = {name for order in orders for name in order.names}
        for case in cases:
            if case.expect.is_empty and case.name not in ordered and not self.mistakes:
                keys = ", ".join(_EXPECT_KEYS)
                self._wrong(
                    ("cases", case.number),
                    f"nothing is expected of it, so it cannot fail; write expect: 1, or a map with {keys}",
                )


def _name(row: Any, number: int) -> str:
    name = row.get("name") if isinstance(row, dict) else None
    return str(name) if name is not None and str(name).strip() else f"case {number + 1}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _described(value: Any) -> str:
    return "nothing" if value is None else brief(value)
