"""What is a row: a sample and an item, with or without an id; and what becomes of a row that cannot be read.

A row that cannot be read is that row's own outcome, wherever it comes from (a request, a file, a run of an eval): ungraded,
with its place and what was expected there. It is graded as the model's failure only where the model wrote what cannot be
read, which is the arguments of its tool calls: all else that a model writes is text, and any text can be read.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import starmap
from math import inf
from typing import Any

from graders import CausedBy, ConfigurationError, FailureKind, FailureType, GradingError, Sample
from graders.contract import brief
from graders.options import no_such_field
from graders.pattern import encodable
from graders.samples.plain_data import item as plain_item
from runtime.data.json_text import Unreadable, named_path, unreadable_parts

SAMPLE_FORMS = "a text, a stored sample, a chat completion, a Responses object or a list of messages"
_SAMPLE = frozenset({"sample", "model_sample"})
_WRITTEN_BY_MODEL = frozenset({"tool_calls", "output_tools"})
_OF_SAMPLE = ("output_text", "output", "choices", "output_tools")
"""Fields of which a sample has at least one."""
_INFINITE = (inf, -inf)
_BESIDE_TEXT = frozenset({"output_json"})
"""Fields of a stored sample that are never read: they are made of its text."""


def unreadable(field: str, message: str, *, place: str = "", by_model: bool = False) -> GradingError:
    """The failure of a row that cannot be read.

    Args:
        field: What of the row is wrong, with dots; empty for the row itself.
        message: What is wrong with it.
        place: Where the row is: `rows.3` or `line 17`; empty for a row on its own.
        by_model: Whether the model wrote what cannot be read, so that it gets the lowest reward.
    """
    if place.startswith("rows.") and field:
        where = [f"{place}.{field}"]
    else:
        where = [part for part in (place, field) if part]
    named = {name: encodable(value) for name, value in (("row", place), ("field", field)) if value}
    return GradingError(
        encodable(": ".join([*where, message])),
        # clients of the published route take the flag of the first for a reward that was measured
        kind=FailureKind.SAMPLE_PARSE if by_model else FailureKind.OTHER,
        caused_by="model" if by_model else "infrastructure",
        details={"type": FailureType.UNREADABLE_ROW, **named},
    )


def sample_or_failure(source: object, *, place: str = "", field: str = "sample") -> Sample | GradingError:
    """The sample in a row, or the error that prevents reading it.

    Args:
        source: Anything that `Sample.load` takes, or the failure of a row that is known not to be readable.
        place: Where the row is, as in `unreadable`.
        field: What a message calls the sample.
    """
    if type(source) is str:
        return Sample(source)
    if isinstance(source, (Sample, GradingError)):
        return source
    if isinstance(source, Mapping) and (failure := stored_failure(source)) is not None:
        return failure
    if source is None or isinstance(source, (bool, int, float, Unreadable)):
        return unreadable(field, f"expected {SAMPLE_FORMS}, got {_named(source)}", place=place)
    try:
        return Sample.load(source)
    except ConfigurationError as error:
        return unreadable(field, str(error), place=place)


def stored_failure(sample: object) -> GradingError | None:
    """The failure that stands in place of a sample in an output item, ours or published; None where there is a sample."""
    error = sample.get("error") if isinstance(sample, Mapping) else None
    if not isinstance(sample, Mapping) or not isinstance(error, Mapping) or any(map(sample.get, _OF_SAMPLE)):
        return None
    caused_by: CausedBy = "model" if error.get("caused_by") == "model" else "infrastructure"
    kinds = [kind for kind in FailureKind if kind.value == error.get("code")]
    message = encodable(str(error.get("message") or "the sample says that it could not be drawn"))
    return GradingError(message, kind=kinds[0] if kinds else FailureKind.OTHER, caused_by=caused_by)


def item_or_failure(source: object, *, place: str = "") -> Mapping[str, Any] | GradingError:
    """The item in a row, or the error that prevents reading it; null is an empty item."""
    if source is None:
        return {}
    try:
        source = plain_item(source)
    except ConfigurationError as error:
        return unreadable("item", str(error), place=place)
    if isinstance(source, Mapping):
        return source
    return unreadable("item", f"expected the dataset row, a JSON object, got {_named(source)}", place=place)


def item_of_output_item(source: object) -> object:
    """The dataset row in the `datasource_item` of an output item; some exports hold it under `item`, beside its sample."""
    inner = source.get("item") if isinstance(source, Mapping) else None
    is_wrapped = (
        isinstance(inner, Mapping) and isinstance(source, Mapping) and source.keys() <= {"item", "sample"}
    )
    return inner if is_wrapped else source


def readable(sample: object, item: object) -> tuple[Sample | GradingError, Mapping[str, Any]]:
    """The sample and the item of one row; why it cannot be read in place of the sample, where one of them cannot."""
    read = item_or_failure(item)
    return (read, {}) if isinstance(read, GradingError) else (sample_or_failure(sample), read)


def readable_rows(rows: Any) -> Iterator[tuple[object, Mapping[str, Any] | None]]:
    """Pairs of sample and item whose items are plain data.

    Where an item cannot be, its failure stands in place of the sample, and the item is None. Samples are not read yet.

    Raises:
        ConfigurationError: When the rows are not pairs that can be read one after the other.
    """
    if not isinstance(rows, Iterable) or isinstance(rows, (str, Mapping)):
        hint = "; an asynchronous generator is not accepted" if hasattr(rows, "__aiter__") else ""
        raise ConfigurationError(
            f"rows: expected an iterable of pairs (sample, item), got {type(rows).__name__}{hint}"
        )
    return starmap(_readable_row, rows)


def _readable_row(sample: object, item: Any) -> tuple[object, Mapping[str, Any] | None]:
    if item is None or isinstance(sample, GradingError):
        return sample, item
    read = item_or_failure(item)
    return (read, None) if isinstance(read, GradingError) else (sample, read)


def unreadable_inside(row: Mapping[str, Any], *, place: str = "") -> GradingError | None:
    """The failure of a row in which a value cannot be held, because of the first one; None where no such value matters."""
    first_by_model: GradingError | None = None
    for path, part in unreadable_parts(row):
        if _is_beside_text(path):
            continue
        by_model = _is_by_model(path)
        if by_model and first_by_model is not None:
            continue
        failure = unreadable(named_path(path), part.reason, place=place, by_model=by_model)
        if not by_model:  # what is nobody's doing decides: it says nothing about the model
            return failure
        first_by_model = failure
    return first_by_model


def id_or_failure(row_id: object, *, place: str = "") -> str | float | GradingError | None:
    """The caller's own name for a row, or the error that prevents reading it."""
    if row_id is None or isinstance(row_id, str):
        return row_id
    if isinstance(row_id, bool) or not isinstance(row_id, (int, float)) or row_id in _INFINITE:
        return unreadable("id", f"expected a text or a number, got {_named(row_id)}", place=place)
    return row_id


