"""Files, through the unmodified official client: what it uploads comes back, and nothing that is sent breaks the service."""

import asyncio
import hashlib
import io
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import SecretStr

from runtime import Settings
from tests.service.conftest import served

LIMIT = 3_000_000
Serve = Callable[[Settings], AbstractContextManager[str]]


def settings_in(quick: Settings, home: Path) -> Settings:
    """Settings of a service with files of its own; a body is smaller than a file."""
    return quick.model_copy(
        update={
            "database": str(home / "service.sqlite"),
            "files_dir": home / "files",
            "file_limit": LIMIT,
            "body_limit": 10_000,
        }
    )


@pytest.fixture(scope="module")
def own(quick: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of the service that the tests share, each of which finds it without files."""
    return settings_in(quick, tmp_path_factory.mktemp("files"))


@pytest.fixture
def alone(quick: Settings, tmp_path: Path) -> Settings:
    """Settings of a service of the test's own."""
    return settings_in(quick, tmp_path)


@pytest.fixture(scope="module")
def shared(own: Settings) -> Iterator[str]:
    with served(own) as address:
        yield address


@pytest.fixture
def url(shared: str) -> Iterator[str]:
    yield shared
    with OpenAI(base_url=f"{shared}/v1", api_key="any", max_retries=0) as client:
        for file in list(client.files.list()):
            client.files.delete(file.id)


@pytest.fixture
def client(url: str) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as official:
        yield official


@pytest.fixture
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=30) as bare:
        yield bare


def upload(client: OpenAI, content: bytes = b"abc", name: str = "a.txt") -> str:
    return client.files.create(file=(name, content), purpose="evals").id


def left(own: Settings) -> list[str]:
    return sorted(path.name for path in own.files_dir.iterdir())


def test_a_file_comes_back_as_it_was_sent(client: OpenAI) -> None:
    content = os.urandom(LIMIT - 1)
    created = client.files.create(file=("answers.jsonl", content), purpose="batch")
    assert (created.object, created.bytes, created.filename) == ("file", LIMIT - 1, "answers.jsonl")
    assert (created.purpose, created.status, created.expires_at) == ("batch", "processed", None)
    assert abs(created.created_at - time.time()) < 60
    assert client.files.retrieve(created.id) == created
    assert client.files.content(created.id).read() == content


def test_deleting_is_final(client: OpenAI, own: Settings) -> None:
    file = upload(client)
    deleted = client.files.delete(file)
    assert deleted.to_dict() == {"id": file, "object": "file", "deleted": True}
    for use in (client.files.retrieve, client.files.content, client.files.delete):
        with pytest.raises(openai.NotFoundError) as raised:
            use(file)
        assert raised.value.body == {
            "message": f"there is no file {file}",
            "type": "invalid_request_error",
            "param": "id",
            "code": "not_found",
        }
    assert left(own) == []


@pytest.mark.full
async def test_the_async_client_uploads_many_at_once(url: str, own: Settings) -> None:
    contents = [os.urandom(100_000 + number) for number in range(20)]
    async with AsyncOpenAI(base_url=f"{url}/openai/v1", api_key="any", max_retries=0) as client:
        created = await asyncio.gather(
            *(client.files.create(file=("a", content), purpose="evals") for content in contents)
        )
        assert len({file.id for file in created}) == 20
        read = await asyncio.gather(*(client.files.content(file.id) for file in created))
        assert [reply.content for reply in read] == contents
        listed = {file.id async for file in client.files.list(limit=7)}
        assert listed == {file.id for file in created} == set(left(own))
        await asyncio.gather(*(client.files.delete(file.id) for file in created))
        assert [file async for file in client.files.list()] == []


def test_pages_follow_each_other(client: OpenAI) -> None:
    ids = [upload(client) for _ in range(5)]
    assert [file.id for file in client.files.list()] == ids[::-1]
    assert [file.id for file in client.files.list(limit=2, order="asc")] == ids
    page = client.files.list(limit=2, order="asc", after=ids[0])
    assert page.to_dict() == {
        "object": "list",
        "data": [client.files.retrieve(file).to_dict() for file in ids[1:3]],
        "first_id": ids[1],
        "last_id": ids[2],
        "has_more": True,
    }
    assert client.files.list(limit=2, order="asc", after=ids[2]).has_more is False
    assert list(client.files.list(purpose="batch")) == []


