"""The bodies of the Evals API, and how evals, runs and output items are shown."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, WithJsonSchema

from graders import Sample
from graders.options import no_such_field
from graders.pattern import encodable
from runtime.json_schema import CheckFailed, SchemaChecker, SchemaError
from runtime.rows import stored_failure
from service.errors import ApiError
from service.schemas import json_of
from service.store.evals import Eval, EvalRun, OutputItem

Body = TypeVar("Body", bound=BaseModel)
Labels = Annotated[
    dict[Annotated[str, StringConstraints(max_length=64)], Annotated[str, StringConstraints(max_length=512)]],
    Field(max_length=16),
]

SAMPLE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "model": {"type": "string"},
        "choices": {"type": "array", "items": {"type": "object"}},
        "output_text": {"type": "string"},
        "output_json": {},
        "output_tools": {"type": "array", "items": {"type": "object"}},
        "output_audio": {"type": ["object", "null"]},
        "output_reasoning_summary": {"type": ["string", "null"]},
        "input_tools": {"type": "array", "items": {"type": "object"}},
    },
    "required": ["output_text"],
}
"""What criteria find in a sample, in whatever form a row has it."""
Criteria = Annotated[
    list[dict[str, Any]],
    Field(description="The JSON of graders.", json_schema_extra={"minItems": 1}),
]

# for the document alone: what is wrong in them is told more exactly than a union of models would
_CONFIG: dict[str, Any] = {
    "type": "object",
    "required": ["type", "item_schema"],
    "additionalProperties": False,
    "properties": {
        "type": {"const": "custom"},
        "item_schema": {"type": "object", "description": "A JSON schema, for the item of every row."},
        "include_sample_schema": {"type": "boolean", "description": "Whether rows come with a sample."},
    },
}
_ROW: dict[str, Any] = {
    "type": "object",
    "required": ["item"],
    "properties": {
        "item": {"type": "object"},
        "sample": {
            "type": ["string", "object", "array", "null"],
            "description": "The model's answer: its text, a stored sample, a chat completion, or a list of messages.",
        },
    },
}
_SOURCE: dict[str, Any] = {
    "type": "object",
    "description": "Rows with their samples (`jsonl`), or with a model that is asked for them, as published.",
    "required": ["type"],
    "properties": {
        "type": {"enum": ["jsonl", "completions", "responses"]},
        "source": {
            "anyOf": [
                {
                    "type": "object",
                    "required": ["type", "content"],
                    "properties": {
                        "type": {"const": "file_content"},
                        "content": {"type": "array", "items": _ROW},
                    },
                },
                {
                    "type": "object",
                    "required": ["type", "id"],
                    "properties": {"type": {"const": "file_id"}, "id": {"type": "string"}},
                },
            ]
        },
    },
}


class CreateEval(BaseModel):
    """`POST /v1/evals`."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    metadata: Labels | None = None
    data_source_config: Annotated[dict[str, Any], WithJsonSchema(_CONFIG)]
    testing_criteria: Criteria


class UpdateEval(BaseModel):
    """`POST /v1/evals/{eval_id}`."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    metadata: Labels | None = None


class CreateRun(BaseModel):
    """`POST /v1/evals/{eval_id}/runs`."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    metadata: Labels | None = None
    data_source: Annotated[dict[str, Any], WithJsonSchema(_SOURCE)]


