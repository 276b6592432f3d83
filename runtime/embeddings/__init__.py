"""Models that embed: one that runs in this process, and those of servers."""

from collections.abc import Callable, Sequence

from graders import Embedder, FailureKind, FailureType, GradingError
from graders.kinds.text_similarity import LOCAL_MODEL
from runtime.embeddings.local import LocalEmbedder

__all__ = ["Embeddings"]


class Embeddings:
    """Every model that embeds, by the names that graders use; belongs to one event loop."""

    def __init__(self, find: Callable[[str], Embedder | None], *, default: str | None = None) -> None:
        """Load nothing yet.

        Args:
            find: Gives the model of a name, or None where no server has it.
            default: The name of the model that is asked where a grader names none; None for the local one.
        """
        self._find, self._default = find, default or LOCAL_MODEL
        self._local = LocalEmbedder()

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Sequence[Sequence[float]]:
        """One vector for each text; see `graders.Embedder.embed`. The model `local` is the one in this process."""
        name = model or self._default
        embedder = self._local if name == LOCAL_MODEL else self._find(name)
        if embedder is None:
            raise GradingError(
                f"no server is known for the embedding model {name!r}; {LOCAL_MODEL!r} is the one that needs none",
                kind=FailureKind.MODEL_GRADER_SERVER,
                caused_by="infrastructure",
                details={"type": FailureType.EMBEDDER_UNAVAILABLE},
                retryable=True,
            )
        return await embedder.embed(texts)

    async def aclose(self) -> None:
        """Stop what is being embedded in this process."""
        await self._local.aclose()
