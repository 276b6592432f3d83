"""Compression both ways: bodies with a `content-encoding`, and answers for clients that accept one.

A body is decompressed while it arrives, and its limit counts what comes out: a few kilobytes that unfold into gigabytes
are refused as soon as they exceed it, and are never held. Answers that are streamed are flushed with each part, so that a
line is at the client when it is written.
"""

import zlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol

import zstandard
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import ApiError
from service.http.middleware import body_too_large

SMALLEST = 1_000
"""Bytes; shorter answers are sent as they are."""
WINDOW = 8 * 1024 * 1024
"""Bytes that a zstd body may make us remember: what RFC 9659 allows on the web."""
PIECE = 65_536
"""Bytes that are decompressed at once."""
ZSTD_INPUT = 128
"""Bytes of zstd that are taken at once: 4 bytes are the shortest block, 128 KiB the longest, so 4 MiB may come of it."""
ENCODINGS = ("zstd", "gzip")
"""The preferred one first."""
COMPRESSIBLE = (
    b"text/",
    b"application/json",
    b"application/x-ndjson",
    b"application/javascript",
    b"image/svg+xml",
)
BODILESS = frozenset({204, 206, 304})
"""Answers without a body, or with a part of one, whose bytes are numbered."""


class Decoder(Protocol):
    """Decompresses a body bit by bit."""

    complete: bool
    """Whether the body may end here."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What comes out of some more bytes, in pieces of a bounded size.

        Raises:
            ValueError: When the bytes are not of this encoding.
        """
        ...


class GzipDecoder:
    """One or several gzip members."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self.complete = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What comes out of some more bytes, at most 64 KiB at once."""
        try:
            while data:
                if self._stream.eof:
                    self._stream = zlib.decompressobj(wbits=31)
                yield self._stream.decompress(data, PIECE)
                data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
                self.complete = self._stream.eof
        except zlib.error as error:
            raise ValueError(str(error)) from None


class ZstdDecoder:
    """One or several zstd frames."""

    def __init__(self) -> None:
        self._context = zstandard.ZstdDecompressor(max_window_size=WINDOW)
        self._stream = self._context.decompressobj()
        self.complete = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What comes out of some more bytes, at most 4 MiB at once."""
        try:
            for start in range(0, len(data), ZSTD_INPUT):
                rest = data[start : start + ZSTD_INPUT]
                while rest:
                    if self._stream.eof:
                        self._stream = self._context.decompressobj()
                    yield self._stream.decompress(rest)
                    rest = self._stream.unused_data if self._stream.eof else b""
                    self.complete = self._stream.eof
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from None


DECODERS: dict[str, type[GzipDecoder | ZstdDecoder]] = {
    "gzip": GzipDecoder,
    "x-gzip": GzipDecoder,
    "zstd": ZstdDecoder,
}


class Encoder(Protocol):
    """Compresses an answer bit by bit."""

    def part(self, data: bytes, *, last: bool) -> bytes:
        """Some more bytes, compressed so that all of them can be read on the other side."""
        ...


class GzipEncoder:
    """One gzip member."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(level=5, wbits=31)

    def part(self, data: bytes, *, last: bool) -> bytes:
        """Some more bytes, compressed and flushed."""
        return self._stream.compress(data) + self._stream.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)


class ZstdEncoder:
    """One zstd frame."""

    def __init__(self) -> None:
        self._stream = zstandard.ZstdCompressor(level=3).compressobj()

    def part(self, data: bytes, *, last: bool) -> bytes:
        """Some more bytes, compressed and flushed."""
        mode = zstandard.COMPRESSOBJ_FLUSH_FINISH if last else zstandard.COMPRESSOBJ_FLUSH_BLOCK
        return self._stream.compress(data) + self._stream.flush(mode)