class Regrade(BaseModel):
    """`POST /v1/evals/{eval_id}/runs/{run_id}/regrade`."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    metadata: Labels | None = None
    testing_criteria: Criteria


class EvalObject(BaseModel):
    """An eval, as published."""

    id: str
    object: Literal["eval"]
    name: str
    metadata: dict[str, str] | None
    data_source_config: dict[str, Any] = Field(description="`custom`, with the `schema` of whole rows.")
    testing_criteria: list[dict[str, Any]] = Field(description="Graders with their `id`; secrets are masked.")
    created_at: int = Field(description="Seconds since 1970.")


class EvalDeleted(BaseModel):
    """That an eval is gone."""

    object: Literal["eval.deleted"]
    deleted: Literal[True]
    eval_id: str


class RunError(BaseModel):
    """Why a run failed."""

    code: str
    message: str


class ResultCounts(BaseModel):
    """How many rows a run has, and what became of those that are done."""

    total: int = Field(description="0 until they are counted.")
    errored: int = Field(description="Rows with a criterion that could not be measured.")
    failed: int
    passed: int


class ModelUsage(BaseModel):
    """What one model was asked for, whether it answered or judged."""

    model_name: str
    invocation_count: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cached_tokens: int


class CriterionCounts(BaseModel):
    """The verdicts of one criterion; rows that it could not measure are in neither count."""

    testing_criteria: str
    passed: int
    failed: int


class RunObject(BaseModel):
    """A run of an eval, as published."""

    id: str
    object: Literal["eval.run"]
    eval_id: str
    name: str
    metadata: dict[str, str] | None
    status: Literal["queued", "in_progress", "completed", "canceled", "failed"]
    error: RunError | None
    model: str = Field(description="What answered the rows; empty where they came with their samples.")
    data_source: dict[str, Any]
    created_at: int = Field(description="Seconds since 1970.")
    report_url: str = Field(description="A page of the run for people.")
    result_counts: ResultCounts
    per_model_usage: list[ModelUsage]
    per_testing_criteria_results: list[CriterionCounts]


class RunDeleted(BaseModel):
    """That a run is gone."""

    object: Literal["eval.run.deleted"]
    deleted: Literal[True]
    run_id: str


class Verdict(BaseModel):
    """What one criterion says of one row; `score` and `passed` are null where it could not be measured."""

    name: str
    type: str
    score: float | None
    passed: bool | None
    sample: dict[str, Any] | None = Field(description="What the grader has to say beside its score.")


class ItemObject(BaseModel):
    """An output item: what became of one row."""

    id: str
    object: Literal["eval.run.output_item"]
    eval_id: str
    run_id: str
    status: Literal["pass", "fail", "error"]
    created_at: int = Field(description="Seconds since 1970.")
    datasource_item_id: int = Field(description="The row's position, from 0.")
    datasource_item: dict[str, Any]
    results: list[Verdict]
    sample: dict[str, Any] | None


class _Page(BaseModel):
    object: Literal["list"]
    first_id: str | None
    last_id: str | None
    has_more: bool


class EvalList(_Page):
    """A page of evals."""

    data: list[EvalObject]


class RunList(_Page):
    """A page of the runs of an eval."""

    data: list[RunObject]


class ItemList(_Page):
    """A page of the output items of a run."""

    data: list[ItemObject]


class _CustomConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["custom"]
    item_schema: dict[str, Any]
    include_sample_schema: Annotated[bool, Field(strict=True)] = False


async def read(request: Request, model: type[Body]) -> Body:
    """The body of a request.

    Raises:
        ApiError: 400, naming the field, when it is not JSON or not what is wanted.
    """
    return parsed(model, await json_of(request, empty=b"{}"))


def parsed(model: type[Body], data: object, *where: str) -> Body:
    """A part of a body, which stands at `where`.

    Raises:
        ApiError: 400, naming the field, when it is not what is wanted.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        detail = error.errors()[0]
        path = ".".join([*where, *map(str, detail["loc"])])
        said = detail["msg"]
        if detail["type"] == "extra_forbidden":
            said = no_such_field(detail["loc"][-1], model.model_fields, "here are")
        message = f"{path or 'body'}: {encodable(said)}"
        raise ApiError(400, message, param=path or None, code="invalid_body") from None


