"""The store does the same in SQLite and in PostgreSQL, and any number of processes may open it at once."""

import asyncio
import contextlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, func, select, text

from graders import ConfigurationError
from service.store import Base, Claims, Evals, File, Files, Store
from service.store.evals import InUse
from service.store.failures import StorageFailed
from service.store.migrate import ADVISORY_LOCK
from tests.service.evals.stored import a_run, an_eval, of_file, of_run

OPENER = """
import asyncio, sys, time
from service.store import Store

async def main():
    while time.time() < float(sys.argv[2]):
        pass
    async with Store(sys.argv[1]):
        pass

asyncio.run(main())
"""


@pytest.fixture
async def files(store: Store, tmp_path: Path) -> Files:
    fresh = Files(store, tmp_path / "files")
    await fresh.open()
    return fresh


async def kept(
    files: Files,
    content: bytes = b"abc",
    *,
    filename: str = "a.txt",
    purpose: str = "evals",
    expires_after_s: int | None = None,
) -> File:
    async with files.part() as part:
        await part.write(content)
        return await files.keep(part, filename=filename, purpose=purpose, expires_after_s=expires_after_s)


def row(number: int) -> File:
    return File(
        id=f"file-{number:024x}",
        filename="a",
        bytes=1,
        purpose="evals",
        created_at=number,
        status="processed",
        sha256="",
    )


async def count(store: Store) -> int:
    async with store.read() as session:
        return await session.scalar(select(func.count()).select_from(File)) or 0


async def versions(database: str) -> list[str]:
    async with Store(database) as store, store.read() as session:
        return list((await session.scalars(text("SELECT version_num FROM alembic_version"))).all())


async def test_the_migrations_make_the_tables_that_the_code_declares(store: Store) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))

    async with store.read() as session:
        assert await (await session.connection()).run_sync(differences) == []


def _modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.glob("*.sqlite*")}


async def test_a_new_file_is_its_owners_alone(tmp_path: Path) -> None:
    async with Store(str(tmp_path / "service.sqlite")) as store, store.write() as session:
        await session.execute(text("CREATE TABLE more (id INTEGER)"))
        modes = await asyncio.to_thread(_modes, tmp_path)
    assert modes.pop("service.sqlite.lock") & 0o700 == 0o600
    assert set(modes.values()) == {0o600}
    assert len(modes) == 3


async def test_opening_again_keeps_the_rows(database: str) -> None:
    async with Store(database) as store, store.write() as session:
        session.add(row(1))
    async with Store(database) as store:
        assert await count(store) == 1


