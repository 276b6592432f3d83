"""Malformed bodies against a real served process: never a 5xx, always the published error, and no memory that stays.

The bodies are made from a valid one of each route that takes any, which the service's OpenAPI document has as an example,
with a fixed seed. So a route that is added is tried without a word here.
"""

import asyncio
import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from runtime import Settings
from tests.service.conftest import served
from tests.service.serving import Served, serving

SEED = 20_250_711
IN_FLIGHT = 12
GROWTH = 1.08
"""How much larger the process may be after the second half than after the first.

What runs at the moment makes up to 5 %; to keep but 1,000 bytes of each request would make 11 %.
"""
# the only failures of a server that a body may bring about: the plugin that it asks for does not start
ALLOWED_5XX = {(503, "plugin_unavailable")}
BOMB = gzip.compress(b" " * 3_000_000, mtime=0)
BOUNDARY = "a-boundary"
FORM = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nevals\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="expires_after[anchor]"\r\n\r\ncreated_at\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="expires_after[seconds]"\r\n\r\n3600\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n'
    f'Content-Type: application/jsonl\r\n\r\n{{"item": {{}}}}\r\n--{BOUNDARY}--\r\n'
).encode()
FORM_TYPE = f"multipart/form-data; boundary={BOUNDARY}"

OTHERS: Sequence[Any] = (
    None,
    True,
    False,
    0,
    -1,
    1.5,
    "",
    "x",
    "\0",
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"a": {"a": [1]}},
    "é" * 500,
)
NUMBERS = (
    "1e999",
    "-1e999",
    "1" + "0" * 400,
    "-" + "9" * 5000,
    "1e-999",
    "9223372036854775808",
    "0.1e+400",
    "1E308",
)
NO_JSON = (
    "NaN",
    "Infinity",
    "-Infinity",
    "nul",
    "tru",
    "01",
    "+1",
    "1.",
    ".5",
    "'x'",
    "undefined",
    "0x10",
    "[1,]",
)
ESCAPES = (
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\u0000"',
    '"a\\u0000b"',
    '"\\ud83d"',
    '"\\x41"',
    '"\\u12"',
    '"\t"',
)
BYTES = (
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\x80",
    b"\x00",
    b"\xef\xbb\xbf",
    b"\xfe\xff",
)
KINDS = (
    "text/plain",
    "application/xml",
    "multipart/form-data",
    "",
    "application/json; charset=utf-16",
    FORM_TYPE,
)
HOLE = '"\ue000"'
"""Stands in a written body where something else is put that cannot be written as JSON."""


@dataclass(frozen=True, slots=True)
class Target:
    """A route with a body that it takes."""

    method: str
    path: str
    body: bytes
    content_type: str = "application/json"
    example: Any = None


@dataclass(slots=True)
class Attempt:
    """A malformed request."""

    target: Target
    how: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def places(value: object) -> Iterator[tuple[Any, Any]]:
    """Every container of a body, with a key or an index in it."""
    if isinstance(value, (dict, list)):
        for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, key
            yield from places(inner)


def put(target: Target, random: Random, value: object) -> Any:
    """The example with another value somewhere."""
    body = json.loads(target.body)
    where = list(places(body))
    if not where:
        return value
    holder, key = random.choice(where)
    holder[key] = value
    return body


def holed(target: Target, random: Random, text: str) -> bytes:
    """The example with something somewhere that may not be JSON."""
    written = json.dumps(put(target, random, json.loads(HOLE)), ensure_ascii=False)
    return written.replace(HOLE, text).encode("utf-8", "surrogatepass")


def other_type(target: Target, random: Random) -> bytes:
    return json.dumps(put(target, random, random.choice(OTHERS))).encode()


def other_root(target: Target, random: Random) -> bytes:
    return json.dumps(random.choice(OTHERS)).encode()


def truncated(target: Target, random: Random) -> bytes:
    return target.body[: random.randrange(len(target.body))]


