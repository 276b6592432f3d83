"""A file of the judges' is opened by any number of processes at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from runtime.judge.sqlite_file import open_own


@pytest.mark.full
def test_all_who_open_a_new_file_at_once_get_it(tmp_path: Path) -> None:
    together = threading.Barrier(4)

    def opened(path: Path) -> str:
        together.wait()
        with closing(open_own(path, busy_s=30.0)) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS kept (id INTEGER)")
            return str(connection.execute("PRAGMA journal_mode").fetchone()[0])

    with ThreadPoolExecutor(4) as threads:
        for number in range(200):
            modes = list(threads.map(opened, [tmp_path / f"{number}.sqlite"] * 4))
            assert modes == ["wal"] * 4
