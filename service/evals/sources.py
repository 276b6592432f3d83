"""Where the rows of a run come from: its request, an uploaded file, or the stored samples of another run.

The sources of `service.evals.sampling` have rows as well, from the same places; their samples are still to be asked for.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from graders import ConfigurationError, FailureType, GradingError, Item, Sample
from graders.contract import brief
from graders.options import validated
from graders.pattern import encodable
from runtime.data.datasets import bounded_lines, parse_rows
from runtime.data.json_text import unreadable_parts
from runtime.data.rows import (
    item_or_failure,
    not_an_object,
    sample_or_failure,
    stored_failure,
    unknown_field,
    unreadable,
    unreadable_inside,
)
from runtime.schemas.json_schema import CheckFailed, JsonSchema, SchemaChecker, SchemaError
from service.errors import ApiError
from service.evals.sampling import (
    CompletionsSource,
    FileId,
    ResponsesSource,
    SamplingSource,
    content_row,
)
from service.evals.schemas import not_checked, parsed
from service.store import Files
from service.store.evals import REGRADE, Evals, OutputItem
from service.store.files import is_file_id

CHUNK = 256
"""Rows that are read and checked before the event loop gets its turn."""
TURN = 16
"""Rows that are checked before the event loop gets its turn."""
_SAID = 500
"""Characters of what a schema says of a row; it may quote the whole item."""
_COSTLY = "costly_schema"
"""The code of a row whose check takes too long."""
_KEPT = "unreadable"
"""The field of a row that could not be stored as it was sent: it says why."""

_SAMPLING: dict[str, type[CompletionsSource | ResponsesSource]] = {
    "completions": CompletionsSource,
    "responses": ResponsesSource,
}


class SourceError(Exception):
    """The rows of a run cannot be read.

    Attributes:
        code: A word for programs.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RowError(Exception):
    """One row is not what its eval says.

    Attributes:
        path: From the row to the field, with dots.
        code: A word for programs.
    """

    def __init__(self, path: str, message: str, *, code: str = "invalid_row") -> None:
        super().__init__(message if len(message) <= _SAID else f"{message[:_SAID]}…")
        self.path, self.code = path, code


@dataclass(frozen=True, slots=True)
class EvalRow:
    """One row.

    Attributes:
        position: Among the rows, from 0.
        place: What a person finds it by: `row 1`, or in a file `line 1`.
        item: The dataset item; empty where it cannot be read.
        sample: What the model answered; None where the row has nothing.
        failure: Why the row cannot be read, or why a model that was asked for the sample gave none.
    """

    position: int
    place: str
    item: Item
    sample: Sample | None
    failure: GradingError | None = None


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["file_content"]
    content: list[Any]


