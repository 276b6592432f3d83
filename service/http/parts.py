"""Parts of HTTP/1.1 below the application: what a connection reads and waits for, and answers without one."""

import http
from enum import Enum
from random import getrandbits

from service.errors import ApiError, Refusal
from service.http.shutdown import AGAIN_S

Headers = list[tuple[bytes, bytes]]


class HttpPart(Enum):
    """What comes next on a connection."""

    START = "the first byte of a request"
    HEAD = "the rest of a head"
    BODY = "the rest of a body"


class Phase(Enum):
    """What a connection waits for, and so how long it may."""

    NONE = "nothing yet"
    BODY = "the body of a request that is not answered yet"
    WORK = "the answer of the application"
    HEAD = "a complete head"
    IDLE = "the next request"
    DISCARD = "the rest of a body that was answered before it was complete"


def as_bytes(error: ApiError, default_headers: Headers) -> bytes:
    """A response of its own with an error, after which the connection is closed.

    Args:
        error: What is answered; 429 and 503 get `Retry-After`.
        default_headers: What every response has.
    """
    if error.status in {429, 503}:
        error = Refusal(error.status, error.message, code=error.code or "", after_s=AGAIN_S)
    response = error.response()
    shown = [
        *default_headers,
        *((name, value) for name, value in response.raw_headers if name != b"connection"),
        (b"connection", b"close"),
        (b"x-request-id", f"req_{getrandbits(128):032x}".encode()),
    ]
    status = http.HTTPStatus(error.status)
    head = f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode()
    lines = b"".join(b"%b: %b\r\n" % header for header in shown)
    return b"%b%b\r\n%b" % (head, lines, bytes(response.body))


def with_authority(url: bytes, headers: Headers) -> Headers:
    """Headers whose host is that of the URL where that has one (RFC 9112, section 3.2.2)."""
    scheme, found, rest = url.partition(b"://")
    if not found or not scheme.isalpha():
        return headers
    authority = rest.partition(b"/")[0].partition(b"?")[0].rpartition(b"@")[2]
    return [(b"host", authority), *((name, value) for name, value in headers if name != b"host")]


def has_body(headers: Headers) -> bool:
    """Whether a request with these headers has a body."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0 "))
        for name, value in headers
    )
