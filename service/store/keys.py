"""API keys: a row each, without the key itself.

A row has the SHA-256 of its key. Slow hashes protect passwords because those can be guessed; a key is 256 random bits, which
nobody guesses, so that a quick hash hides it as well, and every request can afford it.
"""

import hashlib
import re
import secrets
import time
from collections.abc import Collection, Sequence

from sqlalchemy import or_, select, update

from graders import ConfigurationError
from service.store.database import Store
from service.store.paging import new_id
from service.store.tables import ApiKey

SCOPES = ("grade", "read", "manage")
"""What a key may allow: to grade; to read what is stored; to create, change and delete it."""

_KEY = re.compile(r"rft-[A-Za-z0-9_-]{43}", re.ASCII)
_USED_S = 60
"""Seconds between two notes that a key was used."""


class Keys:
    """The API keys of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(
        self,
        name: str,
        scopes: Collection[str],
        *,
        requests_per_minute: int | None = None,
        concurrency: int | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key; gives its row, and the key, which is never to be had again.

        Args:
            name: What it is called.
            scopes: Some of `SCOPES`.
            requests_per_minute: How many requests a process of the service takes from it.
            concurrency: How many of its requests a process answers at once.

        Raises:
            ConfigurationError: When there is no scope, or none of that name.
        """
        if unknown := sorted(set(scopes) - set(SCOPES)):
            raise ConfigurationError(f"no such scope: {', '.join(unknown)}; there are {', '.join(SCOPES)}")
        if not scopes:
            raise ConfigurationError(f"a key needs a scope: {', '.join(SCOPES)}")
        now, key = time.time(), f"rft-{secrets.token_urlsafe(32)}"
        row = ApiKey(
            # the time in microseconds, so that ids sort by it, and then chance
            id=new_id("key_", now),
            name=name,
            sha256=_hash(key.encode()),
            scopes=" ".join(scope for scope in SCOPES if scope in scopes),
            created_at=int(now),
            requests_per_minute=requests_per_minute,
            concurrency=concurrency,
        )
        async with self._store.write() as session:
            session.add(row)
        return row, key

    async def find(self, key: bytes) -> ApiKey | None:
        """The row of a key; None if the key does not exist, or is revoked."""
        if not _KEY.fullmatch(key.decode("latin-1")):
            return None  # a guess that is no key of ours costs no query
        async with self._store.read() as session:
            found: ApiKey | None = await session.scalar(
                select(ApiKey).where(ApiKey.sha256 == _hash(key), ApiKey.revoked_at.is_(None))
            )
            return found

    async def any(self) -> bool:
        """Whether a key was ever made, be it revoked."""
        async with self._store.read() as session:
            return await session.scalar(select(ApiKey.id).limit(1)) is not None

    async def all(self) -> Sequence[ApiKey]:
        """Every key, oldest first, and the revoked ones too."""
        async with self._store.read() as session:
            return (await session.scalars(select(ApiKey).order_by(ApiKey.id))).all()

    async def revoke(self, key_id: str) -> bool:
        """Revoke a key; False if it does not exist. A revoked key keeps its time of revocation."""
        async with self._store.write() as session:
            row = await session.get(ApiKey, key_id)
            if row is not None and row.revoked_at is None:
                row.revoked_at = int(time.time())
        return row is not None

    async def note_use(self, key: ApiKey) -> None:
        """Write that a key is being used, at most once a minute, whatever the number of processes."""
        now = int(time.time())
        if key.last_used_at is not None and key.last_used_at > now - _USED_S:
            return
        long_ago = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= now - _USED_S)
        async with self._store.write() as session:
            await session.execute(
                update(ApiKey).where(ApiKey.id == key.id, long_ago).values(last_used_at=now)
            )


def _hash(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()
