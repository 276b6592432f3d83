"""`/v1/data/check` and `/v1/data/export`: stored training data, checked and exported as the commands `graders data` do it."""

import json
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import from_json

from runtime.data.printable import printable_json
from service.commands import CommandFailed, Ran
from service.errors import ApiError
from service.http.disconnect import as_long_as_wanted
from service.http.responses import Answer
from service.http.routing import Route
from service.routes.files import FileObject, keep
from service.routes.graders import prepared
from service.state import Running, State
from service.store.evals import UNFINISHED, EvalRun, OutputItem

router = APIRouter(prefix="/v1/data", tags=["data"], route_class=Route)

PAGE = 200
"""Output items that are read at once."""
_COPIED = 1 << 20
_WRONG = 2
"""Exit code of a command whose input is wrong."""
Host = Literal["openai", "foundry", "trl", "google", "bedrock", "verl"]


class CheckRequest(BaseModel):
    """`POST /v1/data/check`."""

    model_config = ConfigDict(extra="forbid")

    file_id: str = Field(description="The training file, an uploaded one.")
    valid_file_id: str | None = Field(None, description="The validation file beside it.")
    grader: dict[str, Any] | None = Field(
        None, description="The JSON of the grader that is to grade the rows."
    )
    host: Host | None = Field(None, description="Who is to take the files; their limits become errors.")
    by: list[str] = Field([], max_length=20, description="Fields of which shares are counted.")
    format: str | None = Field(None, max_length=40, description="The format; recognised by itself.")


class CheckResponse(Answer):
    """What `graders data check --json` prints."""

    object: Literal["data.check"] = "data.check"
    host: str | None = Field(description="Who is to take the files.")
    errors: int = Field(description="What a host will refuse, or a grader cannot read.")
    warnings: int = Field(description="What lowers the quality.")
    files: list[dict[str, Any]] = Field(description="Each file: its format, rows, bytes and figures.")
    findings: list[dict[str, Any]] = Field(description="Grouped by code; each with line, message and hint.")
    left_out: int = Field(description="Findings that are not listed.")


class FileSource(BaseModel):
    """A graded file that was uploaded: results of `graders run`."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["file"]
    file_id: str
    data_file_id: str | None = Field(None, description="The file of the rows, where results have none.")


class RunSource(BaseModel):
    """The output items of a run of an eval that has ended."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["eval_run"]
    eval_id: str
    run_id: str
    criterion: str | None = Field(
        None,
        description="The id or name of the criterion whose scores are the rewards, where there are several.",
    )


