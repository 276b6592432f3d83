"""The OpenAPI document: FastAPI's, and what holds for every route, which routes therefore need not say themselves."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.http.paths import OPEN_PATHS, READY_PATH

DESCRIPTION = (
    "Graders for reinforcement fine-tuning, files and evals, as the official client asks for them, and routes of our own. "
    "What stands under `/v1/fine_tuning`, `/v1/files` and `/v1/evals` answers under `/openai/v1/…` as well, which is not "
    "listed again. A service that has no keys asks for none. The routes of trainers, `/v1/graders/{name}/for/…` and `/run_code`, "
    "answer under `/k/{key}/…` too, for clients that can send no header. Bodies may be compressed: `Content-Encoding: gzip` or `zstd`."
)
JSON = "application/json"
ERROR: dict[str, Any] = {
    "title": "Error",
    "type": "object",
    "description": "The published shape of every error.",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {
                    "type": "string",
                    "description": "What is wrong, what was expected, and where.",
                },
                "type": {"enum": ["invalid_request_error", "server_error"]},
                "param": {"type": ["string", "null"], "description": "The field that is wrong."},
                "code": {"type": ["string", "null"], "description": "A word for programs."},
            },
        }
    },
}
HEADERS: dict[str, Any] = {
    "RequestId": {
        "description": "The client's own `x-request-id` where it sent one; otherwise ours.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_.:-]{1,128}$"},
    },
    "RetryAfter": {
        "description": "Seconds after which the request may be sent again.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Authenticate": {"required": True, "schema": {"const": "Bearer"}},
}
SECURITY_SCHEMES: dict[str, Any] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "api-key": {"type": "apiKey", "in": "header", "name": "api-key"},
}

_MEANINGS = {
    400: "The body, a field or a parameter is wrong; the message says how to mend it.",
    401: "A key is wanted.",
    403: "The key lacks the scope that this needs, no more of these may be kept, or, without keys, a page of another site asks.",
    404: "There is nothing under this id or name.",
    408: "The body took too long to arrive.",
    409: "It contradicts an earlier request, for example one with the same `Idempotency-Key`.",
    413: "The body is too long, or has too many rows.",
    415: "The body is compressed in a way that is not known here, or, without keys, is neither JSON nor a form.",
    429: "More than the key or the service may take at once.",
    500: "A failure of the service; its log has it under the `x-request-id`.",
    503: "This process is ending, has too many connections, or the plugin that a grader needs does not start; to a trainer: "
    "the sample is ungraded.",
}
_GRADER = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
_RESPONSE = {
    "object": "response",
    "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "4"}]}],
}
_FILE = "file-0123456789abcdef01234567"
_EXAMPLES: dict[tuple[str, str], object] = {
    ("post", "/v1/fine_tuning/alpha/graders/run"): {
        "grader": _GRADER,
        "model_sample": "4",
        "item": {"answer": "4"},
    },
    ("post", "/v1/fine_tuning/alpha/graders/validate"): {"grader": _GRADER},
    ("post", "/v1/data/check"): {"file_id": _FILE, "host": "openai"},
    ("post", "/v1/data/export"): {
        "source": {"type": "file", "file_id": _FILE},
        "to": "sft",
        "format": "openai",
        "min_reward": 0.9,
    },
    ("post", "/v1/grade"): {"grader": _GRADER, "sample": "4", "item": {"answer": "4"}},
    ("post", "/v1/grade/batch"): {
        "grader": _GRADER,
        "rows": [
            {"sample": "4", "item": {"answer": "4"}, "id": "first"},
            {"sample": "5", "item": {"answer": "4"}},
        ],
    },
    ("post", "/v1/graders/{name}/grade/batch"): {"rows": [{"sample": "4", "item": {"answer": "4"}}]},
    ("post", "/v1/graders/{name}/for/openrlhf"): {
        "query": ["2+2=4"],
        "prompts": ["2+2="],
        "labels": [{"answer": "4"}],
    },
    ("post", "/v1/graders/{name}/for/slime"): {
        "prompt": "2+2=",
        "response": "4",
        "label": {"answer": "4"},
    },
    ("post", "/v1/graders/{name}/for/nemo-gym/verify"): {
        "answer": "4",
        "responses_create_params": {"input": "2+2="},
        "response": _RESPONSE,
    },
    ("post", "/v1/graders/{name}/for/nemo-gym/seed_session"): {"resources_session_id": "session-1"},
    ("post", "/v1/graders/{name}/for/nemo-gym/close_session"): {"resources_session_id": "session-1"},
    ("post", "/v1/graders/{name}/for/nemo-gym/sandbox_access"): {"resources_session_id": "session-1"},
    ("post", "/v1/graders/{name}/for/nemo-gym/aggregate_metrics"): {
        "verify_responses": [{"_ng_task_index": 0, "reward": 1.0, "mask_sample": False}]
    },
    ("post", "/v1/graders/{name}/for/endpoint"): {"sample": {"output_text": "4"}, "item": {"answer": "4"}},
    ("post", "/v1/graders/{name}/for/google"): {
        "example": {
            "contents": [{"role": "user", "parts": [{"text": "2+2="}]}],
            "references": {"answer": "4"},
        },
        "response": {"parts": [{"text": "4"}]},
        "metadata": {"step": 1, "tuning_job_id": 1},
    },
    (
        "post",
        "/v1beta1/projects/{project}/locations/{location}/tuningJobs:validateReinforcementTuningReward",
    ): {
        "sampleResponse": {"role": "model", "parts": [{"text": "4"}]},
        "example": {
            "contents": [{"role": "user", "parts": [{"text": "2+2="}]}],
            "references": {"answer": "4"},
        },
        "singleRewardConfig": {
            "rewardName": "equal",
            "stringMatchRewardScorer": {
                "correctAnswerReward": 1.0,
                "stringMatchExpression": {
                    "matchOperation": "EXACT_MATCH",
                    "expression": "{{references.answer}}",
                },
            },
        },
    },
    ("post", "/run_code"): {"code": "print(input())", "stdin": "4", "language": "python"},
    # a row of every trainer's example has something to compare with: none of them names the fields of its items as another does
    ("put", "/v1/graders/{name}"): {"grader": {**_GRADER, "reference": "4"}},
    ("post", "/v1/evals"): {
        "name": "sums",
        "data_source_config": {
            "type": "custom",
            "item_schema": {"type": "object"},
            "include_sample_schema": True,
        },
        "testing_criteria": [_GRADER],
    },
    ("post", "/v1/evals/{eval_id}"): {"name": "sums"},
    ("post", "/v1/evals/{eval_id}/runs"): {
        "data_source": {
            "type": "jsonl",
            "source": {"type": "file_content", "content": [{"item": {"answer": "4"}, "sample": "4"}]},
        }
    },
    ("post", "/v1/evals/{eval_id}/runs/{run_id}/regrade"): {"testing_criteria": [_GRADER]},
}
"""A valid body for each route that takes JSON."""

_ALWAYS = (401, 403, 429, 500, 503)
_WITH_BODY = (400, 404, 408, 409, 413, 415)


def install(app: FastAPI) -> None:
    """Have the application serve the whole document, whatever routes it has when it is first asked for."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it


