"""How this copy of rft-graders was installed, and the command that installs an extra of it in the same way.

pip and uv note where a distribution came from in `direct_url.json`, after the specification "Recording the Direct URL Origin of
installed distributions" (PEP 610). One that came from a package index has none.
"""

import json
from importlib.metadata import PackageNotFoundError, distribution
from shlex import quote
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

NAME = "rft-graders"


def install_command(extra: str = "") -> str:
    """The command that installs this copy, or an extra of it, such as `pip install -e '/home/me/rft-graders[otel]'`.

    Args:
        extra: The extra; none for the package alone.
    """
    try:
        found = distribution(NAME)
    except PackageNotFoundError:  # it runs out of a directory that is on the path
        return command_for(None, None, extra)
    return command_for(found.read_text("direct_url.json"), found.read_text("INSTALLER"), extra)


def command_for(direct_url: str | None, installer: str | None, extra: str = "") -> str:
    """The command for a copy.

    Args:
        direct_url: The text of its `direct_url.json`; None if that file does not exist.
        installer: The text of its `INSTALLER`; None if that file does not exist.
        extra: The extra; empty for the package alone.
    """
    program = "uv pip" if (installer or "").strip() == "uv" else "pip"
    with_extra = f"[{extra}]" if extra else ""
    return f"{program} install {_requirement(_origin(direct_url), with_extra)}"


def _origin(direct_url: str | None) -> dict[str, Any]:
    """What is noted; nothing where it cannot be read."""
    try:
        found = json.loads(direct_url or "{}")
        url = found["url"]
        urlsplit(url)
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return found if isinstance(url, str) else {}


def _requirement(origin: dict[str, Any], extra: str) -> str:
    """The arguments of `pip install`, quoted for a shell."""
    if not origin:
        return quote(f"{NAME}{extra}")
    url = urlsplit(origin["url"])
    directory = origin.get("dir_info")
    if isinstance(directory, dict) and url.scheme == "file":
        return f"{'-e ' if directory.get('editable') is True else ''}{quote(unquote(url.path) + extra)}"
    address = _without_user(url)
    repository = origin.get("vcs_info")
    if isinstance(repository, dict):
        revision = repository.get("requested_revision") or repository.get("commit_id")
        address = f"{repository.get('vcs', 'git')}+{address}{f'@{revision}' if revision else ''}"
    if origin.get("subdirectory"):
        address += f"#subdirectory={origin['subdirectory']}"
    return quote(f"{NAME}{extra} @ {address}")


def _without_user(url: SplitResult) -> str:
    """An address without a user's name and password, which are nobody's to repeat."""
    return url._replace(netloc=url.netloc.rpartition("@")[2], fragment="").geturl()
