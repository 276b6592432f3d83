"""The network of graders: what is sent, what is asked again, and where no request ever goes."""

import asyncio
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpcore2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import FailureKind, GradingError, Registry, Sample
from graders.context import HttpReply
from graders.testing import FakeContext
from runtime.net.address_guard import GuardedNetwork, is_public
from runtime.net.http_client import GuardedHttp
from runtime.net.rate_limit import RateLimiter
from runtime.net.strict_json import read_json
from tests.strategies import json_values

CERTIFICATE = Path(__file__).parents[1] / "data" / "grader_example.pem"
"""Of grader.example, signed by itself, until 2126."""
PUBLIC = "93.184.216.34"
KIND = FailureKind


def answer(body: object = None, status: int = 200, *headers: str) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + content


class Server:
    """A real server on a loopback port, which answers by a script; the last answer stays.

    An answer is bytes; None closes the connection; a function writes what it likes.
    """

    def __init__(self, *answers: bytes | Callable[[asyncio.StreamWriter], Awaitable[None]] | None) -> None:
        self.answers = list(answers)
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0
        self.port = 0
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/score?a=b"

    @asynccontextmanager
    async def running(self, certificates: ssl.SSLContext | None = None) -> AsyncIterator["Server"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=certificates)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._serving:
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if (task := asyncio.current_task()) is not None:
            self._serving.add(task)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:-2])
                body = await reader.readexactly(int(headers["content-length"]))
                self.requests.append((head[0], headers, body))
                said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if said is None:
                    return
                if callable(said):
                    await said(writer)
                else:
                    writer.write(said)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()


