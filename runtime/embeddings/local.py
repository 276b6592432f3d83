"""The local model for many gradings at once: in a thread, each text once."""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Protocol, TypeAlias

from graders import FailureKind, FailureType, GradingError
from runtime.embeddings.minilm import MiniLM, Vector

BATCH = 16
"""Texts that are embedded before anybody is told."""
REMEMBERED = 8_192
"""Vectors that are kept, 1.5 KB each."""

_Found: TypeAlias = Vector | GradingError


class Model(Protocol):
    """Turns a text into a vector."""

    def embed(self, text: str) -> Vector:
        """The vector of a text.

        Raises:
            GradingError: When it has none.
        """
        ...


class LocalEmbedder:
    """The model in this process; loaded when it is first asked, in a thread, and belongs to one event loop."""

    def __init__(self, load: Callable[[], Model] = MiniLM, *, remembered: int = REMEMBERED) -> None:
        """Load nothing yet.

        Args:
            load: Loads the model; tried again after it failed.
            remembered: How many vectors are kept, those that were asked for last.
        """
        self._load, self._remembered = load, remembered
        self._model: Model | None = None
        self._known: OrderedDict[bytes, Vector] = OrderedDict()
        self._waiting: dict[bytes, tuple[str, asyncio.Future[_Found]]] = {}
        self._worker: asyncio.Task[None] | None = None
        self._is_closed = False

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Sequence[Sequence[float]]:
        """One vector for each text; see `graders.Embedder.embed`.

        Args:
            texts: Of each the first 100,000 characters are read, and of those the first 8,192 word pieces.
            model: Without meaning: there is one.

        Raises:
            GradingError: When the model is not installed, or fails.
        """
        del model
        wanted = [self._ask(text) for text in texts]
        # others may wait for the same vector, so giving up must not end the work
        found = [await asyncio.shield(future) for future in wanted]
        return [_numbers(vector) for vector in found]

    async def aclose(self) -> None:
        """Stop; callers that still wait get an error instead of a vector."""
        self._is_closed = True  # the thread sees it after the text that it is at
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        self._tell_all_that_it_stopped()  # one that was cancelled before it began did not

    def _ask(self, text: str) -> asyncio.Future[_Found]:
        """The vector of a text, when it is there."""
        key = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
        if key in self._waiting:
            return self._waiting[key][1]
        future: asyncio.Future[_Found] = asyncio.get_running_loop().create_future()
        if key in self._known:
            self._known.move_to_end(key)
            future.set_result(self._known[key])
            return future
        self._waiting[key] = (text, future)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return future

    async def _work(self) -> None:
        """Embed whatever is waited for, until nothing is."""
        try:
            while self._waiting:
                batch = dict(islice(self._waiting.items(), BATCH))
                found = await asyncio.to_thread(self._embed_all, [text for text, _ in batch.values()])
                for key, vector in zip(batch, found, strict=True):
                    self._tell(key, vector)
        finally:
            self._tell_all_that_it_stopped()

    def _embed_all(self, texts: Sequence[str]) -> list[_Found]:
        """The work of the thread; there is one such thread at a time."""
        return [self._embed(text) for text in texts]

    def _embed(self, text: str) -> _Found:
        if self._is_closed:
            return _failed("it was stopped")
        try:
            self._model = self._model or self._load()
            return self._model.embed(text)
        except GradingError as error:
            return error
        except Exception as error:  # noqa: BLE001  # of a library in C++; waiting callers need an error
            return _failed(f"{type(error).__name__}: {error}")

    def _tell_all_that_it_stopped(self) -> None:
        for key in list(self._waiting):
            self._tell(key, _failed("it was stopped"))

    def _tell(self, key: bytes, vector: _Found) -> None:
        _, future = self._waiting.pop(key)
        future.set_result(vector)
        if not isinstance(vector, GradingError):
            self._known[key] = vector
            if len(self._known) > self._remembered:
                self._known.popitem(last=False)


def _numbers(vector: _Found) -> list[float]:
    if isinstance(vector, GradingError):
        raise GradingError.of(vector.failure)  # an error of its own for each who waited
    return [float(number) for number in vector]


def _failed(why: str) -> GradingError:
    return GradingError(
        f"the local embedding model gave no vector: {why}",
        kind=FailureKind.MODEL_GRADER_SERVER,
        caused_by="infrastructure",
        details={"type": FailureType.NO_ANSWER},
        retryable=True,
    )
