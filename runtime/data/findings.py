"""What a check of training data finds, and a collection of it that stays small whatever the data are."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from runtime.data.personal_data import masked

Level = Literal["error", "warning"]
MOST_GROUPS = 300
"""Groups of findings that are kept."""
KEPT = 50
"""Findings of one group that are kept; all are counted."""
LONGEST = 600
"""Characters of a message."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a row or a file.

    Attributes:
        code: Its short name, which stays: `empty-content`.
        level: `error` when the host would refuse the file or the grader could not read the row, `warning` when the data may
            be worse than they look.
        message: What is wrong, and what was expected.
        hint: How to mend it.
        line: The line or row, from 1; None for a finding about the whole file.
        field: The field, with dots: `messages.2.content`; empty for a finding about the whole row.
        related: Other lines that it is about, such as that of the first copy.
    """

    code: str
    level: Level
    message: str
    hint: str = ""
    line: int | None = None
    field: str = ""
    related: tuple[int, ...] = ()


@dataclass(slots=True)
class Group:
    """Findings of one kind: the same code, file and field, whatever their lines and indexes.

    Attributes:
        file: The file that they are about.
        count: How many there are.
        findings: The first of them.
    """

    file: str
    count: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def first(self) -> Finding:
        """The first finding, which stands for all of them."""
        return self.findings[0]

    @property
    def lines(self) -> list[int]:
        """The lines of the findings that are kept, each once."""
        return list(dict.fromkeys(each.line for each in self.findings if each.line is not None))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        first = self.first
        return {
            "code": first.code,
            "level": first.level,
            "file": self.file,
            "count": self.count,
            "message": first.message,
            "hint": first.hint,
            "field": first.field,
            "lines": self.lines,
            "findings": [{**asdict(each), "related": list(each.related)} for each in self.findings],
            "left_out": self.count - len(self.findings),
        }


class Findings:
    """Takes findings and groups them; memory does not grow with the number of rows.

    Personal data in messages are masked here, in one place for all checks.
    """

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, str, str], Group] = {}
        self.left_out = 0
        self._counts = {"error": 0, "warning": 0}

    def add(self, file: str, findings: Iterable[Finding]) -> None:
        """Take findings about a file."""
        for found in findings:
            self._counts[found.level] += 1
            key = (file, found.level, found.code, _without_indexes(found.field))
            group = self._groups.get(key)
            if group is None:
                if len(self._groups) >= MOST_GROUPS:
                    self.left_out += 1
                    continue
                group = self._groups[key] = Group(file)
            group.count += 1
            if len(group.findings) < KEPT:
                group.findings.append(_shown(found))

    def __iter__(self) -> Iterator[Group]:
        """Groups: errors first, then in the order in which they were found."""
        return iter(sorted(self._groups.values(), key=lambda group: group.first.level != "error"))

    @property
    def errors(self) -> int:
        """How many errors there are."""
        return self._counts["error"]

    @property
    def warnings(self) -> int:
        """How many warnings there are."""
        return self._counts["warning"]


def masked_data(value: Any) -> Any:
    """Plain data in whose texts and keys personal data are masked."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {masked(name): masked_data(inner) for name, inner in value.items()}
    return [masked_data(inner) for inner in value] if isinstance(value, list) else value


def _shown(found: Finding) -> Finding:
    return replace(
        found,
        message=_short(masked(found.message)),
        hint=_short(masked(found.hint)),
        field=_short(masked(found.field)),
    )


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _without_indexes(path: str) -> str:
    return ".".join("*" if step.isdecimal() else step for step in path[:LONGEST].split("."))
