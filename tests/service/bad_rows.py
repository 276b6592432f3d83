"""Rows that cannot be read, or only just, as the JSON text that a client would send, made at random."""

import json
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

GOOD: Sequence[Mapping[str, Any]] = [
    {"sample": "ok", "item": {"answer": "ok"}},
    {"sample": "no", "item": {"answer": "ok"}},
    {"sample": {"output_text": "12.5"}, "item": {"answer": "12.5"}, "id": "a"},
    {
        "sample": [{"role": "user", "content": "?"}, {"role": "assistant", "content": "ok"}],
        "item": {"answer": "ok"},
    },
    {
        "sample": {"choices": [{"index": 0, "message": {"role": "assistant", "content": "Ok"}}]},
        "item": {"answer": "ok"},
    },
    {"sample": "é 😀", "item": {"answer": "é 😀"}, "id": 7},
    {"sample": "x", "item": {}},
    {"sample": "", "item": {"answer": ""}, "id": 1.5},
]
"""Rows that are graded, one of them without what a grader looks for."""
HOLE = '"\ue000"'
"""Stands in a row's text where something else is put that `json.dumps` does not write."""


def deep(random: Random) -> str:
    levels = random.choice((190, 199, 200, 201, 300, 1_000, 20_000))
    opening, closing = random.choice((("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")))
    return opening * levels + "1" + closing * levels


def long_integer(random: Random) -> str:
    return random.choice(("", "-")) + "9" * random.choice((4_299, 4_300, 4_301, 5_000, 30_000))


def large_number(random: Random) -> str:
    return random.choice(("1e400", "-1e400", "1E+0999", "1" + "0" * 400 + ".5", "9" * 309 + "e0"))


def half_a_pair(random: Random) -> str:
    return random.choice(
        ('"\\ud800"', '"a\\ud83d"', '"\\udc00\\ud800"', '"\ud83d"', '"\\ud83d\\u0041"', '"\\u0000"', '"\x7f"')
    )


def other(random: Random) -> str:
    return random.choice(
        ("null", "true", "0", "1.5", "[]", "{}", '""', "[null]", '{"": null}', '{"text": "x"}')
    )


PARTS: Sequence[Callable[[Random], str]] = (deep, long_integer, large_number, half_a_pair, other)

SHAPES: Sequence[Any] = (
    "text",
    None,
    [],
    ["x"],
    3,
    True,
    {},
    {"item": {"answer": "ok"}},
    {"sample": None},
    {"sample": 3, "item": {}},
    {"sample": {}},
    {"sample": {"text": "ok"}},
    {"sample": {"output_text": 4}},
    {"sample": {"choices": []}},
    {"sample": {"choices": None}},
    {"sample": {"choices": [3]}},
    {"sample": {"choices": [{"message": None}]}},
    {"sample": {"output": [None]}},
    {"sample": {"output_text": "ok", "output_tools": "x"}},
    {"sample": []},
    {"sample": [None]},
    {"sample": [{"role": "user", "content": "?"}]},
    {"sample": [{"role": "assistant", "content": None}, {"role": "tool", "content": "x"}]},
    {"sample": [{"role": "assistant", "content": "ok", "tool_calls": "x"}]},
    {"sample": "ok", "item": []},
    {"sample": "ok", "item": "x"},
    {"sample": "ok", "item": {"answer": "ok"}, "itme": {}},
    {"sample": "ok", "item": {"answer": "ok"}, "id": {}},
    {"sample": "ok", "item": {"answer": "ok"}, "id": True},
)
HOLED: Sequence[Any] = (
    {"sample": "\ue000", "item": {"answer": "ok"}},
    {"sample": "ok", "item": "\ue000"},
    {"sample": "ok", "item": {"answer": "\ue000"}},
    {"sample": "ok", "item": {"answer": "ok", "more": ["\ue000"]}},
    {"sample": "ok", "item": {"answer": "ok"}, "id": "\ue000"},
    {"sample": "ok", "item": {"answer": "ok"}, "more": "\ue000"},
    {"sample": {"output_text": "ok", "output_json": "\ue000"}, "item": {"answer": "ok"}},
    {"sample": {"output_text": "\ue000"}, "item": {"answer": "ok"}},
    {"sample": {"choices": "\ue000"}, "item": {"answer": "ok"}},
    {
        "sample": {"choices": [{"message": {"content": "ok", "tool_calls": ["\ue000"]}}]},
        "item": {"answer": "ok"},
    },
    {"sample": [{"role": "assistant", "content": "\ue000"}], "item": {"answer": "ok"}},
    {"sample": ["\ue000", {"role": "assistant", "content": "ok"}], "item": {"answer": "ok"}},
)


def bad_row(random: Random) -> str:
    """A row that is bad, or at least odd, in some way; valid JSON, but for the limits of who reads it."""
    way = random.randrange(5)
    if way == 0:
        return json.dumps(random.choice(SHAPES))
    if way == 1:
        return random.choice(PARTS)(random)
    if way == 2:  # a key that is odd, or there twice
        key = random.choice(('"sample"', '"item"', half_a_pair(random), '"__class__"', '""'))
        return f'{{"sample": "ok", {key}: {random.choice(PARTS)(random)}}}'
    row = json.dumps(random.choice(HOLED), ensure_ascii=False)
    return row.replace(HOLE, random.choice(PARTS)(random))


def batch_text(grader: Mapping[str, Any], rows: Sequence[str]) -> bytes:
    """The body of a batch out of the text of its rows; lone surrogates are encoded like any other character."""
    text = f'{{"grader": {json.dumps(grader)}, "rows": [{", ".join(rows)}]}}'
    return text.encode("utf-8", "surrogatepass")
