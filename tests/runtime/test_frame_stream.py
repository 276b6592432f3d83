"""No wait for a frame loses a byte: timed out or cancelled at any point, with frames that are split anywhere."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.processes.frame_stream import CHUNK, FrameStream, FrameTooLong, StreamEnded

BODIES = [b"", b"a", b"second", b"x" * 300]


def framed(*bodies: bytes) -> bytes:
    return b"".join(len(body).to_bytes(4, "big") + body for body in bodies)


class Pair:
    """A stream, and the socket at its other end."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair()
        self.theirs.setblocking(False)
        self.stream = FrameStream(ours)

    def close(self) -> None:
        self.stream.close()
        self.theirs.close()


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    made = Pair()
    yield made
    made.close()


async def turns(number: int) -> None:
    """Let the event loop go round."""
    for _ in range(number):
        await asyncio.sleep(0)


async def given_up(stream: FrameStream, rounds: int) -> bytes | None:
    """Wait for a frame, and give up after some rounds of the event loop; what had come by then counts."""
    task = asyncio.ensure_future(stream.receive())
    await turns(rounds)
    task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        return None


@pytest.mark.parametrize("rounds", range(6))
async def test_a_wait_that_is_given_up_at_any_byte_loses_none(pair: Pair, rounds: int) -> None:
    data = framed(*BODIES)
    for split in range(len(data) + 1):
        got: list[bytes] = []
        pair.theirs.sendall(data[:split])
        if (early := await given_up(pair.stream, rounds)) is not None:
            got.append(early)
        pair.theirs.sendall(data[split:])
        while len(got) < len(BODIES):
            got.append(await asyncio.wait_for(pair.stream.receive(), 30))
        assert got == BODIES, split


@pytest.mark.parametrize("rounds", range(5))
@pytest.mark.parametrize("before", range(4))
async def test_bytes_that_arrive_as_a_wait_ends_are_there_for_the_next_one(
    pair: Pair, before: int, rounds: int
) -> None:
    """The arrival and the end of the wait fall into the same round of the event loop, or into neighbouring ones."""
    for body in BODIES:
        task = asyncio.ensure_future(pair.stream.receive())
        await turns(before)
        pair.theirs.sendall(framed(body))
        await turns(rounds)
        task.cancel()
        try:
            assert await task == body
        except asyncio.CancelledError:
            assert await asyncio.wait_for(pair.stream.receive(), 30) == body


async def test_a_timer_and_an_arrival_in_the_same_instant_lose_nothing(pair: Pair) -> None:
    loop = asyncio.get_running_loop()
    for number in range(300):
        moment = loop.time() + 0.001
        loop.call_at(moment, pair.theirs.send, framed(b"%d" % number))
        body = None
        while body is None:
            try:
                async with asyncio.timeout_at(moment):
                    body = await pair.stream.receive()
            except TimeoutError:
                moment = loop.time() + 0.0005
        assert body == b"%d" % number


@given(
    bodies=st.lists(st.binary(max_size=400), min_size=1, max_size=6),
    plan=st.lists(st.tuples(st.integers(1, 40), st.integers(0, 4), st.booleans()), max_size=60),
)
def test_any_plan_of_arrivals_and_waits_gives_every_frame_in_order(
    bodies: list[bytes], plan: list[tuple[int, int, bool]]
) -> None:
    async def run() -> list[bytes]:
        pair, rest = Pair(), memoryview(framed(*bodies))
        got: list[bytes] = []
        try:
            for size, rounds, waits in plan:
                rest = rest[pair.theirs.send(rest[:size]) if rest else 0 :]
                early = await given_up(pair.stream, rounds) if waits and len(got) < len(bodies) else None
                got += [] if early is None else [early]
            pair.theirs.sendall(rest)
            while len(got) < len(bodies):
                got.append(await asyncio.wait_for(pair.stream.receive(), 30))
        finally:
            pair.close()
        return got

    assert asyncio.run(run()) == bodies


async def test_an_end_at_any_byte_is_an_end_and_whole_frames_before_it_are_there() -> None:
    data = framed(b"first", b"second")
    for split in range(len(data) + 1):
        pair = Pair()
        pair.theirs.sendall(data[:split])
        pair.theirs.close()
        whole = (split >= 9) + (split >= 19)
        for body in [b"first", b"second"][:whole]:
            assert await pair.stream.receive() == body
        for _ in range(2):  # and again at every further call
            with pytest.raises(StreamEnded):
                await pair.stream.receive()
        pair.close()