class _Jsonl(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["jsonl"]
    source: Annotated[_Content | FileId, Field(discriminator="type")]


class Checker:
    """Checks rows against the schema of an eval; see `checker_of`."""

    def __init__(self, schemas: SchemaChecker, items: JsonSchema, client: str, *, needs_sample: bool) -> None:
        self._schemas, self._items, self._client = schemas, items, client
        self._needs_sample = needs_sample

    async def check(self, row: EvalRow) -> None:
        """Look at a row that can be read.

        Raises:
            RowError: When it is not what the eval says.
            CheckFailed: When the machine failed.
        """
        try:
            mismatch = await self._schemas.check(self._items, row.item, client=self._client)
        except CheckFailed as failed:
            if not failed.by_schema:
                raise
            message = f"it cannot be checked against item_schema: {failed}; simplify the schema"
            raise RowError("item", message, code=_COSTLY) from None
        if mismatch is not None:
            raise RowError(".".join(["item", *map(str, mismatch.path)]), mismatch.message)
        if row.sample is None and self._needs_sample:
            message = "this field is required, as the eval has include_sample_schema"
            raise RowError("sample", message)

    async def checked(self, row: EvalRow) -> EvalRow:
        """A row; with a failure, where it is not what the eval says, or could not be checked."""
        if row.failure is not None:
            return row
        try:
            await self.check(row)
        except RowError as error:
            return replace(row, failure=unreadable(error.path, str(error), place=row.place))
        except CheckFailed as failed:
            details = {"type": FailureType.SCHEMA_NOT_CHECKED, "row": row.place}
            message = f"{row.place}: item: it could not be checked against item_schema: {failed}"
            failure = GradingError(message, caused_by="infrastructure", details=details, retryable=True)
            return replace(row, failure=failure)
        return row


async def checker_of(
    config: Mapping[str, Any],
    source: Mapping[str, Any],
    schemas: SchemaChecker,
    client: str,
    *,
    reads_sample: bool,
) -> Checker:
    """What checks the rows of a run.

    Args:
        config: The data source configuration, as it is shown.
        source: The data source; where it samples, rows need no sample.
        schemas: Loads the schema, and checks.
        client: Whose run it is.
        reads_sample: Whether a criterion of the run reads the sample; otherwise rows need none.

    Raises:
        SourceError: When the schema cannot be used, as one that was stored before it would have been refused.
        CheckFailed: When the machine failed.
    """
    schema = config["schema"]
    try:
        items = await schemas.load(schema["properties"]["item"], draft="declared", client=client)
    except SchemaError as error:
        raise SourceError(
            "invalid_schema", f"data_source_config.item_schema: {encodable(str(error))}"
        ) from None
    needs_sample = reads_sample and "sample" in schema["required"] and source["type"] not in _SAMPLING
    return Checker(schemas, items, client, needs_sample=needs_sample)


async def accept(
    given: Mapping[str, Any],
    config: Mapping[str, Any],
    schemas: SchemaChecker,
    client: str,
    *,
    reads_sample: bool,
) -> None:
    """Look at the data source of a request, and whether its rows, if they are in it, are all wrong; at a file it does not look.

    Raises:
        ApiError: 400, naming the field, when something is wrong; 503 when the machine could not check it.
    """
    kind = given.get("type")
    if isinstance(kind, str) and kind in _SAMPLING:
        try:
            validated(_SAMPLING[kind], given)
        except ConfigurationError as error:
            problems = [problem.under("data_source") for problem in error.problems]
            message = encodable("; ".join(map(str, problems)))
            raise ApiError(400, message, param=encodable(problems[0].where), code="invalid_body") from None
    elif "type" in given and kind != "jsonl":
        kinds = ", ".join(map(repr, _SAMPLING))
        message = f"data_source.type: expected 'jsonl', {kinds}, got {encodable(brief(kind))}"
        raise ApiError(400, message, param="data_source.type", code="invalid_body")
    else:
        parsed(_Jsonl, given, "data_source")
    source = given["source"]
    if source["type"] == "file_id":
        if not is_file_id(source["id"]):
            raise no_file(source["id"])
        return
    if not source["content"]:
        where = "data_source.source.content"
        raise ApiError(400, f"{where}: there is no row", param=where, code="invalid_body")
    try:
        checker = await checker_of(config, given, schemas, client, reads_sample=reads_sample)
        await _check_content(checker, source["content"])
    except SourceError as error:
        raise ApiError(400, str(error), code=error.code) from None
    except CheckFailed as failed:
        raise not_checked("data_source.source.content", failed) from None


async def _check_content(checker: Checker, content: Sequence[Any]) -> None:
    """Refuse the rows of a request where none of them is what the eval says.

    A row that is not, or cannot be read, becomes an output item which says why, as one of a file does. No row is looked at
    after the first good one.

    Raises:
        ApiError: 400, naming what is wrong with the first row.
        CheckFailed: When the machine failed.
    """
    first: ApiError | None = None
    costly = 0
    rows = _content_rows(content)
    while chunk := await asyncio.to_thread(_some, rows):
        for row in chunk:
            if row.failure is not None:
                return
            try:
                await checker.check(row)
            except RowError as error:
                first = first or _wrong_row(row, error)
                costly += error.code == _COSTLY
            else:
                return
            if costly > 1:  # each takes seconds, which the run has and a request has not
                return
            if row.position % TURN == TURN - 1:
                await asyncio.sleep(0)
    if first is not None:
        raise first


def _wrong_row(row: EvalRow, error: RowError) -> ApiError:
    where = f"data_source.source.content.{row.position}.{error.path}"
    return ApiError(400, f"{row.place}: {error.path}: {error}", param=where, code=error.code)


def no_file(file_id: str) -> ApiError:
    """The answer to a run that would read a file which is not there."""
    where = "data_source.source.id"
    message = f"{where}: there is no file {encodable(file_id)}"
    return ApiError(400, message, param=where, code="file_not_found")


def sampling(source: Mapping[str, Any]) -> SamplingSource | None:
    """How the rows of a data source get their samples; None where they have them.

    Raises:
        ConfigurationError: When something in it is wrong.
    """
    kind = _SAMPLING.get(source["type"])
    return None if kind is None else validated(kind, source)


async def chunks(
    source: Mapping[str, Any], files: Files, evals: Evals
) -> AsyncGenerator[Sequence[EvalRow], None]:
    """The rows of a data source, some at a time.

    Raises:
        SourceError: When they cannot be read.
    """
    if source["type"] == REGRADE:
        after: str | None = None
        while True:
            stored, has_more = await evals.items(source["run_id"], after=after, limit=CHUNK)
            yield [_stored_row(item) for item in stored]
            if not has_more:
                return
            after = stored[-1].id
    if source["source"]["type"] == "file_content":
        rows = _content_rows(source["source"]["content"])
    else:
        rows = _file_rows(files, source["source"]["id"])
    while chunk := await asyncio.to_thread(_some, rows):
        yield chunk


def _some(rows: Iterator[EvalRow]) -> Sequence[EvalRow]:
    return list(islice(rows, CHUNK))


def _stored_row(item: OutputItem) -> EvalRow:
    place, sample, failure = f"row {item.position + 1}", None, None
    if item.sample is not None and (failure := stored_failure(item.sample)) is None:
        sample = Sample.load(item.sample)
    return EvalRow(item.position, place, item.item, sample, failure)


def _content_rows(content: Sequence[Any]) -> Iterator[EvalRow]:
    for position, given in enumerate(content):
        yield _content_row(position, given)


def _content_row(position: int, given: Any) -> EvalRow:
    place = f"row {position + 1}"
    failure = not_an_object(given, place=place) or _kept_failure(given, place)
    if failure is None:
        given = content_row(given)
        failure = unknown_field(given, ("item", "sample"), place=place)
    if failure is None and "item" not in given:
        failure = unreadable("item", "this field is required", place=place)
    item = {} if failure is not None else item_or_failure(given["item"], place=place)
    if failure is not None or isinstance(item, GradingError):
        return EvalRow(position, place, {}, None, item if isinstance(item, GradingError) else failure)
    if given.get("sample") is None:
        return EvalRow(position, place, item, None)
    sample = sample_or_failure(given["sample"], place=place)
    if isinstance(sample, GradingError):
        return EvalRow(position, place, item, None, sample)
    return EvalRow(position, place, item, sample)


def keep_unreadable(body: Any) -> None:
    """Change a request's rows with a value that cannot be held, and so not be stored, into ones that say so.

    Args:
        body: The JSON of a request that begins a run, whatever it is; its rows are changed in place.
    """
    content = body
    for name in ("data_source", "source", "content"):
        content = content.get(name) if isinstance(content, dict) else None
    for position, row in enumerate(content if isinstance(content, list) else ()):
        if next(unreadable_parts(row), None) is None:
            continue
        failure = unreadable_inside(row) if isinstance(row, dict) else not_an_object(row)
        if failure is None:  # what cannot be held is nothing that a grader reads
            for path, _ in list(unreadable_parts(row)):
                _put(row, path, None)
            continue
        field = failure.failure.details.get("field", "")
        reason = str(failure).removeprefix(f"{field}: ")
        content[position] = {_KEPT: reason, "field": field, "caused_by": failure.failure.caused_by}


def _put(value: Any, path: Sequence[str | int], new: object) -> None:
    *outer, last = path
    for step in outer:
        value = value[step]
    value[last] = new


def _kept_failure(row: Mapping[str, Any], place: str) -> GradingError | None:
    """The failure of a row that could not be stored as it was."""
    if _KEPT not in row:
        return None
    by_model = row.get("caused_by") == "model"
    return unreadable(str(row.get("field", "")), str(row[_KEPT]), place=place, by_model=by_model)


def _file_rows(files: Files, file_id: str) -> Iterator[EvalRow]:
    try:
        with files.path(file_id).open("rb") as file:
            for position, row in enumerate(parse_rows(bounded_lines(file))):
                yield EvalRow(position, f"line {row.line}", row.item, row.sample, row.failure)
    except FileNotFoundError as error:
        raise SourceError("source_gone", f"cannot read {file_id}: {error.strerror}") from None
    except OSError as error:  # it says nothing of the rows
        raise files.failed(error) from error
