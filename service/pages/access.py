"""Who may read pages: some are for everyone, and a browser can send an API key as a password for the others."""

import base64
import binascii
from collections.abc import Mapping

from fastapi.responses import JSONResponse

from service.auth.keys import Caller
from service.errors import ApiError

OPEN_PAGES = frozenset({"/", "/docs"})
"""Pages that say nothing of what is stored here, and that need no key."""
PAGES = "/evals/"
"""What the addresses of all other pages begin with."""
READING = frozenset({"GET", "HEAD"})

VISITOR = Caller(scopes=frozenset())
"""Somebody without a key where others have one: reads the open pages."""


def is_open(method: str, path: str) -> bool:
    """Whether a request reads a page that needs no key."""
    return path in OPEN_PAGES and method in READING


def is_page(method: str, path: str) -> bool:
    """Whether a request reads a page for which a browser may send a key as a password.

    Nothing else takes a key that way: a browser sends passwords by itself, also when a page of another site asks.
    """
    return path.startswith(PAGES) and method in READING


def password(headers: Mapping[bytes, bytes]) -> bytes:
    """The password of HTTP Basic authentication (RFC 7617), for any user name; empty if none is sent."""
    scheme, _, encoded = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return b""
    try:
        return base64.b64decode(encoded.strip(), validate=True).partition(b":")[2].strip()
    except binascii.Error:
        return b""


class PasswordWanted(ApiError):
    """A page that needs a key: browsers ask their user for it."""

    def __init__(self) -> None:
        message = "an API key is required: give it as the password, with any user name"
        super().__init__(401, message, code="invalid_api_key")

    def response(self) -> JSONResponse:
        """The error, with what makes a browser ask."""
        response = super().response()
        response.headers["www-authenticate"] = (
            'Basic realm="rft-graders: API key as password", charset="UTF-8"'
        )
        return response
