"""A split puts each row on one side, keeps together what belongs together, and is the same for the same seed."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import Table, parquet

from graders import ConfigurationError
from runtime.data.splitting import Split, split_data
from tests.runtime.data import sound_rows as sound


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def split(folder: Path, rows: list[Any], **options: Any) -> tuple[list[Any], list[Any], Split]:
    file = write(folder / "rows.jsonl", rows)
    train, valid = folder / "train.jsonl", folder / "valid.jsonl"
    made = split_data(file, train, valid, **{"amount": 0.2, "force": True, **options})
    return read(train), read(valid), made


def lines(rows: list[Any]) -> Counter[str]:
    return Counter(json.dumps(row, sort_keys=True) for row in rows)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
SMALL = st.builds(
    lambda number, group, rest: {**sound.rft(number), "group": group, **rest},
    st.integers(0, 12),
    st.none() | st.integers(0, 4),
    st.dictionaries(st.sampled_from(["id", "note", "messages"]), JSON, max_size=2),
)


@given(
    rows=st.lists(SMALL | JSON, min_size=2, max_size=25),
    seed=st.integers(0, 3),
    amount=st.sampled_from([0.1, 0.5, 1, 4]),
)
def test_a_split_is_a_partition_that_keeps_groups_together(
    rows: list[Any], seed: int, amount: float, tmp_path_factory: Any
) -> None:
    folder = Path(tmp_path_factory.mktemp("split"))
    objects = [row for row in rows if isinstance(row, dict)]
    by = ["group"] if any(row.get("group") is not None for row in objects) else []
    try:
        train, valid, made = split(folder, rows, seed=seed, amount=amount, by=by)
    except ConfigurationError:  # there are too few groups
        assert not (folder / "train.jsonl").exists()
        return
    assert lines(train) + lines(valid) == lines(objects)
    assert len(made.unreadable) == len(rows) - len(objects)
    assert 0 < len(valid) <= max(1, round(amount * len(objects)) if amount < 1 else amount)
    assert train
    for key in ("group", "messages"):
        seen = [
            {json.dumps(row[key]) for row in side if row.get(key) not in (None, "", [], {})}
            for side in (train, valid)
        ]
        if key in by or key == "messages":
            kept = seen if key in by else [{text for text in side if "Task" in text} for side in seen]
            assert not kept[0] & kept[1]


def test_the_same_seed_gives_the_same_split_and_another_seed_another(tmp_path: Path) -> None:
    rows = [sound.rft(number) for number in range(60)]
    first, again, other = (split(tmp_path, rows, seed=seed)[1] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_rows_that_are_added_move_few_others(tmp_path: Path) -> None:
    rows = [sound.rft(number) for number in range(50)]
    before = lines(split(tmp_path, rows, amount=10)[1])
    after = lines(split(tmp_path, [*rows, sound.rft(70)], amount=10)[1])
    assert (before & after).total() >= 9


def test_copies_and_near_copies_stay_on_one_side(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = []
    for number in range(0, 60, 3):
        text = " ".join(sound.question(number + step)[0] for step in range(3))
        for ending in ("", " Thanks.", "", " Please."):
            rows.append(
                {
                    "messages": [{"role": "user", "content": text + ending}],
                    "answer": "x",
                    "id": len(rows),
                    "family": number,
                }
            )
    train, valid, made = split(tmp_path, rows)
    families = [{row["family"] for row in side} for side in (train, valid)]
    assert not families[0] & families[1]
    assert (made.groups, made.largest, made.valid) == (20, 4, 16)


def test_lines_are_copied_as_they_are_written(tmp_path: Path) -> None:
    text = [
        b'{"messages": [{"role":"user", "content":"\\u00e9 one"}],   "n": 1.50}',
        b'{"messages": [{"role":"user","content":"two birds"}]}',
    ]
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(text) + b"\r\n")
    split_data(file, tmp_path / "t", tmp_path / "v", amount=1)
    both = [(tmp_path / name).read_bytes() for name in "tv"]
    assert all(each.startswith(b"\xef\xbb\xbf") for each in both)
    assert sorted(each.removeprefix(b"\xef\xbb\xbf").strip() for each in both) == sorted(text)


def test_a_list_becomes_lines_and_parquet_stays_parquet(tmp_path: Path) -> None:
    rows = [sound.verl(number) for number in range(30)]
    (tmp_path / "rows.json").write_text(json.dumps(rows, indent=2))
    split_data(tmp_path / "rows.json", tmp_path / "t", tmp_path / "v", amount=0.2)
    assert lines(read(tmp_path / "t")) + lines(read(tmp_path / "v")) == lines(rows)
    parquet.write_table(Table.from_pylist(rows), tmp_path / "rows.parquet")
    split_data(tmp_path / "rows.parquet", tmp_path / "t.parquet", tmp_path / "v.parquet", amount=0.2)
    parts = [parquet.read_table(tmp_path / name).to_pylist() for name in ("t.parquet", "v.parquet")]
    assert lines(parts[0]) + lines(parts[1]) == lines(rows)
    assert lines(parts[1]) == lines(read(tmp_path / "v"))


def test_nothing_is_written_over_and_nothing_half_is_left(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.jsonl", [sound.rft(number) for number in range(20)])
    (tmp_path / "v").write_text("mine")
    with pytest.raises(ConfigurationError, match="--force"):
        split_data(file, tmp_path / "t", tmp_path / "v", amount=0.2)
    assert (tmp_path / "v").read_text() == "mine"
    assert not (tmp_path / "t").exists()
    with pytest.raises(ConfigurationError, match="what is read"):
        split_data(file, tmp_path / "t", file, amount=0.2, force=True)
    with pytest.raises(ConfigurationError, match="two files"):
        split_data(file, tmp_path / "t", tmp_path / "t", amount=0.2, force=True)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([], {}, "cannot be split"),
        ([sound.rft(1)] * 5, {}, "stay together"),
        ([sound.rft(1), sound.rft(2)], {"amount": 2}, "leave none for training"),
        ([sound.rft(1), sound.rft(2)], {"by": ["book"]}, "no row has the field 'book'"),
    ],
)
def test_what_cannot_be_split_is_said(
    rows: list[Any], options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        split(tmp_path, rows, **options)