def nested(target: Target, random: Random) -> bytes:
    depth = random.choice((10, 127, 130, 200, 1_000, 20_000))
    opening, closing = random.choice((("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")))
    inside = opening * depth + "1" + closing * (depth if random.random() < 0.8 else 0)
    return holed(target, random, inside)


def huge_number(target: Target, random: Random) -> bytes:
    return holed(target, random, random.choice(NUMBERS))


def no_json(target: Target, random: Random) -> bytes:
    return holed(target, random, random.choice(NO_JSON))


def odd_text(target: Target, random: Random) -> bytes:
    return holed(target, random, random.choice(ESCAPES))


def odd_key(target: Target, random: Random) -> bytes:
    return holed(target, random, f"{{{random.choice(ESCAPES)}: 1}}")


def long_text(target: Target, random: Random) -> bytes:
    return holed(
        target, random, json.dumps(random.choice(("a", "{{", "é", "\\")) * random.choice((10_000, 150_000)))
    )


def template(target: Target, random: Random) -> bytes:
    text = random.choice(
        ("{{", "}}", "{{item}}", "{{item.a.b}}", "{{sample.output_json}}", "{{ x | y }}", "{{item['")
    )
    return holed(target, random, json.dumps(text))


def invalid_utf8(target: Target, random: Random) -> bytes:
    at = random.randrange(len(target.body) + 1)
    return target.body[:at] + random.choice(BYTES) + target.body[at:]


def flipped(target: Target, random: Random) -> bytes:
    body = bytearray(target.body)
    for _ in range(random.randrange(1, 6)):
        body[random.randrange(len(body))] = random.randrange(256)
    return bytes(body)


def duplicated(target: Target, random: Random) -> bytes:
    """One key of some object twice, with another value the second time."""
    text = target.body.decode()
    keys = list(re.finditer(r'"\w+":', text))
    key = random.choice(keys)
    return (
        f"{text[: key.start()]}{key[0]} {json.dumps(random.choice(OTHERS))}, {text[key.start() :]}".encode()
    )


def field_lost(target: Target, random: Random) -> bytes:
    body = json.loads(target.body)
    holder, key = random.choice([(h, k) for h, k in places(body) if isinstance(h, dict)])
    del holder[key]
    return json.dumps(body).encode()


def field_added(target: Target, random: Random) -> bytes:
    body = json.loads(target.body)
    holder, key = random.choice([(h, k) for h, k in places(body) if isinstance(h, dict)])
    holder[random.choice((f"{key}x", "", "\0", "id", "type", "__class__", "ü" * 300))] = random.choice(OTHERS)
    return json.dumps(body).encode()


def empty(target: Target, random: Random) -> bytes:
    return random.choice((b"", b" ", b"\n", b"\0"))


def noise(target: Target, random: Random) -> bytes:
    return random.randbytes(random.randrange(1, 2_000))


def too_long(target: Target, random: Random) -> bytes:
    return b" " * 210_000 + target.body


JSON_WAYS: Sequence[Callable[[Target, Random], bytes]] = (
    *(
        other_type,
        other_root,
        truncated,
        nested,
        huge_number,
        no_json,
        odd_text,
        odd_key,
        long_text,
        template,
    ),
    *(invalid_utf8, flipped, duplicated, field_lost, field_added, empty, noise, too_long),
)
FORM_WAYS: Sequence[Callable[[Target, Random], bytes]] = (truncated, invalid_utf8, flipped, empty, noise)


def compressed(target: Target, random: Random) -> tuple[bytes, str]:
    """A body that is not what its `content-encoding` says, or more than it seems."""
    whole = gzip.compress(target.body, mtime=0)
    cut = whole[: random.randrange(len(whole))]
    spoilt = bytearray(whole)
    spoilt[random.randrange(len(spoilt))] ^= 1 << random.randrange(8)
    body = random.choice(
        (cut, BOMB, bytes(spoilt), random.randbytes(100), target.body, zlib.compress(target.body), b"")
    )
    return body, random.choice(("gzip", "gzip", "x-gzip", "zstd", "br", "deflate", "gzip, gzip", "é", ""))


