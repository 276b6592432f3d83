"""Whatever is killed, stopped, cancelled and deleted while runs are graded: what completes is whole, and everything ends."""

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.service.evals.conftest import ended
from tests.service.evals.stored import of_file
from tests.service.evals.tallying import Tally, tallying
from tests.service.evals.test_interrupted import NUMBERED
from tests.service.serving import Served

MOST_ROWS = 12
PATIENCE_S = 300.0
GONE = (openai.NotFoundError, openai.BadRequestError, openai.ConflictError)
"""What a request is answered with when what it names was deleted, is read, or has not ended."""


class Services:
    """Two processes over one database, of which one may be down; and a client of the other."""

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings
        self.up = [self._started() for _ in range(2)]

    def interrupt(self, number: int, *, kill: bool) -> None:
        """End one of them, at once or in good order, and start another in its place."""
        served = self.up[number]
        if kill:
            served.process.kill()
        served.end()
        self.up[number] = self._started()

    @contextmanager
    def client(self, number: int) -> Iterator[OpenAI]:
        """The official client of one of them."""
        with OpenAI(base_url=f"{self.up[number].url}/v1", api_key="any", max_retries=0) as client:
            yield client

    def end(self) -> None:
        """End both."""
        for served in self.up:
            served.end()

    def _started(self) -> Served:
        served = Served(self._settings)
        served.wait()
        return served


class History:
    """What was begun so far, and what happens to it.

    Attributes:
        rows: How many rows each run has that was not deleted, by its eval and itself.
    """

    def __init__(self, chance: random.Random, criterion: dict[str, Any]) -> None:
        self.chance, self._criterion = chance, criterion
        self.rows: dict[tuple[str, str], int] = {}
        self._evals: list[str] = []
        self._files: dict[str, int] = {}

    def begin(self, client: OpenAI) -> None:
        """Begin a run over the rows of a request or of a file, or over the samples of another run."""
        criteria: Any = [self._criterion]
        if len(self._evals) < 3 or self.chance.random() < 0.1:
            made = client.evals.create(data_source_config=NUMBERED, testing_criteria=criteria)
            self._evals.append(made.id)
        count = self.chance.randint(1, MOST_ROWS)
        rows = [{"item": {"n": number}, "sample": "a"} for number in range(count)]
        eval_id = self.chance.choice(self._evals)
        how = self.chance.choice(["content", "file", "file", "regrade"])
        source: Any = {"type": "jsonl", "source": {"type": "file_content", "content": rows}}
        if how == "regrade" and self.rows:
            eval_id, old = self.chance.choice(list(self.rows))
            path, body = f"/evals/{eval_id}/runs/{old}/regrade", {"testing_criteria": criteria}
            regraded: Any = client.post(path, body=body, cast_to=object)
            # it has ended, so that this does not change
            if count := client.evals.runs.retrieve(old, eval_id=eval_id).result_counts.passed:
                self.rows[eval_id, regraded["id"]] = count
            return
        if how == "file":
            if not self._files or self.chance.random() < 0.5:
                lines = "\n".join(map(json.dumps, rows)).encode()
                file = client.files.create(file=("r.jsonl", lines), purpose="evals")
                self._files[file.id] = count
            file_id = self.chance.choice(list(self._files))
            count, source = self._files[file_id], of_file(file_id)
        run = client.evals.runs.create(eval_id, data_source=source)
        self.rows[eval_id, run.id] = count

    def disturb(self, client: OpenAI) -> None:
        """Cancel or delete something, if nothing reads it."""
        eval_id, run = self.chance.choice(list(self.rows))
        match self.chance.choice(["cancel", "delete", "delete a file", "delete a file", "delete an eval"]):
            case "cancel":
                client.evals.runs.cancel(run, eval_id=eval_id)
            case "delete":
                client.evals.runs.delete(run, eval_id=eval_id)
                del self.rows[eval_id, run]
            case "delete a file" if self._files:
                file = self.chance.choice(list(self._files))
                client.files.delete(file)
                del self._files[file]
            case "delete an eval" if self.chance.random() < 0.2:
                client.evals.delete(eval_id)
                self._evals.remove(eval_id)
                self.rows = {key: count for key, count in self.rows.items() if key[0] != eval_id}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_what_completes_is_whole_and_nothing_is_stuck(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, seed: int
) -> None:
    database = str(tmp_path / "s.sqlite") if kind == "sqlite" else request.getfixturevalue("postgresql")
    with tallying(10**9, takes_s=0.05) as tally:
        settings = {
            "GRADERS_DATABASE": database,
            "GRADERS_FILES_DIR": str(tmp_path / "files"),
            "GRADERS_ENDPOINT_HOSTS": json.dumps([tally.address]),
            "GRADERS_EVAL_CONCURRENCY": "2",
            "GRADERS_EVAL_LEASE_S": "1",
        }
        services = Services(settings)
        try:
            expect_whole(services, interrupted(services, tally, random.Random(seed), 100))  # noqa: S311  # to be repeated
        finally:
            services.end()


def interrupted(services: Services, tally: Tally, chance: random.Random, count: int) -> History:
    """What was begun while other things happened."""
    history = History(chance, tally.criterion)
    for step in range(count):
        with services.client(step % 2) as client, suppress(*GONE):
            history.begin(client)
        if step % 3 == 2:
            with services.client(chance.randrange(2)) as client, suppress(*GONE):
                history.disturb(client)
        if step % 10 == 9:
            services.interrupt(chance.randrange(2), kill=chance.random() < 0.7)
    return history


def expect_whole(services: Services, history: History) -> None:
    """Every run that was not deleted ends; what has completed has all of its rows, once."""
    statuses = set()
    with services.client(0) as client:
        for (eval_id, run), count in history.rows.items():
            done = ended(client, eval_id, run, PATIENCE_S)
            statuses.add(done.status)
            counts = done.result_counts
            items = client.evals.runs.output_items.list(run, eval_id=eval_id, limit=100)
            written = [item.datasource_item_id for item in items]
            assert counts.passed == len(written)
            assert (counts.failed, counts.errored) == (0, 0)
            if done.status == "completed":
                assert (counts.total, written) == (count, list(range(count)))
            elif done.status == "failed":  # killed three times in the same moment
                assert done.error.code == "no_progress"
    assert "completed" in statuses
