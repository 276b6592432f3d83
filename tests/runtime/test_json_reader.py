"""Long JSON texts are read in a process, piece by piece, as they would be read at once."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from runtime.data.json_process import TooMuch
from runtime.data.json_reader import JsonReader
from runtime.data.json_text import NotJson, Unreadable, read_text
from runtime.data.json_weight import INLINE_BYTES
from tests.processes import children

ROW = {"item": {"a": [1, 2.5, None, True], "b": 'é\ud800"\\', "c": {}}, "sample": "x" * 40}


@pytest.fixture(scope="module")
async def reader() -> AsyncGenerator[JsonReader]:
    made = JsonReader()
    yield made
    await made.aclose()


def rows(count: int, **others: Any) -> dict[str, Any]:
    return {"grader": {"type": "multi", "graders": {"a": {"words": ["b"]}}}, **others, "rows": [ROW] * count}


VALUES: dict[str, Any] = {
    "a batch": rows(9_000, deadline_s=5),
    "rows deep inside": {"data_source": {"source": {"type": "file_content", "content": [ROW] * 9_000}}},
    "a list": [ROW] * 9_000,
    "an item": {"item": {"ids": list(range(150_000))}},
    "two lists": {"short": list(range(40_000)), "long": list(range(110_000))},
    "one long row": {"rows": [{"item": {"ids": list(range(190_000))}}, ROW]},
    "few long texts": {"rows": ["a" * 2_000_000] * 3},
    "digits": {"rows": [int("9" * 4_000)] * 100},
    "rows in a row": {"rows": [[[1, 2]] * 20] * 9_000},
}


@pytest.mark.few(3)
@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
async def test_a_long_text_is_read_as_at_once(reader: JsonReader, value: Any) -> None:
    text = json.dumps(value).encode()
    assert len(text) > INLINE_BYTES
    assert await reader.read(text) == read_text(text) == (value, False)


async def test_a_value_that_cannot_be_held_stands_where_it_is(reader: JsonReader) -> None:
    deep = b"[" * 300 + b"]" * 300
    row = json.dumps(ROW).encode()
    bad = b'{"item":{"a":[1,1e999]}},%b,%b,{"item":{"n":%b}},7e999' % (row, deep, b"9" * 5_000)
    text = b'{"n":1e999,"rows":[%b,%b]}' % (bad, b",".join([row] * 9_000))
    value, has_unreadable = await reader.read(text)
    assert (value, has_unreadable) == read_text(text)
    assert has_unreadable
    assert isinstance(value["rows"][4], Unreadable)


async def test_an_element_of_many_values_costs_itself_alone(reader: JsonReader) -> None:
    text = json.dumps({"rows": [ROW, {"item": [1] * 250_000}, ROW]}).encode()
    value, has_unreadable = await reader.read(text)
    assert has_unreadable
    assert value["rows"] == [ROW, Unreadable("more than 200,000 JSON values"), ROW]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"rows":[' + b"1," * 2_100_000 + b"1]}", "4,200,0|2,100,0.*JSON values, more than 2,000,000"),
        (b'{"rows":[' + b"[]," * 500_000 + b"1]}", "lists and objects, more than 400,000"),
        (b"[" * 500_000, "lists and objects, more than 400,000"),
        (
            json.dumps({"a": {str(n): n for n in range(60_000)}, "rows": []}).encode(),
            "besides its longest list",
        ),
    ],
)
async def test_what_has_too_many_values_is_not_read(reader: JsonReader, text: bytes, said: str) -> None:
    with pytest.raises(TooMuch, match=said):
        await reader.read(text)


@pytest.mark.full
async def test_a_mistake_has_its_place(reader: JsonReader) -> None:
    text = b'{"rows":[\n' + b",\n".join([json.dumps(ROW).encode()] * 9_000) + b',\n{"item": nul}]}'
    with pytest.raises(NotJson) as caught:
        await reader.read(text)
    with pytest.raises(NotJson) as at_once:
        read_text(text)
    assert (str(caught.value), caught.value.path) == (str(at_once.value), "rows.9000.item")
    assert caught.value.line == at_once.value.line == 9_002


@pytest.mark.full
async def test_a_process_that_somebody_kills_costs_no_text(reader: JsonReader) -> None:
    text = json.dumps(rows(9_000)).encode()
    before = await reader.read(text)
    for pid in children(os.getpid()):
        os.kill(pid, signal.SIGKILL)
    assert await reader.read(text) == before


@pytest.mark.full
async def test_clients_read_at_once(reader: JsonReader) -> None:
    text = json.dumps(rows(9_000)).encode()
    found = await asyncio.gather(*(reader.read(text, client=client) for client in "aabbc"))
    assert all(each == found[0] for each in found)
