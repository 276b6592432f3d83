"""A service whose evals are its own, and the official client for it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from openai.types.evals import RunRetrieveResponse

from runtime import Settings
from service.store import Claims, Evals, Store
from tests.service.conftest import served

PATIENCE_S = 60.0
ITEMS = {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}
CUSTOM = {"type": "custom", "item_schema": ITEMS, "include_sample_schema": True}
EQUAL = {
    "type": "string_check",
    "name": "equal",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
NUMBER: Any = {
    "type": "string_check",
    "name": "n",
    "input": "{{item.n}}",
    "reference": "{{item.n}}",
    "operation": "eq",
}
"""What every numbered row passes."""


def rows(*pairs: tuple[str, str]) -> dict[str, Any]:
    """A data source of answers that are wanted and given."""
    content = [{"item": {"answer": wanted}, "sample": {"output_text": given}} for wanted, given in pairs]
    return {"type": "jsonl", "source": {"type": "file_content", "content": content}}


def ended(client: OpenAI, eval_id: str, run_id: str, patience_s: float = PATIENCE_S) -> RunRetrieveResponse:
    """The run, once it has ended."""
    until, pause_s = time.monotonic() + patience_s, 0.02
    while True:
        run = client.evals.runs.retrieve(run_id, eval_id=eval_id)
        if run.status not in {"queued", "in_progress"}:
            return run
        assert time.monotonic() < until, run
        # every request takes processor time from the run
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 0.25)


@pytest.fixture
def own(quick: Settings, tmp_path: Path) -> Settings:
    """Settings with a database and files of their own."""
    return quick.model_copy(
        update={"database": str(tmp_path / "service.sqlite"), "files_dir": tmp_path / "files"}
    )


@pytest.fixture(scope="module")
def url(quick: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a service that the tests of a module share, with a database and files of its own."""
    home = tmp_path_factory.mktemp("evals")
    shared = {"database": str(home / "service.sqlite"), "files_dir": home / "files"}
    with served(quick.model_copy(update=shared)) as address:
        yield address


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[OpenAI]:
    """The unmodified official client."""
    with OpenAI(base_url=f"{url}/v1", api_key="any", max_retries=0) as official:
        yield official


@pytest.fixture
def evals(store: Store) -> Evals:
    """Its evals."""
    return Evals(store)


@pytest.fixture
def me(store: Store) -> Claims:
    """What one process has claimed of them."""
    return Claims(store, "me", 60)


@pytest.fixture
def other(store: Store) -> Claims:
    """What another has."""
    return Claims(store, "other", 60)
