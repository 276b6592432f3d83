"""Rows in chunks: none is lost, none is sent twice, and what is compared together stays together."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from graders import GraderResult, GradingError, Registry
from runtime.data.rows import unreadable
from runtime.engines.chunks import CHUNKINGS, SMALLEST, Chunk, ChunkReader
from runtime.evaluation.batches import groups_of

REGISTRY = Registry.installed()
EXACT = REGISTRY.load(
    {"type": "string_check", "input": "{{sample.output_text}}", "reference": "{{item.a}}", "operation": "eq"}
)
RANK = REGISTRY.load({"type": "rank", "model": "m", "criterion": "The best."})
JUDGED = REGISTRY.load({"type": "equivalence", "model": "m", "reference": "{{item.a}}"})

UNREADABLE = unreadable("sample", "expected a text")
items = st.one_of(st.none(), st.sampled_from([{}, {"a": "1"}, {"a": "2"}]))
rows = st.lists(st.tuples(st.sampled_from(["x", "y", "z", UNREADABLE]), items), max_size=300)


def chunks_of(reader: ChunkReader) -> list[Chunk]:
    chunks = []
    while not reader.is_at_end:
        if (chunk := reader.next()) is not None:
            chunks.append(chunk)
    return chunks


@given(rows, st.integers(1, 5))
def test_chunks_have_every_row_once_in_order(given_rows: list[Any], among: int) -> None:
    reader = ChunkReader(EXACT, given_rows, remembered=None, among=among, total=len(given_rows))
    chunks = chunks_of(reader)
    assert [place for chunk in chunks for place in chunk.positions] == list(range(len(given_rows)))
    assert [row for chunk in chunks for row in chunk.rows] == given_rows
    assert all(len(chunk.rows) >= SMALLEST for chunk in chunks[:-1])
    assert not reader.ready


@given(rows)
def test_groups_in_chunks_are_those_of_the_whole_batch(given_rows: list[Any]) -> None:
    reader = ChunkReader(RANK, given_rows, remembered=0)
    compared = []
    for chunk in chunks_of(reader):
        pieces = [chunk]
        while any(piece.groups > 1 for piece in pieces):  # down to what cannot be cut
            pieces = [half for piece in pieces for half in (piece.halves() if piece.groups > 1 else [piece])]
        for piece in pieces:
            compared += [
                [piece.positions[place] for place in places] for places, *_ in groups_of(RANK, piece.rows)
            ]
    repeated = {place for places, _ in reader.ready for place in places}
    whole = [list(places) for places, *_ in groups_of(RANK, given_rows)]
    waiting = repeated | {place for places in whole for place in places} - {
        place for places in compared for place in places
    }
    assert sorted(compared) == sorted(places for places in whole if not waiting.issuperset(places))


@given(rows.filter(len))
def test_of_identical_rows_the_first_is_graded_and_all_get_its_result(given_rows: list[Any]) -> None:
    reader = ChunkReader(JUDGED, given_rows, remembered=None)
    results: dict[int, GraderResult] = {}
    for chunk in chunks_of(reader):
        texts = [str(source) + str(item or {}) for source, item in chunk.rows]
        graded = [GraderResult(1.0, explanation=text) for text in texts]
        results |= dict(zip(chunk.positions, graded, strict=True))
        reader.note(chunk, graded)
    sent = [given_rows[place] for place in results]
    readable = [(source, str(item or {})) for source, item in sent if not isinstance(source, GradingError)]
    assert len(readable) == len(set(readable))
    for places, known in reader.ready:
        assert not results.keys() & set(places)
        results |= dict(zip(places, known, strict=True))
    expected = {place: str(source) + str(item or {}) for place, (source, item) in enumerate(given_rows)}
    assert {place: result.explanation for place, result in results.items()} == expected


@given(st.integers(2, 200), st.integers(1, 4))
def test_halves_have_the_rows_of_the_whole(count: int, group: int) -> None:
    starts = list(range(0, count, group))
    chunk = Chunk(range(count), [(str(n), {}) for n in range(count)], starts)
    if chunk.groups < 2:
        return
    first, second = chunk.halves()
    assert [*first.positions, *second.positions] == list(range(count))
    assert [*first.rows, *second.rows] == chunk.rows
    assert second.starts
    assert second.starts[0] == 0
    assert abs(first.groups - second.groups) <= 1


def test_chunks_have_64_to_1024_rows() -> None:
    assert all(64 <= chunking.rows <= 1024 for chunking in CHUNKINGS.values())
    sizes = [len(c.rows) for c in chunks_of(ChunkReader(EXACT, [("x", {})] * 3000, remembered=None))]
    assert sizes == [1024, 1024, 952]
