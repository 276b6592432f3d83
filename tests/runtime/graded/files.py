"""Graded files of our own making."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graders import GraderInfo, GraderResult
from graders.contract import Failure, FailureKind
from runtime.data.datasets import numbered, read_rows
from runtime.data.result_lines import DataFile, line_of_record, record_of

INFO = GraderInfo("name", "keyword", "keyword:1:abc")
UNGRADED = Failure(kind=FailureKind.OTHER, caused_by="infrastructure", message="down")
BY_MODEL = Failure(kind=FailureKind.OTHER, caused_by="model", message="no JSON")
BY_GRADER = Failure(kind=FailureKind.OTHER, caused_by="grader", message="it raises")

Reward = float | None | str
"""A reward; None is ungraded; `flagged` is 0 by the model's failure, `stand-in` an invalid_grade of 1."""


def result(
    reward: Reward, threshold: float | None = 0.5, parts: Mapping[str, float] | None = None
) -> GraderResult:
    if reward is None:
        return GraderResult(None, failure=UNGRADED, grader=INFO)
    if reward == "flagged":
        return GraderResult(0.0, passed=False, failure=BY_MODEL, grader=INFO)
    if reward == "stand-in":
        return GraderResult(1.0, passed=True, failure=BY_GRADER, substituted=True, grader=INFO)
    value = float(reward)
    passed = None if threshold is None else value >= threshold
    return GraderResult(value, passed=passed, sub_rewards=dict(parts or {}), grader=INFO)


def write_rows(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_graded(
    folder: Path,
    rows: Sequence[Mapping[str, Any]],
    rewards: Sequence[Reward],
    *,
    with_rows: bool = True,
    threshold: float | None = 0.5,
    name: str = "graded",
) -> Path:
    """Results for each sample of rows, as `graders run` writes them, and the rows in `NAME.rows.jsonl`."""
    data = write_rows(folder / f"{name}.rows.jsonl", rows)
    source = DataFile.at(data, with_rows=with_rows)
    lines: list[bytes] = []
    for (position, row), reward in zip(numbered(read_rows(data)), rewards, strict=True):
        record = record_of(position, row, result(reward, threshold))
        line = source.with_row(line_of_record(record), row)
        lines.append(line if lines else source.named(line))
    path = folder / f"{name}.jsonl"
    path.write_bytes(b"".join(lines))
    return path


def prompts(count: int, samples: int) -> list[dict[str, Any]]:
    """Rows with a list of samples; every text is another."""
    return [
        {
            "item": {"question": f"question {n}", "answer": str(n), "kind": "ab"[n % 2], "levels": [n, 1]},
            "samples": [f"answer {n}.{draw}" for draw in range(samples)],
        }
        for n in range(count)
    ]