class Clock:
    """Time that passes when somebody sleeps, and only then."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


async def post(server: Server, *, clock: Clock | None = None, **arguments: Any) -> HttpReply:
    clock = clock or Clock()
    http = GuardedHttp([f"127.0.0.1:{server.port}"], sleep=clock.sleep, clock=clock)
    try:
        given: dict[str, Any] = {"body": {}, "headers": {}, "timeout_s": 20.0, **arguments}
        return await http.post(server.url, **given)
    finally:
        await http.aclose()


async def failure(server: Server, **arguments: Any) -> GradingError:
    with pytest.raises(GradingError) as caught:
        await post(server, **arguments)
    return caught.value


def cause(error: GradingError) -> tuple[FailureKind, str, object, bool]:
    found = error.failure
    return found.kind, found.caused_by, found.details["type"], found.retryable


NO_ANSWER = (KIND.ENDPOINT_GRADER_SERVER, "infrastructure", "no_answer", True)
TIMEOUT = (KIND.ENDPOINT_GRADER_SERVER, "infrastructure", "timeout", True)
MALFORMED = (KIND.ENDPOINT_GRADER_INTERNAL, "infrastructure", "malformed_response", False)
NOT_ALLOWED = (KIND.ENDPOINT_GRADER_SAFETY_CHECK, "grader", "not_allowed", False)


async def test_one_json_document_is_posted_and_one_comes_back() -> None:
    async with Server(answer({"score": 0.5})).running() as server:
        body = {"text": "猫 \ud83d"}
        reply = await post(server, body=body, headers={"Authorization": "Bearer x", "content-type": "a/b"})
        assert reply == HttpReply(200, {"score": 0.5})
        ((line, headers, sent),) = server.requests
    assert line == "POST /score?a=b HTTP/1.1"
    assert json.loads(sent) == {"text": "猫 \ufffd"}
    assert headers == {
        "host": f"127.0.0.1:{server.port}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "authorization": "bearer x",
        "content-type": "a/b",
        "content-length": str(len(sent)),
    }


async def test_an_endpoint_grader_asks_over_it() -> None:
    async with Server(
        answer({}, 503, "Retry-After: 0"), answer({"score": 2.5, "why": "x"})
    ).running() as server:
        config = {"type": "endpoint", "url": server.url, "headers": {"X-Key": "k"}}
        http = GuardedHttp([f"127.0.0.1:{server.port}"])
        context = FakeContext(http=http, trace_id="t")
        grader = Registry.installed().load(config)
        result = await context.grade(grader, Sample("42"), {"a": 1})
        assert (result.reward, result.metadata) == (2.5, {"why": "x"})
        assert json.loads(server.requests[1][2]) == {
            "sample": Sample("42").to_dict(),
            "item": {"a": 1},
            "trace_id": "t",
        }
        refusing = await FakeContext(http=GuardedHttp()).grade(grader, Sample("42"), {})
        assert refusing.failure is not None
        assert refusing.failure.kind == KIND.ENDPOINT_GRADER_SAFETY_CHECK
        assert len(server.requests) == 2
        await http.aclose()


async def test_a_connection_is_used_again() -> None:
    async with Server(answer({})).running() as server:
        http = GuardedHttp(["127.0.0.1"])
        for _ in range(3):
            await http.post(server.url, body={}, headers={}, timeout_s=5)
        assert (len(server.requests), server.connections) == (3, 1)
        await http.aclose()
        await http.aclose()


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
async def test_a_status_that_may_pass_is_asked_again_after_random_pauses_that_double(status: int) -> None:
    clock = Clock()
    failing = answer({}, status)
    async with Server(failing, failing, failing, answer({"score": 1})).running() as server:
        assert await post(server, clock=clock, retries=3) == HttpReply(200, {"score": 1})
    assert len(clock.slept) == 3
    assert all(0 <= pause <= longest for pause, longest in zip(clock.slept, (0.5, 1, 2), strict=True))


async def test_the_last_answer_is_the_answer_when_it_was_asked_often_enough() -> None:
    async with Server(answer({"error": "down"}, 503)).running() as server:
        assert await post(server, retries=3) == HttpReply(503, {"error": "down"})
        assert len(server.requests) == 4


@pytest.mark.parametrize("status", [200, 204, 400, 401, 404, 422])
async def test_any_other_status_is_asked_once(status: int) -> None:
    async with Server(answer({}, status)).running() as server:
        if status == 204:
            await failure(server, retries=3)
        else:
            assert (await post(server, retries=3)).status == status
        assert len(server.requests) == 1


async def test_a_server_says_how_long_to_wait() -> None:
    clock = Clock()
    async with Server(answer({}, 429, "Retry-After: 7"), answer({"score": 1})).running() as server:
        assert (await post(server, clock=clock, retries=1)).status == 200
    assert clock.slept == [7.0]


@pytest.mark.parametrize("said", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 -0000", "0"])
async def test_a_time_in_the_past_is_no_pause(said: str) -> None:
    clock = Clock()
    async with Server(answer({}, 503, f"Retry-After: {said}"), answer({})).running() as server:
        assert (await post(server, clock=clock, retries=1)).status == 200
    assert clock.slept == [0.0]


@pytest.mark.parametrize("said", ["soon", "-1", "nan", "inf", ""])
async def test_a_pause_that_nobody_understands_is_like_none(said: str) -> None:
    clock = Clock()
    async with Server(answer({}, 503, f"Retry-After: {said}"), answer({})).running() as server:
        assert (await post(server, clock=clock, retries=1)).status == 200
    assert len(clock.slept) == 1
    assert 0 <= clock.slept[0] <= 0.5


@pytest.mark.parametrize("said", ["21", "Fri, 31 Dec 9999 23:59:59 GMT"])
async def test_a_pause_longer_than_what_is_left_ends_it_at_once(said: str) -> None:
    clock = Clock()
    async with Server(answer({"error": "full"}, 429, f"Retry-After: {said}")).running() as server:
        assert await post(server, clock=clock, retries=3) == HttpReply(429, {"error": "full"})
        assert (len(server.requests), clock.slept) == (1, [])


async def test_a_connection_that_ends_without_an_answer_is_tried_again() -> None:
    async with Server(None, b"HTTP/1.1 200 OK\r\nContent-Le", None, answer({})).running() as server:
        server.answers[1] = None
        assert (await post(server, retries=3)).status == 200
        assert len(server.requests) == 4


async def half_an_answer(writer: asyncio.StreamWriter) -> None:
    writer.write(answer({"score": 1})[:-3])
    writer.close()


async def no_http(writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH\r\n\r\n")


@pytest.mark.parametrize("said", [None, half_an_answer, no_http])
async def test_no_whole_answer_is_ungraded_and_may_be_tried_later(said: Any) -> None:
    async with Server(said).running() as server:
        error = await failure(server, retries=1)
        assert cause(error) == NO_ANSWER
        assert len(server.requests) == 2


async def test_a_port_where_nobody_listens_is_ungraded() -> None:
    async with Server().running() as server:
        pass
    assert cause(await failure(server)) == NO_ANSWER


@pytest.mark.full
async def test_a_server_that_takes_too_long_is_ungraded() -> None:
    async def slowly(writer: asyncio.StreamWriter) -> None:
        writer.write(answer({"score": 1})[:-1])
        await asyncio.Event().wait()

    async with Server(slowly).running() as server:
        error = await failure(server, timeout_s=1.5, retries=3)
        assert cause(error) == TIMEOUT
        assert "1.5 s" in str(error)
        assert len(server.requests) == 1


async def test_of_an_answer_that_never_ends_a_megabyte_is_read() -> None:
    written = 0

    async def endlessly(writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
            await writer.drain()
            written += 65_536

    async with Server(endlessly).running() as server:
        error = await failure(server, retries=3)
        assert cause(error) == MALFORMED
        assert "longer than 1,000,000 bytes" in str(error)
    assert written < 20_000_000


async def test_an_answer_of_two_megabytes_is_refused_and_one_of_a_megabyte_is_read() -> None:
    async with Server(answer({"a": "x" * 2_000_000})).running() as server:
        assert cause(await failure(server)) == MALFORMED
    whole = answer({"a": "x" * (1_000_000 - len('{"a": ""}'))})
    async with Server(whole).running() as server:
        assert (await post(server)).status == 200


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no plain JSON"),
        (b"0.5 and more", "no plain JSON"),
        (b'{"score": NaN}', "NaN is not a number"),
        (b'{"score": -Infinity}', "-Infinity is not a number"),
        (b'{"score": 1e999}', "no plain JSON"),
        (b'{"score": 0, "score": 1}', "duplicate key 'score'"),
        (b'{"a": "\xff"}', "not Unicode"),
        ('{"score": 1}'.encode("utf-16"), "not Unicode"),
        (b"[" * 65 + b"]" * 65, "nested more than 64 levels"),
        (b"[" * 10_000, "nested"),
        (b"[" * 100_000, "JSON values, more than 20,000"),
        (b"1" * 5_000, "no plain JSON"),
    ],
)
async def test_an_answer_that_is_no_plain_json_is_ungraded(content: bytes, said: str) -> None:
    async with Server(answer(content)).running() as server:
        error = await failure(server, retries=3)
        assert cause(error) == MALFORMED
        assert said in str(error)
        assert len(server.requests) == 1


async def test_a_compressed_answer_is_not_unpacked() -> None:
    async with Server(answer({}, 200, "Content-Encoding: gzip")).running() as server:
        error = await failure(server)
        assert cause(error) == MALFORMED
        assert "compressed" in str(error)


async def test_an_error_may_be_a_text() -> None:
    async with Server(answer(b"<h1>\xff down</h1>\n", 502)).running() as server:
        assert await post(server) == HttpReply(502, "<h1>� down</h1>")
    async with Server(answer(b"", 404)).running() as server:
        assert await post(server) == HttpReply(404, None)
    async with Server(answer(b"x" * 2_000_000, 500)).running() as server:
        assert await post(server) == HttpReply(500, "x" * 2_000)


@given(st.binary(max_size=60) | st.text('[]{}0123456789.eE-+,:"\\udaNfnI ', max_size=20).map(str.encode))
def test_whatever_is_read_as_json_can_be_written_again(content: bytes) -> None:
    try:
        value = read_json(content)
    except ValueError:
        return
    assert json.loads(json.dumps(value, ensure_ascii=False, allow_nan=False).encode()) == value


@given(json_values())
def test_all_json_that_can_be_written_is_read(value: Any) -> None:
    try:
        content = json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return
    assert read_json(content) == value


def test_64_levels_of_nesting_are_read() -> None:
    content = b"[" * 64 + b"]" * 64
    assert json.dumps(read_json(content)).encode() == content


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with Server(answer({"score": 1})).running() as inner:
        moved = answer({}, 307, f"Location: {inner.url}")
        async with Server(moved).running() as server:
            assert await post(server, retries=3) == HttpReply(307, {})
        assert inner.connections == 0


async def test_what_is_no_json_is_not_sent() -> None:
    async with Server(answer({})).running() as server:
        for body in (object(), float("nan")):
            assert (await failure(server, body=body)).failure.details == {"type": "not_plain"}
        assert server.connections == 0


# where requests may go


class Network(httpcore2.AsyncNetworkBackend):
    """Every address is one loopback port; records which were asked for."""

    def __init__(self, port: int, deaf: Iterable[str] = ()) -> None:
        self.port, self.deaf = port, deaf
        self.asked: list[str] = []

    async def connect_tcp(self, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        self.asked.append(host)
        if host in self.deaf:
            raise httpcore2.ConnectError("deaf")
        return await httpcore2.AnyIOBackend().connect_tcp("127.0.0.1", self.port, *args, **kwargs)


class Names:
    """A resolver with one answer after the other; the last stays."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def ask(http: GuardedHttp, url: str) -> HttpReply:
    try:
        return await http.post(url, body={}, headers={}, timeout_s=5)
    finally:
        await http.aclose()


