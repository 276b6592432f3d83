"""Compressed bodies and answers, and what hides in compressed bodies."""

import gzip
import json
import resource
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from service.errors import ApiError
from service.http.compression import (
    ENCODINGS,
    PIECE,
    Compression,
    GzipDecoder,
    GzipEncoder,
    ZstdDecoder,
    ZstdEncoder,
    accepted,
)

GRADE, BATCH = "/v1/grade", "/v1/grade/batch"
GRADER = {"type": "string_check", "input": "{{sample.output_text}}", "reference": "a", "operation": "eq"}
BODY = json.dumps({"grader": GRADER, "sample": "a"}).encode()
MANY = {"grader": GRADER, "rows": [{"sample": "a"}] * 100}
COMPRESS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "zstd": zstandard.compress}
DECODERS: dict[str, type[GzipDecoder | ZstdDecoder]] = {"gzip": GzipDecoder, "zstd": ZstdDecoder}
ENCODERS: dict[str, type[GzipEncoder | ZstdEncoder]] = {"gzip": GzipEncoder, "zstd": ZstdEncoder}
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=60, headers={"accept-encoding": "identity"}) as bare:
        yield bare


def zstd_bomb(gigabytes: int) -> bytes:
    """One frame of zeros: blocks of 128 KiB, each of them a byte and how often it comes (RFC 8878, 3.1.1)."""
    header = zstandard.FRAME_HEADER + b"\x00" + bytes([(23 - 10) << 3])  # a window of 8 MiB
    block = (131_072 << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    return header + block * (gigabytes * 8_192)


def gzip_bomb(gigabytes: int) -> bytes:
    """One member of zeros, 16 MiB of them made once and repeated."""
    stream = zlib.compressobj(level=9, wbits=31)
    start = stream.compress(b"") + stream.flush(zlib.Z_FULL_FLUSH)
    part = stream.compress(bytes(16 * MEBIBYTE)) + stream.flush(zlib.Z_FULL_FLUSH)
    return start + part * (gigabytes * 64)


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip", "zstd", "GZIP"])
def test_a_compressed_body_is_read(http: httpx2.Client, encoding: str) -> None:
    packed = COMPRESS[encoding.lower().removeprefix("x-")](BODY)
    for content in (packed, iter([packed[:10], packed[10:]])):
        reply = http.post(GRADE, content=content, headers={"content-encoding": encoding})
        assert reply.json()["reward"] == 1.0


async def test_what_stands_outside_sees_which_route_a_compressed_request_took() -> None:
    async def route(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["headers"] == [(b"x", b"y")]
        scope["route"] = "taken"

    async def unused(*_: object) -> Message:
        raise AssertionError

    headers = [(b"content-encoding", b"gzip"), (b"x", b"y"), (b"content-length", b"9")]
    scope: Scope = {"type": "http", "headers": headers, "state": {"body_limit": 1}}
    await Compression(route)(scope, unused, unused)  # type: ignore[arg-type]  # never sends
    assert scope["route"] == "taken"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_several_frames_are_one_body(http: httpx2.Client, encoding: str) -> None:
    compress = COMPRESS[encoding]
    content = compress(BODY[:20]) + compress(b"") + compress(BODY[20:])
    assert http.post(GRADE, content=content, headers={"content-encoding": encoding}).json()["reward"] == 1.0


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("kind", ["cut short", "other bytes", "bytes behind it", "nothing"])
def test_a_body_that_is_not_what_it_says_is_400(http: httpx2.Client, encoding: str, kind: str) -> None:
    packed = COMPRESS[encoding](BODY)
    content = {
        "cut short": packed[:-3],
        "other bytes": BODY,
        "bytes behind it": packed + b"more",
        "nothing": b"",
    }[kind]
    reply = http.post(GRADE, content=content, headers={"content-encoding": encoding})
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "invalid_encoding"
    assert reply.json()["error"]["message"].startswith(f"the body is not {encoding}: ")


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, zstd", "", "x" * 5_000])
def test_an_unknown_encoding_is_415(http: httpx2.Client, encoding: str) -> None:
    reply = http.post(GRADE, content=BODY, headers={"content-encoding": encoding})
    assert reply.status_code == 415
    assert reply.json()["error"]["code"] == "unsupported_encoding"
    assert "zstd or gzip" in reply.json()["error"]["message"]
    assert reply.headers["x-request-id"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_limit_counts_what_comes_out(http: httpx2.Client, encoding: str) -> None:
    long = BODY + b" " * (200_000 - len(BODY))
    for content, status in ((long, 200), (long + b" ", 413)):
        packed = COMPRESS[encoding](content)
        assert len(packed) < 2_000
        assert http.post(GRADE, content=packed, headers={"content-encoding": encoding}).status_code == status


@pytest.mark.parametrize(
    ("encoding", "bomb"), [("gzip", gzip_bomb(10)), ("zstd", zstd_bomb(10))], ids=["gzip", "zstd"]
)
async def test_ten_gigabytes_of_zeros_are_413_and_take_no_memory(encoding: str, bomb: bytes) -> None:
    """Without a socket: a client that still sends when it is refused may not see the answer."""
    limit, chunks = 10 * MEBIBYTE, iter([bomb[at : at + PIECE] for at in range(0, len(bomb), PIECE)])

    async def receive() -> Message:
        return {"type": "http.request", "body": next(chunks), "more_body": True}

    async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["more_body"]:
            pass

    async def send(message: Message) -> None:
        raise AssertionError(message)

    scope = {
        "type": "http",
        "headers": [(b"content-encoding", encoding.encode())],
        "state": {"body_limit": limit},
    }
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ApiError, match="longer than 10,485,760 bytes") as refused:
        await Compression(read_all)(scope, receive, send)
    assert refused.value.status == 413
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # KiB


def test_the_service_refuses_ten_gigabytes_in_a_small_body(http: httpx2.Client) -> None:
    bomb = zstd_bomb(10)
    assert len(bomb) < 400_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reply = http.post(BATCH, content=bomb, headers={"content-encoding": "zstd"})
    assert reply.status_code == 413
    assert reply.json()["error"]["message"] == "the body is longer than 64,000,000 bytes"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 250 * 1024  # KiB


def test_a_frame_that_wants_a_large_window_is_refused(http: httpx2.Client) -> None:
    header = zstandard.FRAME_HEADER + b"\x00" + bytes([(31 - 10) << 3])  # 2 GiB
    reply = http.post(GRADE, content=header + b"\x01\x00\x00", headers={"content-encoding": "zstd"})
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "invalid_encoding"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ("identity", None),
        ("br", None),
        ("gzip", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("GZIP;q=1.0", "gzip"),
        ("zstd;q=0, gzip", "gzip"),
        ("zstd; q=0.000, gzip ; q=0.5", "gzip"),
        ("zstd;q=0.01", "zstd"),
    ],
)
def test_which_encoding_a_client_gets(header: str, expected: str | None) -> None:
    assert accepted(header) == expected


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"])
def test_an_answer_is_compressed_for_who_accepts_it(http: httpx2.Client, encoding: str, accept: str) -> None:
    plain = http.post(BATCH, json=MANY, headers={"accept": accept})
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == "accept-encoding"
    headers = {"accept": accept, "accept-encoding": encoding}
    with http.stream("POST", BATCH, json=MANY, headers=headers) as packed:
        content = b"".join(packed.iter_raw())
    assert packed.headers["content-encoding"] == encoding
    assert packed.headers["vary"] == "accept-encoding"
    assert len(content) < len(plain.content) / 2
    decoder = DECODERS[encoding]()
    unpacked = b"".join(decoder.feed(content))
    assert decoder.complete
    assert rewards(unpacked, accept) == rewards(plain.content, accept) == [1.0] * 100


def rewards(content: bytes, accept: str) -> list[Any]:
    if accept == "application/json":
        return [result["reward"] for result in json.loads(content)["results"]]
    return [json.loads(line)["reward"] for line in content.splitlines()[:-1]]


def test_a_short_answer_is_sent_as_it_is(http: httpx2.Client) -> None:
    reply = http.post(GRADE, content=BODY, headers={"accept-encoding": "gzip, zstd"})
    assert len(reply.content) < 1_000
    assert "content-encoding" not in reply.headers


@given(parts=st.lists(st.binary(max_size=2_000), max_size=6), encoding=st.sampled_from(ENCODINGS))
def test_each_part_can_be_read_when_it_is_sent(parts: list[bytes], encoding: str) -> None:
    encoder, decoder = ENCODERS[encoding](), DECODERS[encoding]()
    for part in parts:
        assert b"".join(decoder.feed(encoder.part(part, last=False))) == part
        assert not decoder.complete
    assert b"".join(decoder.feed(encoder.part(b"", last=True))) == b""
    assert decoder.complete


@given(content=st.binary(max_size=5_000), cut=st.integers(0, 5_000), encoding=st.sampled_from(ENCODINGS))
def test_what_was_compressed_comes_out_wherever_it_is_cut(content: bytes, cut: int, encoding: str) -> None:
    packed, decoder = COMPRESS[encoding](content), DECODERS[encoding]()
    assert b"".join([*decoder.feed(packed[:cut]), *decoder.feed(packed[cut:])]) == content
    assert decoder.complete
