"""`/files`: upload, list, read and delete files, for the official client."""

import mimetypes
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse
from pydantic import ConfigDict, Field
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from runtime import Settings
from service.errors import ApiError, in_use, invalid_query
from service.http.openapi import declared
from service.http.paths import PREFIXES
from service.http.responses import Answer, ListAnswer
from service.http.routing import Route
from service.routes.paging import Number, OneOf, Paging
from service.state import Running, State
from service.store import PURPOSES, File
from service.store.capacity import Full
from service.store.evals import InUse
from service.store.files import Part, is_file_id
from service.store.paging import Order
from service.store.upload import Form

router = APIRouter(prefix="/files", tags=["files"], route_class=Route)

_FORM_BYTES = 1 << 16
_MOST = 10_000
"""What a form may have beside its file's content."""
# the tables that Python comes with, not the machine's, which differ
_TYPES = mimetypes.MimeTypes()
_TYPES.add_type("application/jsonl", ".jsonl")


class FileObject(Answer):
    """A file, as published."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int = Field(description="Seconds since 1970.")
    expires_at: int | None = Field(None, description="Seconds since 1970.")
    filename: str
    purpose: str
    status: str
    status_details: str | None = None


class FileList(ListAnswer):
    """A page of files."""

    data: list[FileObject]


class FileDeleted(Answer):
    """That a file is gone."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


class Content(FileResponse):
    """A file, or the part of it that a `range` asks for; a wrong one is answered as every error is."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the file."""
        refused: Message | None = None

        async def send_content(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and message["status"] >= 400:
                refused = message
            if refused is None:
                await send(message)

        await super().__call__(scope, receive, send_content)
        if refused is not None:
            error = ApiError(
                refused["status"],
                "range: expected 'bytes=first-last' within the file, counted from 0",
                param="range",
                code="invalid_range",
            )
            response = error.response()
            if size := Headers(raw=refused["headers"]).get("content-range"):
                response.headers["content-range"] = size
            await response(scope, receive, send)


_FORM: dict[str, Any] = {
    "type": "object",
    "required": ["file", "purpose"],
    "properties": {
        "file": {"type": "string", "format": "binary"},
        "purpose": {"enum": list(PURPOSES)},
        "expires_after[anchor]": {"enum": ["created_at"]},
        "expires_after[seconds]": {"type": "integer", "minimum": 3600, "maximum": 2_592_000},
    },
}


class FilePaging(Paging):
    """The query parameters of the list of files."""

    limit: Annotated[int, Number(1, _MOST)] = _MOST
    order: Annotated[Order, OneOf(get_args(Order))] = "desc"
    purpose: Annotated[str | None, OneOf(PURPOSES)] = None


def body_limits(settings: Settings) -> dict[str, int]:
    """What whole requests may have, by path; the content alone is counted here, against `file_limit`."""
    return {f"{prefix}/files": settings.file_limit + _FORM_BYTES for prefix in PREFIXES}


async def _found(state: Running, file_id: str) -> File:
    file = await state.files.find(file_id)
    if file is None:
        raise _unknown(file_id)
    return file


Found = Annotated[File, Depends(_found)]
"""The dependency of routes on the file in their path, which must exist."""


@router.post(
    "",
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def create(request: Request, state: Running) -> FileObject:
    """Upload a file."""
    form, limit = Form(request.headers.get("content-type", "")), state.settings.file_limit
    async with state.files.part() as part:
        try:
            async for chunk in request.stream():
                await part.write(form.feed(chunk))
                if part.bytes > limit:
                    message = f"the file is longer than {limit:,} bytes"
                    raise ApiError(413, message, param="file", code="file_too_large")
        except ClientDisconnect:
            # nobody is there to read this; it is no failure of the service
            raise ApiError(400, "the upload was broken off", code="invalid_form") from None
        filename, purpose, expires_after_s = form.finish()
        return await keep(state, part, filename, purpose, expires_after_s)


async def keep(
    state: State, part: Part, filename: str, purpose: str, expires_after_s: int | None = None
) -> FileObject:
    """Make a file of what has arrived.

    Raises:
        ApiError: 403 when there are as many as are kept.
    """
    try:
        file = await state.files.keep(
            part,
            filename=filename,
            purpose=purpose,
            expires_after_s=expires_after_s,
            most=state.settings.files_kept,
        )
    except Full as full:
        message = f"there are {full.most:,} files, as many as are kept here (files_kept): delete some"
        raise ApiError(403, message, code="too_many_files") from None
    return FileObject.model_validate(file)


@router.get("")
async def page(state: Running, paging: Annotated[FilePaging, Query()]) -> FileList:
    """List files, newest first unless `order` is `asc`."""
    if paging.after is not None and not is_file_id(paging.after):
        raise invalid_query("after", "expected the id of a file")
    found, has_more = await state.files.page(
        after=paging.after, limit=paging.limit, order=paging.order, purpose=paging.purpose
    )
    return FileList.of([FileObject.model_validate(file) for file in found], has_more)


@router.get("/{file_id}")
async def retrieve(found: Found) -> FileObject:
    """What is known of a file."""
    return FileObject.model_validate(found)


@router.get(
    "/{file_id}/content",
    response_class=FileResponse,
    openapi_extra={"parameters": [{"name": "range", "in": "header", "schema": {"type": "string"}}]},
    responses={
        200: {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}},
        206: {
            "description": "The part that `range` asks for.",
            "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
        },
        416: declared("The file has no such part."),
    },
)
async def content(state: Running, file: Found) -> Content:
    """The content of a file."""
    await state.files.check_content(file.id)
    kind, _ = _TYPES.guess_type(f"file{PurePosixPath(file.filename).suffix}")
    # a client's HTML must never be a page of ours
    return Content(
        state.files.path(file.id),
        media_type=kind or "application/octet-stream",
        filename=file.filename,
        headers={"x-content-type-options": "nosniff"},
    )


@router.delete(
    "/{file_id}",
    responses={409: declared("Runs of evals that have not ended read the file; the message names them.")},
)
async def delete(state: Running, file_id: str) -> FileDeleted:
    """Delete a file, unless a run of an eval that has not ended reads it."""
    try:
        found = await state.files.delete(file_id)
    except InUse as use:
        raise in_use("file", file_id, use.runs) from None
    if not found:
        raise _unknown(file_id)
    return FileDeleted(id=file_id)


def _unknown(file_id: str) -> ApiError:
    return ApiError(404, f"there is no file {file_id}", param="id", code="not_found")
