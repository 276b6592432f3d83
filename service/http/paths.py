"""The paths of the API: its prefixes, those that need no key, and the route that a request took."""

import re

from starlette.types import Scope

from runtime.telemetry.outcomes import OTHER

PREFIXES = ("/v1", "/openai/v1")
"""Where the published API answers."""
READY_PATH = "/readyz"
OPEN_PATHS = frozenset({"/healthz", READY_PATH})
"""Paths that a load balancer may ask without a key, and as often as it likes."""


_KEY = re.compile(r"(?i)(/k/+)[^/]+")


def shown_path(path: str) -> str:
    """A path as a message may say it: without what may be a key in it (`service.auth.path_keys`)."""
    return _KEY.sub(r"\1…", path)


def route_of(scope: Scope) -> str:
    """The route that a request took, as it is written, never the address itself."""
    path = getattr(scope.get("route"), "path", None)
    if not isinstance(path, str):
        return OTHER
    # routes that answer under several prefixes do not know them
    for prefix in PREFIXES:
        if scope["path"].startswith(f"{prefix}/") and not path.startswith(f"{prefix}/"):
            return prefix + path
    return path
