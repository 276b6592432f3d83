"""The example that makes training data of a log runs from its first step to its last."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import EXAMPLES


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.full
def test_every_step_gives_its_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "finetuning/make_data.py", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row["recorded"]["clerk"] for row in rows(tmp_path / "rows.jsonl")].count(1.0) == 7
    assert [len(row["samples"]) for row in rows(tmp_path / "samples.jsonl")] == [8] * 10
    graded = rows(tmp_path / "graded.jsonl")
    assert len(graded) == 80
    assert {row["reward"] for row in graded} == {0.2, 1.0}
    assert len(rows(tmp_path / "train_rows.jsonl")) == 4
    for row in rows(tmp_path / "sft.jsonl"):
        assert [message["role"] for message in row["messages"]] == ["system", "user", "assistant"]
    for row in rows(tmp_path / "dpo.jsonl"):
        assert row["preferred_output"] != row["non_preferred_output"]
    for row in rows(tmp_path / "rft.jsonl"):
        assert row["messages"][-1]["role"] == "user"
        assert {"order", "rule", "decision"} <= row.keys()
    assert all(row["contents"][-1]["role"] == "model" for row in rows(tmp_path / "sft_google.jsonl"))
