"""Batches of a grader that is named in the path: `POST /v1/graders/{name}/grade/batch`."""

from fastapi import APIRouter, Request, Response

from service.http.columns import FIELDS, ColumnsResponse
from service.http.grade_requests import NamedBatchRequest, documented_body, read_body
from service.http.openapi import declared
from service.http.responses import BatchResponse
from service.http.routing import repeatable
from service.named_graders import checked_name
from service.routes.grade import LINES, answer_batch

NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
router = APIRouter(prefix="/v1/graders", tags=["grade"])


@router.post(
    "/{name}/grade/batch",
    response_model=BatchResponse | ColumnsResponse,
    responses={
        200: {"content": {LINES: {"schema": {"type": "string"}}}},
        422: declared('With `"on_failure": "error"`: a row is ungraded, and `param` names it.'),
    },
    openapi_extra=documented_body(NamedBatchRequest, NAME, FIELDS),
)
@repeatable
async def grade_batch(request: Request) -> Response:
    """Grade many rows with a stored grader, as `/v1/grade/batch` does."""
    name = checked_name(request.path_params["name"])
    body, has_unreadable = await read_body(request, NamedBatchRequest, but=("rows",))
    return await answer_batch(request, {**body, "name": name}, has_unreadable=has_unreadable)
