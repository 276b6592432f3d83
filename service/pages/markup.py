"""Pages as HTTP responses; what a page is made of is in `runtime.data.html_page`."""

import base64
import hashlib

from starlette.responses import Response

from runtime.data.html_page import STYLE

_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
"""Of every page: nothing but its own style is loaded, no other page may frame it, and no cache keeps what it shows."""


def answer(content: bytes) -> Response:
    """A page as a response."""
    return Response(content, media_type="text/html; charset=utf-8", headers=HEADERS)
