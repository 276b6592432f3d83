"""Graders by name: what a version is, and which one a request means.

A trainer asks with one name thousands of times a minute, in every process of the service: what the store said of a name
counts for two seconds, so that most requests ask it nothing.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic_core import to_jsonable_python

from graders import Grader, Problem
from graders.bound_grader import MASK
from runtime import Evaluator
from runtime.concurrency.bounded_cache import BoundedCache
from runtime.concurrency.single_flight import SingleFlight
from runtime.evaluation.canonical import canonical, digest
from runtime.evaluation.grader_cache import size_of
from service.errors import ApiError
from service.http.responses import Origin
from service.store.graders import GraderVersion, NamedGraders

FRESH_S = 2.0
"""Seconds for which what the store said of a name counts, and so how long an older version, or a deleted one, may grade."""
RESERVED = frozenset({"schema"})
"""Names that are addresses of something else."""
MOST_VERSION = 2**31 - 1

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}", re.ASCII)
_GENERATED = re.compile(r"grader-[0-9a-f]{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a request grades with.

    Attributes:
        grader: Ready to grade.
        grader_id: The id of its name; empty where it came with the request, and with it all that follows.
        name: What it is stored under.
        version: Its number, from 1.
    """

    grader: Grader
    grader_id: str = ""
    name: str = ""
    version: int = 0

    @property
    def origin(self) -> Origin | None:
        """Its name and version, as results say them; None where it has none."""
        return (self.name, self.version) if self.grader_id else None


@dataclass(slots=True)
class _Remembered:
    chosen: Chosen
    since: float


class GraderResolver:
    """The versions that requests ask for, ready to grade.

    Args:
        stored: Where they are.
        evaluator: Loads them.
        clock: Gives seconds.
        max_bytes: Memory of the graders that are remembered.
    """

    def __init__(
        self,
        stored: NamedGraders,
        evaluator: Evaluator,
        *,
        clock: Callable[[], float] = time.monotonic,
        max_bytes: int | None = None,
    ) -> None:
        self.stored = stored
        self._evaluator, self._clock = evaluator, clock
        most = evaluator.settings.cache_bytes("named") if max_bytes is None else max_bytes
        self._remembered: BoundedCache[tuple[str, int | None], _Remembered] = BoundedCache(most)
        self._asking: SingleFlight[tuple[str, int | None]] = SingleFlight()

    async def find(self, name: str, version: int | None = None) -> Chosen:
        """A version of a name; the current one without a number.

        Raises:
            ApiError: 404, if no such grader or version exists.
            ConfigurationError: If it is not valid any more, for example because its type is no longer
                installed.
            PluginError: If a plugin cannot be used.
        """
        key = (name, version)
        known = self._remembered.get(key)
        if known is not None and self._clock() - known.since < FRESH_S:
            return known.chosen
        return await self._asking.do(key, partial(self._ask, key))

    def forget(self, name: str) -> None:
        """Have the store asked again for a name, which was changed."""
        for key in self._remembered.keys():  # noqa: SIM118  # a list: it changes meanwhile
            if key[0] == name:
                self._remembered.pop(key)
        # what was asked before the change may not be remembered after it
        self._asking.forget(lambda key: key[0] == name)

    async def _ask(self, key: tuple[str, int | None]) -> Chosen:
        name, version = key
        now = self._clock()
        found = await self.stored.find(name, version)
        if found is None:
            raise unknown(name, version)
        known = self._remembered.get(key)
        place = (found.grader.id, name, found.version.version)
        if known is not None and place == (known.chosen.grader_id, name, known.chosen.version):
            chosen = known.chosen
        else:
            chosen = Chosen(await self._evaluator.prepare(found.version.config), *place)
        if self._asking.is_current(key):
            size = size_of(chosen.grader, canonical(found.version.config) or "")
            self._remembered.put(key, _Remembered(chosen, now), size)
        return chosen


