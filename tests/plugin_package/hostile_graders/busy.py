"""A grader that uses what graders use, all of which a locked worker must give."""

import asyncio
import atexit
import importlib
import json
import random
import re
import sqlite3
import tempfile
import threading
import zoneinfo
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import numpy as np
import re2

from graders import Context, GraderResult, Item, Sample, grader


def _threads() -> int:
    found: list[int] = []
    threads = [threading.Thread(target=found.append, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ThreadPoolExecutor(4) as pool:
        return sum(found) + sum(pool.map(len, ["a", "bb"]))


def _scratch() -> str:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "kept"
        path.write_text("kept")
        path.rename(path.with_suffix(".txt"))
        return path.with_suffix(".txt").read_text()


def _table() -> int:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table t (n integer)")
    connection.executemany("insert into t values (?)", [(1,), (2,)])
    (total,) = connection.execute("select sum(n) from t").fetchone()
    connection.close()
    return int(total)


USES: dict[str, Callable[[], object]] = {
    "numpy": lambda: float(np.linalg.det(np.eye(200)) + np.random.default_rng(1).random() * 0),
    "threads": _threads,
    "tempfile": _scratch,
    "sqlite3": _table,
    "json": lambda: json.loads('{"a": [1, 2]}')["a"],
    "re": lambda: [re.sub("a+", "b", "caat"), re2.fullmatch("c(a+)t", "caat").group(1)],
    "time zones": lambda: datetime(2024, 7, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")).utcoffset().seconds,  # type: ignore[union-attr]
    "late imports": lambda: (
        importlib.import_module("graders.kinds.metrics").load_metric("bleu").score("a cat", "a cat")
    ),
    "exit handlers": lambda: atexit.register(print, "bye") is print,
    "random": lambda: 0 <= random.SystemRandom().random() < 1,
    "package data": lambda: Path(__file__).with_name("py.typed").exists(),
}


@grader("busy", isolation="worker")
async def busy(sample: Sample, item: Item, context: Context) -> GraderResult:
    """Tell what each use gives."""
    async with asyncio.timeout(5):
        slept = await asyncio.gather(*(asyncio.sleep(0.001, n) for n in range(3)))
        in_thread = await asyncio.to_thread(lambda: 7)
    found = {name: use() for name, use in USES.items()}
    return GraderResult(1.0, explanation=json.dumps({**found, "asyncio": [*slept, in_thread]}))
