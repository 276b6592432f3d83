"""API keys: made, kept as hashes, allowed some things, limited, and revoked in every process."""

import asyncio
import hashlib
import json
import subprocess
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import update
from starlette.testclient import TestClient

from graders import ConfigurationError
from runtime import Settings
from service.app import create_app
from service.auth.keys import FRESH_S, Caller, Keyring, Limits, needed
from service.cli import keys as command
from service.errors import ApiError, Refusal
from service.http.middleware import HELD_BACK_S
from service.store import Store
from service.store.keys import SCOPES, Keys
from service.store.tables import ApiKey
from tests.service import commands
from tests.service.serving import CHECK, PATIENCE_S, RUN, serving

BODY: dict[str, Any] = {"grader": CHECK, "model_sample": "a"}
FORM = {"files": {"file": ("a.txt", b"abc")}, "data": {"purpose": "evals"}}


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An open store of each kind."""
    sqlite = request.param == "sqlite"
    async with Store(
        str(tmp_path / "s.sqlite") if sqlite else request.getfixturevalue("postgresql")
    ) as opened:
        yield opened


@pytest.fixture
def keys(store: Store) -> Keys:
    return Keys(store)


@pytest.fixture
def settings(quick: Settings, tmp_path: Path) -> Settings:
    """Settings with an empty store."""
    return quick.model_copy(
        update={"database": str(tmp_path / "service.sqlite"), "files_dir": tmp_path / "files"}
    )


def made(settings: Settings, *scopes: str, **limits: int) -> dict[str, Any]:
    wanted = {"requests_per_minute": None, "concurrency": None, **limits}
    return command.create(settings, "a test", scopes, **wanted)


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def refused(keyring: Keyring, key: str) -> bool:
    try:
        await keyring.caller(key.encode())
    except ApiError as error:
        return (error.status, error.code) == (401, "invalid_api_key")
    return False


@pytest.mark.full
async def test_the_store_has_a_keys_hash_and_nowhere_the_key(keys: Keys) -> None:
    row, key = await keys.create("mine", ["manage", "grade"], requests_per_minute=5)
    assert row.sha256 == hashlib.sha256(key.encode()).hexdigest()
    found = await keys.find(key.encode())
    assert found is not None
    assert (found.id, found.name, found.scopes) == (row.id, "mine", "grade manage")
    assert (found.requests_per_minute, found.concurrency) == (5, None)
    columns = [column.key for column in ApiKey.__table__.columns]
    assert not [name for name in columns if key[4:] in str(getattr(found, name))]


async def test_two_keys_are_two(keys: Keys) -> None:
    (_, one), (_, two) = await keys.create("a", ["read"]), await keys.create("a", ["read"])
    assert one != two
    assert len(one) == len("rft-") + 43  # 32 bytes, six bits a character


@pytest.mark.parametrize("scopes", [[], ["write"], ["read", "*"]])
async def test_a_key_has_scopes_that_there_are(keys: Keys, scopes: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="grade, read, manage"):
        await keys.create("a", scopes)
    assert not await keys.any()


async def test_a_revoked_key_is_not_found_but_listed(keys: Keys, store: Store) -> None:
    row, key = await keys.create("a", ["read"])
    assert await keys.revoke(row.id)
    async with store.write() as session:
        await session.execute(update(ApiKey).values(revoked_at=7))
    assert await keys.revoke(row.id)
    assert await keys.find(key.encode()) is None
    assert [(each.id, each.revoked_at) for each in await keys.all()] == [(row.id, 7)]
    assert await keys.any()
    assert not await keys.revoke("key_none")


@pytest.mark.few(4)
@pytest.mark.parametrize(("ago", "written"), [(None, True), (30, False), (70, True)])
async def test_its_use_is_noted_at_most_once_a_minute(
    keys: Keys, store: Store, ago: int | None, written: bool
) -> None:
    row, _ = await keys.create("a", ["read"])
    before = None if ago is None else int(time.time()) - ago
    async with store.write() as session:
        await session.execute(update(ApiKey).values(last_used_at=before))
    await keys.note_use(row)  # as this process has it: never used
    (after,) = await keys.all()
    assert (after.last_used_at != before) is written


async def test_what_was_noted_a_moment_ago_needs_no_writer(keys: Keys, store: Store) -> None:
    row, _ = await keys.create("a", ["read"])
    row.last_used_at = int(time.time())
    async with store.write() as session:
        await session.connection()  # from here on nobody else can write, in SQLite
        await asyncio.wait_for(keys.note_use(row), PATIENCE_S / 4)


async def test_a_request_notes_the_use_of_its_key(keys: Keys) -> None:
    keyring = Keyring(())
    keyring.open(keys)
    _, key = await keys.create("a", ["read"])
    await keyring.caller(key.encode())
    await keyring.close()
    (row,) = await keys.all()
    assert row.last_used_at is not None


async def test_the_first_key_closes_what_was_open_and_nothing_opens_it_again(
    keys: Keys, clock: Clock
) -> None:
    keyring = Keyring((), clock=clock)
    keyring.open(keys)
    assert await keyring.caller(b"") == await keyring.caller(b"any") == Caller()
    row, key = await keys.create("a", ["read"])
    clock.now += FRESH_S
    assert await refused(keyring, "")
    assert await refused(keyring, "any")
    assert (await keyring.caller(key.encode())).scopes == {"read"}
    await keys.revoke(row.id)
    clock.now += FRESH_S
    assert await refused(keyring, key)
    assert await refused(keyring, "")
    fresh = Keyring(())
    fresh.open(keys)
    assert await refused(fresh, "")
    await keyring.close()


async def test_once_a_key_was_used_a_process_is_closed_without_looking(keys: Keys, clock: Clock) -> None:
    keyring = Keyring((), clock=clock)
    keyring.open(keys)
    assert not await refused(keyring, "")
    _, key = await keys.create("a", ["read"])
    await keyring.caller(key.encode())
    assert await refused(keyring, "")
    await keyring.close()


@pytest.mark.full
async def test_a_revoked_key_works_until_it_is_looked_up_again(keys: Keys, clock: Clock) -> None:
    keyring = Keyring((), clock=clock)
    keyring.open(keys)
    row, key = await keys.create("a", ["read"])
    assert not await refused(keyring, key)
    await keys.revoke(row.id)
    clock.now += FRESH_S * 0.9
    assert not await refused(keyring, key)
    clock.now += FRESH_S * 0.2  # its use does not make it stay
    assert await refused(keyring, key)
    await keyring.close()


@pytest.mark.full
async def test_only_so_many_keys_are_remembered_and_no_unknown_ones(keys: Keys, clock: Clock) -> None:
    keyring = Keyring((), clock=clock, remembered=2)
    keyring.open(keys)
    made = [await keys.create("a", ["read"]) for _ in range(3)]
    for _, key in made[:2]:
        await keyring.caller(key.encode())
    for number in range(5):
        assert await refused(keyring, f"rft-{number:043}")
    for row, _ in made[:2]:
        await keys.revoke(row.id)
    assert [await refused(keyring, key) for _, key in made[:2]] == [False, False]
    await keyring.caller(made[2][1].encode())
    assert [await refused(keyring, key) for _, key in made[:2]] == [True, False]
    await keyring.close()


async def test_a_configured_key_has_every_scope_and_is_named_by_a_digest(keys: Keys) -> None:
    keyring = Keyring(["one", "two"])
    keyring.open(keys)
    one, two = await keyring.caller(b"one"), await keyring.caller(b"two")
    assert one.scopes == {"grade", "read", "manage"}
    assert one == await Keyring(["one"]).caller(b"one")
    assert len({one.client, two.client, ""}) == 3
    assert "one" not in one.client
    assert await refused(keyring, "on")
    assert await refused(keyring, "")
    assert await refused(keyring, "\u00e9")


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("POST", "/v1/fine_tuning/alpha/graders/run", "grade"),
        ("POST", "/openai/v1/fine_tuning/alpha/graders/validate", "grade"),
        ("POST", "/v1/grade", "grade"),
        ("POST", "/v1/grade/batch", "grade"),
        ("GET", "/v1/files", "read"),
        ("HEAD", "/v1/files/file-1/content", "read"),
        ("GET", "/openai/v1/evals/eval_1/runs", "read"),
        ("GET", "/metrics", "read"),
        ("GET", "/docs", None),
        ("GET", "/openapi.json", None),
        ("POST", "/v1/files", "manage"),
        ("DELETE", "/openai/v1/files/file-1", "manage"),
        ("POST", "/v1/evals/eval_1/runs", "manage"),
        ("PUT", "/v1/graders/mine", "manage"),
        # a path that looks like a route but is not needs the highest scope
        ("POST", "/v1/grade\n", "manage"),
        ("POST", "/v1/grade/batch/x", "manage"),
        ("POST", "/x/v1/grade", "manage"),
        ("POST", "/docs", "manage"),
        ("BREW", "/\n", "manage"),
    ],
)
def test_each_route_needs_its_scope(method: str, path: str, scope: str | None) -> None:
    assert needed(method, path) == scope


@pytest.mark.full
def test_a_key_does_what_its_scope_allows_and_is_told_what_it_lacks(settings: Settings) -> None:
    made_for = {scope: made(settings, scope)["key"] for scope in SCOPES}
    with TestClient(create_app(settings)) as http:
        for scope, key in made_for.items():
            replies = {
                "grade": http.post(RUN, json=BODY, headers=bearer(key)),
                "read": http.get("/v1/files", headers={"api-key": key}),
                "manage": http.post("/v1/files", headers=bearer(key), **FORM),  # type: ignore[arg-type]
            }
            assert replies.pop(scope).status_code == 200
            for lacking, reply in replies.items():
                assert reply.status_code == 403
                error = reply.json()["error"]
                assert list(error) == ["message", "type", "param", "code"]
                assert error["code"] == "missing_scope"
                assert f"'{lacking}'" in error["message"]
                assert reply.headers["x-request-id"]
            assert http.get("/openapi.json", headers=bearer(key)).status_code == 200
        assert http.get("/openapi.json").status_code == 401
        assert http.get("/readyz").status_code == 200


def test_configured_keys_stay_beside_those_of_the_store(settings: Settings) -> None:
    both = settings.model_copy(update={"api_keys": (SecretStr("sesame"),)})
    key = made(both, "read")["key"]
    with TestClient(create_app(both)) as http:
        for valid in ("sesame", key):
            assert http.get("/v1/files", headers=bearer(valid)).status_code == 200
        assert http.post("/v1/files", headers=bearer("sesame"), **FORM).status_code == 200  # type: ignore[arg-type]
        assert http.get("/v1/files").status_code == 401


def test_so_many_requests_a_minute_come_back_evenly(clock: Clock) -> None:
    limits, caller = Limits(clock), Caller("a", requests_per_minute=3)

    def waits() -> int:
        try:
            limits.enter(caller)
        except Refusal as refusal:
            return refusal.after_s if refusal.code == "rate_limit_exceeded" else -1
        limits.leave(caller)
        return 0

    assert [waits() for _ in range(5)] == [0, 0, 0, 20, 20]
    clock.now += 15
    assert waits() == 5
    clock.now += 5
    assert [waits(), waits()] == [0, 20]
    clock.now += 3600  # what was not used is not saved up
    assert [waits() for _ in range(4)] == [0, 0, 0, 20]
    limits.enter(Caller("b", requests_per_minute=3))


def test_so_many_requests_run_at_once(clock: Clock) -> None:
    limits, caller = Limits(clock), Caller("a", requests_per_minute=3, concurrency=2)
    limits.enter(caller)
    limits.enter(caller)
    for _ in range(5):
        with pytest.raises(Refusal) as caught:
            limits.enter(caller)
        assert (caught.value.status, caught.value.code) == (429, "too_many_at_once")
    limits.enter(Caller("b", concurrency=1))
    limits.leave(caller)
    limits.enter(caller)  # those that were refused at once took none of the minute's


@pytest.mark.full
def test_what_is_too_much_is_429_in_the_published_shape_and_health_is_not_counted(settings: Settings) -> None:
    key, other = made(settings, "read", requests_per_minute=1)["key"], made(settings, "read")["key"]
    with TestClient(create_app(settings)) as http:
        for _ in range(3):
            assert http.get("/healthz", headers=bearer(key)).status_code == 200
            assert http.get("/readyz", headers=bearer(key)).status_code == 200
        # neither is what was refused for another reason
        assert http.post(RUN, json=BODY, headers=bearer(key)).status_code == 403
        assert http.get("/v1/files", headers=bearer(key)).status_code == 200
        began = time.monotonic()
        reply = http.get("/v1/files", headers=bearer(key))
        assert time.monotonic() - began >= HELD_BACK_S[0]
        assert reply.status_code == 429
        assert 1 <= int(reply.headers["retry-after"]) <= 60
        assert reply.json()["error"] == {
            "message": "this API key may send 1 requests a minute",
            "type": "invalid_request_error",
            "param": None,
            "code": "rate_limit_exceeded",
        }
        assert http.get("/readyz", headers=bearer(key)).status_code == 200
        assert http.get("/v1/files", headers=bearer(other)).status_code == 200


@pytest.mark.full
def test_a_request_counts_as_running_until_it_is_answered(settings: Settings) -> None:
    key = made(settings, "read", concurrency=1)["key"]
    app, entered, release = create_app(settings), threading.Event(), asyncio.Event()

    @app.get("/held")
    async def held() -> str:
        entered.set()
        await release.wait()
        return "done"

    statuses: list[int] = []
    with TestClient(app) as http:
        assert http.portal is not None
        running = threading.Thread(
            target=lambda: statuses.append(http.get("/held", headers=bearer(key)).status_code)
        )
        running.start()
        assert entered.wait(PATIENCE_S)
        refused = http.get("/v1/files", headers=bearer(key))
        assert http.get("/healthz", headers=bearer(key)).status_code == 200
        http.portal.call(release.set)
        running.join(PATIENCE_S)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
        assert statuses == [200]
        assert http.get("/v1/files", headers=bearer(key)).status_code == 200


def graders(settings: Settings, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return commands.run("keys", *arguments, env={"GRADERS_DATABASE": settings.database})


def test_the_command_prints_a_key_once_lists_and_revokes(settings: Settings) -> None:
    done = graders(
        settings, "create", "[red]trainer", "--scope", "grade", "--scope", "read", "--concurrency", "4"
    )
    key = done.stdout.strip()
    assert done.stdout == f"{key}\n"
    assert key not in done.stderr
    listed = graders(settings, "list", "--json").stdout
    (row,) = json.loads(listed)
    assert (row["name"], row["scopes"]) == ("[red]trainer", ["grade", "read"])
    assert (row["requests_per_minute"], row["concurrency"], row["revoked_at"]) == (None, 4, None)
    assert row["id"] in done.stderr
    shown = graders(settings, "list").stdout
    assert row["id"] in shown
    assert "[red]" in shown
    assert key not in listed + shown
    assert graders(settings, "revoke", row["id"]).returncode == 0
    assert json.loads(graders(settings, "list", "--json").stdout)[0]["revoked_at"] is not None
    unknown = graders(settings, "revoke", "key_none")
    assert unknown.returncode == 2
    assert unknown.stderr == "error: there is no key key_none; `graders keys list` shows their ids\n"


@pytest.mark.full
def test_a_public_address_is_served_with_a_key_of_the_store_which_every_process_revokes(
    settings: Settings,
) -> None:
    key = made(settings, "read")
    variables = {"GRADERS_DATABASE": settings.database, "GRADERS_FILES_DIR": str(settings.files_dir)}

    def status(headers: dict[str, str]) -> int:
        # a connection of its own, so that any process may answer; again where none listens yet
        with httpx2.Client(transport=httpx2.HTTPTransport(retries=5), timeout=PATIENCE_S) as http:
            return http.get(f"{address}/v1/files", headers=headers).status_code

    with serving(variables, "--host", "0.0.0.0", "--workers", "2") as served:  # what is tested
        address = served.url.replace("0.0.0.0", "127.0.0.1")
        assert [status(bearer(key["key"])) for _ in range(20)] == [200] * 20
        assert status({}) == 401
        command.revoke(settings, key["id"])
        deadline = time.monotonic() + PATIENCE_S
        while {status(bearer(key["key"])) for _ in range(20)} != {401}:
            assert time.monotonic() < deadline, "a process still takes the revoked key"
    assert not [line for line in served.lines if "no API keys" in line]


@pytest.mark.full
def test_who_serves_without_keys_is_told_so_in_one_line(settings: Settings) -> None:
    variables = {"GRADERS_DATABASE": settings.database, "GRADERS_FILES_DIR": str(settings.files_dir)}
    with (
        serving(variables) as served,
        httpx2.Client(transport=httpx2.HTTPTransport(retries=5), timeout=PATIENCE_S) as http,
    ):
        assert http.post(f"{served.url}{RUN}", json=BODY).status_code == 200
    said = [json.loads(line)["message"] for line in served.lines if "no API keys" in line]
    assert said == ["there are no API keys: every client that reaches 127.0.0.1 may do everything"]


class Counted(Keys):
    """The keys of a store, which count how often they are asked."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.asked = 0

    async def any(self) -> bool:
        self.asked += 1
        return await super().any()

    async def find(self, key: bytes) -> ApiKey | None:
        self.asked += 1
        return await super().find(key)