def checked_name(name: str) -> str:
    """A name that a grader may have.

    Raises:
        ApiError: 400, when it may not.
    """
    if not _NAME.fullmatch(name):
        expected = "expected 1 to 64 of the characters A-Z a-z 0-9 . _ -, the first of them no dot"
        raise ApiError(400, f"name: {expected}", param="name", code="invalid_name")
    if name in RESERVED:
        raise ApiError(400, f"name: {name!r} is reserved; take another", param="name", code="invalid_name")
    return name


def unknown(name: str, version: int | None = None) -> ApiError:
    """The answer to a request for what is not there."""
    if version is None:
        return ApiError(404, f"there is no grader {name}", param="name", code="not_found")
    return ApiError(
        404, f"there is no version {version} of a grader {name}", param="version", code="not_found"
    )


def version_of(grader: Grader, labels: dict[str, str] | None) -> GraderVersion:
    """A grader as the store keeps it; which version of its name it is, the store says.

    Two graders are the same version when they are equal with all defaults filled in: type, options, `pass_threshold`,
    `votes`, `invalid_grade`, names and secrets, also of the graders inside, in whatever order the JSON had them. Versions of libraries
    and plugins are no part of it, so that the same JSON stays the same version on a newer service; the `signature` of
    its results says what they were.

    Args:
        grader: What is stored.
        labels: Its metadata.

    Raises:
        ApiError: 400, when a secret in it is a mask out of an answer of ours.
    """
    if problems := list(_masks(grader)):
        raise ApiError(400, "; ".join(map(str, problems)), param=problems[0].where, code="invalid_grader")
    return GraderVersion(
        identity=digest(_described(grader, secrets=True)),
        digest=digest(_described(grader, secrets=False)),
        signature=grader.info.signature,
        config=dict(grader.config),
        shown=dict(grader.echo),
        labels=labels,
        created_at=int(time.time()),
    )


def _described(grader: Grader, *, secrets: bool) -> dict[str, Any]:
    """Plain data that is equal for equal graders."""
    name = grader.info.name
    # omitted if it is not set, so that graders that were stored before this field existed stay equal
    extra = {} if grader.invalid_grade is None else {"invalid_grade": grader.invalid_grade}
    return {
        **extra,
        "type": grader.info.type,
        # one that was made up out of the signature says nothing more, and changes with the versions of libraries
        "name": None if _GENERATED.fullmatch(name) else name,
        "pass_threshold": grader.pass_threshold,
        "votes": grader.votes and asdict(grader.votes),
        "options": _plain(grader.options, grader.options.model_dump(), secrets=secrets),
    }


def _plain(value: object, dumped: object, *, secrets: bool) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value() if secrets else MASK
    if isinstance(value, Grader):
        return _described(value, secrets=secrets)
    if isinstance(value, BaseModel) and isinstance(dumped, Mapping):
        pairs = ((name, getattr(value, name, None), inner) for name, inner in dumped.items())
        return {name: _plain(each, inner, secrets=secrets) for name, each, inner in pairs}
    if isinstance(value, Mapping) and isinstance(dumped, Mapping):
        return {str(key): _plain(each, dumped.get(key), secrets=secrets) for key, each in value.items()}
    if isinstance(value, (list, tuple)) and isinstance(dumped, (list, tuple)):
        return [_plain(each, inner, secrets=secrets) for each, inner in zip(value, dumped, strict=True)]
    if isinstance(value, (set, frozenset)):  # it has another order in every process
        return sorted((_plain(each, each, secrets=secrets) for each in value), key=repr)
    return to_jsonable_python(dumped, fallback=repr)


def _masks(grader: Grader, *prefix: str | int) -> Iterator[Problem]:
    """Secrets that are no secrets: somebody sends back what was shown to him."""
    for path, secret in grader.find(SecretStr):
        if secret.get_secret_value() == MASK:
            message = f"{MASK} is what stands here in answers; send the secret itself"
            yield Problem(("grader", *prefix, *path), message)
    for path, inner in grader.inner():
        yield from _masks(inner, *prefix, *path)
