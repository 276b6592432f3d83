"""HTML that is made of texts of strangers: everything is escaped, and a page may load and run nothing."""

import base64
import hashlib
from collections.abc import Iterable
from html import escape

from starlette.responses import Response

from runtime.data.printable import printable

STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}"
    "h1{font-size:1.6rem}h2{font-size:1.25rem;margin-top:2rem}h3{font-size:1rem;margin:1.5rem 0 .3rem}"
    "table{border-collapse:collapse}th,td{text-align:left;vertical-align:top;padding:.25rem .8rem .25rem 0;"
    "border-bottom:1px solid #d8dee4}pre,code{font:14px/1.4 ui-monospace,monospace}"
    "pre{background:#f3f4f6;padding:.6rem;overflow:auto;white-space:pre-wrap;overflow-wrap:anywhere;margin:.3rem 0}"
    ".pass{color:#116329}.fail{color:#9a3412}.error{color:#6e40c9}"
    "@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}pre{background:#161b22}"
    "th,td{border-color:#30363d}a{color:#79b8ff}.pass{color:#56d364}.fail{color:#ffa657}.error{color:#d2a8ff}}"
)
_DIGEST = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
"""Of every page: nothing but its own style is loaded, no other page may frame it, and no cache keeps what it shows."""


class Markup(str):
    """HTML that is safe to show as it is."""

    __slots__ = ()


def text(value: object) -> Markup:
    """A text of anybody's as HTML: escaped, and with control and invisible characters written out."""
    return Markup(escape(printable(str(value), keep="\n\t")))


def element(name: str, *content: str, **attributes: str) -> Markup:
    """An element; content that is no `Markup`, and attributes, are escaped.

    Args:
        name: Of the element, such as `td`.
        content: What is inside.
        attributes: With a `_` behind names that mean something to Python, such as `class_`.
    """
    given = "".join(f' {key.rstrip("_")}="{text(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{given}>{joined(content)}</{name}>")


def joined(parts: Iterable[str]) -> Markup:
    """Parts one after the other; those that are no `Markup` are escaped."""
    return Markup("".join(part if isinstance(part, Markup) else text(part) for part in parts))


def table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> Markup:
    """A table; no titles for none."""
    head = joined(element("th", title) for title in titles)
    body = joined(element("tr", *(element("td", cell) for cell in row)) for row in rows)
    return element("table", *([element("tr", head)] if head else []), body)


def page(title: str, *body: str) -> bytes:
    """A whole page."""
    head = joined(
        [
            Markup('<meta charset="utf-8"><meta name="viewport" content="width=device-width">'),
            element("title", title),
            Markup(f"<style>{STYLE}</style>"),
        ]
    )
    whole = element("html", element("head", head), element("body", element("h1", title), *body), lang="en")
    return b"<!doctype html>\n" + whole.encode("utf-8", "replace")


def answer(content: bytes) -> Response:
    """A page as a response."""
    return Response(content, media_type="text/html; charset=utf-8", headers=HEADERS)