def test_an_empty_list_has_no_ids(http: httpx2.Client) -> None:
    empty: dict[str, Any] = {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }
    assert http.get("/v1/files").json() == empty


@pytest.mark.full
def test_a_restart_keeps_files(alone: Settings, serve: Serve) -> None:
    with serve(alone) as address, OpenAI(base_url=f"{address}/v1", api_key="any") as client:
        file = upload(client, b"still here")
    with serve(alone) as address, OpenAI(base_url=f"{address}/v1", api_key="any") as client:
        assert client.files.content(file).text == "still here"


@pytest.mark.full
def test_postgresql_keeps_files_too(alone: Settings, serve: Serve, postgresql: str) -> None:
    settings = alone.model_copy(update={"database": postgresql})
    with serve(settings) as address, OpenAI(base_url=f"{address}/v1", api_key="any") as client:
        file = upload(client, b"abc", "a.txt")
        assert [found.id for found in client.files.list(purpose="evals")] == [file]
        with pytest.raises(openai.BadRequestError):
            client.files.list(purpose="\0")
        assert client.files.content(file).text == "abc"


def test_a_file_may_expire(client: OpenAI) -> None:
    file = client.files.create(
        file=b"a", purpose="batch", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert file.expires_at == file.created_at + 3600


@pytest.mark.parametrize(
    ("anchor", "seconds", "param"),
    [
        ("created_at", "3599", "expires_after[seconds]"),
        ("created_at", "2592001", "expires_after[seconds]"),
        ("created_at", "-3600", "expires_after[seconds]"),
        ("created_at", "٣٦٠٠", "expires_after[seconds]"),
        ("created_at", "9" * 250, "expires_after[seconds]"),
        ("last_active_at", "3600", "expires_after[anchor]"),
    ],
)
def test_a_wrong_expiry_is_refused(http: httpx2.Client, anchor: str, seconds: str, param: str) -> None:
    data = {"purpose": "batch", "expires_after[anchor]": anchor, "expires_after[seconds]": seconds}
    reply = http.post("/v1/files", data=data, files={"file": ("a", b"a")})
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jsonl", "application/jsonl"),
        ("a.JSON", "application/json"),
        ("a.csv", "text/csv; charset=utf-8"),
        ("a", "application/octet-stream"),
        ("a.nothing-known", "application/octet-stream"),
        ("data:image/svg+xml,.x", "application/octet-stream"),
    ],
)
def test_a_content_has_the_media_type_of_its_name(
    client: OpenAI, http: httpx2.Client, name: str, kind: str
) -> None:
    reply = http.get(f"/v1/files/{upload(client, name=name)}/content")
    assert reply.headers["content-type"] == kind
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-disposition"].startswith("attachment;")


@pytest.mark.few(6)
@pytest.mark.parametrize(
    "name",
    [
        "../../../../etc/passwd",
        "/etc/passwd",
        "..",
        "a\\..\\b",
        "a\nb: c",
        'a"; filename="b',
        "a" * 2000,
        "数据 \U0001f600.jsonl",
        "file-0123456789abcdef01234567",
        "$(id)`id`",
        "<script>",
    ],
)
def test_a_name_is_only_data(client: OpenAI, own: Settings, name: str) -> None:
    file = upload(client, b"abc", name)
    assert left(own) == [file]
    reply = client.files.with_raw_response.content(file)
    assert reply.content == b"abc"
    assert "\n" not in reply.headers["content-disposition"]
    # a form writes quotes and line ends in percents
    assert client.files.retrieve(file).filename == name.replace('"', "%22").replace("\n", "%0A")


def test_any_bytes_may_be_a_name(http: httpx2.Client) -> None:
    body = form(("purpose", b"evals"), ('file"; filename="\udcff\udcfe\x00', b"abc"))
    reply = http.post("/v1/files", content=body, headers=MULTIPART)
    assert reply.json()["filename"] == "\ufffd\ufffd\ufffd"
    assert http.get(f"/v1/files/{reply.json()['id']}/content").content == b"abc"