async def refused(http: GuardedHttp, url: str) -> str:
    with pytest.raises(GradingError) as caught:
        await ask(http, url)
    assert cause(caught.value) == NOT_ALLOWED
    return str(caught.value)


def believing(certificate: Path = CERTIFICATE) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


def serving() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


async def test_http_is_refused_and_the_message_says_how_the_operator_allows_it() -> None:
    async with Server(answer({})).running() as server:
        message = await refused(GuardedHttp(), server.url)
        assert f"GRADERS_ENDPOINT_HOSTS='[\"127.0.0.1:{server.port}\"]'" in message
        await refused(GuardedHttp(["127.0.0.1:1", "localhost"]), server.url)
        assert server.connections == 0


@pytest.mark.parametrize("trusted", ["127.0.0.1", "127.0.0.1:{port}"])
async def test_a_trusted_host_may_be_asked_without_tls(trusted: str) -> None:
    async with Server(answer({})).running() as server:
        assert (await ask(GuardedHttp([trusted.format(port=server.port)]), server.url)).status == 200


async def test_a_trusted_name_may_have_a_private_address() -> None:
    async with Server(answer({})).running() as server:
        network = Network(server.port)
        http = GuardedHttp(["Grader.Internal."], resolve=Names(["10.1.2.3"]), network=network)
        assert (await ask(http, "http://grader.internal/score")).status == 200
    assert network.asked == ["10.1.2.3"]


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1:{port}/",
        "https://localhost:{port}/",
        "https://2130706433:{port}/",
        "https://127.1:{port}/",
        "https://[::1]:{port}/",
        "https://[::ffff:127.0.0.1]:{port}/",
        "https://[::]:{port}/",
        "https://0.0.0.0:{port}/",
    ],
)
async def test_no_way_of_writing_this_machine_gets_there(url: str) -> None:
    async with Server(answer({})).running() as server:
        await refused(GuardedHttp(), url.format(port=server.port))
        assert server.connections == 0


