"""Keeps web pages out of a service that has no API keys.

Without keys every client that reaches the port may do everything, so it is bound to loopback. A browser on
the same machine reaches loopback too, on behalf of any page that it shows. Three checks keep other pages out:

* `Host` names this machine. A page whose own name was pointed at 127.0.0.1 (DNS rebinding) sends that name.
* `Origin`, and `Referer` where a request that changes something lacks it, is the service's own; `Sec-Fetch-Site`, which a page
  cannot set, says the same.
* A body has a content type that a page can send to another origin only after a preflight, which is refused: JSON. Multipart
  needs none; the checks above keep it to the service's own pages.

Programs send no `Origin`, and nothing changes for them. With keys none of this is needed: a browser attaches a key to no request
by itself, unlike a cookie, so that a page without the key gets a 401.

Not covered: other programs on this machine, and pages that its own loopback ports show, which have to be trusted by name.
"""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.types import Scope

from service.errors import ApiError

_READING = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_JSON = frozenset({b"application/json", b"application/x-ndjson"})
_DEFAULT_PORTS = {"http": 80, "https": 443}
_SHOWN = 100
"""Characters of a client's header that a message repeats."""


class SameOrigin:
    """Refuses requests that another site's page makes a browser send.

    Args:
        host_names: Names that the service answers to besides those of this machine.
    """

    def __init__(self, host_names: Collection[str] = ()) -> None:
        self._host_names = frozenset(name.lower().rstrip(".") for name in host_names)

    def check(self, scope: Scope) -> None:
        """Raise the answer to a request that may come from another site's page.

        Raises:
            ApiError: A 400 where a header is there twice; a 403 where the host or the origin is foreign; a 415 for the content
                type of the body.
        """
        headers = _headers(scope)
        host = headers.get(b"host")
        # a browser always sends it; HTTP/1.0 has none
        if host is not None and not self._serves(host, scope):
            raise ApiError(
                403,
                "this service has no API keys and answers only to names of its own machine, such as localhost or 127.0.0.1, "
                f"not to {_shown(host)}; make a key with `graders keys create`, or name the host in the setting host_names",
                code="foreign_host",
            )
        _check_origin(scope, headers, host)
        if scope["method"] not in _READING:
            _check_content_type(headers)

    def _serves(self, host: bytes, scope: Scope) -> bool:
        name = _name_and_port(host)[0]
        server = scope.get("server")  # the address that the connection came to, which no client chooses
        return (
            name in self._host_names or _is_this_machine(name) or bool(server and name == server[0].lower())
        )


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """The headers that are looked at, each of which may be there once."""
    found: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _ONCE:
            if name in found:
                raise ApiError(400, f"there are two headers {name.decode()}", code="repeated_header")
            found[name] = value.strip()
    return found


_ONCE = frozenset(
    {
        b"host",
        b"origin",
        b"referer",
        b"sec-fetch-site",
        b"sec-fetch-mode",
        b"sec-fetch-dest",
        b"content-type",
        b"content-length",
        b"transfer-encoding",
    }
)


def _check_origin(scope: Scope, headers: dict[bytes, bytes], host: bytes | None) -> None:
    """Raise a 403 where a page of another origin is behind a request."""
    method = scope["method"]
    # no page sets these itself; a link that is followed shows what a page cannot read
    site = headers.get(b"sec-fetch-site", b"none").lower()
    followed = (
        method in _READING
        and headers.get(b"sec-fetch-mode", b"").lower() == b"navigate"
        and headers.get(b"sec-fetch-dest", b"").lower() == b"document"
    )
    origin = headers.get(b"origin")
    if origin is None and method not in _READING:
        origin = headers.get(b"referer")
    if origin is not None and not _same(origin, scope.get("scheme", "http"), host):
        who = _shown(origin)
    elif site not in {b"same-origin", b"none"} and not followed:
        who = f"Sec-Fetch-Site: {_shown(site)}"
    else:
        return
    raise ApiError(
        403,
        f"this service has no API keys and takes no requests from pages of other origins ({who}); "
        "ask it from a program, or make a key with `graders keys create`",
        code="foreign_origin",
    )


def _same(origin: bytes, scheme: str, host: bytes | None) -> bool:
    """Whether an origin, or the address of a page, is that of the host that is asked."""
    try:
        parts = urlsplit(origin.decode("ascii"))
    except ValueError:
        return False
    default = _DEFAULT_PORTS.get(scheme)
    # `null` has no scheme
    if default is None or parts.scheme != scheme or host is None or parts.username is not None:
        return False
    name, port = _name_and_port(host)
    theirs = _name_and_port(parts.netloc.encode())
    return bool(name) and (name, port or default) == (theirs[0], theirs[1] or default)


def _check_content_type(headers: dict[bytes, bytes]) -> None:
    """Raise a 415 for a body of a type that a page may send anywhere, such as text/plain."""
    if headers.get(b"content-length", b"0").strip(b"0") == b"" and b"transfer-encoding" not in headers:
        return
    given = headers.get(b"content-type")
    if given is None:
        # programs may leave it out; a page that does has sent an origin, and it is its own
        if b"origin" not in headers and b"sec-fetch-site" not in headers:
            return
        given = b""
    kind = given.partition(b";")[0].strip().lower()
    subtype = kind.removeprefix(b"application/")
    if kind in _JSON or kind == b"multipart/form-data" or (subtype != kind and subtype.endswith(b"+json")):
        return
    raise ApiError(
        415,
        "without API keys a body needs the content type application/json, application/x-ndjson or multipart/form-data, not "
        f"{_shown(kind) if kind else 'none'}; with curl add -H 'content-type: application/json'",
        code="unsupported_content_type",
    )


def _name_and_port(authority: bytes) -> tuple[str, int | None]:
    """The host of `host:port`, in lower case and without brackets or a final dot, and its port; an empty host if it is malformed."""
    try:
        text = authority.decode("ascii").lower()
    except UnicodeDecodeError:
        return "", None
    if text.startswith("["):
        name, closed, rest = text[1:].partition("]")
        if not closed or ":" not in name or (rest and not rest.startswith(":")):
            return "", None
        port = rest[1:]
    else:
        name, _, port = text.partition(":")
    if not name or (port and not (port.isascii() and port.isdigit() and len(port) <= 5)):
        return "", None
    return name.removesuffix("."), int(port) if port else None


def _is_this_machine(name: str) -> bool:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost"
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address.is_loopback


def _shown(value: bytes) -> str:
    return repr(value[:_SHOWN].decode("latin-1"))