MULTIPART = {"content-type": "multipart/form-data; boundary=xyz"}


def form(*parts: tuple[str, bytes]) -> bytes:
    """A form as it is on the wire; a name may have more in it than a name."""
    head = b'--xyz\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    return (
        b"".join(head % (name.encode(errors="surrogateescape"), value) for name, value in parts)
        + b"--xyz--\r\n"
    )


FILE = ('file"; filename="a', b"abc")
PURPOSE = ("purpose", b"evals")


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        (form(PURPOSE), "file", "file: this field is required"),
        (form(FILE), "purpose", "purpose: this field is required"),
        (form(PURPOSE, ("file", b"abc")), "file", "file: expected a file, with a filename"),
        (form(("purpose", b"fun"), FILE), "purpose", "purpose: expected one of assistants, batch, fine-tune"),
        (form(FILE, ("purpose", b"\xff\x00")), "purpose", "purpose: expected one of"),
        (form(PURPOSE, PURPOSE, FILE), "purpose", "purpose: this field is given twice"),
        (form(PURPOSE, FILE, FILE), "file", "file: this field is given twice"),
        (
            form(PURPOSE, FILE, ("colour", b"red")),
            "colour",
            "colour: no such field; the form has file, purpose",
        ),
        (form(("purpose", b"x" * 300), FILE), "purpose", "purpose: this value is too long"),
        (form(PURPOSE, FILE)[:-12], None, "the body ends before the form does"),
        (form(PURPOSE, FILE)[:60], None, "the body ends before the form does"),
        (b"", None, "the body ends before the form does"),
        (b"no form at all", None, "the body is no form"),
        (b"--xyz\r\nno header\r\n\r\n", None, "the body is no form"),
        (b"--xyz\r\n\r\nabc\r\n--xyz--\r\n", None, "no such field"),
        (b"--xyz\r\n" + b"A: b\r\n" * 100 + b"\r\n", None, "the body is no form"),
        (b"--xyz\r\nA: " + b"b" * 20_000, None, "the body is no form"),
    ],
)
def test_a_bad_form_is_answered_with_what_is_wrong(
    http: httpx2.Client, own: Settings, body: bytes, param: str | None, message: str
) -> None:
    reply = http.post("/v1/files", content=body, headers=MULTIPART)
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (400, param)
    assert message in error["message"]
    assert left(own) == []


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 1000,
    ],
)
def test_what_is_no_form_is_refused(http: httpx2.Client, content_type: str) -> None:
    reply = http.post("/v1/files", content=form(PURPOSE, FILE), headers={"content-type": content_type})
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_form")


def test_every_cut_of_a_form_parses_the_same(http: httpx2.Client) -> None:
    body = form(PURPOSE, ('file"; filename="a', b"\r\n--xy\r\n-\r" * 3))
    for size in (1, 2, 3, 7):
        pieces = [body[start : start + size] for start in range(0, len(body), size)]
        created = http.post("/v1/files", content=iter(pieces), headers=MULTIPART).json()
        assert http.get(f"/v1/files/{created['id']}/content").content == b"\r\n--xy\r\n-\r" * 3


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("limit=-1", "limit"),
        ("limit=all", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("order=up", "order"),
        ("after=file-1", "after"),
        ("after=%00", "after"),
        ("purpose=fun", "purpose"),
    ],
)
def test_a_wrong_query_is_named(http: httpx2.Client, query: str, param: str) -> None:
    reply = http.get(f"/v1/files?{query}")
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("name", ["file-1", "%00", "..%2Fservice.sqlite", "%2E%2E", "file-" + "0" * 24])
@pytest.mark.parametrize("rest", ["", "/content"])
def test_an_unknown_id_is_not_found(http: httpx2.Client, name: str, rest: str) -> None:
    reply = http.get(f"/v1/files/{name}{rest}")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")


