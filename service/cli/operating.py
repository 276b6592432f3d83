"""`graders backup` and `graders prune`: a copy of the service's database, and what is old in it removed."""

import asyncio
import re
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import URL, make_url

from graders import ConfigurationError
from runtime import Settings
from service.store import Files, Store
from service.store.backup import back_up
from service.store.failures import StorageFailed
from service.store.pruning import prune

_UNITS_S = {"h": 3600, "d": 86_400, "w": 604_800}
_LONGEST_S = 100 * 365 * 86_400
_SECRET = ("password", "sslpassword")


def backup(settings: Settings, target: Path, *, force: bool) -> dict[str, Any]:
    """Copy the database; gives what the copy holds, as plain data.

    Raises:
        ConfigurationError: When it cannot be copied, or is PostgreSQL, which has a program for that.
    """
    path = Store(settings.database).path
    if path is None:
        command = f"pg_dump --format=custom --file={shlex.quote(str(target))} {_without_password(settings.database)}"
        raise ConfigurationError(f"the database is PostgreSQL; copy it with its own program: {command}")
    made = back_up(path, target, force=force)
    return {**made, "files_dir": str(settings.files_dir.expanduser())}


def pruned(settings: Settings, older_than: str, *, dry_run: bool) -> dict[str, Any]:
    """Remove old data; returns what was removed, as plain data.

    Raises:
        ConfigurationError: If the time is not valid, there is no database, or it fails.
    """
    seconds = duration_s(older_than)

    async def run() -> dict[str, Any]:
        store = Store(settings.database, wait_s=settings.database_wait_s)
        if store.path is not None and not store.path.is_file():
            raise ConfigurationError(f"there is no database {store.path}")
        async with store:
            files = Files(store, settings.files_dir)
            return asdict(await prune(store, files, seconds, dry_run=dry_run))

    try:
        return {"dry_run": dry_run, **asyncio.run(run())}
    except StorageFailed as failed:
        hint = "; make some room, which removing takes too" if failed.status == 507 else ""
        raise ConfigurationError(f"{failed.message}{hint}") from None


def duration_s(text: str) -> float:
    """Read a time such as `12h`, `30d` or `8w`.

    Raises:
        ConfigurationError: If it is not a time, or zero, or more than a hundred years.
    """
    found = re.fullmatch(r"([0-9]{1,9})([hdw])", text.strip())
    seconds = int(found[1]) * _UNITS_S[found[2]] if found else 0
    if not 0 < seconds <= _LONGEST_S:
        raise ConfigurationError(f"--older-than is a time such as 12h, 30d or 8w, not {text!r}")
    return float(seconds)


def backup_lines(made: dict[str, Any]) -> str:
    """What a copy holds, for a person."""
    rows = ", ".join(f"{count:,} {name}" for name, count in made["rows"].items() if count) or "no rows"
    files = made["rows"].get("files", 0)
    also = f"the contents of {files:,} files are in {made['files_dir']}: copy that too\n" if files else ""
    return f"{made['file']}: {made['bytes']:,} bytes, whole, tables {made['version']}: {rows}\n{also}"


def pruned_lines(found: dict[str, Any]) -> str:
    """What was removed, for a person."""
    lines = [f"run {run_id}" for run_id in found["runs"]] + [f"file {file_id}" for file_id in found["files"]]
    lines += [f"content {name}, which no file has" for name in found["contents"]]
    shown = "".join(f"{line}\n" for line in lines) if found["dry_run"] else ""
    word = "would be removed" if found["dry_run"] else "removed"
    freed = "" if found["dry_run"] else f"; the database is {found['freed_bytes']:,} bytes shorter"
    return (
        f"{shown}{word}: {len(found['runs']):,} runs with {found['output_items']:,} output items, "
        f"{len(found['files']):,} files of {found['file_bytes']:,} bytes, {found['answers']:,} kept answers, "
        f"{len(found['contents']):,} contents without a file{freed}\n"
    )


def _without_password(database: str) -> str:
    given = make_url(database)
    query = {name: value for name, value in given.query.items() if name not in _SECRET}
    url = URL.create("postgresql", given.username, None, given.host, given.port, given.database, query=query)
    return shlex.quote(url.render_as_string())
