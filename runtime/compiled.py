"""Compiled graders, kept by their JSON: a trainer sends the same one with every sample."""

import asyncio
import marshal
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, cast

from graders import Grader, Registry
from runtime.canonical import canonical

KEPT_CHARACTERS = 8_000_000
"""Of JSON whose graders are kept; compiled, they take some ten times as much memory."""
ASIDE_CHARACTERS = 20_000
"""Of a grader's JSON beyond which it is compiled beside the event loop."""


class CompiledGraders:
    """Loads graders, and keeps those that were used last, up to a total length of their JSON."""

    def __init__(self, registry: Registry, characters: int = KEPT_CHARACTERS) -> None:
        self._registry, self._limit = registry, characters
        self._graders: OrderedDict[str, Grader] = OrderedDict()
        self._held = 0
        self._texts: dict[bytes, str] = {}
        self._texts_held = 0
        self._lock = threading.Lock()

    def load(self, config: Grader | Mapping[str, Any]) -> Grader:
        """A grader out of its JSON; the same one for equal JSON, while it is kept.

        Raises:
            ConfigurationError: When it is wrong.
            PluginError: When its plugin cannot be used.
        """
        if isinstance(config, Grader):
            return config
        text = canonical(config)
        return self._kept(text) or self._keep(text, self._registry.load(config))

    async def load_aside(self, config: Grader | Mapping[str, Any]) -> Grader:
        """The same, in a thread when it is long: hundreds of graders in one take a third of a second to compile."""
        if isinstance(config, Grader):
            return config
        exact = _exact(config)
        text = None if exact is None else self._texts.get(exact)
        if text is None:
            text = canonical(config)
            self._remember(exact, text)
        if kept := self._kept(text):
            return kept
        if text is None or len(text) <= ASIDE_CHARACTERS:
            return self._keep(text, self._registry.load(config))
        return self._keep(text, await asyncio.to_thread(self._registry.load, config))

    def _remember(self, exact: bytes | None, text: str | None) -> None:
        """Have a text found by its exact data, whose keys are then not sorted again each time."""
        if exact is None or text is None or len(exact) > self._limit:
            return
        with self._lock:
            if self._texts_held + len(exact) > self._limit:
                self._texts.clear()
                self._texts_held = 0
            self._texts[exact] = text
            self._texts_held += len(exact)

    def _kept(self, text: str | None) -> Grader | None:
        with self._lock:
            if text is None or text not in self._graders:
                return None
            self._graders.move_to_end(text)
            return self._graders[text]

    def _keep(self, text: str | None, grader: Grader) -> Grader:
        """Keep a grader and let go of those that were not used for longest; gives the one that is kept."""
        if text is None:
            return grader
        with self._lock:
            kept = self._graders.setdefault(text, grader)
            if kept is grader:
                self._held += len(text)
            while self._held > self._limit:
                oldest, _ = self._graders.popitem(last=False)
                self._held -= len(oldest)
        return kept


def _exact(config: Mapping[str, Any]) -> bytes | None:
    """Bytes that only data of the same types, values and order has; None for data that is not plain."""
    try:
        return marshal.dumps(cast("Any", config), 0)  # version 0 does not tell how texts are held in memory
    except ValueError:
        return None
