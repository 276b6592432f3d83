"""Keys in the path, for trainers that can send no header: `/k/{key}/v1/graders/{name}/for/slime`.

A path is written down in more places than a header: in the logs of proxies and of the trainers themselves. So such a key opens
what trainers ask (`service.auth.keys.TRAINER_PATHS`) and nothing else, and is used with the scope `grade` alone. It is taken out
of the path before anything of this service sees the request: logs, metrics, spans, errors and routes know the path without it.
"""

from dataclasses import replace
from re import fullmatch
from urllib.parse import unquote, unquote_to_bytes

from starlette.types import Scope

from service.auth.keys import TRAINER_PATHS, Caller, Keyring
from service.errors import ApiError

PREFIX = "/k/"
STATE = "path_key"
"""The name in a request's state under which the key is that was in its path."""
SCOPE = "grade"
_HIDDEN = b"/k"
"""The path of a request with a key in it that cannot be told from the rest."""


def take(scope: Scope) -> None:
    """Take the key out of a request's path, and put it into the request's state.

    Args:
        scope: Of the request; changed.
    """
    if not scope["path"].startswith(PREFIX):
        return
    raw = scope.get("raw_path") or scope["path"].encode()
    # split before it is decoded: a key may have an encoded slash
    segments = raw.partition(b"?")[0].split(b"/", 3)
    key, path = b"", _HIDDEN
    if len(segments) > 2 and unquote(segments[1].decode("latin-1")) == PREFIX.strip("/"):
        key = segments[2]
        path = b"/" + b"".join(segments[3:]).rstrip(b"/")
    scope["state"][STATE] = unquote_to_bytes(key)
    scope["raw_path"], scope["path"] = path, unquote(path.decode("latin-1"))


async def caller(scope: Scope, keyring: Keyring) -> Caller | None:
    """Who sends a request with a key in its path; None where its path has none.

    Raises:
        ApiError: 404, when the path takes no such key; 401, when the key is not valid.
    """
    key: bytes | None = scope["state"].get(STATE)
    if key is None:
        return None
    if not key or not fullmatch(TRAINER_PATHS, scope["path"]):
        message = "a key in the path works for /v1/graders/{name}/for/… and /run_code; elsewhere, send it as a header"
        raise ApiError(404, message, code="not_found")
    found = await keyring.caller(key)
    return replace(found, scopes=found.scopes & {SCOPE}) if found.client else found