def attempts(targets: Sequence[Target], count: int) -> Iterator[Attempt]:
    """As many malformed requests, the same ones each time."""
    random = Random(SEED)  # noqa: S311  # no secret: the same attempts each time
    for number in range(count):
        target = targets[number % len(targets)]
        headers = {"content-type": target.content_type}
        chosen = random.random()
        if chosen < 0.08:
            body, headers["content-encoding"] = compressed(target, random)
            yield Attempt(target, "compressed", body, headers)
        elif chosen < 0.13:
            headers["content-type"] = random.choice(KINDS)
            yield Attempt(target, "other content type", target.body, headers)
        else:
            way = random.choice(FORM_WAYS if target.example is None else JSON_WAYS)
            yield Attempt(target, way.__name__, way(target, random), headers)


def targets(document: Any, ids: dict[str, str]) -> list[Target]:
    """Each route that takes a body."""
    found = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method not in {"post", "put", "patch"} or "requestBody" not in operation:
                continue
            address = re.sub(r"{(\w+)}", lambda name: ids.get(name[1], "sums"), path)
            content = operation["requestBody"]["content"]
            if "application/json" in content:
                example = content["application/json"]["example"]
                found.append(Target(method, address, json.dumps(example).encode(), example=example))
            else:
                found.append(Target(method, address, FORM, FORM_TYPE))
    return found


def no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def wrong(status: int, body: bytes) -> str | None:
    """What is wrong with an answer."""
    try:
        said = json.loads(body, parse_constant=no_constant)
    except ValueError:
        return "no JSON"
    if status < 400:
        return None
    if set(said) != {"error"} or set(said["error"]) != {"message", "type", "param", "code"}:
        return "not the published shape"
    error = said["error"]
    if status >= 500 and (status, error["code"]) not in ALLOWED_5XX:
        return "a failure of the service"
    kind = "invalid_request_error" if status < 500 else "server_error"
    known = isinstance(error["message"], str) and error["message"] and error["type"] == kind
    return None if known and isinstance(error["code"], str) else "not the published error"