def not_an_object(row: object, *, place: str = "") -> GradingError | None:
    """Why something is not a row; None for any JSON object."""
    if isinstance(row, dict):
        return None
    found = row.reason if isinstance(row, Unreadable) else _named(row)
    return unreadable("", f'expected a row such as {{"sample": …, "item": {{…}}}}, got {found}', place=place)


def unknown_field(row: Mapping[str, Any], known: Collection[str], *, place: str = "") -> GradingError | None:
    """The failure of a row with a field beside those that it may have; None when it has no other."""
    for name in row:
        if name not in known:
            return unreadable(brief(name)[1:-1], no_such_field(name, known, "the row has"), place=place)
    return None


def _is_by_model(path: tuple[str | int, ...]) -> bool:
    return path[0] in _SAMPLE and not _WRITTEN_BY_MODEL.isdisjoint(path)


def _is_beside_text(path: tuple[str | int, ...]) -> bool:
    return len(path) > 1 and path[0] in _SAMPLE and path[1] in _BESIDE_TEXT


def _named(value: object) -> str:
    """A value of a wrong kind as a message names it."""
    if isinstance(value, Unreadable):
        return f"one that cannot be read: {value.reason}"
    return "null" if value is None else f"{_JSON_NAMES.get(type(value), type(value).__name__)} {brief(value)}"


_JSON_NAMES: Mapping[type, str] = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "the text",
    list: "the list",
    dict: "the object",
}
