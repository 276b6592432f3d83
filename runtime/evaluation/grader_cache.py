"""Compiled graders, kept by the digest of their JSON: a trainer sends the same one with every sample."""

import asyncio
import hashlib
import marshal
from collections.abc import Mapping
from typing import Any, cast

from graders import Grader, Pattern, Registry
from runtime.concurrency.bounded_cache import BoundedCache
from runtime.evaluation.canonical import canonical

BYTES_A_CHARACTER = 80
"""Memory of a loaded grader for each character of its JSON: measured, 81 for templates of many short variables, 26 for a
`string_check`, 1 for a Python source."""
TEXT_SHARE = 1 / 16
"""Of the memory for graders: the digests of their texts, by the digests of what was sent."""
ASIDE_CHARACTERS = 20_000
"""Of a grader's JSON beyond which it is compiled beside the event loop."""


class GraderCache:
    """Loads graders, and keeps those that were used last, up to a total size.

    Args:
        registry: Their types.
        max_bytes: Memory of the graders that are kept.
    """

    def __init__(self, registry: Registry, max_bytes: int) -> None:
        self._registry = registry
        self._graders: BoundedCache[bytes, Grader] = BoundedCache(int((1 - TEXT_SHARE) * max_bytes))
        self._digests: BoundedCache[bytes, bytes] = BoundedCache(int(TEXT_SHARE * max_bytes))

    def load(self, config: Grader | Mapping[str, Any]) -> Grader:
        """A grader out of its JSON; the same one for equal JSON, while it is kept.

        Raises:
            ConfigurationError: When it is wrong.
            PluginError: When its plugin cannot be used.
        """
        if isinstance(config, Grader):
            return config
        text = canonical(config)
        key = _digest_of(text)
        return self._kept(key) or self._keep(key, text, self._registry.load(config))

    async def load_aside(self, config: Grader | Mapping[str, Any]) -> Grader:
        """The same, in a thread when it is long: hundreds of graders in one take a third of a second to compile."""
        if isinstance(config, Grader):
            return config
        exact = _exact(config)
        # what was sent before, in the same order, has its keys sorted no more
        known = self._digests.get(exact) if exact is not None else None
        if kept := self._kept(known):
            return kept
        text = canonical(config)
        key = _digest_of(text)
        if exact is not None and key is not None:
            self._digests.put(exact, key, 0)
        if kept := self._kept(key):
            return kept
        if text is None or len(text) <= ASIDE_CHARACTERS:
            return self._keep(key, text, self._registry.load(config))
        return self._keep(key, text, await asyncio.to_thread(self._registry.load, config))

    def _kept(self, key: bytes | None) -> Grader | None:
        return None if key is None else self._graders.get(key)

    def _keep(self, key: bytes | None, text: str | None, grader: Grader) -> Grader:
        """Keep a grader; gives the one that is kept, which another may have loaded meanwhile."""
        if key is None or text is None:
            return grader
        if kept := self._graders.get(key):
            return kept
        self._graders.put(key, grader, size_of(grader, text))
        return grader


def size_of(grader: Grader, text: str) -> int:
    """Bytes that a loaded grader holds at most, about.

    Args:
        grader: The grader.
        text: Its JSON.
    """
    return BYTES_A_CHARACTER * len(text) + _memory_of_patterns(grader)


def _memory_of_patterns(grader: Grader) -> int:
    """What the regular expressions of a grader and of those inside it may take; each may be compiled in two ways."""
    own = sum(2 * pattern.memory for _, pattern in grader.find(Pattern))
    return own + sum(_memory_of_patterns(inner) for _, inner in grader.inner())


def _digest_of(text: str | None) -> bytes | None:
    return None if text is None else hashlib.blake2b(text.encode(), digest_size=16).digest()


def _exact(config: Mapping[str, Any]) -> bytes | None:
    """The digest of data that only data of the same types, values and order has; None for data that is not plain."""
    try:
        # version 0 does not tell how texts are held in memory
        return hashlib.blake2b(marshal.dumps(cast("Any", config), 0), digest_size=16).digest()
    except ValueError:
        return None