@dataclass(slots=True)
class Tally:
    """What came back.

    Attributes:
        statuses: Answers by status.
        wrong: Those that are wrong, or did not come, with what was sent.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


async def send(url: str, todo: Iterator[Attempt], tally: Tally) -> None:
    """Send requests over as many kept connections as are in flight."""
    limits = httpx2.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)

    async def work(client: httpx2.AsyncClient) -> None:
        for attempt in todo:
            target = attempt.target
            headers = [(name.encode(), value.encode()) for name, value in attempt.headers.items()]
            sent = f"{attempt.how} {target.method} {target.path} {attempt.headers} {attempt.body[:500]!r}"
            try:
                answer = await client.request(
                    target.method, target.path, content=attempt.body, headers=headers
                )
            except httpx2.TransportError as error:
                tally.wrong.append(f"{error!r} to {sent}")
                continue
            tally.statuses[answer.status_code] += 1
            problem = wrong(answer.status_code, answer.content)
            if problem is not None:
                tally.wrong.append(f"{problem}: {answer.status_code} {answer.text[:500]} to {sent}")

    async with httpx2.AsyncClient(base_url=url, limits=limits, timeout=60.0) as client:
        await asyncio.gather(*(work(client) for _ in range(IN_FLIGHT)))


def resident_kib(pid: int) -> int:
    """The memory of a process that is in use, in KiB."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def try_bodies(service: Served, count: int) -> tuple[Tally, list[int]]:
    """Send malformed bodies; gives what came back, and the memory before, after the first half and after the second."""
    with httpx2.Client(base_url=service.url) as client:
        document = client.get("/openapi.json").json()
        by_name = {target.path: target for target in targets(document, {})}
        evaluation = client.post("/v1/evals", content=by_name["/v1/evals"].body).json()["id"]
        body = by_name["/v1/evals/sums/runs"].body
        run = client.post(f"/v1/evals/{evaluation}/runs", content=body).json()["id"]
    all_targets = targets(document, {"eval_id": evaluation, "run_id": run})
    todo, tally = attempts(all_targets, count), Tally()
    memory = [resident_kib(service.process.pid)]
    for _ in range(2):
        asyncio.run(send(service.url, islice(todo, count // 2), tally))
        memory.append(resident_kib(service.process.pid))
    return tally, memory


def settings(home: Path, database: str | None = None) -> dict[str, str]:
    return {
        "GRADERS_DATABASE": database or str(home / "service.sqlite"),
        "GRADERS_FILES_DIR": str(home / "files"),
        "GRADERS_BODY_LIMIT": "200000",
        "GRADERS_BATCH_BODY_LIMIT": "200000",
    }


@pytest.mark.full
@pytest.mark.parametrize(
    ("database", "count"),
    [("sqlite", 300), pytest.param("postgresql", 2_000, marks=pytest.mark.slow)],
)
def test_malformed_bodies_get_errors_and_never_fail_the_service(
    tmp_path: Path, request: pytest.FixtureRequest, database: str, count: int
) -> None:
    url = None if database == "sqlite" else request.getfixturevalue(database)
    with serving(settings(tmp_path, url)) as service:
        tally, _ = try_bodies(service, count)
    assert tally.wrong == []
    assert tally.statuses.total() == count
    assert tally.statuses[400] > count / 2
    assert not [line for line in service.lines if '"level":"error"' in line]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_fifty_thousand_malformed_bodies_leave_nothing_in_memory(tmp_path: Path) -> None:
    with serving(settings(tmp_path)) as service:
        tally, (_, middle, after) = try_bodies(service, 50_000)
    assert tally.wrong == []
    assert tally.statuses.total() == 50_000
    assert after < middle * GROWTH


@pytest.mark.parametrize("number", ["1e999", "-1e999", "0.1e400"])
def test_a_number_that_is_too_large_is_refused_where_it_would_be_kept(url: str, number: str) -> None:
    config = f'{{"type": "custom", "item_schema": {{"properties": {{"a": {{"maximum": {number}}}}}}}}}'
    criterion = json.dumps({"type": "string_check", "input": "", "reference": "", "operation": "eq"})
    body = f'{{"data_source_config": {config}, "testing_criteria": [{criterion}]}}'
    answer = httpx2.post(f"{url}/v1/evals", content=body.encode())
    assert answer.status_code == 400
    where = "data_source_config.item_schema.properties.a.maximum"
    assert answer.json()["error"] == {
        "message": f"{where}: the number {number} is too large",
        "type": "invalid_request_error",
        "param": where,
        "code": "invalid_body",
    }


@pytest.mark.full
def test_a_failure_of_the_service_has_the_published_shape_and_keeps_the_connection(quick: Settings) -> None:
    def add_broken(app: FastAPI) -> None:
        def broken() -> None:
            raise RuntimeError("what was graded")

        app.add_api_route("/v1/broken", broken)

    with served(quick, add_broken) as address, httpx2.Client(base_url=address) as client:
        answers = [client.get("/v1/broken", headers={"x-request-id": "mine"}) for _ in range(3)]
        peers = {answer.extensions["network_stream"].get_extra_info("client_addr") for answer in answers}
    assert len(peers) == 1
    for answer in answers:
        assert (answer.status_code, answer.headers["x-request-id"]) == (500, "mine")
        assert answer.json()["error"] == {
            "message": "the service failed; its log says why under mine",
            "type": "server_error",
            "param": None,
            "code": "internal_error",
        }


def test_the_attempts_cover_every_way_and_every_route_that_takes_a_body() -> None:
    document = {
        "paths": {
            "/a": {
                "post": {"requestBody": {"content": {"application/json": {"example": {"b": {"c": [1]}}}}}}
            },
            "/f": {"post": {"requestBody": {"content": {"multipart/form-data": {}}}}, "get": {}},
        }
    }
    made = list(attempts(targets(document, {}), 2_000))
    ways = {way.__name__ for way in (*JSON_WAYS, *FORM_WAYS)} | {"compressed", "other content type"}
    assert {attempt.how for attempt in made} == ways
    assert {attempt.target.path for attempt in made} == {"/a", "/f"}
