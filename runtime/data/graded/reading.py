"""Reads a graded file: each sample with its reward, its row, and the prompt that it belongs to.

Three forms are read: the results of `graders run --with-rows`; results alone, with the file of their rows beside them, which is
looked up by line and checked by digest; and rows with `samples` and, in the same order, their `results`, as `graders data
select` writes them.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from graders import ConfigurationError, Sample
from graders.contract import brief
from runtime.data.datasets import BYTE_ORDER_MARK, STDIN, bounded_lines, file_digest, opened
from runtime.data.graded.row_index import RowIndex
from runtime.data.json_text import NotJson, read_text
from runtime.data.result_lines import DATA, FIELDS_OF_ROW
from runtime.data.rows import sample_or_failure

_PROMPT = ("messages", "prompt", "contents", "systemInstruction")
_MOST_NAMED = 20
"""Problems that are kept by their lines; the others are counted."""


@dataclass(frozen=True, slots=True)
class GradedSample:
    """A sample with its reward.

    Attributes:
        line: Its line in the graded file, from 1.
        row_line: The line of its row in the data file, from 1.
        draw: Which sample of its row it is; None where its row has one.
        key: The digest of its row, as in the results.
        reward: None when it is ungraded.
        passed: Whether it reaches the pass threshold; None without one, or when it is ungraded.
        substituted: Whether the reward is the grader's `invalid_grade`.
        failure: What failed, as in the results; None when all went well.
        sub_rewards: The rewards of the parts.
        signature: Of the grader.
        row: The row's fields, with `item` and `sample`; empty where the file is read without rows.
        group: A digest of the item and the prompt: the samples of one prompt have the same.
        model: The model that answered; None where nothing says.
    """

    line: int
    row_line: int
    draw: int | None
    key: str
    reward: float | None
    passed: bool | None
    substituted: bool
    failure: Mapping[str, Any] | None
    sub_rewards: Mapping[str, float | None]
    signature: str | None
    row: Mapping[str, Any]
    group: str
    model: str | None

    @property
    def item(self) -> Mapping[str, Any]:
        """The dataset item; empty without rows."""
        item = self.row.get("item")
        return item if isinstance(item, Mapping) else {}

    @property
    def is_measured(self) -> bool:
        """Whether the reward says what the sample is worth: it is there, and no other stands in its place."""
        return self.reward is not None and not self.substituted

    def length(self) -> int | None:
        """Characters of the sample's text; None where it cannot be read."""
        sample = sample_or_failure(self.row.get("sample"))
        return len(sample.output_text) if isinstance(sample, Sample) else None


@dataclass
class Problems:
    """Lines of a graded file that are no results.

    Attributes:
        count: How many there are.
        named: The first of them, each with its line and the reason.
    """

    count: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, line: int, reason: str) -> None:
        """Note one."""
        self.count += 1
        if len(self.named) < _MOST_NAMED:
            self.named.append(f"line {line}: {reason}")


