"""`graders backup` and `graders prune`: a whole copy of a database in use, and nothing removed that is needed."""

import asyncio
import json
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from graders import ConfigurationError
from runtime import Settings
from service.cli import operating
from service.store import Evals, Files, Store
from service.store.evals import Eval, EvalRun, OutputItem, item_id
from service.store.paging import new_id
from service.store.pruning import prune
from service.store.tables import Base, File
from tests.service.full_disk import small_disk
from tests.service.store.test_store import kept

DAY = 86_400.0


@pytest.fixture
def own(quick: Settings, tmp_path: Path) -> Settings:
    return quick.model_copy(update={"database": str(tmp_path / "s.sqlite"), "files_dir": tmp_path / "files"})


async def a_run(evals: Evals, *, status: str, age_s: float, source: dict[str, object], items: int = 2) -> str:
    now = int(time.time() - age_s)
    of = Eval(
        id=new_id("eval_"),
        name="e",
        labels=None,
        data_source_config={},
        criteria=[],
        created_at=now,
        updated_at=now,
    )
    await evals.add(of)
    run = EvalRun(
        id=new_id("evalrun_"),
        eval_id=of.id,
        name="r",
        labels=None,
        data_source=source,
        criteria=[],
        client="",
        status="queued",
        error=None,
        total=items,
        tally={},
        created_at=now,
        owner=None,
        leased_until=0.0,
    )
    await evals.add_run(run)
    async with evals._store.write() as session:
        session.add_all(
            OutputItem(
                id=item_id(run.id, n),
                run_id=run.id,
                position=n,
                status="pass",
                item={},
                sample=None,
                results=[],
                created_at=now,
            )
            for n in range(items)
        )
        await session.execute(update(EvalRun).where(EvalRun.id == run.id).values(status=status))
    return run.id


async def ids_of(store: Store, kind: type[Base]) -> set[str]:
    async with store.read() as session:
        return set((await session.scalars(select(kind.id))).all())  # type: ignore[attr-defined]


def of_file(file_id: str) -> dict[str, object]:
    return {"type": "jsonl", "source": {"type": "file_id", "id": file_id}}


@pytest.mark.full
@pytest.mark.parametrize("dry_run", [True, False])
async def test_what_is_old_goes_and_what_is_needed_stays(
    database: str, tmp_path: Path, *, dry_run: bool
) -> None:
    async with Store(database) as store:
        files, evals = Files(store, tmp_path / "files"), Evals(store)
        await files.open()
        used, unused, read, recent = [(await kept(files)).id for _ in range(4)]
        async with store.write() as session:
            old = int(time.time() - 40 * DAY)
            await session.execute(update(File).where(File.id != recent).values(created_at=old))
        gone = await a_run(evals, status="completed", age_s=40 * DAY, source=of_file(unused))
        regraded = await a_run(evals, status="completed", age_s=40 * DAY, source=of_file(read))
        young = await a_run(evals, status="completed", age_s=DAY, source=of_file(used))
        going = await a_run(
            evals, status="in_progress", age_s=40 * DAY, source={"type": "stored_samples", "run_id": regraded}
        )
        lost = tmp_path / "files" / new_id("file-")
        lost.write_text("x")
        os.utime(lost, (old, old))
        found = await prune(store, files, 30 * DAY, dry_run=dry_run)
        assert (found.runs, found.output_items, found.files) == ([gone], 2, [unused])
        assert found.contents == [lost.name]
        left = await ids_of(store, EvalRun), await ids_of(store, File)
        if dry_run:
            assert left == ({gone, regraded, young, going}, {used, unused, read, recent})
            assert lost.exists()
        else:
            assert left == ({regraded, young, going}, {used, read, recent})
            assert {path.name for path in (tmp_path / "files").iterdir()} == {used, read, recent}
            again = await prune(store, files, 30 * DAY, dry_run=False)
            assert (again.runs, again.files, again.contents) == ([], [], [])


