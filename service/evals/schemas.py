"""The bodies of the Evals API."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, WithJsonSchema

from graders.pattern import encodable
from graders.wording import written_path
from runtime.schemas.json_schema import CheckFailed, SchemaChecker, SchemaError
from service.errors import ApiError, invalid_field

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


class _Named(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str | None = None
    metadata: Labels | None = None


class CreateEval(_Named):
    """`POST /v1/evals`."""

    data_source_config: Annotated[dict[str, Any], WithJsonSchema(_CONFIG)]
    testing_criteria: Criteria


class UpdateEval(_Named):
    """`POST /v1/evals/{eval_id}`."""


class CreateRun(_Named):
    """`POST /v1/evals/{eval_id}/runs`."""

    data_source: Annotated[dict[str, Any], WithJsonSchema(_SOURCE)]


class Regrade(_Named):
    """`POST /v1/evals/{eval_id}/runs/{run_id}/regrade`."""

    testing_criteria: Criteria


class _CustomConfig(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["custom"]
    item_schema: dict[str, Any]
    include_sample_schema: Annotated[bool, Field(strict=True)] = False


def parsed(model: type[Body], data: object, *where: str) -> Body:
    """A part of a body, which stands at `where`.

    Raises:
        ApiError: 400, naming the field, when it is not what is wanted.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        detail = error.errors()[0]
        path = written_path(data, detail["loc"], is_missing=detail["type"] == "missing")
        raise invalid_field({**detail, "loc": path}, model, *where) from None


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
