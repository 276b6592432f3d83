"""Verdicts that are remembered: across processes, within limits, and never at the price of a run."""

import logging
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from runtime.judge.cache import VerdictCache
from tests.service.full_disk import small_disk

DAY = 86_400.0


def cache_in(home: Path, *, max_bytes: int = 1 << 20, max_age_s: float = DAY) -> VerdictCache:
    return VerdictCache(home / "deep" / "verdicts.sqlite", max_bytes=max_bytes, max_age_s=max_age_s)


def key(number: int) -> bytes:
    return number.to_bytes(24, "big")


def test_a_verdict_is_there_at_once_and_for_the_next_process(tmp_path: Path) -> None:
    first = cache_in(tmp_path)
    assert first.get(key(1)) is None
    first.put(key(1), {"result": 0.5, "steps": ["é\ud800"]}, "judge")
    assert first.get(key(1)) == ({"result": 0.5, "steps": ["é\ud800"]}, "judge")
    first.close()
    second = cache_in(tmp_path)
    assert second.get(key(1)) == ({"result": 0.5, "steps": ["é\ud800"]}, "judge")
    assert second.get(key(2)) is None
    second.close()


def test_two_processes_see_each_others_verdicts(tmp_path: Path) -> None:
    one, other = cache_in(tmp_path), cache_in(tmp_path)
    for number in range(200):
        one.put(key(number), number, "a")
        other.put(key(number + 1000), number, "b")
    assert one.get(key(1007)) == (7, "b")
    assert other.get(key(7)) == (7, "a")
    one.close()
    other.close()


def test_what_is_too_old_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("runtime.judge.cache.time.time", lambda: now)
    cache = cache_in(tmp_path)
    cache.put(key(1), 1, "m")
    now += DAY - 1
    assert cache.get(key(1)) == (1, "m")
    now += 2
    assert cache.get(key(1)) is None
    cache.close()


def test_the_oldest_leave_when_there_is_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("runtime.judge.cache.time.time", lambda: now)
    cache = cache_in(tmp_path, max_bytes=100_000, max_age_s=1e9)
    for number in range(1, 3_002):
        now = float(number)
        cache.put(key(number), "x" * 100, "m")
    cache.close()
    with sqlite3.connect(tmp_path / "deep" / "verdicts.sqlite") as connection:
        rows, oldest, newest = connection.execute(
            "SELECT count(*), min(written), max(written) FROM verdicts"
        ).fetchone()
    connection.close()
    assert 0 < rows < 500, "some 200 bytes each, and as much again for the index"
    assert newest == 3_001
    assert oldest == newest - rows + 1


def test_only_its_user_can_read_it(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.put(key(1), 1, "m")
    cache.close()
    mode = (tmp_path / "deep" / "verdicts.sqlite").stat().st_mode
    assert not mode & (stat.S_IRWXG | stat.S_IRWXO)


@pytest.mark.parametrize("contents", [b"no database, but long enough to be taken for one" * 100, None])
def test_a_cache_that_cannot_be_used_knows_nothing_and_says_so(
    contents: bytes | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if contents is None:
        (tmp_path / "deep").write_text("a file where a directory should be")
    else:
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "verdicts.sqlite").write_bytes(contents)
    cache = cache_in(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert cache.get(key(1)) is None
        cache.put(key(1), 1, "m")
        assert cache.get(key(1)) is None
    assert len(caplog.records) == 1
    assert "cannot be used" in caplog.text
    cache.close()


def test_a_full_disk_costs_verdicts_and_no_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = cache_in(tmp_path)
    cache.put(key(1), 1, "m")
    cache._open().execute("PRAGMA max_page_count = 1")
    for number in range(200):
        cache.put(key(number), "x" * 4096, "m")
    assert "full" in caplog.text
    assert cache.get(key(1)) is None
    cache.close()


def test_no_size_is_no_file(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, max_bytes=0)
    cache.put(key(1), 1, "m")
    assert cache.get(key(1)) is None
    cache.close()
    assert not list(tmp_path.iterdir())


def test_a_cache_is_used_again_when_there_is_space_and_logs_a_line_a_minute(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    with small_disk(tmp_path / "disk") as disk:
        cache = VerdictCache(
            disk.path / "verdicts.sqlite", max_bytes=1 << 20, max_age_s=DAY, clock=lambda: now
        )
        cache.put(key(1), 1, "m")
        disk.fill()
        for number in range(100):
            now = number * 0.5
            cache.put(key(2), "x" * 1_000_000, "m")
        assert len(caplog.records) == 1
        assert "(SQLITE_" in caplog.text
        assert cache.get(key(1)) is None
        disk.empty()
        now += 61
        cache.put(key(2), 2, "m")
        assert (cache.get(key(1)), cache.get(key(2))) == ((1, "m"), (2, "m"))
        cache.close()


def test_a_locked_cache_costs_a_second_and_not_the_verdicts_after_it(tmp_path: Path) -> None:
    now = 0.0
    path = tmp_path / "verdicts.sqlite"
    cache = VerdictCache(path, max_bytes=1 << 20, max_age_s=DAY, clock=lambda: now)
    cache.put(key(1), 1, "m")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        cache.put(key(2), 2, "m")
    now = 1.5
    assert cache.get(key(2)) is None
    cache.put(key(3), 3, "m")
    assert cache.get(key(3)) == (3, "m")
    assert cache.get(key(1)) == (1, "m")
    cache.close()
