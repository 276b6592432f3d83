"""What every source system gives: rows that are imported, and why a part of an export could not be."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from graders import FailureKind, GradingError
from graders.contract import brief
from graders.pattern import encodable
from runtime.data.json_text import NotJson, read_text
from runtime.data.rows import item_or_failure, sample_or_failure, stored_failure

Object: TypeAlias = Mapping[str, Any]
_MAX_REASON = 300


@dataclass(frozen=True, slots=True)
class Imported:
    """One row.

    Attributes:
        item: The dataset item.
        sample: What the model answered, in any form that `Sample.load` reads, or `{"error": …}` where there is no answer;
            None for a row that no model has answered yet.
        recorded: Scores that came along, by the name of what gave them.
        messages: The prompt, where it is not a part of the item.
        source: What the source system says of where the row is from: ids, step, model.
        offered: What else was asked of the model, beside the item: `tools`, `parallel_tool_calls`.
        lost: What of the export the row does not hold, in words.
    """

    item: Object
    sample: Any = None
    recorded: Mapping[str, float] = field(default_factory=dict)
    messages: Sequence[Object] | None = None
    source: Object = field(default_factory=dict)
    offered: Object = field(default_factory=dict)
    lost: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class NotImported:
    """A part of an export that is not a row.

    Attributes:
        reason: Why, in words that follow its place.
    """

    reason: str


Part: TypeAlias = Imported | NotImported


@dataclass(frozen=True, slots=True)
class SourceSystem:
    """One source system.

    Attributes:
        name: What `--from` calls it.
        title: What it reads, in a few words.
        recognises: Whether a JSON object is one of its own.
        read: The rows of such an object.
    """

    name: str
    title: str
    recognises: Callable[[Object], bool]
    read: Callable[[Object], Iterator[Part]]


def checked(part: Part) -> Part:
    """A part whose item and sample can be read by graders; otherwise why not."""
    if isinstance(part, NotImported):
        return part
    item = item_or_failure(part.item)
    if isinstance(item, GradingError):
        return NotImported(str(item))
    if part.sample is None or stored_failure(part.sample) is not None:
        return part
    sample = sample_or_failure(part.sample)
    return NotImported(str(sample)) if isinstance(sample, GradingError) else part


def failed(message: object) -> Object:
    """What stands in place of a sample where the model gave no answer: the row is ungraded, with this cause."""
    text = message if isinstance(message, str) else brief(message)
    return {"error": {"code": FailureKind.OTHER.value, "message": encodable(text[:_MAX_REASON])}}


def score(value: object) -> float | None:
    """A finite number, or a truth value as 0 or 1; None for anything else."""
    if not isinstance(value, (bool, int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def scores(named: object) -> dict[str, float]:
    """The numbers of an object."""
    if not isinstance(named, Mapping):
        return {}
    found = {str(name): score(value) for name, value in named.items()}
    return {name: value for name, value in found.items() if value is not None}


def add_score(recorded: dict[str, float], name: str, value: object) -> bool:
    """Record a score; of a name that is there already, under the name with a number. False when it is no score."""
    number = score(value)
    if number is None:
        return False
    unique, count = name, 2
    while unique in recorded:
        unique, count = f"{name} ({count})", count + 1
    recorded[unique] = number
    return True


def from_json(value: Any) -> Any:
    """What a text is as JSON; the value itself where it is not a text, not JSON, or has a value that cannot be held."""
    if not isinstance(value, str):
        return value
    try:
        read, has_unreadable = read_text(encodable(value).encode())
    except NotJson:
        return value
    return value if has_unreadable else read


def objects(value: object) -> list[Object]:
    """The objects of a list; an empty list for anything else."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def mapping(value: object) -> Object:
    """An object; an empty one for anything else."""
    return value if isinstance(value, Mapping) else {}


def is_messages(value: object) -> bool:
    """Whether a value is a list of messages, each with a role."""
    return isinstance(value, list) and bool(value) and all(map(_is_message, value))


def _is_message(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("role"), str)


def as_messages(prompt: object, instructions: object = None) -> list[Object] | None:
    """A prompt as messages: a text is what the user says; None for what is no prompt."""
    first = [{"role": "system", "content": instructions}] if isinstance(instructions, str) else []
    if isinstance(prompt, str):
        return [*first, {"role": "user", "content": prompt}]
    if isinstance(prompt, list) and prompt and all(isinstance(each, Mapping) for each in prompt):
        return [*first, *prompt]
    return None


def without(value: Object, names: Sequence[str]) -> dict[str, Any]:
    """An object without some fields, and without those that are null."""
    return {name: inner for name, inner in value.items() if name not in names and inner is not None}


def present(**fields: Any) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}
