"""A model that embeds, on a server that speaks OpenAI's `/v1/embeddings`."""

import math
import re
from collections.abc import Sequence
from typing import Any

from openai import APIStatusError, AsyncOpenAI, OpenAIError

from graders import FailureKind, FailureType, GradingError
from graders.pattern import encodable
from runtime.data.json_weight import TooManyValues, read_weighed
from runtime.net.retries import may_pass

BATCH = 64
"""Texts of one request."""
MAX_VALUES = 300_000
"""JSON values of an answer: 64 vectors of 4,096 numbers, and what is beside them."""
_REFUSES = frozenset({400, 413, 422})
"""Statuses by which servers refuse what they are sent."""
_TOO_LONG = re.compile(
    r"context[_ ]length|context window|too (?:long|large|many tokens)|max(?:imum)? (?:number of )?(?:input|sequence|tokens?)"
    r"|(?:less|fewer|more) than \d+ (?:tokens|characters)|(?:input|token|tokens|length) (?:limit )?exceed|token limit|exceeds? the",
    re.IGNORECASE,
)
"""How servers say that a text is longer than their model takes: those of OpenAI, Azure, vLLM, TEI, Ollama and llama.cpp."""


class ServerEmbedder:
    """One model on its server."""

    def __init__(self, client: AsyncOpenAI, name: str) -> None:
        """A model that was not asked yet.

        Args:
            client: The official client, which says where the server is and by what right it is asked, and tries again.
            name: What the server calls the model.
        """
        self._client, self._name = client, name

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Sequence[Sequence[float]]:
        """One vector for each text; see `graders.Embedder.embed`.

        Args:
            texts: Up to 64 of them are sent in one request.
            model: Without meaning: there is one.

        Raises:
            GradingError: When there was no answer, or one that is not a vector for each text, all of one length. Its
                details have the type `too_large`, and it is the grader's, when the server refuses a text as too long.
        """
        del model
        vectors: list[list[float]] = []
        for start in range(0, len(texts), BATCH):
            vectors += await self._embed([encodable(text) for text in texts[start : start + BATCH]])
        if len({len(vector) for vector in vectors}) > 1:
            raise self._malformed("vectors of several lengths")
        return vectors

    async def _embed(self, texts: list[str]) -> list[list[float]]:
        """The vectors of one request."""
        try:
            response = await self._client.embeddings.with_raw_response.create(
                model=self._name, input=texts, encoding_format="float"
            )
        except APIStatusError as error:
            if error.status_code == 413 or (
                error.status_code in _REFUSES and _TOO_LONG.search(error.message)
            ):
                raise self._too_long(error.message) from error
            raise self._failed(
                f"answered with status {error.status_code}: {error.message[:500]}",
                FailureType.STATUS,
                retryable=may_pass(error.status_code),
            ) from error
        except OpenAIError as error:
            raise self._failed(f"did not answer: {error}", FailureType.NO_ANSWER, retryable=True) from error
        try:
            answer: Any = await read_weighed(response.content, MAX_VALUES)
        except TooManyValues as error:
            raise self._malformed(f"an answer that is too large: {error}") from None
        except ValueError:
            raise self._malformed("no JSON") from None
        rows = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self._malformed("no list of vectors")
        by_index = {row.get("index"): row.get("embedding") for row in rows if type(row.get("index")) is int}
        if len(rows) != len(texts) or set(by_index) != set(range(len(texts))):
            raise self._malformed("not one vector for each text")
        vectors = [by_index[index] for index in range(len(texts))]
        return [self._checked(vector) for vector in vectors]

    def _checked(self, vector: object) -> list[float]:
        """The vector, if it is a list of finite numbers."""
        if not isinstance(vector, list) or not vector:
            raise self._malformed("a vector that is empty or not a list")
        if not all(type(number) in (int, float) for number in vector):
            raise self._malformed("a vector of something else than numbers")
        try:
            numbers = [float(number) for number in vector]
        except OverflowError:  # an integer of 400 digits
            numbers = [math.inf]
        if not all(map(math.isfinite, numbers)):
            raise self._malformed("a vector of numbers that are not finite")
        return numbers

    def _too_long(self, said: str) -> GradingError:
        return GradingError(
            f"a text is too long for the embedding model {self._name!r}: {said[:500]}",
            details={"type": FailureType.TOO_LARGE},
        )

    def _malformed(self, what: str) -> GradingError:
        return self._failed(f"sent {what}", FailureType.MALFORMED_RESPONSE, retryable=True)

    def _failed(self, what: str, cause: FailureType, *, retryable: bool) -> GradingError:
        return GradingError(
            f"the server of the embedding model {self._name!r} {what}",
            kind=FailureKind.MODEL_GRADER_SERVER,
            caused_by="infrastructure",
            details={"type": cause},
            retryable=retryable,
        )
