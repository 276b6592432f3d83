"""The results file: nothing lost, nothing graded twice, whatever the kill hit."""

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import ConfigurationError, Failure, FailureKind, GraderInfo, GraderResult
from runtime.data.datasets import Row, parse_rows
from runtime.data.journal import Journal, results_at
from tests.service.full_disk import small_disk

INFO = GraderInfo("name", "keyword", "keyword:1:abc")
ROWS = list(parse_rows([b'{"item": {"n": %d}, "sample": "s"}\n' % n for n in range(6)]))


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
    changed = list(parse_rows([b'{"item": {"n": 9}, "sample": "s"}']))
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
    with (
        Journal(path, INFO.signature),
        pytest.raises(ConfigurationError, match=r"another run \(process \d+\) is writing"),
    ):
        Journal(path, INFO.signature).__enter__()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"cannot write .*missing/results\.jsonl\.journal: No such file"
    ):
        Journal(tmp_path / "missing" / "results.jsonl", INFO.signature).__enter__()


def test_a_lone_surrogate_is_replaced_so_that_every_parser_reads_the_file(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    with Journal(path, INFO.signature) as journal:
        journal.add(0, ROWS[0], result().replace(explanation="half \ud83d, whole 😀"))
        journal.finish()
    assert json.loads(path.read_bytes())["explanation"] == "half \ufffd, whole 😀"


BAD = [
    {"reward": "1.0"},
    {"reward": True},
    {"reward": float("nan")},
    {"reward": float("inf")},
    {"reward": 1.5},
    {"reward": -0.1},
    {"reward": 10**400},
    {"reward": None},
    {"reward": None, "passed": True},
    {"row": True},
    {"row": -1},
    {"row": [0]},
    {"key": {}},
    {"passed": 1},
    {"sub_rewards": []},
    {"sub_rewards": {"a": float("nan")}},
    {"metrics": {"a": "b"}},
    {"metadata": None},
    {"usage": {"m": {"prompt_tokens": -1}}},
    {"usage": {"m": 1}},
    {"substituted": True},
    {"failure": "down"},
    {"failure": {"kind": "other_error"}},
    {
        "failure": {
            "kind": "no such kind",
            "caused_by": "model",
            "message": "m",
            "details": {},
            "retryable": False,
        }
    },
    {
        "failure": {
            "kind": "other_error",
            "caused_by": "grader",
            "message": "m",
            "details": {},
            "retryable": False,
        }
    },
    {"signature": "keyword:2:def"},
    {"explanation": 1},
    {"more": 1},
]


@pytest.mark.parametrize("where", ["results.jsonl", "results.jsonl.journal"])
@pytest.mark.parametrize("change", BAD, ids=str)
def test_a_record_that_no_run_writes_is_graded_again(
    tmp_path: Path, change: dict[str, object], where: str
) -> None:
    path = tmp_path / "results.jsonl"
    write(path, [0, 1], finish=where == "results.jsonl")
    file = tmp_path / where
    first, second = file.read_text().splitlines()
    changed = json.loads(first) | change
    file.write_text(f"{json.dumps(changed)}\n{second}\n")
    assert resumed(path) == [1]


@pytest.mark.parametrize("line", ["null", "[]", "{}", "[" * 100_000, '{"row": 0', "\0" * 100, '"\ud800"'])
def test_a_line_that_is_no_record_is_passed_over(tmp_path: Path, line: str) -> None:
    path = tmp_path / "results.jsonl"
    write(path, [0, 1])
    journal = tmp_path / "results.jsonl.journal"
    journal.write_bytes(line.encode(errors="surrogatepass") + b"\n" + journal.read_bytes())
    assert resumed(path) == [0, 1]


@pytest.mark.parametrize("how", ["link", "hard link", "pipe", "folder"])
def test_a_journal_that_others_have_put_there_is_not_written(tmp_path: Path, how: str) -> None:
    victim, journal = tmp_path / "victim", tmp_path / "results.jsonl.journal"
    victim.write_text("precious, without an end of line")
    if how == "link":
        journal.symlink_to(victim)
    elif how == "hard link":
        journal.hardlink_to(victim)
    elif how == "pipe":
        os.mkfifo(journal)
    else:
        journal.mkdir()
    with pytest.raises(ConfigurationError, match=r"cannot write .*\.journal"):
        Journal(tmp_path / "results.jsonl", INFO.signature, fresh=True)
    assert victim.read_text() == "precious, without an end of line"


def test_a_link_where_a_temporary_file_might_be_is_left_alone(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "results.jsonl.tmp").symlink_to(victim)
    write(tmp_path / "results.jsonl", [0], finish=True)
    assert victim.read_text() == "precious"


def test_a_full_disk_keeps_what_is_written_and_the_run_is_resumed(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        path = disk.path / "results.jsonl"
        long = result().replace(explanation="x" * 100_000)
        with Journal(path, INFO.signature) as journal:
            for position in (0, 1):
                journal.add(position, ROWS[position], result())
            disk.fill()
            with pytest.raises(ConfigurationError, match=r"ENOSPC.*2 results are kept.*resume"):
                journal.add(2, ROWS[2], long)
        assert resumed(path) == [0, 1]
        with Journal(path, INFO.signature) as journal:
            assert all(found is not None for _, _, found in journal.earlier(ROWS[:2]))
            with pytest.raises(ConfigurationError, match=r"all results are kept in .*\.journal"):
                journal.finish()
        disk.empty()
        write(path, [2], finish=False)
        assert resumed(path) == [0, 1, 2]


def test_results_for_a_pipe_come_in_the_order_of_the_rows(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    found: list[int] = []

    def read() -> None:
        with (tmp_path / "pipe").open() as pipe:
            found.extend(json.loads(line)["row"] for line in pipe)

    thread = threading.Thread(target=read)
    thread.start()
    with results_at(tmp_path / "pipe", INFO) as results:
        assert all(record is None for _, _, record in results.earlier(ROWS))
        for position in (2, 0, 1, 4, 3, 5):
            results.add(position, ROWS[position], result())
        results.finish()
    thread.join()
    assert found == [0, 1, 2, 3, 4, 5]
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_results_behind_a_link_have_their_journal_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to("in/results.jsonl")
    with results_at(tmp_path / "link", INFO) as results:
        results.add(0, ROWS[0], result())
        assert (tmp_path / "in" / "results.jsonl.journal").exists()
        with pytest.raises(ConfigurationError, match="another run"):
            results_at(tmp_path / "in" / "results.jsonl", INFO)
        results.finish()
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["results.jsonl"]


@pytest.mark.parametrize("finished", [False, True])
def test_a_limited_run_keeps_the_results_of_the_rows_beyond_the_limit(
    tmp_path: Path, *, finished: bool
) -> None:
    path = tmp_path / "results.jsonl"
    write(path, [0, 4, 5], finish=finished)
    with Journal(path, INFO.signature) as journal:
        given_rows = [(position, record is None) for position, _, record in journal.earlier(ROWS, 2)]
        assert given_rows == [(0, False), (1, True)]
        journal.add(1, ROWS[1], result())
        journal.finish()
    assert [json.loads(line)["row"] for line in path.read_text().splitlines()] == [0, 1, 4, 5]
    assert resumed(path) == [0, 1, 4, 5]


@pytest.mark.parametrize("name", ["results.jsonl", "/dev/null"])
def test_a_limited_run_reads_no_further_than_it_has_to(tmp_path: Path, name: str) -> None:
    def rows() -> Iterator[Row]:
        yield from ROWS[:2]
        pytest.fail("a third row was read")

    with results_at(tmp_path / name, INFO) as results:
        assert len(list(results.earlier(rows(), 2))) == 2


def test_what_is_kept_counts_rows_that_were_not_reached_yet(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    write(path, [0, 1, 2, 5])
    with Journal(path, INFO.signature) as journal:
        next(journal.earlier(ROWS))
        assert journal.kept == "4 results are kept; run the same command again to resume"
    with Journal(path, INFO.signature, fresh=True) as journal:
        next(journal.earlier(ROWS))
        journal.add(0, ROWS[0], result())
        again = "1 results are kept; run the same command again without --fresh to resume"
        assert journal.kept == again