class Compression:
    """Decompresses bodies and compresses answers; stands inside the `Gate`, which says how long a body may be."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in with a plain body, and its answer out as the client wants it."""
        encoding: bytes | None = None
        accepts = b""
        for name, value in scope["headers"]:
            if name == b"content-encoding":
                encoding = value
            elif name == b"accept-encoding":
                accepts = accepts + b"," + value if accepts else value
        if encoding is not None:
            receive = self._plain(scope, receive, encoding.decode("latin-1").strip().lower())
        await self._app(scope, receive, _Outgoing(send, accepted(accepts.decode("latin-1"))).send)

    @staticmethod
    def _plain(scope: Scope, receive: Receive, encoding: str) -> Receive:
        """The body as it was before it was compressed.

        Raises:
            ApiError: 415, when it is compressed otherwise than we know.
        """
        if encoding == "identity":
            return receive
        decoder = DECODERS.get(encoding)
        if decoder is None:
            message = f"a body may be compressed as {' or '.join(ENCODINGS)}, not as {encoding[:100]!r}"
            raise ApiError(415, message, code="unsupported_encoding")
        dropped = (b"content-encoding", b"content-length")
        # in the scope itself, not in a copy: what stands outside finds there which route was taken
        scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in dropped]
        return _decompressed(receive, decoder(), encoding, scope["state"]["body_limit"])


@lru_cache(maxsize=64)
def accepted(header: str) -> str | None:
    """The encoding that an `accept-encoding` asks for and that we like best; None for none."""
    offered = set()
    for part in header.lower().split(","):
        name, _, parameters = part.partition(";")
        weight = parameters.replace(" ", "")
        if not (weight.startswith("q=0") and not weight.removeprefix("q=0").strip(".0")):
            offered.add(name.strip())
    return next((encoding for encoding in ENCODINGS if encoding in offered), None)


def _decompressed(receive: Receive, decoder: Decoder, encoding: str, limit: int) -> Receive:
    seen = 0

    async def receive_plain() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] != "http.request":
            return message
        plain, more = bytearray(), message.get("more_body", False)
        try:
            for piece in decoder.feed(message.get("body", b"")):
                seen += len(piece)
                if seen > limit:
                    raise body_too_large(limit)
                plain += piece
            if not more and not decoder.complete:
                raise ValueError("it ends too early")  # noqa: TRY301  # one answer to all that is wrong with it
        except ValueError as error:
            raise ApiError(400, f"the body is not {encoding}: {error}", code="invalid_encoding") from None
        return {"type": "http.request", "body": bytes(plain), "more_body": more}

    return receive_plain


class _Outgoing:
    """One answer on its way out; its start waits until the first part of the body tells whether it is worth while."""

    def __init__(self, send: Send, encoding: str | None) -> None:
        self._send, self._encoding = send, encoding
        self._start: Message | None = None
        self._encoder: Encoder | None = None

    async def send(self, message: Message) -> None:
        """Pass one message of the application on."""
        if message["type"] == "http.response.start":
            self._start = message
            return
        if self._start is not None:
            start, self._start = self._start, None
            self._begin(start, message)
            await self._send(start)
        if self._encoder is not None and message["type"] == "http.response.body":
            last = not message.get("more_body", False)
            message = {**message, "body": self._encoder.part(message.get("body", b""), last=last)}
        await self._send(message)

    def _begin(self, start: Message, first: Message) -> None:
        headers = start["headers"]
        kind = encoding = b""
        for name, value in headers:
            if name == b"content-type":
                kind = value
            elif name == b"content-encoding":
                encoding = value
        if start["status"] in BODILESS or encoding or not kind.startswith(COMPRESSIBLE):
            return
        streamed = first.get("more_body", False)
        if self._encoding is not None and (streamed or len(first.get("body", b"")) >= SMALLEST):
            self._encoder = ZstdEncoder() if self._encoding == "zstd" else GzipEncoder()
            headers = [pair for pair in headers if pair[0] != b"content-length"]
            headers.append((b"content-encoding", self._encoding.encode()))
        # also what is not compressed would be for others
        start["headers"] = [*headers, (b"vary", b"accept-encoding")]