async def test_a_task_that_waits_sees_the_stream_closed(pair: Pair) -> None:
    task = asyncio.ensure_future(pair.stream.receive())
    await turns(2)
    pair.stream.close()
    with pytest.raises(StreamEnded):
        await asyncio.wait_for(task, 30)


async def test_of_a_frame_that_is_too_long_nothing_but_its_length_is_kept(pair: Pair) -> None:
    pair.theirs.sendall((1 << 30).to_bytes(4, "big"))
    for _ in range(2):
        with pytest.raises(FrameTooLong) as refused:
            await pair.stream.receive(limit=1 << 20)
        assert refused.value.length == 1 << 30
    sent = await flooded(pair)
    with pytest.raises(FrameTooLong):
        await pair.stream.receive(limit=1 << 20)
    assert sent < 4 << 20  # what the socket's own buffers hold
    assert len(pair.stream._incoming) <= CHUNK + 4


async def test_frames_that_nobody_waits_for_stay_with_their_sender(pair: Pair) -> None:
    pair.theirs.sendall(framed(b"asked for"))
    assert await pair.stream.receive() == b"asked for"
    assert await flooded(pair) < 4 << 20
    await asyncio.sleep(0.01)
    assert len(pair.stream._incoming) <= CHUNK


async def flooded(pair: Pair) -> int:
    """How many bytes of frames the other side can send until it would have to wait."""
    sent = 0
    try:
        while sent < 64 << 20:
            sent += pair.theirs.send(framed(b"y" * 1000))
            await asyncio.sleep(0)
    except BlockingIOError:
        pass
    return sent


async def test_both_sides_may_send_much_at_once(pair: Pair) -> None:
    other = FrameStream(pair.theirs)
    ours, theirs = os.urandom(5 << 20), os.urandom(6 << 20)
    pair.stream.send(ours, b"end")
    other.send(theirs, b"end")

    async def exchange(stream: FrameStream) -> bytes:
        body = await stream.receive()
        await stream.flush()
        return body

    got = await asyncio.wait_for(asyncio.gather(exchange(other), exchange(pair.stream)), 60)
    assert list(got) == [ours, theirs]


async def test_a_send_that_is_given_up_goes_on_where_it_stopped(pair: Pair) -> None:
    body = os.urandom(3 << 20)
    pair.stream.send(body)
    received = b""
    flushing = asyncio.ensure_future(pair.stream.flush())
    while not flushing.done():
        await turns(2)
        flushing.cancel()
        await asyncio.wait({flushing})
        flushing = asyncio.ensure_future(pair.stream.flush())
        await turns(1)
        with contextlib.suppress(BlockingIOError):
            received += pair.theirs.recv(1 << 20)
    while len(received) < len(body) + 4:
        received += pair.theirs.recv(1 << 20)
    assert received == framed(body)


async def test_two_tasks_cannot_wait_for_one_stream(pair: Pair) -> None:
    first = asyncio.ensure_future(pair.stream.receive())
    await turns(1)
    with pytest.raises(RuntimeError, match="two tasks"):
        await pair.stream.receive()
    pair.theirs.sendall(framed(b"first"))
    assert await first == b"first"


@pytest.mark.skipif(not hasattr(socket, "SO_PASSCRED"), reason="Linux tells who sent a byte")
async def test_the_first_byte_says_which_process_sent_it(pair: Pair) -> None:
    pair.stream._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    pair.theirs.sendall(b"R" + framed(b"body"))
    assert await pair.stream.hello() == os.getpid()
    assert await pair.stream.receive() == b"body"


async def test_a_greeting_of_nobody_is_an_end(pair: Pair) -> None:
    pair.theirs.close()
    with pytest.raises(StreamEnded):
        await pair.stream.hello()


@pytest.mark.parametrize(
    "parts", [(), (b"",), (b"a", b"", b"bc"), (b"head", b"x" * (CHUNK + 1)), (b"x" * (5 << 20), b"y")]
)
async def test_a_frame_in_parts_arrives_as_one(pair: Pair, parts: tuple[bytes, ...]) -> None:
    other = FrameStream(pair.theirs)
    pair.stream.send_whole(*parts)
    pair.stream.send(b"next")
    flushed = asyncio.ensure_future(pair.stream.flush())
    assert [await other.receive(), await other.receive()] == [b"".join(parts), b"next"]
    await flushed


async def test_a_side_that_has_closed_is_seen_before_what_it_sent_is_read(pair: Pair) -> None:
    pair.theirs.sendall(framed(b"last"))
    open_before = not pair.stream.is_closed
    pair.theirs.close()
    assert (open_before, pair.stream.is_closed) == (True, True)
    assert await pair.stream.receive() == b"last"
