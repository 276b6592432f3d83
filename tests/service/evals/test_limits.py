"""There may be so many evals, runs that have not ended, and files; one more is refused, and the answer says what to do."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from runtime import Settings
from service.store import Files, Store
from service.store.capacity import Full
from tests.service.evals.conftest import CUSTOM, EQUAL, PATIENCE_S, ended, rows
from tests.service.evals.tallying import tallying

Serve = Callable[[Settings], AbstractContextManager[str]]


def test_too_many_runs_are_to_come_again_later(own: Settings, serve: Serve) -> None:
    with tallying(0) as tally:
        limited = {"endpoint_hosts": (tally.address,), "eval_runs": 1, "eval_runs_queued": 2}
        with (
            serve(own.model_copy(update=limited)) as address,
            OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as client,
        ):
            config: Any = {"type": "custom", "item_schema": {"type": "object"}}
            of = client.evals.create(data_source_config=config, testing_criteria=[tally.criterion])  # type: ignore[list-item]
            source: Any = {
                "type": "jsonl",
                "source": {"type": "file_content", "content": [{"item": {"n": 1}}]},
            }
            first, second = (client.evals.runs.create(of.id, data_source=source).id for _ in range(2))
            assert tally.held.wait(PATIENCE_S)
            with pytest.raises(openai.RateLimitError) as raised:
                client.evals.runs.create(of.id, data_source=source)
            assert raised.value.code == "too_many_runs"
            assert "2 of your runs are queued or in progress, as many as may be (eval_runs_queued)" in str(
                raised.value
            )
            assert raised.value.response.headers["retry-after"] == "10"
            # those of another eval count as well
            other = client.evals.create(data_source_config=CUSTOM, testing_criteria=[EQUAL])  # type: ignore[arg-type, list-item]
            with pytest.raises(openai.RateLimitError):
                client.evals.runs.create(other.id, data_source=rows(("a", "a")))  # type: ignore[arg-type]
            client.evals.runs.cancel(second, eval_id=of.id)
            third = client.evals.runs.create(other.id, data_source=rows(("a", "a")))  # type: ignore[arg-type]
            tally.go.set()
            assert ended(client, of.id, first).status == "completed"
            assert ended(client, other.id, third.id).status == "completed"
            path = f"/evals/{other.id}/runs/{third.id}/regrade"
            for _ in range(3):  # each has ended before the next begins
                again: Any = client.post(path, body={"testing_criteria": [EQUAL]}, cast_to=object)
                assert ended(client, other.id, again["id"]).result_counts.passed == 1


@pytest.mark.full
def test_too_many_evals_and_files_are_refused_until_one_is_deleted(own: Settings, serve: Serve) -> None:
    limited = {"evals_kept": 1, "files_kept": 1}
    with (
        serve(own.model_copy(update=limited)) as address,
        OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as client,
    ):
        of = client.evals.create(data_source_config=CUSTOM, testing_criteria=[EQUAL])  # type: ignore[arg-type, list-item]
        file = client.files.create(file=("a.jsonl", b"{}"), purpose="evals")
        with pytest.raises(openai.PermissionDeniedError) as raised:
            client.evals.create(data_source_config=CUSTOM, testing_criteria=[EQUAL])  # type: ignore[arg-type, list-item]
        assert raised.value.code == "too_many_evals"
        assert "there are 1 evals, as many as are kept here (evals_kept): delete some" in str(raised.value)
        with pytest.raises(openai.PermissionDeniedError) as raised:
            client.files.create(file=("b.jsonl", b"{}"), purpose="evals")
        assert raised.value.code == "too_many_files"
        assert "(files_kept)" in str(raised.value)
        assert [path.name for path in own.files_dir.iterdir()] == [file.id]
        client.evals.delete(of.id)
        client.files.delete(file.id)
        client.evals.create(data_source_config=CUSTOM, testing_criteria=[EQUAL])  # type: ignore[arg-type, list-item]
        client.files.create(file=("b.jsonl", b"{}"), purpose="evals")


async def test_an_expired_file_makes_room_for_another(tmp_path: Path) -> None:
    async with Store(str(tmp_path / "service.sqlite")) as store:
        files = Files(store, tmp_path / "files")
        await files.open()

        async def keep(expires_after_s: int | None) -> str:
            async with files.part() as part:
                kept = await files.keep(
                    part, filename="a", purpose="evals", expires_after_s=expires_after_s, most=1
                )
                return kept.id

        await keep(-1)  # expired already
        second = await keep(None)
        with pytest.raises(Full):
            await keep(None)
        assert [path.name for path in (tmp_path / "files").iterdir()] == [second]
