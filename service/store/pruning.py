"""Removing what is old and what nothing needs any more: ended runs, uploaded files, kept answers, contents without a row.

Nothing that a run which has not ended reads from is removed, nor anything that an eval or a named grader mentions. Runs are
removed one by one, each in a transaction of its own, so that a service that runs meanwhile waits for moments only.
"""

import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, delete, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.store.answers import KEPT_S, KeptAnswer
from service.store.database import Store
from service.store.evals import UNFINISHED, Eval, EvalRun, OutputItem, is_read
from service.store.files import Files
from service.store.graders import GraderVersion
from service.store.tables import File

_IDS = re.compile(r"\bfile-[0-9a-f]{24}\b", re.ASCII)
_VACUUMED_PAGES = 2_000
"""Pages that are given back to the disk at once, while others wait."""


@dataclass
class Pruned:
    """What was removed, or would be.

    Attributes:
        runs: Ids of eval runs.
        output_items: How many of theirs.
        files: Ids of uploaded files.
        file_bytes: Bytes of their contents.
        answers: Kept answers of repeated requests.
        contents: Contents in the directory of files that have no row.
        freed_bytes: Bytes by which SQLite's file became shorter.
    """

    runs: list[str] = field(default_factory=list)
    output_items: int = 0
    files: list[str] = field(default_factory=list)
    file_bytes: int = 0
    answers: int = 0
    contents: list[str] = field(default_factory=list)
    freed_bytes: int = 0


async def prune(store: Store, files: Files, older_than_s: float, *, dry_run: bool) -> Pruned:
    """Remove what is older than so many seconds.

    Args:
        store: The database.
        files: The uploaded files.
        older_than_s: Seconds; of runs since their last row was written.
        dry_run: Only find out what would be removed.

    Raises:
        StorageFailed: When the database fails; what was removed before stays removed.
    """
    before, done = int(time.time() - older_than_s), Pruned()
    # first, since it needs no space
    done.contents = await _contents(store, files, before, dry_run=dry_run)
    for run_id in await _old_runs(store, before):
        removed = await _remove_run(store, run_id, set(done.runs), dry_run=dry_run)
        if removed is not None:
            done.runs.append(run_id)
            done.output_items += removed
    await _remove_files(store, files, before, done, dry_run=dry_run)
    done.answers = await _remove_answers(store, before, dry_run=dry_run)
    if not dry_run:
        done.freed_bytes = await _give_back(store)
    return done


async def _contents(store: Store, files: Files, before: int, *, dry_run: bool) -> list[str]:
    """Contents that lost their row when the machine stopped, and halves of uploads."""
    old = await files.attempt(lambda: files.contents_before(before))
    async with store.read() as session:
        known = set((await session.scalars(select(File.id).where(File.id.in_(old)))).all())
    lost = [name for name in old if name not in known]
    if not dry_run:
        await files.remove(lost)
    return lost


async def _old_runs(store: Store, before: int) -> list[str]:
    """Runs that have ended, and whose last row was written before; the newest first, as regrades come after what they read."""
    last = func.coalesce(
        select(func.max(OutputItem.created_at)).where(OutputItem.run_id == EvalRun.id).scalar_subquery(), 0
    )
    ended = (EvalRun.status.not_in(UNFINISHED), EvalRun.created_at < before, last < before)
    async with store.read() as session:
        return list(
            (await session.scalars(select(EvalRun.id).where(*ended).order_by(EvalRun.id.desc()))).all()
        )


async def _remove_run(store: Store, run_id: str, gone: set[str], *, dry_run: bool) -> int | None:
    """Remove a run, unless one that has not ended reads from it; gives how many output items it had."""
    async with store.read() if dry_run else store.write() as session:
        await _keep_others_out(session, dry_run=dry_run)
        if await session.scalar(select(is_read(run_id))):
            return None
        items = await session.scalar(
            select(func.count()).select_from(OutputItem).where(OutputItem.run_id == run_id)
        )
        if not dry_run:
            await session.execute(delete(OutputItem).where(OutputItem.run_id == run_id))
            await session.execute(delete(EvalRun).where(EvalRun.id == run_id))
    return items or 0


async def _remove_files(store: Store, files: Files, before: int, done: Pruned, *, dry_run: bool) -> None:
    """Remove files that have expired, and old ones that nothing which stays mentions."""
    async with store.read() if dry_run else store.write() as session:
        await _keep_others_out(session, dry_run=dry_run)
        mentioned = await _mentioned_in_all(session, set(done.runs))
        expired: ColumnElement[bool] = File.expires_at <= int(time.time())
        removable = or_(File.created_at < before, expired), ~is_read(File.id)
        found = (await session.scalars(select(File).where(*removable))).all()
        old = [file for file in found if _has_expired(file) or file.id not in mentioned]
        done.files = [file.id for file in old]
        done.file_bytes = sum(file.bytes for file in old)
        if not dry_run:
            for file in old:
                await session.delete(file)
    if not dry_run:
        await files.remove(done.files)


def _has_expired(file: File) -> bool:
    return file.expires_at is not None and file.expires_at <= time.time()


async def _mentioned_in_all(session: AsyncSession, gone: set[str]) -> set[str]:
    """The ids of files that runs, evals and named graders mention."""
    mentioned: set[str] = set()
    for columns in (
        (EvalRun.id, EvalRun.data_source, EvalRun.criteria),
        (Eval.id, Eval.data_source_config, Eval.criteria),
        (GraderVersion.grader_id, GraderVersion.config),
    ):
        async for row in await session.stream(select(*columns)):
            if row[0] not in gone:
                mentioned |= _mentioned(row[1:])
    return mentioned


async def _remove_answers(store: Store, before: int, *, dry_run: bool) -> int:
    """Remove answers that are kept for repeated requests, for no less than is promised."""
    old = (KeptAnswer.created_at < min(before, time.time() - KEPT_S), KeptAnswer.owner.is_(None))
    async with store.read() if dry_run else store.write() as session:
        count = await session.scalar(select(func.count()).select_from(KeptAnswer).where(*old))
        if not dry_run:
            await session.execute(delete(KeptAnswer).where(*old))
    return count or 0


async def _keep_others_out(session: AsyncSession, *, dry_run: bool) -> None:
    """Let nobody begin a run that reads what is being removed; SQLite has but one writer anyway."""
    if not dry_run and session.get_bind().dialect.name == "postgresql":
        await session.execute(text("LOCK TABLE eval_runs, files IN SHARE ROW EXCLUSIVE MODE"))


async def _give_back(store: Store) -> int:
    """Shorten SQLite's file by what is free in it, a little at a time; gives the bytes. PostgreSQL does so by itself."""
    if store.path is None:
        return 0
    async with store.read() as session:
        free, size = [
            int(await session.scalar(text(f"PRAGMA {name}")) or 0) for name in ("freelist_count", "page_size")
        ]
    freed = 0
    while free > 0:
        async with store.write() as session:
            await session.execute(text(f"PRAGMA incremental_vacuum({_VACUUMED_PAGES})"))
            left = int(await session.scalar(text("PRAGMA freelist_count")) or 0)
        if left >= free:
            break  # a file of an older version, which keeps its length and uses it again
        freed += (free - left) * size
        free = left
    return freed


def _mentioned(documents: Iterable[Any]) -> set[str]:
    """The ids of files that stand anywhere in some JSON."""
    return {found for document in documents for found in _IDS.findall(json.dumps(document))}
