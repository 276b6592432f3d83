"""PostgreSQL that is away, slow or locked; and whose clock it is that leases go by."""

import asyncio
import json
import time
from pathlib import Path

import httpx2
import psycopg
import pytest
from sqlalchemy import select, text

from service.store import Answers, Files, Store
from service.store.answers import KeptAnswer
from service.store.database import clock_s
from service.store.failures import StorageFailed
from tests import postgresql as postgresql_server
from tests.service.serving import CHECK, RUN, serving


@pytest.mark.full
def test_a_service_whose_server_is_away_says_so_grades_and_recovers(tmp_path: Path) -> None:
    with postgresql_server.cluster() as server:
        database = next(postgresql_server.databases(server))
        settings = {
            "GRADERS_DATABASE": database,
            "GRADERS_FILES_DIR": str(tmp_path / "files"),
            "GRADERS_API_KEYS": '["a-key-of-the-settings"]',
            "GRADERS_DATABASE_WAIT_S": "2",
            "GRADERS_LOG_FORMAT": "json",
        }
        headers = {"authorization": "Bearer a-key-of-the-settings"}
        with (
            serving(settings) as served,
            httpx2.Client(base_url=served.url, timeout=60, headers=headers) as client,
        ):
            assert client.put("/v1/graders/one", json={"grader": CHECK}).status_code == 201
            postgresql_server.stop(server)
            for _ in range(5):
                answer = client.put("/v1/graders/two", json={"grader": CHECK})
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "storage_unavailable")
                assert int(answer.headers["retry-after"]) >= 1
                graded = client.post(RUN, json={"grader": CHECK, "model_sample": "a"})
                assert (graded.status_code, graded.json()["reward"]) == (200, 1.0)
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()["error"]["code"]) == (503, "storage_unavailable")
            assert client.get("/healthz").status_code == 200
            postgresql_server.start(server)
            until = time.monotonic() + 60
            while client.get("/readyz").status_code != 200:
                assert time.monotonic() < until
                time.sleep(0.1)
            assert client.put("/v1/graders/two", json={"grader": CHECK}).status_code == 201
    lines = [json.loads(line) for line in served.lines]
    assert not [line for line in lines if "exception" in line]
    failures = [
        line for line in lines if line["logger"] == "service.store.health" and line["level"] == "error"
    ]
    kinds = [(line["code"], line["database_code"]) for line in failures]
    assert kinds
    assert len(kinds) == len(set(kinds))


async def test_a_statement_has_a_time_limit(postgresql: str) -> None:
    async with Store(postgresql, statement_s=0.5) as store:
        with pytest.raises(StorageFailed) as failed:
            async with store.read() as session:
                await session.execute(text("SELECT pg_sleep(60)"))
        assert (failed.value.status, failed.value.database_code) == (503, "57014")


@pytest.mark.full
async def test_those_who_wait_for_a_lock_leave_connections_to_those_who_read(
    postgresql: str, tmp_path: Path
) -> None:
    async with Store(postgresql, wait_s=3.0) as store:
        files = Files(store, tmp_path / "files")
        with psycopg.connect(postgresql) as other:
            other.execute("LOCK TABLE files IN SHARE MODE")
            waiting = [asyncio.create_task(files.delete(f"file-{n:024x}")) for n in range(40)]
            await asyncio.sleep(0.5)
            # more than there are connections, and readers still get one
            found = await asyncio.gather(*(files.find(f"file-{n:024x}") for n in range(20)))
            assert found == [None] * 20
            outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {StorageFailed}
        assert {outcome.database_code for outcome in outcomes} <= {"55P03", "POOL_TIMEOUT"}  # type: ignore[union-attr]
        assert await files.delete(f"file-{0:024x}") is False


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_leases_go_by_the_clock_of_the_database(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    database = str(tmp_path / "s.sqlite") if kind == "sqlite" else request.getfixturevalue("postgresql")
    async with Store(database) as store:
        async with store.read() as session:
            now = await session.scalar(select(clock_s()))
        assert now == pytest.approx(time.time(), abs=60)
        answers = Answers(store, 1_000_000)
        assert await answers.claim("id", "body", "me", 60.0) is None
        async with store.read() as session:
            left = await session.scalar(select(KeptAnswer.leased_until - clock_s()))
        assert left is not None
        assert 0 < left <= 60
        found = await answers.claim("id", "body", "other", 60.0)
        assert found is not None
        assert found.answer is None
        await answers.renew("me", -1.0)
        assert await answers.claim("id", "body", "other", 60.0) is None
