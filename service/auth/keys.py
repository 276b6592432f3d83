"""Who may do what: the keys of the settings and of the store, what they allow, and how much of it.

Limits are counted in this process: of `workers` that share a port each allows as much.
"""

import asyncio
import hashlib
import hmac
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial

from runtime.concurrency.single_flight import SingleFlight
from service.errors import ApiError, Refusal
from service.store.failures import StorageFailed
from service.store.keys import SCOPES, Keys
from service.store.tables import ApiKey

FRESH_S = 2.0
"""Seconds for which what the store said of a key counts, and so how long a revoked one may still work."""
RENEWED_S = FRESH_S / 2
"""Seconds after which the store is asked again, while what it said still counts, so that nobody waits for it."""
BUSY_AGAIN_S = 1
"""Seconds to wait where a key has as many requests running as it may."""


@dataclass(frozen=True)
class _Rule:
    """What a request needs that matches it: a scope, or None, for which any key will do."""

    methods: str
    path: str
    scope: str | None

    def covers(self, method: str, path: str) -> bool:
        return bool(re.fullmatch(self.methods, method) and re.fullmatch(self.path, path))


TRAINER_PATHS = r"/v1/graders/[^/]+/for/.+|/run_code"
"""A pattern of what trainers ask, who may also send their key in the path (`service.auth.path_keys`)."""

RULES = (
    _Rule("POST", r"(/openai)?/v1/fine_tuning/alpha/graders/(run|validate)", "grade"),
    _Rule("POST", r"/v1/grade(/batch)?|/v1/graders/[^/]+/grade/batch", "grade"),
    _Rule("POST|GET|HEAD", TRAINER_PATHS, "grade"),
    _Rule("POST", r"/v1(beta1)?/projects/.+:validateReinforcementTuningReward", "grade"),
    _Rule("GET|HEAD", r"/(docs|openapi\.json)?", None),
    _Rule("GET|HEAD", r"(?s:.*)", "read"),
    _Rule(r"(?s:.*)", r"(?s:.*)", "manage"),
)
"""The first that covers a request says which scope it needs; so whatever is new reads or manages."""


@lru_cache(maxsize=256)
def needed(method: str, path: str) -> str | None:
    """The scope that a request needs; None: any key will do."""
    return next(rule.scope for rule in RULES if rule.covers(method, path))


@dataclass(frozen=True)
class Caller:
    """The sender of a request.

    Attributes:
        client: A digest of the key, the same for the same key; empty if no key is required.
        scopes: The permissions of the key.
        requests_per_minute: How many requests this process accepts from it; None for any number.
        concurrency: How many of them at the same time; None for any number.
    """

    client: str = ""
    scopes: frozenset[str] = frozenset(SCOPES)
    requests_per_minute: int | None = None
    concurrency: int | None = None

    def check(self, method: str, path: str) -> None:
        """Raise a 403 if the key does not permit this request."""
        scope = needed(method, path)
        if scope is not None and scope not in self.scopes:
            raise ApiError(403, f"this API key lacks the scope '{scope}'", code="missing_scope")


ANYONE = Caller()
"""The sender of a request if no key is required."""


class Limits:
    """How much each caller has done of late, and does now, in this process.

    Args:
        clock: Gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._running: dict[str, int] = {}
        self._left: dict[str, tuple[float, float]] = {}

    def enter(self, caller: Caller) -> None:
        """Count a request of a caller as running, until it has left.

        Raises:
            Refusal: A 429, when it is one too many.
        """
        running = self._running.get(caller.client, 0)
        if caller.concurrency is not None and running >= caller.concurrency:
            message = f"this API key may have {caller.concurrency} requests running at once"
            raise Refusal(429, message, code="too_many_at_once", after_s=BUSY_AGAIN_S)
        if caller.requests_per_minute is not None:
            self._take(caller.client, caller.requests_per_minute)
        self._running[caller.client] = running + 1

    def leave(self, caller: Caller) -> None:
        """A request of a caller is answered, or given up."""
        self._running[caller.client] -= 1
        if not self._running[caller.client]:
            del self._running[caller.client]

    def _take(self, client: str, per_minute: int) -> None:
        """Take one of a minute's requests, which come back one by one, evenly."""
        now = self._clock()
        left, since = self._left.get(client, (float(per_minute), now))
        left = min(float(per_minute), left + (now - since) * per_minute / 60)
        if left < 1:
            message = f"this API key may send {per_minute} requests a minute"
            raise Refusal(429, message, code="rate_limit_exceeded", after_s=(1 - left) * 60 / per_minute)
        self._left[client] = (left - 1, now)