@contextlib.contextmanager
def written_to(database: str) -> Iterator[None]:
    """Another process's transaction, which holds whatever keeps writers out."""
    if "://" in database:
        with psycopg.connect(database) as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [ADVISORY_LOCK])
            yield
    else:
        with contextlib.closing(sqlite3.connect(database)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield


async def test_a_database_that_is_up_to_date_is_opened_while_another_writes(database: str) -> None:
    async with Store(database) as store, store.write() as session:
        session.add(row(1))
    with written_to(database):
        async with asyncio.timeout(20), Store(database) as store:
            assert await count(store) == 1


@pytest.mark.full
def test_processes_may_migrate_at_once(database: str) -> None:
    start = str(time.time() + 3.0)
    processes = [
        subprocess.Popen([sys.executable, "-c", OPENER, database, start], stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    errors = [process.communicate(timeout=60)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, errors
    assert asyncio.run(versions(database)) == ["0005"]


async def test_threads_of_one_process_may_migrate_at_once(tmp_path: Path) -> None:
    stores = [Store(str(tmp_path / f"{number % 2}.sqlite")) for number in range(6)]
    await asyncio.gather(*(store.open() for store in stores))
    assert await asyncio.gather(*map(count, stores)) == [0] * 6
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_store_of_a_newer_version_is_not_opened(database: str) -> None:
    async with Store(database) as store, store.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match=r"another version of rft-graders.*9999"):
        await Store(database).open()


VERSION_4 = """
    DROP INDEX ix_eval_runs_unfinished;
    DROP INDEX ix_eval_runs_reads;
    ALTER TABLE eval_runs DROP COLUMN reads;
    ALTER TABLE eval_runs DROP COLUMN claims;
    DROP TABLE eval_turns;
    CREATE INDEX ix_eval_runs_status ON eval_runs (status);
    UPDATE alembic_version SET version_num = '0004'
"""
"""What makes the tables of version 4 of those that the service has now."""


async def test_runs_of_an_older_version_go_on_and_keep_what_they_read(database: str, tmp_path: Path) -> None:
    async with Store(database) as store:
        files, evals = Files(store, tmp_path / "files"), Evals(store)
        await files.open()
        of, read, unread = await an_eval(evals), (await kept(files)).id, (await kept(files)).id
        old = await a_run(evals, of, source=of_file(unread))
        await evals.cancel(of.id, old)
        inline: dict[str, Any] = {"type": "jsonl", "source": {"type": "file_content", "content": []}}
        sources: list[dict[str, Any]] = [of_file(read), of_run(old), inline, {}]
        runs = [await a_run(evals, of, source=source) for source in sources]
        async with store.write() as session:
            for statement in VERSION_4.split(";"):
                await session.execute(text(statement))
    async with Store(database) as store:
        files, evals, claims = Files(store, tmp_path / "files"), Evals(store), Claims(store, "me", 60)
        found = await evals.runs(of.id, after=None, limit=9, order="asc", status=None)
        assert [run.reads for run in found[0]] == [None, read, old, None, None]
        with pytest.raises(InUse):
            await files.delete(read)
        with pytest.raises(InUse):
            await evals.delete_run(of.id, old)
        assert await files.delete(unread)
        claimed = [await claims.claim() for _ in runs]
        assert [run and run.id for run in claimed] == runs


async def test_a_failed_transaction_leaves_nothing(store: Store) -> None:
    async def fail() -> None:
        async with store.write() as session:
            session.add(row(1))
            await session.flush()
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await count(store) == 0


@pytest.mark.full
@pytest.mark.parametrize("times", [1, 3])
async def test_a_cancelled_transaction_keeps_nobody_waiting(tmp_path: Path, times: int) -> None:
    changing = text("INSERT INTO numbers VALUES (1), (2), (3) RETURNING n")
    kept = []  # their tracebacks refer to the statements that were under way

    async def change(store: Store) -> None:
        try:
            async with store.write() as session:
                (await session.execute(changing)).first()
        except asyncio.CancelledError as error:
            kept.append(error)
            raise

    async with Store(str(tmp_path / "s.sqlite"), wait_s=5.0) as store:
        async with store.write() as session:
            await session.execute(text("CREATE TABLE numbers (n INTEGER)"))
        for after in range(60):
            cancelled = [asyncio.create_task(change(store)) for _ in range(2)]
            await asyncio.sleep(after / 10_000)
            for task in cancelled * times:
                task.cancel()
                await asyncio.sleep(0)
            await asyncio.wait(cancelled)
            await change(store)
    assert kept


async def test_those_who_read_and_then_write_wait_for_each_other(store: Store) -> None:
    async def one_more() -> None:
        async with store.write() as session:
            if session.get_bind().dialect.name == "postgresql":
                await session.execute(text("LOCK TABLE files"))
            seen = await session.scalar(select(func.count()).select_from(File)) or 0
            await asyncio.sleep(0.01)
            session.add(row(seen))

    await asyncio.gather(*(one_more() for _ in range(12)))
    assert await count(store) == 12


async def test_a_reader_does_not_wait_for_a_writer(store: Store) -> None:
    async with store.write() as session:
        session.add(row(1))
        await session.flush()
        assert await asyncio.wait_for(count(store), 5) == 0
    assert await count(store) == 1


async def test_sqlite_keeps_foreign_keys_and_a_write_ahead_log(tmp_path: Path) -> None:
    async with Store(str(tmp_path / "s.sqlite")) as store, store.read() as session:
        found = [
            (await session.execute(text(f"PRAGMA {name}"))).scalar()
            for name in ("journal_mode", "foreign_keys", "busy_timeout")
        ]
    assert found == ["wal", 1, 10_000]


@pytest.mark.parametrize(
    ("database", "message"),
    [
        ("mysql://localhost/a", "begins with postgresql://, not with mysql://"),
        ("postgresql+asyncpg://localhost/a", "not with postgresql+asyncpg://"),
        ("://", "this is not a URL"),
    ],
)
def test_other_databases_are_refused_by_name(database: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        Store(database)
    assert message in str(raised.value)


async def test_what_is_no_database_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam, " * 100)
    with pytest.raises(ConfigurationError, match=r"database: .*letter.txt: file is not a database"):
        await Store(str(path)).open()
    assert path.read_text() == "Dear Sir or Madam, " * 100


async def test_a_database_that_cannot_be_reached_is_named_without_its_password() -> None:
    with pytest.raises(ConfigurationError) as raised:
        await Store("postgresql://me:hidden@/a?host=/nowhere").open()
    assert str(raised.value).startswith("database: postgresql+psycopg://me:***@/a?host=%2Fnowhere: ")
    assert "hidden" not in str(raised.value)


async def test_a_store_that_is_not_open_says_so(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        await count(Store(str(tmp_path / "s.sqlite")))


async def test_a_file_is_kept_with_its_digest(files: Files) -> None:
    content = bytes(range(256)) * 12_345  # three MiB and a bit: several flushes
    file = await kept(files, content, filename="ä\0/../b")
    found = await files.find(file.id)
    assert found is not None
    assert (found.filename, found.bytes, found.purpose) == ("ä\ufffd/../b", 3_160_320, "evals")
    # what sha256sum says of it
    assert found.sha256 == "84cbbbdbeb23cc382ee49063efee16fe3d6ee0b9faecd998bd39d219c6729259"
    assert files.path(file.id).read_bytes() == content
    assert abs(found.created_at - time.time()) < 60


async def test_what_is_not_kept_leaves_nothing(files: Files, tmp_path: Path) -> None:
    async with files.part() as part:
        await part.write(b"x" * 2_000_000)
    assert list((tmp_path / "files").iterdir()) == []


async def test_a_file_whose_row_cannot_be_written_leaves_nothing(
    files: Files, store: Store, tmp_path: Path
) -> None:
    async with store.write() as session:
        await session.execute(text("DROP TABLE files"))
    with pytest.raises(StorageFailed):
        await kept(files)
    assert list((tmp_path / "files").iterdir()) == []


async def test_an_expired_file_is_gone_and_its_content_goes_with_the_next_upload(files: Files) -> None:
    old = await kept(files, expires_after_s=0)
    assert await files.find(old.id) is None
    assert await files.page(after=None, limit=9, order="asc", purpose=None) == ([], False)
    lasting = await kept(files, expires_after_s=3600)
    assert not files.path(old.id).exists()
    assert lasting.expires_at == lasting.created_at + 3600
    assert await files.find(lasting.id) is not None


async def test_pages_hold_every_file_once_in_the_order_of_creation(files: Files) -> None:
    ids = [(await kept(files, purpose="batch" if number % 2 else "evals")).id for number in range(7)]
    for order, expected in (("asc", ids), ("desc", ids[::-1])):
        seen: list[str] = []
        more, after = True, None
        while more:
            rows, more = await files.page(
                after=after, limit=3, order="asc" if order == "asc" else "desc", purpose=None
            )
            seen += [found.id for found in rows]
            after = seen[-1]
        assert seen == expected
    rows, more = await files.page(after=None, limit=3, order="asc", purpose="batch")
    assert ([found.id for found in rows], more) == (ids[1::2], False)


async def test_a_cursor_survives_its_file(files: Files) -> None:
    first, second, third = [(await kept(files)).id for _ in range(3)]
    assert await files.delete(second)
    assert not await files.delete(second)
    rows, _ = await files.page(after=second, limit=9, order="asc", purpose=None)
    assert [found.id for found in rows] == [third]
    rows, _ = await files.page(after=second, limit=9, order="desc", purpose=None)
    assert [found.id for found in rows] == [first]
    assert not files.path(second).exists()


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "name", ["", "../service.sqlite", "file-0\0", "file-" + "0" * 23 + "\n", "FILE-" + "0" * 24]
)
async def test_what_is_no_id_is_no_file_and_no_path(files: Files, name: str) -> None:
    assert await files.find(name) is None
    assert not await files.delete(name)
    with pytest.raises(ValueError, match="not the id of a file"):
        files.path(name)


async def test_parts_of_killed_processes_are_removed_and_those_of_others_are_not(
    files: Files, store: Store, tmp_path: Path
) -> None:
    dead, alive = tmp_path / "files" / "dead.part", tmp_path / "files" / "alive.part"
    dead.touch()
    alive.touch()
    long_ago = time.time() - 4000
    os.utime(dead, (long_ago, long_ago))
    await Files(store, tmp_path / "files").open()
    assert (dead.exists(), alive.exists()) == (False, True)