@pytest.mark.full
async def test_the_file_becomes_shorter(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    async with Store(str(path)) as store:
        files, evals = Files(store, tmp_path / "files"), Evals(store)
        await files.open()
        await a_run(evals, status="failed", age_s=40 * DAY, source={"type": "jsonl", "rows": "x" * 5_000_000})
        found = await prune(store, files, DAY, dry_run=False)
        assert found.freed_bytes > 4_000_000
    assert path.stat().st_size < 1_000_000


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-3d", "3.5d", "30 days", "1e9d", "٣d", "99999999w"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="12h, 30d or 8w"):
        operating.duration_s(text)


@given(number=st.integers(1, 5_000), unit=st.sampled_from(["h", "d", "w"]))
def test_times_are_read(number: int, unit: str) -> None:
    hours = {"h": 1, "d": 24, "w": 168}[unit]
    assert operating.duration_s(f"{number}{unit}") == number * hours * 3600


@pytest.fixture
def in_use(own: Settings) -> Iterator[sqlite3.Connection]:
    """A database whose last changes are in its log only, since somebody has it open."""

    async def made() -> None:
        async with Store(own.database) as store:
            await a_run(Evals(store), status="completed", age_s=0, source={})

    with closing(sqlite3.connect(own.database, isolation_level=None)) as holding:
        asyncio.run(made())
        holding.execute("PRAGMA wal_autocheckpoint = 0")
        holding.execute("UPDATE eval_runs SET name = 'in the log'")
        yield holding


def test_a_copy_has_what_is_in_the_log_and_is_private(
    own: Settings, in_use: sqlite3.Connection, tmp_path: Path
) -> None:
    # even while somebody writes
    in_use.execute("BEGIN IMMEDIATE")
    in_use.execute("UPDATE eval_runs SET name = 'not committed'")
    target = tmp_path / "copy.sqlite"
    made = operating.backup(own, target, force=False)
    in_use.execute("ROLLBACK")
    assert made["rows"]["eval_output_items"] == 2
    assert "2 eval_output_items" in operating.backup_lines(made)
    assert target.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(f"file:{target}?mode=ro&immutable=1", uri=True)) as copy:
        assert copy.execute("SELECT name FROM eval_runs").fetchall() == [("in the log",)]
    assert not [path for path in tmp_path.iterdir() if path.suffix == ".part"]


def test_a_copy_writes_over_nothing_unless_forced_and_never_over_the_database(
    own: Settings, in_use: sqlite3.Connection, tmp_path: Path
) -> None:
    target = tmp_path / "copy.sqlite"
    target.write_text("precious")
    with pytest.raises(ConfigurationError, match="is there already; --force"):
        operating.backup(own, target, force=False)
    assert target.read_text() == "precious"
    operating.backup(own, target, force=True)
    for name in ("s.sqlite", "s.sqlite-wal", "s.sqlite-shm"):
        with pytest.raises(ConfigurationError, match="is the database itself"):
            operating.backup(own, tmp_path / name, force=True)
    link = tmp_path / "link"
    link.symlink_to(own.database)
    with pytest.raises(ConfigurationError, match="is the database itself"):
        operating.backup(own, link, force=True)


def test_what_is_no_database_of_ours_or_is_damaged_is_not_copied(
    own: Settings, in_use: sqlite3.Connection, tmp_path: Path
) -> None:
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t (x)")
    for path, why in (
        (other, "no database of the service"),
        (tmp_path / "none.sqlite", "there is no database"),
    ):
        with pytest.raises(ConfigurationError, match=why):
            operating.backup(own.model_copy(update={"database": str(path)}), tmp_path / "copy", force=False)
    in_use.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(Path(own.database).read_bytes())
    data[2 * 4096 : 6 * 4096] = b"\xff" * (4 * 4096)
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(data)
    with pytest.raises(ConfigurationError, match=r"damaged|malformed"):
        operating.backup(own.model_copy(update={"database": str(broken)}), tmp_path / "copy", force=False)
    assert not (tmp_path / "copy").exists()


def test_a_copy_onto_a_full_disk_leaves_nothing(
    own: Settings, in_use: sqlite3.Connection, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        disk.fill()
        with pytest.raises(ConfigurationError, match=r"cannot write .*(full|space)"):
            operating.backup(own, disk.path / "copy", force=False)
        assert [path.name for path in disk.path.iterdir()] == ["ballast"]
        disk.empty()
        operating.backup(own, disk.path / "copy", force=False)


def test_for_postgresql_its_own_program_is_named_without_the_password(quick: Settings) -> None:
    settings = quick.model_copy(
        update={"database": "postgresql://me:hunter2@db.internal:5433/g?password=hunter2&sslmode=require"}
    )
    with pytest.raises(ConfigurationError, match="pg_dump") as refused:
        operating.backup(settings, Path("a copy"), force=False)
    message = str(refused.value)
    assert "--file='a copy' 'postgresql://me@db.internal:5433/g?sslmode=require'" in message
    assert "hunter2" not in message
    assert json.dumps(message)
