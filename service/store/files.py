"""Uploaded files: a row in the database each, and a content in a directory under the row's id."""

import asyncio
import hashlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Literal, TypeVar

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from graders import ConfigurationError
from service.store.capacity import lock_for_writing, make_room
from service.store.database import Store
from service.store.evals import is_read, refuse_if_read
from service.store.failures import StorageFailed, files_failure, why_not_written
from service.store.health import StorageHealth
from service.store.paging import new_id, page_of
from service.store.storable import storable
from service.store.tables import File, alive

PURPOSES = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
"""What a file may be for, after the official client's `FilePurpose`."""

_ID = re.compile(r"file-[0-9a-f]{24}", re.ASCII)
_FLUSH_BYTES = 1 << 20
_ABANDONED_S = 3600.0
"""A part to which nothing was written for so long belongs to a process that was killed."""

T = TypeVar("T")


class Part:
    """A content that is still arriving.

    Args:
        path: Where it is.
        files: What it will belong to.

    Attributes:
        path: Where it is.
        bytes: How long it is so far.
    """

    def __init__(self, path: Path, files: "Files") -> None:
        self.path, self.bytes = path, 0
        self._files = files
        self._digest = hashlib.sha256()
        self._pending = bytearray()

    async def write(self, content: bytes | bytearray) -> None:
        """Append some bytes; they are hashed and written by a thread, one MiB at a time.

        Raises:
            StorageFailed: When they cannot be written, here and in `finish`.
        """
        self.bytes += len(content)
        self._pending += content
        if len(self._pending) >= _FLUSH_BYTES:
            await self._flush()

    async def finish(self) -> str:
        """Have everything on the disk; gives its SHA-256 in hexadecimal."""
        await self._flush(last=True)
        return self._digest.hexdigest()

    async def _flush(self, *, last: bool = False) -> None:
        pending, self._pending = self._pending, bytearray()
        await self._files.attempt(lambda: self._append(pending, last=last))

    def _append(self, content: bytearray, *, last: bool) -> None:
        self._digest.update(content)
        # opened for each MiB, so that one that is given up has nothing to close while a thread still writes
        with self.path.open("r+b", buffering=0) as file:
            file.seek(0, os.SEEK_END)
            left = memoryview(content)
            while left:
                left = left[file.write(left) :]
            if last:
                os.fsync(file.fileno())


