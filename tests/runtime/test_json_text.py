"""JSON texts: what is read, what stands in place of what cannot be held, and what is said of a text that is not JSON."""

import contextlib
import gc
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.data.json_text import MAX_DEPTH, NotJson, Unreadable, named_path, read_text, unreadable_parts

HALVES = st.text(st.sampled_from('a\ud800\udfff\\"é'), max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | HALVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HALVES, inner, max_size=3),
    max_leaves=8,
)
BRACKETS = (("[", "]"), ('{"a":', "}"), ('[{"]":', "}]"))


def nested(levels: int, opening: str, closing: str) -> str:
    count = levels // (2 if opening.startswith("[{") else 1)
    return opening * count + "1" + closing * count


@given(VALUES, st.booleans())
def test_whatever_json_writes_is_read_half_pairs_included(value: Any, escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped).encode("utf-8", "surrogatepass")
    read, has_unreadable = read_text(text)
    assert (json.dumps(read), has_unreadable) == (json.dumps(value), False)


@given(
    VALUES,
    VALUES,
    st.sampled_from(BRACKETS),
    st.sampled_from([202, 204, 300, 5_000]),
)
def test_what_is_too_deep_costs_nothing_beside_it(
    before: Any, after: Any, brackets: tuple[str, str], levels: int
) -> None:
    deep = nested(levels, *brackets)
    text = f"[{json.dumps(before)}, {deep}, {json.dumps(after)}, [[], {deep}]]".encode()
    read, has_unreadable = read_text(text)
    assert has_unreadable
    assert (json.dumps(read[0]), json.dumps(read[2]), read[3][0]) == (
        json.dumps(before),
        json.dumps(after),
        [],
    )
    places = {path[0] for path, _ in unreadable_parts(read)}
    assert places == {1, 3}
    assert {part.reason for _, part in unreadable_parts(read)} == {
        f"nested more than {MAX_DEPTH} levels deep"
    }


@pytest.mark.parametrize("levels", [1, 100, 199, 200])
def test_what_is_not_too_deep_is_read_beside_what_is(levels: int) -> None:
    value = "[" * (levels - 1) + "]" * (levels - 1) if levels > 1 else "1"
    read, _ = read_text(f"[{value}, {'9' * 5_000}]".encode())
    assert json.dumps(read[0]) == value
    assert read[1] == Unreadable("an integer of 5,000 digits")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"NaN", "NaN is not JSON at line 1 column 1 (byte 0)"),
        (b'{"a": [1,\n -Infinity]}', "-Infinity is not JSON at line 2 column 2 (byte 11), in a.1"),
        (b'{"\xc3\xa9": Infinity}', "Infinity is not JSON at line 1 column 8 (byte 7), in \u00e9"),
        (b'["\\ud800", NaN]', "NaN is not JSON at line 1 column 12 (byte 11), in 1"),
        (b'["NaN \\ud800", nul]', "not JSON: Expecting value at line 1 column 16 (byte 15), in 1"),
        (b'["a", "\xff"]', "not JSON: the byte 0xff is not UTF-8 at line 1 column 8 (byte 7), in 1"),
        (
            b"[" * 1_000,
            "not JSON: the text ends inside a list or an object at line 1 column 1001 (byte 1000)",
        ),
        (b"", "not JSON: EOF while parsing a value at line 1 column 1 (byte 0)"),
        (b"1 2", "not JSON: trailing characters at line 1 column 3 (byte 2)"),
    ],
)
def test_a_text_that_is_not_json_says_what_stands_where(text: bytes, message: str) -> None:
    with pytest.raises(NotJson) as caught:
        read_text(text)
    assert str(caught.value) == message


@given(st.text('[]{}0123456789.eE-+,:"\\udaNfInity ', max_size=30))
def test_a_text_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        read, has_unreadable = read_text(text.encode())
    except NotJson as error:
        assert 0 <= error.offset <= len(text)  # noqa: PT017  # either outcome is right
        return
    assert has_unreadable == any(True for _ in unreadable_parts(read))


def test_values_that_cannot_be_held_come_in_the_order_of_the_text() -> None:
    read, _ = read_text(b'[1e999,{"a":[[],[1e999,2]],"b":{}},1e999]')
    assert [path for path, _ in unreadable_parts(read)] == [(0,), (1, "a", 1, 0), (2,)]


def test_a_value_that_cannot_be_held_is_its_own_only_part() -> None:
    assert list(unreadable_parts(Unreadable("why"))) == [((), Unreadable("why"))]
    assert list(unreadable_parts(1)) == []


def test_a_search_keeps_no_more_places_than_the_value_is_deep() -> None:
    # it once kept the whole path of each list that was still to be searched: gigabytes, and minutes without an answer
    nest = b"[" * 190 + b"1" + b"]" * 190
    read, _ = read_text(b"[" + b",".join([nest] * 500) + b",1e999]")
    tracemalloc.start()
    try:
        assert [path for path, _ in unreadable_parts(read)] == [(500,)]
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_named_path_is_short_whatever_a_stranger_calls_the_keys() -> None:
    assert named_path(("rows", 3, "item")) == "rows.3.item"
    assert named_path(["k" * 100_000]) == "k" * 60
    assert named_path(range(200)) == "0.1.2.3.4.5.6.7.…"


def test_reading_a_long_text_leaves_the_collector_as_it_was() -> None:
    for text in (b"[" + b"[]," * 50_000 + b"[]]", b"[" * 150_000):
        with contextlib.suppress(NotJson):
            read_text(text)
        assert gc.isenabled()
