"""Graded files are read with the rows that they were made of, or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graders import ConfigurationError
from runtime.data.graded.reading import GradedFile, field_of, looks_graded
from runtime.data.selecting import select, selected_rows
from tests.runtime.graded.files import prompts, write_graded, write_rows


def read(path: Path, data: Path | None = None, **options: Any) -> list[tuple[object, ...]]:
    with GradedFile(path, data, **options) as file:
        return [
            (s.row_line, s.draw, s.reward, s.passed, s.item.get("answer"), s.row.get("sample"))
            for s in file.samples()
        ]


REWARDS = [1.0, 0.25, None, "flagged", "stand-in", 0.5]


def test_rows_inside_and_rows_beside_are_read_alike(tmp_path: Path) -> None:
    inside = write_graded(tmp_path, prompts(3, 2), REWARDS, name="inside")
    beside = write_graded(tmp_path, prompts(3, 2), REWARDS, name="beside", with_rows=False)
    found = read(inside)
    assert found == read(beside) == read(beside, tmp_path / "inside.rows.jsonl")
    assert found[:3] == [
        (1, 0, 1.0, True, "0", "answer 0.0"),
        (1, 1, 0.25, False, "0", "answer 0.1"),
        (2, 0, None, None, "1", "answer 1.0"),
    ]


def test_a_moved_data_file_is_found_beside_the_results_and_only_as_it_was(tmp_path: Path) -> None:
    graded = write_graded(tmp_path, prompts(2, 1), [1.0, 0.0], with_rows=False)
    folder = tmp_path / "moved"
    folder.mkdir()
    for name in ("graded.jsonl", "graded.rows.jsonl"):
        (tmp_path / name).rename(folder / name)
    assert len(read(folder / graded.name)) == 2
    data = folder / "graded.rows.jsonl"
    data.write_text(data.read_text().replace("answer 1.0", "answer 1.1"))
    with pytest.raises(ConfigurationError, match=r"has changed since .*give --data the file that was graded"):
        read(folder / graded.name)
    with pytest.raises(
        ConfigurationError, match="line 2 is the result of line 2 of the data, and this file has another"
    ):
        read(folder / graded.name, data)
    data.unlink()
    with pytest.raises(ConfigurationError, match=r"neither items nor samples .*which is not there"):
        read(folder / graded.name)


def test_data_with_fewer_rows_does_not_fit_and_with_more_rows_does(tmp_path: Path) -> None:
    graded = write_graded(tmp_path, prompts(2, 2), [1.0] * 4, with_rows=False)
    with pytest.raises(ConfigurationError, match="has no such row; its digest is sha256:"):
        read(graded, write_rows(tmp_path / "fewer.jsonl", prompts(1, 2)))
    assert len(read(graded, write_rows(tmp_path / "more.jsonl", prompts(3, 2)))) == 4


def test_results_of_earlier_versions_name_no_data(tmp_path: Path) -> None:
    graded = write_graded(tmp_path, prompts(1, 2), [1.0, 0.0], with_rows=False)
    first, second = graded.read_text().splitlines()
    old = {name: value for name, value in json.loads(first).items() if name != "data"}
    graded.write_text(f"{json.dumps(old)}\n{second}\n")
    with pytest.raises(ConfigurationError, match="does not name its data"):
        read(graded)
    assert len(read(graded, tmp_path / "graded.rows.jsonl")) == 2
    assert len(read(graded, with_rows=False)) == 2


@pytest.mark.parametrize("line", ["{", "[]", '{"reward": "high", "line": 1, "key": "k"}', '{"reward": true, "line": 1, "key": ""}',
    '{"reward": 1, "line": null, "key": "k"}', '{"reward": 1, "line": 1, "key": "k", "sub_rewards": {"a": "b"}}', '{"a": 1}'])  # fmt: skip
def test_a_line_that_is_no_result_is_named_and_takes_no_other_with_it(tmp_path: Path, line: str) -> None:
    graded = write_graded(tmp_path, prompts(1, 2), [1.0, 0.0])
    graded.write_text(graded.read_text() + line + "\n")
    with GradedFile(graded) as file:
        assert len(list(file.samples())) == 2
        assert file.problems.count == 1
        assert file.problems.named[0].startswith("line 3: ")


def test_other_files_are_no_graded_files(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", prompts(1, 1))
    assert not looks_graded(rows)
    with pytest.raises(ConfigurationError, match="is no graded file"):
        read(rows)
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(ConfigurationError, match="no line is a JSON object"):
        read(tmp_path / "empty.jsonl")
    with pytest.raises(ConfigurationError, match="name a regular file"):
        read(Path("-"))
    with pytest.raises(ConfigurationError, match="cannot read"):
        read(tmp_path / "none.jsonl")


def groups(path: Path, group_by: str | None = None) -> list[int]:
    with GradedFile(path, group_by=group_by) as file:
        found = [sample.group for sample in file.samples()]
    return [found.index(each) for each in found]


def test_samples_of_one_prompt_are_grouped(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"item": {"a": 1, "b": 2}, "sample": "x"},
        {"item": {"b": 2, "a": 1}, "sample": "y"},
        {"item": {"a": 1, "b": 3}, "samples": ["z", "w"]},
        {"item": {}, "sample": "u"},
        {"item": {}, "sample": "v"},
        {"item": {}, "sample": {"output_text": "s", "input": [{"role": "user", "content": "q"}]}},
        {"item": {}, "sample": {"output_text": "t", "input": [{"role": "user", "content": "q"}]}},
        {"item": {"a": 1, "b": 2}, "prompt": "another", "sample": "y"},
    ]
    path = write_graded(tmp_path, rows, [1.0] * 9)
    assert groups(path) == [0, 0, 2, 2, 4, 5, 6, 6, 8]
    assert groups(path, "item.a") == [0, 0, 0, 0, 4, 5, 6, 7, 0]


def test_a_field_is_named_by_dots_and_by_its_whole_name() -> None:
    item = {"meta": {"id": 3, "tags": ["x"]}, "a.b": 1}
    assert [field_of(item, name) for name in ("meta.id", "item.meta.tags.0", "a.b", "meta.none", "meta.id.x")] == [
        3, "x", 1, None, None,
    ]  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(st.lists(st.one_of(st.none(), st.sampled_from([0.0, 0.25, 1.0, "flagged"])), min_size=4, max_size=4))
def test_what_select_writes_is_read_as_what_was_graded(
    tmp_path_factory: pytest.TempPathFactory, rewards: list[float | str | None]
) -> None:
    folder = tmp_path_factory.mktemp("round")
    graded = write_graded(folder, prompts(2, 2), rewards)
    with GradedFile(graded) as file:
        rows = list(selected_rows(file, select(file, (0.0, 1.0))))
        kept = {json.dumps(row["item"], sort_keys=True) for row in rows}
        expected = [
            (s.key, s.reward, s.passed, s.failure, s.row["sample"], s.group)
            for s in file.samples()
            if json.dumps(s.item, sort_keys=True) in kept
        ]
    if rows:
        with GradedFile(write_rows(folder / "train.jsonl", rows)) as file:
            assert expected == [
                (s.key, s.reward, s.passed, s.failure, s.row["sample"], s.group) for s in file.samples()
            ]