@pytest.mark.parametrize(
    "url", ["ftp://a.example/", "file:///etc/passwd", "https:///x", "//a.example/x", "x"]
)
async def test_no_other_scheme_is_spoken(url: str) -> None:
    await refused(GuardedHttp(), url)


async def test_what_is_no_url_is_not_asked() -> None:
    with pytest.raises(GradingError) as caught:
        await ask(GuardedHttp(), "https://[::1")
    assert caught.value.failure.details == {"type": "not_plain"}


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["169.254.169.254"], [PUBLIC, "10.0.0.1"], ["fd00::1"], ["64:ff9b::a00:1"], ["nonsense"]],
)
async def test_a_name_with_an_address_that_is_not_public_is_refused_and_the_address_is_not_told(
    addresses: list[str],
) -> None:
    async with Server(answer({})).running(serving()) as server:
        network = Network(server.port)
        http = GuardedHttp(resolve=Names(addresses), network=network, certificates=believing())
        message = await refused(http, "https://grader.example/")
        assert "'grader.example' has an address that is not public" in message
        assert addresses[-1] not in message
        assert (network.asked, server.connections) == ([], 0)


async def test_the_connection_goes_to_the_address_that_was_checked_and_the_certificate_is_the_names() -> None:
    async with Server(answer({"score": 1})).running(serving()) as server:
        network, names = Network(server.port), Names([PUBLIC], ["127.0.0.1"])
        http = GuardedHttp(resolve=names, network=network, certificates=believing())
        assert (await ask(http, "https://grader.example:8443/x")).status == 200
        assert (network.asked, names.asked) == ([PUBLIC], [("grader.example", 8443)])
        assert server.requests[0][1]["host"] == "grader.example:8443"


