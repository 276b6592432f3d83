"""Reads the JSON texts of strangers without keeping the event loop: short ones at once, costly ones in a process."""

from functools import partial
from typing import Any

from runtime.data.json_process import KIND, TooMuch, read_piece_by_piece
from runtime.data.json_text import LONG_NUMBER, MAX_DEPTH, read_aside
from runtime.data.json_weight import INLINE_BYTES, Weight, weigh_aside
from runtime.processes.helper_process import HelperFailed, HelperPool

INLINE_VALUES = 100_000
"""JSON values of a text that is read on the event loop; they take some 20 ms."""
INLINE_LENGTH = 4 << 20
"""Bytes of a text that is read on the event loop, whatever is in it."""
MAX_VALUES = 2_000_000
"""JSON values of a text that is read at all."""
MAX_CONTAINERS = 400_000
"""Lists and objects of a text that is read at all: the collector looks at all of them when they are new."""


class ReadFailed(Exception):
    """A text could not be read, through no fault of its own."""


class JsonReader:
    """Reads texts; belongs to one event loop, and starts processes when costly ones come."""

    def __init__(self) -> None:
        self._pool = HelperPool(KIND)

    async def read(self, text: bytes, *, client: str = "") -> tuple[Any, bool]:
        """The one value of a JSON text; see `runtime.data.json_text.read_text`.

        An element of the longest list that has more than 200,000 values is an `Unreadable`.

        Args:
            text: UTF-8.
            client: Who sent it; each has its turn.

        Raises:
            NotJson: When it is not JSON.
            TooMuch: When it has more values than are held, or takes too long to read.
            ReadFailed: When the machine failed.
        """
        if len(text) <= INLINE_BYTES:
            return await read_aside(text)
        weight = await weigh_aside(text)
        if _costs_little(text, weight):
            return await read_aside(text)
        if weight.values > MAX_VALUES:
            raise TooMuch(f"it has {weight.values:,} JSON values, more than {MAX_VALUES:,}")
        if weight.containers > MAX_CONTAINERS:
            raise TooMuch(f"it has {weight.containers:,} lists and objects, more than {MAX_CONTAINERS:,}")
        try:
            return await self._pool.run(client, partial(read_piece_by_piece, text))
        except HelperFailed as failed:
            if failed.by_request:
                raise TooMuch(str(failed)) from None
            raise ReadFailed(str(failed)) from None

    async def aclose(self) -> None:
        """End the processes."""
        await self._pool.aclose()


def _costs_little(text: bytes, weight: Weight) -> bool:
    if weight.values > INLINE_VALUES or weight.depth > MAX_DEPTH or len(text) > INLINE_LENGTH:
        return False
    return not LONG_NUMBER.search(text)