class ExportRequest(BaseModel):
    """`POST /v1/data/export`; the fields are the options of `graders data export`."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[FileSource | RunSource, Field(discriminator="type")]
    to: Literal["sft", "dpo", "rft"] = Field(description="What the model is trained by.")
    format: Host = Field(description="Whose format.")
    filename: str | None = Field(None, min_length=1, max_length=200, description="What the export is called.")
    min_reward: float | None = Field(None, allow_inf_nan=False, description="SFT: the lowest reward.")
    min_gap: float | None = Field(None, ge=0, allow_inf_nan=False, description="DPO: the smallest gap.")
    per_prompt: int | None = Field(None, ge=1, description="SFT, DPO: rows of one prompt at most.")
    prompt: str | None = Field(
        None, max_length=20_000, description="The user's message, where rows have none."
    )
    reference: str | None = Field(
        None, max_length=200, description="RFT: field of the item with the reference."
    )
    data_source: str | None = Field(None, max_length=200, description="RFT for verl: its `data_source`.")
    group_by: str | None = Field(
        None, max_length=200, description="Field of the item that tells prompts apart."
    )
    disjoint: list[str] = Field(
        [],
        max_length=20,
        description="Provenance files of other exports, whose prompts are left out of this one.",
    )


class ExportResponse(Answer):
    """What was exported, and where it is."""

    object: Literal["data.export"] = "data.export"
    file: FileObject | None = Field(description="The export; null where there is no row.")
    provenance: FileObject | None = Field(description="Where each row comes from, a line a row.")
    rows: int
    prompts: int
    left_out: dict[str, int] = Field(
        description="Prompts, samples or pairs that are not exported, by reason."
    )
    lost: dict[str, int] = Field(description="Rows in which the format cannot hold something, by what it is.")


@router.post("/check")
async def check(request: Request, state: Running, body: CheckRequest) -> CheckResponse:
    """Check uploaded training data: every fault with its line, what was expected and how to mend it."""
    if body.grader is not None:
        await prepared(state.evaluator, body.grader)
    async with _folder() as folder:
        train = await _linked(state, body.file_id, folder, "file_id")
        arguments = ["data", "check", train, "--json"]
        if body.valid_file_id is not None:
            arguments.append(f"--valid={await _linked(state, body.valid_file_id, folder, 'valid_file_id')}")
        if body.grader is not None:
            (folder / "grader.json").write_text(json.dumps(body.grader))
            arguments.append("--grader=grader.json")
        arguments += _options({"for": body.host, "format": body.format}) + [
            f"--by={name}" for name in body.by
        ]
        ran = await _ran(request, state, arguments, folder)
    found: dict[str, Any] = from_json(ran.output)
    found["host"] = found.pop("for")
    return CheckResponse(**found)


@router.post("/export")
async def export(request: Request, state: Running, body: ExportRequest) -> ExportResponse:
    """Export a graded file, or an eval run, as training data; the export is stored as a file."""
    async with _folder() as folder:
        if isinstance(body.source, FileSource):
            graded = await _linked(state, body.source.file_id, folder, "source.file_id")
        else:
            graded = await _run_items(state, body.source, folder)
        arguments = ["data", "export", graded, "--json", "--output=export.jsonl"]
        if isinstance(body.source, FileSource) and body.source.data_file_id is not None:
            data = await _linked(state, body.source.data_file_id, folder, "source.data_file_id")
            arguments.append(f"--data={data}")
        for number, file_id in enumerate(body.disjoint):
            found = await _linked(state, file_id, folder, "disjoint")
            name = f"disjoint-{number}.jsonl"
            (folder / found).rename(folder / f"{name}.provenance.jsonl")
            arguments.append(f"--disjoint={name}")
        beside = {"source", "format", "filename", "disjoint"}
        arguments += _options({"format": body.format, **body.model_dump(exclude=beside)})
        ran = await _ran(request, state, arguments, folder)
        figures: dict[str, Any] = from_json(ran.output)
        files: dict[str, FileObject | None] = {"file": None, "provenance": None}
        if figures["rows"]:
            filename = body.filename or f"{body.to}-{body.format}.jsonl"
            files["file"] = await _kept(state, folder / "export.jsonl", filename)
            files["provenance"] = await _kept(
                state, folder / "export.jsonl.provenance.jsonl", f"{filename}.provenance.jsonl"
            )
    return ExportResponse(**files, **figures)


@asynccontextmanager
async def _folder() -> AsyncIterator[Path]:
    with tempfile.TemporaryDirectory(prefix="graders-data-") as folder:
        yield Path(folder)


def _options(values: dict[str, Any]) -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in values.items() if value is not None]


async def _linked(state: State, file_id: str, folder: Path, field: str) -> str:
    """The name in the folder of a link to a stored file; it is like what its client calls it, since reports show it."""
    file = await state.files.find(file_id)
    if file is None:
        raise ApiError(404, f"{field}: there is no file {file_id}", param=field, code="not_found")
    await state.files.check_content(file.id)
    name = re.sub(r"[^\w.-]", "_", file.filename)[-80:].lstrip("-.") or "file"
    if (folder / name).exists():
        name = f"{field.rpartition('.')[2]}-{name}"
    (folder / name).symlink_to(state.files.path(file.id).resolve())
    return name


async def _ran(request: Request, state: State, arguments: list[str], folder: Path) -> Ran:
    """What a command gave.

    Raises:
        ApiError: 400 when the data or an option is wrong, 503 when the command had no answer.
    """
    try:
        async with as_long_as_wanted(request):
            ran = await state.commands.run(
                *arguments, directory=folder, timeout_s=state.settings.batch_timeout_s
            )
    except CommandFailed as failed:
        what = " ".join(arguments[:2])
        raise ApiError(503, f"graders {what}: {failed}", code="command_failed") from None
    if ran.code == _WRONG or not ran.output:
        message = ran.error.removeprefix("error: ") or f"it ended with exit code {ran.code}"
        raise ApiError(400, message, code="invalid_data")
    return ran


async def _run_items(state: State, source: RunSource, folder: Path) -> str:
    """The name of a graded file that is made of the output items of a run."""
    run = await state.evals.find_run(source.eval_id, source.run_id)
    if run is None:
        raise ApiError(404, f"there is no run {source.run_id}", param="source.run_id", code="not_found")
    if run.status in UNFINISHED:
        raise ApiError(400, f"{run.id} is not finished", param="source.run_id", code="run_not_finished")
    criterion = _criterion(run, source.criterion)
    after: str | None = None
    has_more = True
    with (folder / "graded.jsonl").open("w") as file:
        while has_more:
            items, has_more = await state.evals.items(run.id, after=after, limit=PAGE)
            for item in items:
                record = _record(item, criterion)
                if record is not None:
                    file.write(printable_json(record) + "\n")
            after = items[-1].id if items else None
    return "graded.jsonl"


def _criterion(run: EvalRun, wanted: str | None) -> str:
    """The id of the criterion whose scores are the rewards."""
    shown = [(each["id"], each["shown"].get("name")) for each in run.criteria]
    if wanted is None and len(shown) == 1:
        return str(shown[0][0])
    for names in shown:
        if wanted is not None and wanted in names:
            return str(names[0])
    named = ", ".join(repr(each) for each, _ in shown)
    what = "several criteria" if wanted is None else f"no criterion {wanted!r}"
    message = f"source.criterion: the run has {what}; expected one of {named}"
    raise ApiError(400, message, param="source.criterion", code="invalid_body")


def _record(item: OutputItem, criterion: str) -> dict[str, Any] | None:
    """A line of a graded file; None for a row that the criterion was not measured on."""
    found = next((result for result in item.results if result["name"] == criterion), None)
    if found is None:
        return None
    beside = found.get("sample") or {}
    return {
        "row": item.position,
        "line": item.position + 1,
        "key": item.id,
        "reward": found["score"],
        "passed": found["passed"],
        "sub_rewards": beside.get("sub_rewards") or {},
        "failure": beside.get("failure"),
        "substituted": bool(beside.get("substituted")),
        "signature": None,
        "item": item.item,
        "sample": item.sample,
        "source": {"eval_run": item.run_id, "output_item": item.id},
    }


async def _kept(state: State, path: Path, filename: str) -> FileObject:
    """Store a file that a command has written."""
    async with state.files.part() as part:
        with path.open("rb") as content:
            while chunk := content.read(_COPIED):
                await part.write(chunk)
        return await keep(state, part, filename, "fine-tune")
