"""The results file: nothing lost, nothing graded twice, whatever the kill hit."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import ConfigurationError, Failure, FailureKind, GraderInfo, GraderResult
from runtime.datasets import Row, parse_rows
from runtime.journal import Journal

INFO = GraderInfo("name", "keyword", "keyword:1:abc")
ROWS = list(parse_rows([b'{"item": {"n": %d}, "sample": "s"}\n' % n for n in range(6)], "data"))


def result(reward: float | None = 1.0, *, retryable: bool = False) -> GraderResult:
    failure = None
    if reward is None:
        failure = Failure(
            kind=FailureKind.OTHER, caused_by="infrastructure", message="down", retryable=retryable
        )
    return GraderResult(reward, failure=failure, execution_time=0.5, grader=INFO)


def write(path: Path, positions: list[int], *, finish: bool = False, rewards: float | None = 1.0) -> None:
    with Journal(path, INFO.signature) as journal:
        for position in positions:
            journal.add(position, ROWS[position], result(rewards, retryable=True))
        if finish:
            journal.finish()


def resumed(
    path: Path, rows: list[Row] = ROWS, signature: str = INFO.signature, *, fresh: bool = False
) -> list[int]:
    """Positions of the rows that need no grading."""
    with Journal(path, signature, fresh=fresh) as journal:
        return [position for position, _, record in journal.earlier(rows) if record is not None]


def test_finished_rows_are_in_order_without_times(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write(path, [3, 1, 0, 2], finish=True)
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [record["row"] for record in records] == [0, 1, 2, 3]
    assert "execution_time" not in records[0]
    assert list(tmp_path.iterdir()) == [path]


def test_a_journal_is_taken_up_again(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write(path, [4, 2])
    assert resumed(path) == [2, 4]
    assert not path.exists()


def test_a_torn_last_line_is_cut_off_and_its_row_graded_again(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write(path, [0, 1])
    journal = tmp_path / "results.jsonl.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-7])
    assert resumed(path) == [0]
    write(path, [1])
    assert journal.read_bytes() == whole


@given(cut=st.integers(0, 4000))
def test_a_kill_at_any_byte_loses_no_whole_row(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("journal") / "results.jsonl"
    write(path, [0, 1, 2, 3, 4, 5])
    journal = path.with_name("results.jsonl.journal")
    data = journal.read_bytes()[:cut]
    journal.write_bytes(data)
    done = resumed(path)
    assert done == list(range(data.count(b"\n")))
    write(path, [position for position in range(6) if position not in done])
    assert resumed(path) == [0, 1, 2, 3, 4, 5]


def test_rows_of_another_grader_or_other_data_are_graded_again(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write(path, [0, 1])
    assert resumed(path, signature="keyword:2:def") == []
    changed = list(parse_rows([b'{"item": {"n": 9}, "sample": "s"}'], "data"))
    assert resumed(path, [changed[0], *ROWS[1:]]) == [1]


def test_a_finished_file_is_taken_up_but_for_what_may_succeed_now(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write(path, [0, 1], finish=True)
    assert resumed(path) == [0, 1]
    write(path, [0, 1], finish=True, rewards=None)
    assert resumed(path) == []


def test_fresh_forgets_everything(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write(path, [0], finish=True)
    write(path, [1])
    assert resumed(path, fresh=True) == []


def test_two_runs_may_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with Journal(path, INFO.signature), pytest.raises(ConfigurationError, match=r"another run \(process \d+\) is writing"):
        Journal(path, INFO.signature).__enter__()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"cannot write .*missing/results\.jsonl\.journal: No such file"
    ):
        Journal(tmp_path / "missing" / "results.jsonl", INFO.signature).__enter__()


def test_lone_surrogates_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with Journal(path, INFO.signature) as journal:
        journal.add(0, ROWS[0], result().replace(explanation="half \ud83d, whole 😀"))
        journal.finish()
    assert json.loads(path.read_bytes())["explanation"] == "half \ud83d, whole 😀"
