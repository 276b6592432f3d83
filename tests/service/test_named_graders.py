"""`/v1/graders`: a name has versions, equal graders are one version, and results say which version made them."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from graders import Registry
from runtime import Evaluator, Settings
from runtime.concurrency.bounded_cache import ENTRY_BYTES
from runtime.evaluation.canonical import canonical
from runtime.evaluation.grader_cache import size_of
from service.errors import ApiError
from service.named_graders import FRESH_S, GraderResolver, version_of
from service.store import NamedGraders, Store
from tests.service.evals.tallying import tallying

GRADE, BATCH, NAMES = "/v1/grade", "/v1/grade/batch", "/v1/graders"
EQUAL = {
    "type": "string_check",
    "name": "equal",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
UNEQUAL = {**EQUAL, "operation": "ne"}
ASKS = {"type": "endpoint", "url": "https://grader.example/", "headers": {"X-Key": "hidden"}}
NESTED = {
    "type": "multi",
    "graders": {"a": {**ASKS, "headers": {"X-Key": "hidden", "X-Other": "secret"}}},
    "calculate_output": "a",
}

Serve = Callable[[Settings], AbstractContextManager[str]]


@pytest.fixture(scope="module")
def http(url: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=url, timeout=30) as bare:
        yield bare


@pytest.fixture
def name() -> str:
    return f"n{uuid.uuid4().hex}"


def put(http: httpx2.Client, name: str, grader: object, **fields: Any) -> dict[str, Any]:
    reply = http.put(f"{NAMES}/{name}", json={"grader": grader, **fields})
    assert reply.status_code in {200, 201}, reply.text
    stored: dict[str, Any] = reply.json()
    return {**stored, "status": reply.status_code}


def error(reply: httpx2.Response) -> tuple[int, str, str]:
    told = reply.json()["error"]
    return reply.status_code, told["param"], told["message"]


def test_what_is_put_is_a_version_and_can_be_had_again(http: httpx2.Client, name: str) -> None:
    stored = put(http, name, EQUAL, metadata={"team": "math"})
    assert stored.pop("status") == 201
    assert stored.pop("signature").startswith("string_check:")
    assert stored.pop("created_at") > 1_700_000_000
    assert stored.pop("id").startswith("grader_")
    assert len(stored.pop("digest")) == 32
    assert stored == {
        "object": "grader",
        "name": name,
        "version": 1,
        "is_current": True,
        "grader": EQUAL,
        "metadata": {"team": "math"},
    }
    got = http.get(f"{NAMES}/{name}").json()
    assert (got["version"], got["grader"], got["metadata"]) == (1, EQUAL, {"team": "math"})


def test_equal_graders_are_one_version_and_a_put_makes_it_the_current_one(
    http: httpx2.Client, name: str
) -> None:
    one = put(http, name, EQUAL)
    same = put(http, name, {**dict(reversed(EQUAL.items())), "pass_threshold": 0.5}, metadata={"a": "b"})
    other = put(http, name, UNEQUAL)
    again = put(http, name, EQUAL)
    assert [made["status"] for made in (one, same, other, again)] == [201, 200, 201, 200]
    assert [made["version"] for made in (one, same, other, again)] == [1, 1, 2, 1]
    assert one["digest"] == same["digest"] == again["digest"] != other["digest"]
    assert again["metadata"] == {"a": "b"}
    assert http.get(f"{NAMES}/{name}").json()["version"] == 1
    earlier = http.get(f"{NAMES}/{name}", params={"version": 2}).json()
    assert (earlier["grader"]["operation"], earlier["is_current"]) == ("ne", False)
    listed = http.get(f"{NAMES}/{name}/versions", params={"order": "desc"}).json()
    assert [row["version"] for row in listed["data"]] == [2, 1]


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("grader", "change"),
    [
        (EQUAL, {"name": "other"}),
        (EQUAL, {"pass_threshold": 0.7}),
        (EQUAL, {"reference": "{{ item.answer }} "}),
        (EQUAL, {"votes": 3}),
        (ASKS, {"headers": {"X-Key": "renewed"}}),
        (NESTED, {"graders": {"a": {**ASKS, "pass_threshold": 0.7}}}),
        (NESTED, {"graders": {"a": {**ASKS, "name": "inner"}}}),
        (NESTED, {"graders": {"a": {**ASKS, "headers": {"X-Key": "hidden", "X-Other": "renewed"}}}}),
    ],
)
def test_what_changes_a_grader_makes_another_version(grader: dict[str, Any], change: dict[str, Any]) -> None:
    def identity(config: dict[str, Any]) -> str:
        return version_of(Registry.installed().load(config), None).identity

    assert identity(grader) == identity(dict(reversed(grader.items())))
    assert identity(grader) != identity({**grader, **change})


def test_the_versions_of_libraries_make_no_version() -> None:
    def identity(signature: str, name: str) -> str:
        grader = Registry.installed().load(EQUAL)
        info = replace(grader.info, signature=signature, name=name)
        return version_of(replace(grader, info=info), None).identity

    old = identity("string_check:1.0:0", "grader-0123456789ab")  # a name that was made up of the signature
    assert old == identity("string_check:2.0:0", "grader-ba9876543210")
    assert old != identity("string_check:1.0:0", "own")


def test_a_changed_secret_is_a_version_that_shows_nothing_of_it(http: httpx2.Client, name: str) -> None:
    one, two = put(http, name, NESTED), put(http, name, {**NESTED, "graders": {"a": ASKS}})
    masked = {"X-Key": "**********", "X-Other": "**********"}
    assert one["grader"]["graders"]["a"]["headers"] == masked
    assert two["version"] == 2
    renewed = {**ASKS, "headers": {"X-Key": "renewed"}}
    three = put(http, name, {**NESTED, "graders": {"a": renewed}})
    assert (three["version"], three["digest"]) == (3, two["digest"])
    for address in (f"/{name}", f"/{name}?version=1", f"/{name}/versions", "?limit=1000", f"/{name}/stats"):
        text = http.get(f"{NAMES}{address}").text
        assert name in text
        assert not [secret for secret in ("hidden", "secret", "renewed") if secret in text]


def test_a_mask_is_not_taken_for_a_secret(http: httpx2.Client, name: str) -> None:
    echo = put(http, name, NESTED)["grader"]
    status, param, message = error(http.put(f"{NAMES}/{name}", json={"grader": echo}))
    assert (status, param) == (400, "grader.graders.a.headers.X-Key")
    assert "send the secret itself" in message
    assert http.get(f"{NAMES}/{name}/versions").json()["data"][-1]["version"] == 1


def test_a_grader_without_a_name_is_called_what_it_is_stored_as(http: httpx2.Client, name: str) -> None:
    nameless = {key: value for key, value in EQUAL.items() if key != "name"}
    assert put(http, name, nameless)["grader"]["name"] == name


@pytest.mark.parametrize("bad", [".hidden", "a b", "a%0a", "ä", "a" * 65, "a@1"])
@pytest.mark.parametrize("method", ["PUT", "GET", "DELETE"])
def test_names_that_nothing_may_have_are_400(http: httpx2.Client, bad: str, method: str) -> None:
    reply = http.request(method, f"{NAMES}/{bad}", json={"grader": EQUAL})
    status, param, message = error(reply)
    assert (status, param, reply.json()["error"]["code"]) == (400, "name", "invalid_name")
    assert "1 to 64" in message


def test_an_address_of_something_else_is_no_name(http: httpx2.Client) -> None:
    for method in ("PUT", "DELETE"):
        reply = http.request(method, f"{NAMES}/schema", json={"grader": EQUAL})
        assert error(reply)[:2] == (400, "name")
        assert "reserved" in error(reply)[2]
    assert http.request("OPTIONS", f"{NAMES}/schema").headers["allow"] == "GET"
    assert http.request("OPTIONS", f"{NAMES}/equal").headers["allow"] == "GET, PUT, DELETE"


def test_what_is_no_grader_is_not_stored(http: httpx2.Client, name: str) -> None:
    wrong = {**EQUAL, "operation": "equals"}
    assert error(http.put(f"{NAMES}/{name}", json={"grader": wrong}))[:2] == (400, "grader.operation")
    assert error(http.put(f"{NAMES}/{name}", json={}))[:2] == (400, "grader")
    assert error(http.put(f"{NAMES}/{name}", json={"grader": EQUAL, "x": 1}))[:2] == (400, "x")
    assert error(http.put(f"{NAMES}/{name}", json={"grader": EQUAL, "metadata": {"a": 1}}))[0] == 400
    assert http.get(f"{NAMES}/{name}").status_code == 404


def test_pages_of_names_and_of_versions(http: httpx2.Client, name: str) -> None:
    names = [f"{name}{suffix}" for suffix in "abc"]
    first, *_ = [put(http, each, EQUAL) for each in names]
    put(http, names[1], UNEQUAL)
    reply = http.get(NAMES, params={"after": first["id"], "limit": 1}).json()
    assert [(row["name"], row["version"]) for row in reply["data"]] == [(names[1], 2)]
    assert (reply["object"], reply["has_more"]) == ("list", True)
    assert reply["first_id"] == reply["last_id"] == reply["data"][0]["id"]
    rest = http.get(NAMES, params={"after": reply["last_id"]}).json()
    assert ([row["name"] for row in rest["data"]], rest["has_more"]) == ([names[2]], False)
    newest = http.get(NAMES, params={"order": "desc", "limit": 2}).json()
    assert [row["name"] for row in newest["data"]] == [names[2], names[1]]
    address = f"{NAMES}/{names[1]}/versions"
    page = http.get(address, params={"limit": 1}).json()
    assert ([row["version"] for row in page["data"]], page["has_more"]) == ([1], True)
    page = http.get(address, params={"after": page["last_id"]}).json()
    assert ([row["version"] for row in page["data"]], page["has_more"]) == ([2], False)
    for query in ({"limit": "0"}, {"limit": "x"}, {"order": "up"}):
        assert error(http.get(NAMES, params=query))[:2] == (400, next(iter(query)))
    assert error(http.get(address, params={"after": "x"}))[:2] == (400, "after")


def test_what_is_deleted_is_gone_with_all_versions(http: httpx2.Client, name: str) -> None:
    put(http, name, EQUAL)
    put(http, name, UNEQUAL)
    assert http.post(GRADE, json={"name": name, "sample": ""}).status_code == 200
    assert http.delete(f"{NAMES}/{name}").json() == {
        "object": "grader.deleted",
        "name": name,
        "deleted": True,
    }
    for reply in (
        http.get(f"{NAMES}/{name}"),
        http.get(f"{NAMES}/{name}", params={"version": 1}),
        http.get(f"{NAMES}/{name}/versions"),
        http.get(f"{NAMES}/{name}/stats"),
        http.delete(f"{NAMES}/{name}"),
        http.post(GRADE, json={"name": name, "sample": ""}),
        http.post(BATCH, json={"name": name, "version": 1, "rows": []}),
    ):
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")
    assert put(http, name, UNEQUAL)["version"] == 1


@pytest.mark.parametrize("headers", [{}, {"accept": "application/x-ndjson"}], ids=["json", "lines"])
def test_results_say_which_version_made_them(http: httpx2.Client, name: str, headers: dict[str, str]) -> None:
    put(http, name, EQUAL)
    put(http, name, UNEQUAL)
    row = {"sample": "4", "item": {"answer": "4"}}
    for fields, version, reward in (({}, 2, 0.0), ({"version": 1}, 1, 1.0)):
        alone = http.post(GRADE, json={"name": name, **fields, **row}).json()
        assert alone["reward"] == reward
        signature = alone["grader"].pop("signature")
        said = {"name": "equal", "type": "string_check", "stored_name": name, "version": version}
        assert alone["grader"] == said
        rows = [row, {"sample": "4"}]
        reply = http.post(BATCH, json={"name": name, **fields, "rows": rows}, headers=headers)
        first, ungraded = reply.text.splitlines()[:2] if headers else ("", "")
        results = [httpx2.Response(200, text=line).json() for line in (first, ungraded)] if headers else None
        if results is None:
            assert reply.json()["grader"] == {**said, "signature": signature}
            results = reply.json()["results"]
        assert [result["reward"] for result in results] == [reward, None]
        assert [result["grader"] for result in results] == [{**said, "signature": signature}] * 2
    assert "version" not in http.post(GRADE, json={"grader": EQUAL, **row}).json()["grader"]


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({}, "grader", "grader: this field is required, or 'name'"),
        ({"grader": None}, "grader", "grader: expected a grader"),
        ({"grader": EQUAL, "name": "a"}, "name", "name: there is a 'grader' too; give one of them"),
        ({"grader": EQUAL, "version": 1}, "version", "version: this belongs to a stored grader"),
        ({"grader": EQUAL, "split": "train"}, "split", "split: this belongs to a stored grader"),
        ({"grader": EQUAL, "step": 0}, "step", "step: this belongs to a stored grader"),
        ({"name": 1}, "name", "name: expected the name of a stored grader"),
        ({"name": "a b"}, "name", "name: expected 1 to 64"),
        ({"name": "NAME", "version": 0}, "version", "version: expected the number of a version"),
        ({"name": "NAME", "version": True}, "version", "version: expected the number of a version"),
        ({"name": "NAME", "version": "1"}, "version", "version: expected the number of a version"),
        ({"name": "NAME", "split": "test"}, "split", "split: expected 'train' or 'valid'"),
        ({"name": "NAME", "split": ["train"]}, "split", "split: expected 'train' or 'valid'"),
        ({"name": "NAME", "step": -1}, "step", "step: expected the number of a training step"),
        ({"name": "NAME", "step": 1.5}, "step", "step: expected the number of a training step"),
        ({"name": "NAME", "step": 2**63}, "step", "step: expected the number of a training step"),
    ],
)
def test_a_bad_choice_of_a_grader_is_400_that_names_the_field(
    http: httpx2.Client, name: str, fields: dict[str, Any], param: str, message: str
) -> None:
    put(http, name, EQUAL)
    fields = {key: name if value == "NAME" else value for key, value in fields.items()}
    for address, rest in ((GRADE, {"sample": "4"}), (BATCH, {"rows": []})):
        status, named, told = error(http.post(address, json={**fields, **rest}))
        assert (status, named) == (400, param)
        assert told.startswith(message)


def test_a_version_that_is_not_there_is_404(http: httpx2.Client, name: str) -> None:
    put(http, name, EQUAL)
    for reply in (
        http.get(f"{NAMES}/{name}", params={"version": 2}),
        http.post(GRADE, json={"name": name, "version": 2, "sample": ""}),
    ):
        assert error(reply) == (404, "version", f"there is no version 2 of a grader {name}")
    assert error(http.get(f"{NAMES}/{name}", params={"version": "x"}))[:2] == (400, "version")


@pytest.mark.full
def test_a_secret_still_works_after_a_restart(quick: Settings, serve: Serve, tmp_path: Path) -> None:
    with tallying(9) as tally:
        own = quick.model_copy(
            update={
                "database": str(tmp_path / "service.sqlite"),
                "files_dir": tmp_path / "files",
                "endpoint_hosts": (tally.address,),
            }
        )
        with serve(own) as url:
            reply = httpx2.put(f"{url}{NAMES}/tally", json={"grader": tally.criterion})
            assert reply.json()["grader"]["headers"] == {"x-key": "**********"}
        with serve(own) as url:
            result = httpx2.post(f"{url}{GRADE}", json={"name": "tally", "sample": "a", "item": {"n": 1}})
    assert (result.json()["reward"], result.json()["grader"]["version"]) == (1.0, 1)


class Counting(NamedGraders):
    """Named graders that count how often they are asked, and can be made to wait."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.asked = 0
        self.go = asyncio.Event()
        self.go.set()
        self.has_found = asyncio.Event()

    async def find(self, name: str, version: int | None = None) -> Any:
        self.asked += 1
        found = await super().find(name, version)
        self.has_found.set()
        await self.go.wait()
        return found


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_the_store_is_asked_once_in_two_seconds(tmp_path: Path, evaluator: Evaluator) -> None:
    async with Store(str(tmp_path / "s.sqlite")) as store:
        stored, clock = Counting(store), Clock()
        named = GraderResolver(stored, evaluator, clock=clock)

        async def store_it(config: dict[str, Any]) -> None:
            await stored.put("a", version_of(await evaluator.prepare(config), None))

        await store_it(EQUAL)
        found = await asyncio.gather(*(named.find("a") for _ in range(50)))
        assert (stored.asked, {chosen.version for chosen in found}) == (1, {1})
        await store_it(UNEQUAL)  # as another process does
        clock.now += FRESH_S * 0.9
        assert ((await named.find("a")).version, stored.asked) == (1, 1)
        clock.now += FRESH_S * 0.2
        assert ((await named.find("a")).version, stored.asked) == (2, 2)
        # what was asked before a change is not remembered after it
        clock.now += FRESH_S
        stored.go.clear()
        late = asyncio.create_task(named.find("a"))
        stored.has_found.clear()
        await stored.has_found.wait()
        await store_it(EQUAL)
        named.forget("a")
        stored.go.set()
        assert (await late).version == 2
        assert (await named.find("a")).version == 1
        with pytest.raises(ApiError):
            await named.find("b")


async def test_what_is_remembered_is_bounded_by_its_size(tmp_path: Path, evaluator: Evaluator) -> None:
    async with Store(str(tmp_path / "s.sqlite")) as store:
        stored = Counting(store)
        one = size_of(evaluator.load(EQUAL), canonical({**EQUAL, "name": "a"}) or "") + ENTRY_BYTES
        named = GraderResolver(stored, evaluator, clock=Clock(), max_bytes=2 * one)
        for name in "abc":
            await stored.put(name, version_of(await evaluator.prepare({**EQUAL, "name": name}), None))
            await named.find(name)
        await named.find("c")
        assert stored.asked == 3
        await named.find("a")
        assert stored.asked == 4