async def test_a_name_that_changes_its_address_is_checked_again_when_it_is_connected_again() -> None:
    async with Server(answer({}, 200, "Connection: close")).running(serving()) as server:
        network = Network(server.port)
        http = GuardedHttp(resolve=Names([PUBLIC], ["127.0.0.1"]), network=network, certificates=believing())
        await http.post("https://grader.example/", body={}, headers={}, timeout_s=5)
        await refused(http, "https://grader.example/")
        assert network.asked == [PUBLIC]


async def test_a_certificate_of_another_name_is_no_answer() -> None:
    async with Server(answer({})).running(serving()) as server:
        http = GuardedHttp(resolve=Names([PUBLIC]), network=Network(server.port), certificates=believing())
        with pytest.raises(GradingError) as caught:
            await ask(http, "https://other.example/")
        assert cause(caught.value) == NO_ANSWER
        assert "certificate" in str(caught.value)
        assert server.requests == []


async def test_a_certificate_that_the_system_does_not_know_is_no_answer() -> None:
    async with Server(answer({})).running(serving()) as server:
        http = GuardedHttp(resolve=Names([PUBLIC]), network=Network(server.port))
        with pytest.raises(GradingError) as caught:
            await ask(http, "https://grader.example/")
        assert "certificate" in str(caught.value)


async def test_the_connection_of_one_name_is_not_used_for_another_at_the_same_address() -> None:
    async with Server(answer({})).running(serving()) as server:
        http = GuardedHttp(resolve=Names([PUBLIC]), network=Network(server.port), certificates=believing())
        await http.post("https://grader.example/", body={}, headers={}, timeout_s=5)
        with pytest.raises(GradingError, match="certificate"):
            await ask(http, "https://other.example/")
        assert len(server.requests) == 1


async def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    async with Server(answer({})).running(serving()) as server:
        network = Network(server.port, deaf=["1.1.1.1"])
        names = Names(["1.1.1.1", PUBLIC])
        http = GuardedHttp(resolve=names, network=network, certificates=believing())
        assert (await ask(http, "https://grader.example/")).status == 200
        assert network.asked == ["1.1.1.1", PUBLIC]


@pytest.mark.parametrize("addresses", [[], ["1.1.1.1"]])
async def test_a_name_without_an_address_that_answers_is_no_answer(addresses: list[str]) -> None:
    http = GuardedHttp(resolve=Names(addresses), network=Network(1, deaf=["1.1.1.1"]))
    with pytest.raises(GradingError) as caught:
        await ask(http, "https://grader.example/")
    assert cause(caught.value) == NO_ANSWER


