"""One reading of an answer."""

from collections.abc import Callable
from typing import NamedTuple


class Candidate(NamedTuple):
    """What may be the code of an answer.

    Attributes:
        blocks: The code blocks of the answer, in order.
        chosen: Which of them most likely is the code; others count where it needs them.
    """

    blocks: tuple[str, ...]
    chosen: int = 0

    @property
    def code(self) -> str:
        """The chosen block."""
        return self.blocks[self.chosen]

    def changed(self, change: Callable[[str], str]) -> "Candidate":
        """The same reading, each block changed."""
        return Candidate(tuple(map(change, self.blocks)), self.chosen)
