"""Messages of worker processes: what is no message is refused, never guessed at."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import Failure, FailureKind, GraderInfo, GraderResult
from runtime.workers import frames
from runtime.workers.frames import FrameError

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(message=st.dictionaries(st.text(), plain, max_size=4))
def test_a_message_comes_out_as_it_went_in(message: dict[str, object]) -> None:
    framed = frames.frame(frames.encode(message))
    size = frames.frame_length(framed[: frames.HEADER.size])
    assert size == len(framed) - frames.HEADER.size
    assert frames.unpack(framed[frames.HEADER.size :]) == message


@given(body=st.binary(max_size=200))
def test_bytes_of_a_stranger_are_a_message_or_refused(body: bytes) -> None:
    try:
        message = frames.unpack(body)
    except FrameError:
        return
    assert isinstance(message, dict)


@given(data=plain)
def test_data_of_a_stranger_is_results_or_refused(data: object) -> None:
    try:
        results = frames.results_from_plain(data)
    except FrameError:
        return
    assert all(isinstance(result, GraderResult) for result in results)


@pytest.mark.parametrize("body", [b"[" * 100_000, b"[1]", b"nul", b"\xff"])
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(FrameError):
        frames.unpack(body)


def test_a_length_beyond_the_limit_is_refused_unread() -> None:
    with pytest.raises(FrameError, match="4294967295 bytes are more than"):
        frames.frame_length(b"\xff\xff\xff\xff")


def test_a_message_beyond_the_limit_is_refused_unsent() -> None:
    with pytest.raises(FrameError, match="are more than the 67108864"):
        frames.encode("x" * (frames.MAX_FRAME + 1))


def test_what_is_not_plain_data_is_refused() -> None:
    nested: list[object] = []
    nested.append(nested)
    for data in ({"a": object()}, nested, {("a", "b"): 1}):
        with pytest.raises(FrameError, match="not plain data"):
            frames.encode(data)


def test_results_come_out_as_they_went_in() -> None:
    failure = Failure(kind=FailureKind.FORMULA_PARSE, caused_by="grader", message="m", details={"a": [1]})
    part = GraderResult(None, failure=failure)
    info = GraderInfo("n", "t", "s", (float("-inf"), 5.0))
    results = [
        GraderResult(
            2.5, grader=info, parts={"p": part}, sub_rewards={"p": None}, usage={"m": {"total_tokens": 3}}
        )
    ]
    assert frames.results_from_plain(frames.results_to_plain(results)) == results


def test_a_forged_result_that_breaks_the_rules_is_refused() -> None:
    for forged in ({"reward": None}, {"reward": float("nan")}, {"reward": 1.0, "substituted": True}):
        with pytest.raises(FrameError, match="not results"):
            frames.results_from_plain([forged])


@pytest.mark.parametrize(
    "body",
    [
        b'{"done":0,"rewards":[' + b"[]," * 300_000 + b"1]}",
        b'{"a":' + b"[" * 300_000,
        b'{"done":0,"results":[{"metadata":{"a":[' + b"{}," * 150_000 + b"{}]}}]}",
        b'{"call":"ask","\\\\\\"":"\\"","b":[' + b"0," * 300_000 + b"0]}",
    ],
)
async def test_a_message_of_many_values_is_refused_before_it_is_parsed(body: bytes) -> None:
    with pytest.raises(FrameError, match="JSON values, more than 200,100"):
        await frames.unpack_weighed(body)


async def test_a_long_text_and_a_large_group_are_messages() -> None:
    assert await frames.unpack_weighed(frames.encode({"a": '[{,:"\\' * 1_000_000})) != {}
    results = [GraderResult(0.5, metrics={"a": 1.0})] * 8_000
    body = frames.encode({"results": frames.results_to_plain(results)})
    message = await frames.unpack_weighed(body, samples=len(results))
    assert len(frames.results_from_plain(message["results"])) == len(results)


def test_a_result_has_a_bounded_number_of_results_inside() -> None:
    parts = {f"{n}": {"reward": 0.5} for n in range(1_001)}
    with pytest.raises(FrameError, match="more than 1,000 of them are parts of one"):
        frames.results_from_plain([{"reward": 1.0, "parts": parts}])
    chain: dict[str, object] = {"reward": 0.5}
    for _ in range(40):
        chain = {"reward": 0.5, "parts": {"a": chain, "b": {"reward": 0.1}}}
    assert frames.results_from_plain([chain])[0].reward == 0.5