@pytest.mark.parametrize("host", ["a.invalid", "a" * 64 + ".example"])
async def test_a_name_that_nobody_knows_is_no_answer(host: str) -> None:
    network = GuardedNetwork(())
    with pytest.raises(httpcore2.ConnectError, match="has no address"):
        await network.connect_tcp(host, 443)


# IANA IPv4 and IPv6 Special-Purpose Address Registries: prefix and whether it is globally reachable; None stands for "N/A"
REGISTRY = {
    "0.0.0.0/8": False, "0.0.0.0/32": False, "10.0.0.0/8": False, "100.64.0.0/10": False, "127.0.0.0/8": False,
    "169.254.0.0/16": False, "172.16.0.0/12": False, "192.0.0.0/24": False, "192.0.0.0/29": False, "192.0.0.8/32": False,
    "192.0.0.9/32": True, "192.0.0.10/32": True, "192.0.0.170/32": False, "192.0.0.171/32": False, "192.0.2.0/24": False,
    "192.31.196.0/24": True, "192.52.193.0/24": True, "192.88.99.0/24": None, "192.88.99.2/32": False,
    "192.168.0.0/16": False, "192.175.48.0/24": True, "198.18.0.0/15": False, "198.51.100.0/24": False,
    "203.0.113.0/24": False, "240.0.0.0/4": False, "255.255.255.255/32": False,
    "::1/128": False, "::/128": False, "64:ff9b:1::/48": False, "100::/64": False,
    "100:0:0:1::/64": False, "2001::/23": False, "2001::/32": None, "2001:1::1/128": True, "2001:1::2/128": True,
    "2001:1::3/128": True, "2001:2::/48": False, "2001:3::/32": True, "2001:4:112::/48": True, "2001:10::/28": None,
    "2001:20::/28": True, "2001:30::/28": True, "2001:db8::/32": False, "2620:4f:8000::/48": True, "3fff::/20": False,
    "5f00::/16": False, "fc00::/7": False, "fe80::/10": False,
}  # fmt: skip
# three stand for the IPv4 addresses inside them, which are tested below: ::ffff:0:0/96, 64:ff9b::/96 and 2002::/16