async def test_a_thousand_requests_at_once_ask_the_store_once(clock: Clock, tmp_path: Path) -> None:
    async with Store(str(tmp_path / "keys.sqlite")) as store:
        keys = Counted(store)
        keyring = Keyring([], clock=clock)
        keyring.open(keys)
        assert len({await each for each in [keyring.caller(b"") for _ in range(3)]}) == 1
        keys.asked, clock.now = 0, clock.now + 10
        await asyncio.gather(*(keyring.caller(b"") for _ in range(1000)))
        assert keys.asked == 1
        _, key = await keys.create("a", ["grade"])
        await asyncio.gather(*(keyring.caller(key.encode()) for _ in range(1000)))
        assert keys.asked == 2
        await keyring.close()


async def test_nobody_waits_for_the_store_as_long_as_it_is_asked_often(clock: Clock, tmp_path: Path) -> None:
    async with Store(str(tmp_path / "keys.sqlite")) as store:
        keys = Counted(store)
        row, key = await keys.create("a", ["grade"])
        keyring = Keyring([], clock=clock)
        keyring.open(keys)
        await keyring.caller(key.encode())
        await keys.revoke(row.id)
        clock.now += 1.5  # old enough to be looked up again, and young enough to count meanwhile
        assert (await keyring.caller(key.encode())).scopes == {"grade"}
        await keyring.close()
        keyring.open(keys)
        with pytest.raises(ApiError):
            await keyring.caller(key.encode())
        await keyring.close()
