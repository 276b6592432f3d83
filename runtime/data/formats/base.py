"""What the checks ask of a row format: does a row look like it, what is wrong with the row, and which part is what."""

import json
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, ClassVar, NamedTuple

from runtime.data.findings import Level

Row = Mapping[str, Any]
MOST = 2_000
"""Messages, parts, calls or tools of a row that are looked at."""
_REFERENCE = re.compile(
    r"reference|ground_?truth|gold|answer|target|label|solution|expected|correct|completion|verdict",
    re.IGNORECASE,
)
_IDENTITY = re.compile(r"(?:.*_)?(?:id|uid|uuid|idx|index|key|row|line)|source", re.IGNORECASE)
_JSON_NAMES: Mapping[type, str] = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


class Fault(NamedTuple):
    """What is wrong with one row, wherever it stands.

    Attributes:
        code: The short name of the kind of fault.
        field: The field, with dots.
        message: What is wrong, and what was expected.
        hint: How to mend it.
        level: `error` or `warning`.
        hosts: Those that have this rule, where not all hosts of the format have it: an error for them, otherwise a warning.
    """

    code: str
    field: str
    message: str
    hint: str = ""
    level: Level = "error"
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class View:
    """The parts of a row that the checks of quality look at.

    Attributes:
        prompt: What the model is to answer, without the system prompt.
        system: The system or developer prompt; None where the row has none.
        answer: What the model is to learn to say; None where the row has no answer.
        references: What a grader compares answers with, by the name of the field.
        item: The dataset item that a grader would get.
        contrast: The answer that the model is to avoid, in preference data.
    """

    prompt: str
    system: str | None = None
    answer: str | None = None
    references: Mapping[str, Any] = field(default_factory=dict)
    item: Row = field(default_factory=dict)
    contrast: str | None = None


class Format(ABC):
    """A row format; one instance stands for it.

    Attributes:
        name: What `--format` calls it.
        title: What reports call it.
        hosts: Who takes it.
        fields: The fields that its rows have, the required ones first.
        required: How many of them are required.
        is_open: Whether rows may have other fields, which belong to their authors.
        family: Formats with the same family differ in little: a host that takes one of them is meant to get that one.
        repeats: Whether one prompt has several rows by nature, such as the samples of one item.
        kind: `sft`, `dpo`, `rft` or empty: what the limits of hosts go by.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    hosts: ClassVar[tuple[str, ...]] = ()
    fields: ClassVar[tuple[str, ...]] = ()
    required: ClassVar[int] = 1
    is_open: ClassVar[bool] = True
    family: ClassVar[str] = ""
    repeats: ClassVar[bool] = False
    kind: ClassVar[str] = ""

    @abstractmethod
    def likeness(self, row: Row) -> int:
        """How much a row looks like it: 0 for not at all; the format with the highest number has the row."""

    @abstractmethod
    def faults(self, row: Row) -> Iterator[Fault]:
        """What is wrong with a row by the published rules of the format."""

    @abstractmethod
    def view(self, row: Row) -> View:
        """The parts of a row; never fails, whatever is wrong with it."""

    def missing(self, row: Row) -> Iterator[Fault]:
        """Required fields that a row lacks, and fields that no row of the format has."""
        for name in self.fields[: self.required]:
            if row.get(name) is None:
                near = get_close_matches(
                    name, [key for key in row if key not in self.fields], n=1, cutoff=0.75
                )
                hint = f"did you mean {name!r}? The row has {near[0]!r}" if near else f"add {name!r}"
                yield Fault("missing-field", name, f"the row has no {name!r}", hint)
        if not self.is_open:
            for key in row:
                if key not in self.fields:
                    yield Fault(
                        "extra-field",
                        str(key),
                        f"{brief(key)} is no field of {self.title}",
                        f"its fields are {', '.join(self.fields)}",
                        "warning",
                    )


def references_of(row: Row, without: Sequence[str] = ()) -> dict[str, Any]:
    """The fields of a row that, by their names, hold what answers are compared with."""
    return {
        name: value
        for name, value in row.items()
        if name not in without and value is not None and _REFERENCE.search(name) and not is_identity(name)
    }


def is_identity(name: str) -> bool:
    """Whether a field, by its name, tells rows apart and says nothing else: `id`, `uuid`, `row_index`."""
    return _IDENTITY.fullmatch(name) is not None


def named(value: object) -> str:
    """The type of a JSON value, for a message."""
    return _JSON_NAMES.get(type(value), type(value).__name__)


def brief(value: object) -> str:
    """A value of a row, short, for a message."""
    text = value if isinstance(value, str) else str(value)
    return repr(text if len(text) <= 60 else f"{text[:59]}…")


def wrong_type(path: str, expected: str, value: object) -> Fault:
    """The fault of a field whose value has another type than it is to have."""
    return Fault("wrong-type", path, f"{path} is {named(value)}; expected {expected}", f"write {expected}")


def text_of(content: object) -> str:
    """The text in the content of a message: a text, or a list of parts that have one."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        return ""
    return "\n".join(filter(None, map(_text_of_part, content)))


def _text_of_part(part: object) -> str:
    """The text of a part; of an image or a file, its kind and a checksum, so that two of them differ."""
    if not isinstance(part, Mapping):
        return part if isinstance(part, str) else ""
    text = part.get("text") or part.get("refusal")
    if isinstance(text, str):
        return text
    other = {
        name: value
        for name, value in part.items()
        if name not in {"text", "type", "role"} and value is not None
    }
    if not other:
        return ""
    checksum = zlib.crc32(json.dumps(other, sort_keys=True, default=str).encode("utf-8", "replace"))
    return f"[{next(iter(other))!s:.40} {checksum:08x}]"