@pytest.mark.parametrize(("prefix", "reachable"), REGISTRY.items())
def test_of_special_purpose_networks_only_the_globally_reachable_ones_are_public(
    prefix: str, reachable: bool | None
) -> None:
    network = ipaddress.ip_network(prefix)
    own = [
        other
        for other in map(ipaddress.ip_network, REGISTRY)
        if other.version == network.version and other != network and other.subnet_of(network)  # type: ignore[arg-type]
    ]
    for address in (network[0], network[-1], network[network.num_addresses // 2]):
        if not any(address in other for other in own):
            assert is_public(str(address)) == bool(reachable), address


@pytest.mark.parametrize(
    "address",
    [
        "224.0.0.1", "239.1.1.1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1", "::127.0.0.1", "::1.1.1.1",
        "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::ffff:0:10.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b:1::1.1.1.1",
        "2002:7f00:1::", "2002:a00:1::1", "2002:a9fe:a9fe::1", "2002:c0a8:101:1::1",
        "2001::1", "2001:0:4136:e378:8000:63bf:f5ff:fffe", "2001:0:a00:1::", "2001:0:101:101:0:0:fefe:fefe",
        "3fff::1", "3fff:fff:ffff::1", "5f00::1", "100:0:0:1::1", "4000::1", "e000::1",
        "", "localhost", "1.1.1", "0x7f000001", "2130706433", "010.0.0.1", "1.1.1.1.", "::ffff:1.1.1.1/96",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1", PUBLIC, "100.128.0.1", "172.32.0.1", "192.0.1.1", "198.20.0.1", "223.255.255.255",
        "2606:4700::1111", "2001:200::1", "2001:4860:4860::8888", "3ffe::1", "3fff:1000::1", "2003::1",
        "::ffff:1.1.1.1", "64:ff9b::1.1.1.1", "2002:101:101::1",
    ],
)  # fmt: skip
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_is_as_public_inside_an_ipv6_address_as_alone(address: ipaddress.IPv4Address) -> None:
    alone = is_public(str(address))
    assert is_public(f"::ffff:{address}") == alone
    assert is_public(f"64:ff9b::{address}") == alone
    packed = address.packed.hex()
    assert is_public(f"2002:{packed[:4]}:{packed[4:]}::1") == alone


@pytest.mark.parametrize(
    ("trusted", "host", "port", "is_trusted"),
    [
        ("a.example", "a.example", 443, True),
        ("a.example", "A.Example.", 80, True),
        ("a.example:80", "a.example", 80, True),
        ("a.example:80", "a.example", 81, False),
        ("a.example", "b.a.example", 80, False),
        ("::1", "::1", 80, True),
        ("[::1]", "::1", 80, True),
        ("[::1]:80", "::1", 80, True),
        ("[::1]:80", "::1", 81, False),
    ],
)
def test_a_host_is_trusted_on_all_ports_or_on_one(
    trusted: str, host: str, port: int, *, is_trusted: bool
) -> None:
    assert GuardedNetwork([trusted]).trusts(host, port) is is_trusted


# rates


async def test_requests_of_one_url_are_evenly_spaced_and_of_others_are_not() -> None:
    clock = Clock()
    pace = RateLimiter(clock.sleep, clock)
    went: list[tuple[str, float]] = []

    async def go(name: str, rate: float | None) -> None:
        await pace.wait(name, rate)
        went.append((name, clock.now - 1_000))

    await asyncio.gather(go("c", None), *(go("a", 4) for _ in range(4)))
    assert sorted(went) == [("a", 0.0), ("a", 0.25), ("a", 0.5), ("a", 0.75), ("c", 0.0)]
    clock.now += 100
    went.clear()
    await go("a", 4)
    await go("b", 1)
    assert went == [("a", 100.75), ("b", 100.75)]  # time without requests gives nobody a burst, nor a wait
    await go("a", 4)
    assert went[-1] == ("a", 101.0)


async def test_who_gives_up_waiting_leaves_no_gap() -> None:
    clock = Clock()
    pace = RateLimiter(clock.sleep, clock)
    await pace.wait("a", 1)
    waiting = [asyncio.create_task(pace.wait("a", 1)) for _ in range(50)]
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await pace.wait("a", 1)
    assert clock.now == 1_001.0


async def test_a_name_that_waits_for_nothing_is_forgotten_when_there_are_many() -> None:
    clock = Clock()
    pace = RateLimiter(clock.sleep, clock)
    await pace.wait("slow", 0.001)
    for number in range(3_000):
        await pace.wait(f"{number}", 1_000)
        clock.now += 0.01
    assert len(pace._queues) <= 1_000
    await pace.wait("slow", 0.001)
    assert clock.slept[-1] == pytest.approx(970.0)


async def test_a_rate_of_nearly_nothing_is_one_a_day() -> None:
    clock = Clock()
    pace = RateLimiter(clock.sleep, clock)
    await pace.wait("a", 5e-324)
    await pace.wait("a", 5e-324)
    assert clock.slept == [86_400.0]


async def test_requests_and_their_repetitions_keep_the_rate_and_waiting_takes_none_of_the_time() -> None:
    clock = Clock()
    async with Server(answer({}, 503, "Retry-After: 0"), answer({})).running() as server:
        http = GuardedHttp([f"127.0.0.1:{server.port}"], sleep=clock.sleep, clock=clock)
        for _ in range(3):
            await http.post(server.url, body={}, headers={}, timeout_s=60, retries=1, rate_limit=0.01)
        await http.aclose()
        assert len(server.requests) == 4
    assert clock.now - 1_000 == 300.0
