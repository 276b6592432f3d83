"""The weight of a JSON text is what a parser would find in it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.data.json_weight import TooManyValues, read_weighed, weigh
from runtime.net.strict_json import read_json

texts = st.text(alphabet=st.sampled_from('a"\\[]{},:é\n'), max_size=6)
values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=30,
)


def counted(value: Any) -> tuple[int, int, int]:
    """Values with keys, empty objects and lists, and the depth."""
    if not isinstance(value, dict | list):
        return 1, 0, 0
    inside = [counted(each) for each in (value.values() if isinstance(value, dict) else value)]
    keys = len(value) if isinstance(value, dict) else 0
    return (
        1 + keys + sum(each[0] for each in inside),
        (not value) + sum(each[1] for each in inside),
        1 + max((each[2] for each in inside), default=0),
    )


@given(values, st.booleans(), st.integers(1, 9))
def test_a_text_weighs_what_is_in_it(value: Any, is_ascii: bool, chunk: int) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    count, empty, depth = counted(value)
    found = weigh(text, chunk=chunk)
    assert (found.values, found.depth) == (count + empty, depth)


@given(st.binary(max_size=60), st.integers(1, 9))
def test_any_bytes_have_a_weight(text: bytes, chunk: int) -> None:
    assert weigh(text, chunk=chunk) == weigh(text)


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b"[]," * 200_000 + b"1]",
        b"[" * 300_000,
        b'{"a":[' + b"{}," * 100_000 + b"{}]}",
        b"[" + b'"",' * 150_000 + b'""]',
        b'["\\"",' + b"0," * 200_000 + b"0]",
    ],
)
async def test_a_text_of_many_values_is_not_parsed(text: bytes) -> None:
    with pytest.raises(TooManyValues, match="more than 100,000"):
        await read_weighed(text, 100_000)


async def test_a_long_text_of_few_values_is_parsed() -> None:
    long = "[{,:" * 500_000
    assert await read_weighed(json.dumps({"a": long}).encode(), 100) == {"a": long}
    assert await read_weighed(b"\xef\xbb\xbf[1]", 100) == [1]


@pytest.mark.parametrize("text", [b"", b"[", b"\xff", "[1]".encode("utf-16"), b"[" * 50_000])
async def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        await read_weighed(text, 100_000)
    assert not isinstance(caught.value, TooManyValues)


@pytest.mark.parametrize(
    "content", ["[" + "1," * 20_000 + "1]", b"[" + b"{}," * 20_000 + b"1]", "[" * 30_000]
)
def test_what_judges_and_endpoints_say_has_few_values(content: str | bytes) -> None:
    with pytest.raises(ValueError, match="JSON values, more than 20,000"):
        read_json(content)


def test_a_long_answer_of_few_values_is_read() -> None:
    assert read_json(json.dumps({"steps": "a, [b] {c}: " * 50_000}))["steps"].startswith("a, [b]")