def declared(description: str) -> dict[str, Any]:
    """The answer of a route with an error that others do not have; those that all have need no word."""
    return {
        "description": description,
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
    }


def document(app: FastAPI) -> dict[str, Any]:
    """The document of an application: every error of every route, keys, and headers."""
    found = get_openapi(
        title=app.title,
        version=app.version,
        description=DESCRIPTION,
        routes=app.routes,
        tags=app.openapi_tags,
    )
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    # what FastAPI answers when it checks parameters itself, which it does for no route here
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Error"] = ERROR
    components["headers"], components["securitySchemes"] = HEADERS, SECURITY_SCHEMES
    found["security"] = [{name: []} for name in SECURITY_SCHEMES]
    for path, operations in found["paths"].items():
        for method, operation in operations.items():
            _complete(path, method, operation)
    return found


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    if path in OPEN_PATHS:
        operation["security"] = []
    if (example := _EXAMPLES.get((method, path))) is not None and "requestBody" in operation:
        operation["requestBody"]["content"][JSON]["example"] = example
    for status in _errors(path, method, operation):
        responses[str(status)] = {**declared(_MEANINGS[status]), **responses.get(str(status), {})}
    for status, response in responses.items():
        headers = response.setdefault("headers", {})
        headers["x-request-id"] = {"$ref": "#/components/headers/RequestId"}
        if status == "401":
            headers["www-authenticate"] = {"$ref": "#/components/headers/Authenticate"}
        if status in {"429", "503"}:
            headers["retry-after"] = {"$ref": "#/components/headers/RetryAfter"}
    operation["responses"] = dict(sorted(responses.items()))


def _errors(path: str, method: str, operation: dict[str, Any]) -> Iterator[int]:
    """The errors that an operation may be answered with."""
    if path in OPEN_PATHS:
        yield from (500, 503) if path == READY_PATH else (500,)
        return
    yield from _ALWAYS
    places = {parameter["in"] for parameter in operation.get("parameters", ())}
    if places:
        yield 400
    if "path" in places:
        yield 404
    if "requestBody" in operation or method in {"post", "put", "patch"}:
        yield from _WITH_BODY