class Keyring:
    """The keys that count.

    Without any, in the settings or in the store, everyone may do everything. From the first one on that is over, also
    when all are revoked, and in this process even if the store should forget them.

    Args:
        configured: Those of the settings, which may do everything.
        clock: Gives seconds.
        remembered: How many keys of the store are remembered; all are valid ones, as no others ever are.
    """

    def __init__(
        self,
        configured: Sequence[str],
        *,
        clock: Callable[[], float] = time.monotonic,
        remembered: int = 4096,
    ) -> None:
        self._remembered = remembered
        self._configured = [key.encode() for key in configured]
        self._clock = clock
        self._stored: Keys | None = None
        self._wanted = bool(configured)
        self._looked = -FRESH_S
        self._found: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self._asking: SingleFlight[bytes] = SingleFlight()
        self._notes: set[asyncio.Task[None]] = set()

    def open(self, stored: Keys) -> None:
        """Have the keys of a store count too."""
        self._stored = stored

    async def close(self) -> None:
        """Let what is still to be written be written, as long as the store is open."""
        self._stored = None
        await self._asking.settle()
        await asyncio.gather(*self._notes, return_exceptions=True)

    async def caller(self, key: bytes) -> Caller:
        """The sender of a key, which is empty if no key was sent.

        Raises:
            ApiError: 401, if the key is not valid, or is missing although a key is required.
        """
        # every one is compared, in constant time: how long it takes tells nothing
        if sum([hmac.compare_digest(key, each) for each in self._configured]):
            return Caller(_digest(key))
        found = await self._find(key) if key else None
        if found is not None:
            return found
        if await self._is_wanted():
            message = "a valid API key is required, as 'Authorization: Bearer KEY' or 'api-key: KEY'"
            raise ApiError(401, message, code="invalid_api_key")
        return ANYONE

    async def _find(self, key: bytes) -> Caller | None:
        if self._stored is None:
            return None
        name = hashlib.sha256(key).digest()
        caller, since = self._found.get(name, (None, 0.0))
        age = self._clock() - since
        look_up = partial(self._look_up, self._stored, key, name)
        if caller is None or age >= FRESH_S:
            return await self._asking.do(name, look_up)
        if age >= RENEWED_S:
            self._asking.start(name, look_up)
        return caller

    async def _look_up(self, stored: Keys, key: bytes, name: bytes) -> Caller | None:
        now = self._clock()
        row = await stored.find(key)
        if row is None:
            self._found.pop(name, None)
            return None
        self._wanted = True
        scopes = frozenset(row.scopes.split())
        caller = Caller(_digest(key), scopes, row.requests_per_minute, row.concurrency)
        self._found[name] = caller, now
        self._found.move_to_end(name)
        while len(self._found) > self._remembered:
            self._found.popitem(last=False)
        # nobody waits for it: the store may be busy
        note = asyncio.create_task(_note_use(stored, row))
        self._notes.add(note)
        note.add_done_callback(self._notes.discard)
        return caller

    async def _is_wanted(self) -> bool:
        age = self._clock() - self._looked
        if self._wanted or self._stored is None or age < RENEWED_S:
            return self._wanted
        looking = self._asking.start(b"", partial(self._look, self._stored))
        return self._wanted if age < FRESH_S else await asyncio.shield(looking)

    async def _look(self, stored: Keys) -> bool:
        now = self._clock()
        self._wanted = self._wanted or await stored.any()
        self._looked = now
        return self._wanted


async def _note_use(stored: Keys, row: ApiKey) -> None:
    with suppress(StorageFailed):  # it says nothing of the request, and was noted
        await stored.note_use(row)


def _digest(key: bytes) -> str:
    """A name for the holder of a key, which does not reveal the key."""
    return hashlib.blake2b(key, digest_size=12, person=b"rft-graders").hexdigest()
