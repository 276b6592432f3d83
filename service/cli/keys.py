"""`graders keys`: the API keys that the service's database has."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime
from typing import Any, TypeVar

from rich.console import Console

from graders import ConfigurationError
from runtime import Settings
from service.cli.tables import show_rows
from service.store import Store
from service.store.failures import StorageFailed
from service.store.keys import Keys
from service.store.tables import ApiKey

T = TypeVar("T")


def create(
    settings: Settings,
    name: str,
    scopes: Collection[str],
    *,
    requests_per_minute: int | None,
    concurrency: int | None,
) -> dict[str, Any]:
    """Make a key; gives it as plain data, with the `key` itself.

    Raises:
        ConfigurationError: When there is no scope, or none of that name, or no database.
    """

    async def made(keys: Keys) -> dict[str, Any]:
        row, key = await keys.create(
            name, scopes, requests_per_minute=requests_per_minute, concurrency=concurrency
        )
        return {**_describe(row), "key": key}

    return _with_keys(settings, made)


def describe(settings: Settings) -> list[dict[str, Any]]:
    """Every key as plain data, oldest first.

    Raises:
        ConfigurationError: When there is no database.
    """

    async def found(keys: Keys) -> list[dict[str, Any]]:
        return [_describe(row) for row in await keys.all()]

    return _with_keys(settings, found)


def revoke(settings: Settings, key_id: str) -> None:
    """End a key.

    Raises:
        ConfigurationError: If no key has this id, or there is no database.
    """
    if not _with_keys(settings, lambda keys: keys.revoke(key_id)):
        raise ConfigurationError(f"there is no key {key_id}; `graders keys list` shows their ids")


def any_in_store(settings: Settings) -> bool:
    """Whether a key was ever made.

    Raises:
        ConfigurationError: When there is no database.
    """
    return _with_keys(settings, lambda keys: keys.any())


def show(keys: list[dict[str, Any]], console: Console) -> None:
    """Print keys for a person."""
    titles = ("id", "name", "scopes", "a minute", "at once", "made", "last used", "revoked")
    rows = []
    for each in keys:
        limits = [str(each[name] or "any") for name in ("requests_per_minute", "concurrency")]
        times = [_moment(each[name]) for name in ("created_at", "last_used_at", "revoked_at")]
        rows.append([each["id"], each["name"], " ".join(each["scopes"]), *limits, *times])
    if not rows:
        console.print("there are no keys; 'graders keys create' makes one", highlight=False)
        return
    show_rows(console, titles, rows)


def _with_keys(settings: Settings, use: Callable[[Keys], Awaitable[T]]) -> T:
    async def run() -> T:
        async with Store(settings.database) as store:
            return await use(Keys(store))

    try:
        return asyncio.run(run())
    except StorageFailed as failed:
        raise ConfigurationError(failed.message) from None


def _describe(row: ApiKey) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "scopes": row.scopes.split(),
        "requests_per_minute": row.requests_per_minute,
        "concurrency": row.concurrency,
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
        "revoked_at": row.revoked_at,
    }


def _moment(seconds: int | None) -> str:
    return "" if seconds is None else f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}Z"