def test_a_file_may_have_as_many_bytes_as_the_limit_and_no_more(client: OpenAI, own: Settings) -> None:
    file = upload(client, b"x" * LIMIT)
    with pytest.raises(openai.APIStatusError) as raised:
        upload(client, b"x" * (LIMIT + 1))
    assert (raised.value.status_code, raised.value.code) == (413, "file_too_large")
    assert left(own) == [file]


def test_a_file_without_an_announced_length_is_cut_off_at_the_limit(
    http: httpx2.Client, own: Settings
) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        yield form(PURPOSE, FILE)[: -len(b"abc\r\n--xyz--\r\n")]
        for _ in range(20):
            sent += 1_000_000
            yield b"x" * 1_000_000

    reply = http.post("/v1/files", content=endless(), headers=MULTIPART)
    assert reply.status_code == 413
    assert left(own) == []


def test_other_routes_keep_their_limit(http: httpx2.Client) -> None:
    assert http.post("/v1/fine_tuning/alpha/graders/run", content=b"x" * 10_001).status_code == 413


def test_an_upload_that_is_broken_off_leaves_nothing(url: str, own: Settings, client: OpenAI) -> None:
    host, port = url.removeprefix("http://").split(":")
    head = f"POST /v1/files HTTP/1.1\r\nHost: {host}\r\nContent-Type: {MULTIPART['content-type']}\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(f"{head}Content-Length: 2500000\r\n\r\n".encode())
        connection.sendall(form(PURPOSE, FILE)[:-14] + b"x" * 2_000_000)
        wait_until(lambda: left(own) != [])
    wait_until(lambda: left(own) == [])
    assert list(client.files.list()) == []


@pytest.mark.full
def test_files_need_a_key_where_there_are_keys(alone: Settings, serve: Serve) -> None:
    settings = alone.model_copy(update={"api_keys": (SecretStr("secret"),)})
    with serve(settings) as address:
        with (
            OpenAI(base_url=f"{address}/v1", api_key="wrong", max_retries=0) as stranger,
            pytest.raises(openai.AuthenticationError),
        ):
            upload(stranger)
        with OpenAI(base_url=f"{address}/v1", api_key="secret", max_retries=0) as owner:
            assert [file.id for file in owner.files.list()] == []
            assert upload(owner).startswith("file-")


class Zeros(io.RawIOBase):
    """A large file that needs no room."""

    def __init__(self, size: int) -> None:
        self.size, self.at = size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def tell(self) -> int:
        return self.at

    def readinto(self, buffer: Any) -> int:
        count = min(len(buffer), self.size - self.at)
        buffer[:count] = bytes(count)
        self.at += count
        return count


@pytest.mark.full
def test_memory_stays_flat_while_a_large_file_comes_and_goes(tmp_path: Path) -> None:
    size = 100_000_000
    with service(tmp_path) as (address, process), OpenAI(base_url=address, api_key="any") as client:
        upload(client, b"x" * 1000)  # what the first upload loads stays loaded
        before = peak_mb(process)
        file = client.files.create(file=("large", io.BufferedReader(Zeros(size))), purpose="evals")
        assert file.bytes == size
        digest = hashlib.sha256()
        with client.files.with_streaming_response.content(file.id) as reply:
            for piece in reply.iter_bytes(1 << 20):
                digest.update(piece)
        assert digest.digest() == hashlib.sha256(bytes(size)).digest()
        assert peak_mb(process) - before < 20


@contextmanager
def service(home: Path) -> Iterator[tuple[str, int]]:
    """`graders serve` in a process of its own; gives its address and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "GRADERS_DATABASE": str(home / "service.sqlite"),
        "GRADERS_FILES_DIR": str(home / "files"),
    }
    command = [str(Path(sys.executable).with_name("graders")), "serve", "--port", str(port)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: is_ready(port))
            yield f"http://127.0.0.1:{port}/v1", process.pid
        finally:
            process.terminate()


def is_ready(port: int) -> bool:
    with suppress(httpx2.TransportError):
        return httpx2.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    return False


def peak_mb(process: int) -> float:
    """The most memory that a process has had so far."""
    (line,) = (
        line for line in Path(f"/proc/{process}/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return int(line.split()[1]) / 1024


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not true():
        assert time.monotonic() < until, "this does not come"
        time.sleep(0.02)
