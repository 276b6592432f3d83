"""`/v1/models` as the official client reads it: judges by name, and named graders."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx2
import pytest
from openai import NotFoundError, OpenAI

from runtime import Settings
from runtime.settings.judges import JudgeModel

CHECK = {"type": "string_check", "input": "a", "reference": "a", "operation": "eq"}
NOWHERE = JudgeModel(base_url="http://127.0.0.1:9/v1")
JUDGES = {"gpt-5.6": NOWHERE, "Qwen/Qwen3 32B": NOWHERE, "o*": NOWHERE, "mi[xy]": NOWHERE}


@pytest.fixture(scope="module")
def address(quick: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    from tests.service.conftest import served  # noqa: PLC0415  # a fixture's own function

    home = tmp_path_factory.mktemp("models")
    own = {"judges": JUDGES, "database": str(home / "s.sqlite"), "files_dir": home / "files"}
    with served(quick.model_copy(update=own)) as url:
        yield url


@pytest.fixture
def name(address: str) -> str:
    """A new named grader."""
    made = f"g{uuid.uuid4().hex}"
    httpx2.put(f"{address}/v1/graders/{made}", json={"grader": CHECK}).raise_for_status()
    return made


@pytest.mark.full
@pytest.mark.parametrize("prefix", ["/v1", "/openai/v1"])
def test_judges_with_names_and_named_graders_are_listed(address: str, name: str, prefix: str) -> None:
    with OpenAI(base_url=f"{address}{prefix}", api_key="any", max_retries=0) as client:
        found = {model.id: model for model in client.models.list()}
    judges = {model.id for model in found.values() if model.owned_by == "judge"}
    assert judges == {"gpt-5.6", "Qwen/Qwen3 32B"}
    assert (found[name].object, found[name].owned_by) == ("model", "grader")
    assert found[name].created > 1_700_000_000


@pytest.mark.parametrize("model", ["gpt-5.6", "Qwen/Qwen3 32B", "o3", "mix"])
def test_a_judge_is_found_by_its_name_or_by_a_pattern(address: str, model: str) -> None:
    with OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as client:
        found = client.models.retrieve(model)
    assert (found.id, found.owned_by, found.created) == (model, "judge", 0)


def test_a_named_grader_is_found_until_it_is_deleted(address: str, name: str) -> None:
    with OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as client:
        assert client.models.retrieve(name).owned_by == "grader"
        httpx2.delete(f"{address}/v1/graders/{name}").raise_for_status()
        with pytest.raises(NotFoundError) as raised:
            client.models.retrieve(name)
        assert name not in {model.id for model in client.models.list()}
    assert raised.value.code == "model_not_found"


@pytest.mark.parametrize("model", ["gpt-4", "no such", "a/b", "%00", "..%2F.."])
def test_an_unknown_model_is_a_404(address: str, model: str) -> None:
    reply = httpx2.get(f"{address}/v1/models/{model}")
    assert (reply.status_code, reply.json()["error"]["param"]) == (404, "model")


@pytest.mark.full
def test_without_judges_the_list_is_empty(
    quick: Settings, serve: Callable[[Settings], AbstractContextManager[str]], tmp_path: Path
) -> None:
    own = {"database": str(tmp_path / "s.sqlite"), "files_dir": tmp_path / "files"}
    with serve(quick.model_copy(update=own)) as address:
        assert httpx2.get(f"{address}/v1/models").json() == {"object": "list", "data": []}