async def data_source_config(given: Mapping[str, Any], schemas: SchemaChecker, client: str) -> dict[str, Any]:
    """The data source configuration of a request as it is shown and kept.

    Args:
        given: As it was sent.
        schemas: Loads its schema.
        client: Who sent it.

    Raises:
        ApiError: 400, when it is not `custom`, or its schema cannot be used; 503 when the machine cannot load the schema.
    """
    if (kind := given.get("type")) in ("logs", "stored_completions"):
        message = (
            f"data_source_config.type: {kind!r} reads what the vendor has logged, which is not here; take 'custom', "
            "and send the rows with the run"
        )
        raise ApiError(400, message, param="data_source_config.type", code="unsupported_data_source")
    config = parsed(_CustomConfig, given, "data_source_config")
    where = "data_source_config.item_schema"
    try:
        await schemas.load(config.item_schema, draft="declared", client=client)
    except SchemaError as error:
        message = f"{where}: no JSON schema: {encodable(str(error))}"
        raise ApiError(400, message, param=where, code="invalid_schema") from None
    except CheckFailed as failed:
        raise not_checked(where, failed) from None
    properties, required = {"item": config.item_schema}, ["item"]
    if config.include_sample_schema:
        properties["sample"] = SAMPLE_SCHEMA
        required.append("sample")
    schema = {"type": "object", "properties": properties, "required": required}
    return {"type": "custom", "schema": schema}


def not_checked(where: str, failed: CheckFailed) -> ApiError:
    """The answer when the machine could not load a schema, or check a row against one."""
    return ApiError(503, f"{where}: it could not be checked: {failed}; try again", code="schema_not_checked")


def shown_eval(row: Eval) -> dict[str, Any]:
    """An eval, as published; secrets in its criteria are masked."""
    return {
        "id": row.id,
        "object": "eval",
        "name": row.name,
        "metadata": row.labels,
        "data_source_config": row.data_source_config,
        "testing_criteria": [criterion["shown"] for criterion in row.criteria],
        "created_at": row.created_at,
    }


def shown_run(row: EvalRun, address: str) -> dict[str, Any]:
    """A run, as published.

    Args:
        row: The run.
        address: What the address of its page is, without its id.
    """
    items = row.tally.get("items", {})
    counts, usage = row.tally.get("criteria", {}), row.tally.get("usage", {})
    return {
        "id": row.id,
        "object": "eval.run",
        "eval_id": row.eval_id,
        "name": row.name,
        "metadata": row.labels,
        "status": row.status,
        "error": row.error,
        "model": row.data_source.get("model") or "",
        "data_source": row.data_source,
        "created_at": row.created_at,
        "report_url": f"{address}/{row.id}",
        "result_counts": {
            "total": row.total,
            "errored": items.get("error", 0),
            "failed": items.get("fail", 0),
            "passed": items.get("pass", 0),
        },
        "per_model_usage": [{"model_name": model, **tokens} for model, tokens in usage.items()],
        "per_testing_criteria_results": [
            {"testing_criteria": name, "passed": passed, "failed": failed}
            for name in (criterion["id"] for criterion in row.criteria)
            for passed, failed in [counts.get(name, (0, 0))]
        ],
    }


def shown_item(row: OutputItem, eval_id: str) -> dict[str, Any]:
    """An output item, as published; beside `pass` and `fail` there is `error`, for what is ungraded."""
    return {
        "id": row.id,
        "object": "eval.run.output_item",
        "eval_id": eval_id,
        "run_id": row.run_id,
        "status": row.status,
        "created_at": row.created_at,
        "datasource_item_id": row.position,
        "datasource_item": row.item,
        "results": row.results,
        "sample": _shown_sample(row.sample),
    }


_BESIDE_OUTPUT = (
    "choices", "output_audio", "output_reasoning_summary", "input_tools", "reasoning_content",
)  # fmt: skip
"""What a stored sample may hold that the published form has no place for; with it, the shown sample grades the same."""


def _shown_sample(stored: Any) -> dict[str, Any] | None:
    """A stored sample in the published form, which can be given back; it does not say how it was drawn."""
    if stored is None or stored_failure(stored) is not None:
        found: dict[str, Any] | None = stored
        return found
    sample = Sample.load(stored)
    first = sample.choices[0] if sample.choices else {}
    kept = sample.to_stored()
    beside = {name: kept[name] for name in _BESIDE_OUTPUT if name in kept} if isinstance(kept, dict) else {}
    unknown = ("error", "max_completion_tokens", "seed", "temperature", "top_p", "usage")
    return {
        **dict.fromkeys(unknown),
        "input": [],
        "output": [{"role": "assistant", "content": sample.output_text}],
        "output_tools": sample.output_tools,
        "finish_reason": first.get("finish_reason") or "stop",
        "model": sample.model or "",
        **beside,
    }
