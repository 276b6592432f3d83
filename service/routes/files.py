"""`/files`: upload, list, read and delete files, for the official client."""

import mimetypes
from pathlib import PurePosixPath
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from runtime import Settings
from service.errors import ApiError, in_use
from service.openapi import declared
from service.routes.lists import invalid_query, one_of, one_of_parameter, page_parameters, paging
from service.store import PURPOSES, File, Files
from service.store.evals import InUse
from service.store.files import is_file_id
from service.store.room import Full
from service.store.upload import Form

router = APIRouter(prefix="/files", tags=["files"])

_FORM_BYTES = 1 << 16
_MOST = 10_000
"""What a form may have beside its file's content."""
# the tables that Python comes with, not the machine's, which differ
_TYPES = mimetypes.MimeTypes()
_TYPES.add_type("application/jsonl", ".jsonl")


class FileObject(BaseModel):
    """A file, as published."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int = Field(description="Seconds since 1970.")
    expires_at: int | None = Field(None, description="Seconds since 1970.")
    filename: str
    purpose: str
    status: str
    status_details: str | None = None


class FileList(BaseModel):
    """A page of files."""

    object: Literal["list"] = "list"
    data: list[FileObject]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileDeleted(BaseModel):
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
_LIST = [*page_parameters(_MOST), one_of_parameter("purpose", PURPOSES)]


def body_limits(settings: Settings) -> dict[str, int]:
    """What whole requests may have, by path; the content alone is counted here, against `file_limit`."""
    return {f"{prefix}/files": settings.file_limit + _FORM_BYTES for prefix in ("/v1", "/openai/v1")}


def files_of(request: Request) -> Files:
    """The files of the running service."""
    files: Files = request.app.state.files
    return files


@router.post(
    "",
    response_model=FileObject,
    openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
)
async def create(request: Request) -> Response:
    """Upload a file."""
    form = Form(request.headers.get("content-type", ""))
    limit, files = request.app.state.settings.file_limit, files_of(request)
    async with files.part() as part:
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
        try:
            file = await files.keep(
                part,
                filename=filename,
                purpose=purpose,
                expires_after_s=expires_after_s,
                most=request.app.state.settings.files_kept,
            )
        except Full as full:
            message = f"there are {full.most:,} files, as many as are kept here (files_kept): delete some"
            raise ApiError(403, message, code="too_many_files") from None
    return _answer(_shown(file))


@router.get("", response_model=FileList, openapi_extra={"parameters": _LIST})
async def page(request: Request) -> Response:
    """List files, newest first unless `order` is `asc`."""
    after, limit, order = paging(request, limit=_MOST, most=_MOST, order="desc")
    purpose = one_of(request, "purpose", dict(zip(PURPOSES, PURPOSES, strict=True)))
    if after is not None and not is_file_id(after):
        raise invalid_query("after", "expected the id of a file")
    found, has_more = await files_of(request).page(after=after, limit=limit, order=order, purpose=purpose)
    shown = [_shown(file) for file in found]
    first, last = (shown[0].id, shown[-1].id) if shown else (None, None)
    return _answer(FileList(data=shown, first_id=first, last_id=last, has_more=has_more))


@router.get("/{file_id}", response_model=FileObject)
async def retrieve(request: Request, file_id: str) -> Response:
    """What is known of a file."""
    return _answer(_shown(await _found(request, file_id)))


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
async def content(request: Request, file_id: str) -> Response:
    """The content of a file."""
    file = await _found(request, file_id)
    await files_of(request).check_content(file.id)
    kind, _ = _TYPES.guess_type(f"file{PurePosixPath(file.filename).suffix}")
    # a client's HTML must never be a page of ours
    return Content(
        files_of(request).path(file.id),
        media_type=kind or "application/octet-stream",
        filename=file.filename,
        headers={"x-content-type-options": "nosniff"},
    )


@router.delete(
    "/{file_id}",
    response_model=FileDeleted,
    responses={409: declared("Runs of evals that have not ended read the file; the message names them.")},
)
async def delete(request: Request, file_id: str) -> Response:
    """Delete a file, unless a run of an eval that has not ended reads it."""
    try:
        found = await files_of(request).delete(file_id)
    except InUse as use:
        raise in_use("file", file_id, use.runs) from None
    if not found:
        raise _unknown(file_id)
    return _answer(FileDeleted(id=file_id))


async def _found(request: Request, file_id: str) -> File:
    file = await files_of(request).find(file_id)
    if file is None:
        raise _unknown(file_id)
    return file


def _shown(file: File) -> FileObject:
    return FileObject.model_validate(file, from_attributes=True)


def _answer(body: BaseModel) -> JSONResponse:
    return JSONResponse(body.model_dump(mode="json"))


def _unknown(file_id: str) -> ApiError:
    return ApiError(404, f"there is no file {file_id}", param="id", code="not_found")