class GradedFile:
    """A graded file, opened; read as often as its samples are wanted.

    Args:
        path: The file.
        data: The file of its rows, where its lines do not have them; None to look where the results say that it was.
        group_by: A field of the item, such as `question` or `meta.id`, whose value says which samples belong together; None for
            the whole item with its prompt.
        with_rows: Whether the rows are needed.

    Attributes:
        problems: Lines that are no results, of the last reading.

    Raises:
        ConfigurationError: When it cannot be read, is no graded file, or its rows are missing or others.
    """

    def __init__(
        self, path: Path, data: Path | None = None, *, group_by: str | None = None, with_rows: bool = True
    ) -> None:
        if path == STDIN or (path.exists() and not path.is_file()):
            raise ConfigurationError(f"{path}: a graded file is read more than once: name a regular file")
        self.path, self.problems = path, Problems()
        self._group_by = group_by
        self._named: Mapping[str, Any] = {}
        self._stack = ExitStack()
        self._index: RowIndex | None = None
        first = _first_object(path)
        if not is_graded(first):
            raise ConfigurationError(
                f"{path} is no graded file: expected the results of 'graders run', got a line with "
                f"{', '.join(map(repr, first)) or 'no field'}; `graders run GRADER {path} -o GRADED` grades rows"
            )
        named = first.get(DATA)
        self._named = named if isinstance(named, Mapping) else {}
        if with_rows and not _has_row(first):
            self._index = self._stack.enter_context(RowIndex(data or self._data_as_named()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def samples(self) -> Iterator[GradedSample]:
        """The samples, in the order of the file.

        Raises:
            ConfigurationError: When a result is of another row than the one in its line of the data file, or, at the end, when no
                item has the field of `group_by`.
        """
        self.problems = Problems()
        seen = FieldSeen("--group-by", self._group_by)
        with opened(self.path) as file:
            for number, line in enumerate(bounded_lines(file), 1):
                text = (line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).strip()
                for sample in self._of_line(number, text) if text else ():
                    seen.look(sample.item)
                    yield sample
        seen.check(self.path)

    def _of_line(self, number: int, text: bytes) -> Iterator[GradedSample]:
        try:
            found, _ = read_text(text)
        except NotJson as error:
            self.problems.add(number, error.reason)
            return
        if not isinstance(found, dict):
            self.problems.add(number, f"expected a result, a JSON object, got {brief(found)}")
            return
        for record, row in _records(found):
            problem = _problem(record)
            if problem is not None:
                self.problems.add(number, problem)
                continue
            yield self._sample(number, record, self._row_of(number, record) if self._index else row)

    def _row_of(self, number: int, record: Mapping[str, Any]) -> Mapping[str, Any]:
        assert self._index is not None  # noqa: S101  # for the type checker
        row = self._index.row(record["line"], record.get("draw"))
        if row is None or row.key != record["key"]:
            was = self._named.get("digest")
            digests = (
                f"; its digest is {self._index.digest}, and that of the graded data was {was}" if was else ""
            )
            what = "has no such row" if row is None else "has another row there"
            raise ConfigurationError(
                f"{self._index.path} does not fit {self.path}: line {number} is the result of line {record['line']} of the "
                f"data, and this file {what}{digests}; give --data the file that was graded, or grade this one again"
            )
        return {
            **{name: row.data[name] for name in FIELDS_OF_ROW if name in row.data},
            "item": row.item,
            "sample": row.stored,
        }

    def _sample(self, number: int, record: Mapping[str, Any], row: Mapping[str, Any]) -> GradedSample:
        draw, reward = record.get("draw"), record["reward"]
        return GradedSample(
            number,
            record["line"],
            draw,
            record["key"],
            None if reward is None else float(reward),
            record.get("passed") if reward is not None else None,
            bool(record.get("substituted")),
            record.get("failure"),
            record.get("sub_rewards") or {},
            record.get("signature"),
            row,
            self._group(record, row),
            _model(row),
        )

    def _group(self, record: Mapping[str, Any], row: Mapping[str, Any]) -> str:
        item = row.get("item")
        if self._group_by is not None:
            value = field_of(item, self._group_by)
            return f"row:{record['line']}" if value is None else digest_of(value)
        sample = row.get("sample")
        asked = [row.get(name) for name in _PROMPT]
        asked.append(sample.get("input") if isinstance(sample, Mapping) else None)
        return digest_of([item, asked]) if item or any(asked) else f"row:{record['line']}"

    def _data_as_named(self) -> Path:
        """The data file, where the results say that it was, and as it was then."""
        name, digest = self._named.get("file"), self._named.get("digest")
        lacks = f"{self.path} has neither items nor samples in its lines"
        again = "give --data the file that was graded, or grade again with --with-rows"
        if not isinstance(name, str) or not isinstance(digest, str):
            raise ConfigurationError(f"{lacks}, and does not name its data; {again}")
        places = [Path(name), self.path.parent / Path(name).name]
        for place in places:
            if place.is_file() and file_digest(place) == digest:
                return place
        changed = [str(place) for place in places if place.is_file()]
        why = f"{changed[0]} has changed since" if changed else f"its data was {name}, which is not there"
        raise ConfigurationError(f"{lacks}, and {why} (digest {digest}); {again}")


def is_graded(line: Mapping[str, Any]) -> bool:
    """Whether an object is a line of a graded file."""
    if isinstance(line.get("results"), list) and isinstance(line.get("samples"), list):
        return True
    return {"reward", "key", "line"} <= line.keys()


def looks_graded(path: Path) -> bool:
    """Whether a file is a graded file, by its first line."""
    return is_graded(_first_object(path))


class FieldSeen:
    """Whether any item has the field that an option names: a misspelled name would group or balance nothing.

    Args:
        option: The option.
        name: The field; None where the option is not given.
    """

    def __init__(self, option: str, name: str | None) -> None:
        self._option, self._name = option, name
        self._is_there = False
        self._example: Mapping[str, Any] = {}

    def look(self, item: Mapping[str, Any]) -> None:
        """Look at an item; one without fields says nothing."""
        if self._name is None or self._is_there or not item:
            return
        self._is_there = field_of(item, self._name) is not None
        self._example = self._example or item

    def check(self, path: Path) -> None:
        """Say that no item had the field.

        Raises:
            ConfigurationError: When there were items, and none had it.
        """
        if self._is_there or not self._example:
            return
        near = get_close_matches(str(self._name).removeprefix("item."), list(map(str, self._example)), 1)
        hint = (
            f"did you mean {near[0]!r}?"
            if near
            else f"an item has {', '.join(map(brief, islice(self._example, 8)))}"
        )
        raise ConfigurationError(f"{path}: no item has the field {self._name!r} of {self._option}; {hint}")


def field_of(item: object, path: str) -> Any:
    """A field of an item, by its name or by names with dots; None where it is not there."""
    path = path.removeprefix("item.")
    if isinstance(item, Mapping) and path in item:
        return item[path]
    for name in path.split("."):
        if isinstance(item, list) and name.isdigit() and int(name) < len(item):
            item = item[int(name)]
        elif isinstance(item, Mapping):
            item = item.get(name)
        else:
            return None
    return item


def digest_of(value: object) -> str:
    """A digest of plain data that does not depend on the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _plain(value: object) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _first_object(path: Path) -> Mapping[str, Any]:
    """The first line of a file that is a JSON object.

    Raises:
        ConfigurationError: When no line is one.
    """
    with opened(path) as file:
        for line in bounded_lines(file):
            try:
                found, _ = read_text(line.removeprefix(BYTE_ORDER_MARK).strip() or b"null")
            except NotJson:
                continue
            if isinstance(found, dict):
                return found
    raise ConfigurationError(f"{path}: no line is a JSON object; expected the results of 'graders run'")


def _has_row(line: Mapping[str, Any]) -> bool:
    return "item" in line and ("sample" in line or "results" in line)


def _records(line: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """The results in a line, each with the fields of its row."""
    results, samples = line.get("results"), line.get("samples")
    row = {name: line[name] for name in FIELDS_OF_ROW if name in line}
    if not isinstance(results, list) or not isinstance(samples, list):
        yield line, row
        return
    for number, record in enumerate(results):
        stored = samples[number] if number < len(samples) else None
        yield record if isinstance(record, Mapping) else {}, {**row, "sample": stored}


def _problem(record: Mapping[str, Any]) -> str | None:
    """Why something is no result; None when it is one."""
    reward, passed, failure = record.get("reward"), record.get("passed"), record.get("failure")
    checks = {
        "reward": "reward" in record and (reward is None or _is_number(reward)),
        "passed": passed is None or isinstance(passed, bool),
        "failure": failure is None or isinstance(failure, Mapping),
        "line": type(record.get("line")) is int,
        "key": isinstance(record.get("key"), str),
        "draw": record.get("draw") is None or type(record["draw"]) is int,
        "sub_rewards": _are_numbers(record.get("sub_rewards")),
        "signature": isinstance(record.get("signature"), (str, type(None))),
    }
    wrong = [name for name, is_right in checks.items() if not is_right]
    return f"no result: {wrong[0]!r} is {brief(record.get(wrong[0]))}" if wrong else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _are_numbers(values: object) -> bool:
    if values is None:
        return True
    return isinstance(values, Mapping) and all(
        value is None or isinstance(value, bool) or _is_number(value) for value in values.values()
    )


def _model(row: Mapping[str, Any]) -> str | None:
    for place in (row.get("sample"), row.get("source")):
        if isinstance(place, Mapping) and isinstance(place.get("model"), str):
            return str(place["model"])
    return None