class Files:
    """The files of a store.

    Args:
        store: Has the rows.
        directory: Has the contents; all processes must share it.
        health: Is given every failure.
    """

    def __init__(self, store: Store, directory: Path, health: StorageHealth | None = None) -> None:
        self._store, self._directory = store, directory.expanduser()
        self._health = health or StorageHealth()

    async def open(self) -> None:
        """Make the directory, and remove what killed processes have left half written.

        Raises:
            ConfigurationError: When it cannot be made or read.
        """
        try:
            await asyncio.to_thread(self._tidy)
        except OSError as error:
            raise ConfigurationError(f"files_dir: {self._directory}: {error.strerror or error}") from None

    async def check(self) -> None:
        """Try to write.

        Raises:
            StorageFailed: When the directory takes nothing.
        """
        why = await asyncio.to_thread(why_not_written, self._directory)
        if why is not None:
            raise self._health.note(StorageFailed("files", why, None))

    def failed(self, error: OSError) -> StorageFailed:
        """A failure of the directory, which is noted."""
        return self._health.note(files_failure(error))

    async def attempt(self, work: Callable[[], T]) -> T:
        """Do something with the directory in a thread.

        Raises:
            StorageFailed: In place of an `OSError`.
        """
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise self.failed(error) from error

    @asynccontextmanager
    async def part(self) -> AsyncIterator[Part]:
        """A content to write, gone at the end unless it was kept.

        Raises:
            StorageFailed: When it cannot be made.
        """
        path = self._directory / f"{secrets.token_hex(12)}.part"
        await self.attempt(lambda: path.touch(0o600, exist_ok=False))
        try:
            yield Part(path, self)
        finally:
            # immediately, in no thread: a cancelled task may be cancelled again
            self._unlink(path)

    async def keep(
        self,
        part: Part,
        *,
        filename: str,
        purpose: str,
        expires_after_s: int | None,
        most: int | None = None,
    ) -> File:
        """Make a file of what has arrived.

        Args:
            part: The content.
            filename: What its client calls it.
            purpose: One of `PURPOSES`.
            expires_after_s: Seconds after which it is gone; None: it stays until it is deleted.
            most: Files that there may be, with this one; None: any number.

        Raises:
            Full: When there are so many already.
            StorageFailed: When it cannot be stored.
        """
        digest = await part.finish()
        now = time.time()
        file = File(
            id=new_id("file-", now),
            filename=storable(filename),
            bytes=part.bytes,
            purpose=purpose,
            created_at=int(now),
            expires_at=None if expires_after_s is None else int(now) + expires_after_s,
            status="processed",
            sha256=digest,
        )
        path = self.path(file.id)
        await self.attempt(lambda: part.path.replace(path))
        try:
            async with self._store.write() as session:
                expired = await forget_expired(session, now)
                if most is not None:
                    await make_room(session, File, most=most)
                session.add(file)
        except BaseException:
            self._unlink(path)
            raise
        await self._remove(expired)
        return file

    async def find(self, file_id: str) -> File | None:
        """The file with an id; None if it does not exist, or not any more."""
        if not _ID.fullmatch(file_id):
            return None
        async with self._store.read() as session:
            found: File | None = await session.scalar(select(File).where(File.id == file_id, alive()))
            return found

    async def page(
        self, *, after: str | None, limit: int, order: Literal["asc", "desc"], purpose: str | None
    ) -> tuple[Sequence[File], bool]:
        """Some files in the order of their creation, and whether there are more.

        Args:
            after: The id after which they come; its file need not exist any more.
            limit: How many at most.
            order: `desc`: newest first.
            purpose: Only those for this.
        """
        query = select(File).where(alive())
        if purpose is not None:
            query = query.where(File.purpose == purpose)
        async with self._store.read() as session:
            return await page_of(session, query, File.id, after=after, limit=limit, order=order)

    async def delete(self, file_id: str) -> bool:
        """Delete a file; False if it does not exist.

        Raises:
            InUse: If unfinished runs of evals read it.
        """
        if not _ID.fullmatch(file_id):
            return False
        async with self._store.write() as session:
            await lock_for_writing(session, File)
            await session.execute(select(File.id).where(File.id == file_id).with_for_update())
            await refuse_if_read(session, file_id)
            gone = (await session.scalars(delete(File).where(File.id == file_id).returning(File.id))).all()
        await self._remove(gone)
        return bool(gone)

    def path(self, file_id: str) -> Path:
        """Where the content of a file is.

        Raises:
            ValueError: When this is no id.
        """
        if not _ID.fullmatch(file_id):
            raise ValueError(f"not the id of a file: {file_id!r}")
        return self._directory / file_id

    async def check_content(self, file_id: str) -> None:
        """See that the content of a file can be read.

        Raises:
            StorageFailed: When it cannot, or is not there although the file is.
        """
        await self.attempt(lambda: self.path(file_id).open("rb").close())

    def contents_before(self, moment: float) -> list[str]:
        """The names of contents, and of halves of uploads, that were last written before a moment.

        Args:
            moment: Seconds since 1970.

        Raises:
            OSError: When the directory cannot be read.
        """
        found = []
        for path in self._directory.glob("*"):
            with suppress(FileNotFoundError):
                ours = is_file_id(path.name) or path.suffix == ".part"
                if ours and path.stat().st_mtime < min(moment, time.time() - _ABANDONED_S):
                    found.append(path.name)
        return sorted(found)

    async def remove(self, names: Sequence[str]) -> None:
        """Remove contents that no row has; those that cannot be removed are noted."""
        for name in names:
            await asyncio.to_thread(self._unlink, self._directory / name)

    async def _remove(self, file_ids: Sequence[str]) -> None:
        for file_id in file_ids:
            await asyncio.to_thread(self._unlink, self.path(file_id))

    def _unlink(self, path: Path) -> None:
        """Remove a content; one that cannot be removed has no row and is seen by nobody."""
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self.failed(error)

    def _tidy(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        for path in self._directory.glob("*.part"):
            try:
                if time.time() - path.stat().st_mtime > _ABANDONED_S:
                    path.unlink()
            except FileNotFoundError:  # another process was quicker
                continue


def is_file_id(text: str) -> bool:
    """Whether this is an id as files have them."""
    return _ID.fullmatch(text) is not None


async def forget_expired(session: AsyncSession, now: float) -> Sequence[str]:
    """Delete the rows of files that have expired, but for those that runs of evals still read; gives their ids.

    Args:
        session: Writes.
        now: Seconds since 1970.
    """
    await lock_for_writing(session, File)
    expired = select(File.id).where(File.expires_at <= int(now))
    # locked before readers are looked for, as a run that is being added locks what it reads
    found = (await session.scalars(expired.with_for_update(skip_locked=True))).all()
    unread = delete(File).where(File.id.in_(found), ~is_read(File.id))
    return (await session.scalars(unread.returning(File.id))).all()
