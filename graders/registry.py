"""The `Registry`: which grader types there are, and the way from a grader's JSON to a `Grader`.

A registry is a value. `Registry.installed()` reads the entry points of every installed distribution (group `graders`,
where the built-in types stand too); a test makes its own with `Registry.installed().including(my_type)`.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from itertools import chain
from types import NoneType
from typing import Any

from graders.bound_grader import Grader
from graders.contract import brief
from graders.dialects import with_type
from graders.errors import ConfigurationError, InvalidOptions, PluginError, Problem, UnknownGraderType
from graders.grader_type import GraderType, Need, find_type, type_of
from graders.options import LABELS, option_values, validate_options
from graders.votes import Votes

GROUP = "graders"
BUILT_IN = "rft-graders"
MAX_DEPTH = 64
"""Levels of maps and lists in a grader's JSON."""


class Entry:
    """One installed grader type, imported when it is first asked for.

    Attributes:
        name: The grader type's name.
        reference: `module:qualified name`.
        distribution: The installed distribution that brings it; empty for one that was given directly.
        version: That distribution's version.
    """

    def __init__(self, name: str, reference: str, distribution: str = "", version: str = "0") -> None:
        self.name, self.reference, self.distribution, self.version = name, reference, distribution, version

    @classmethod
    def of(cls, point: EntryPoint) -> "Entry":
        """The grader type that an entry point names; one made by hand, in no distribution, has no version."""
        reference = point.value.partition("[")[0].strip()  # without its extras
        return cls(point.name, reference, *(point.dist.name, point.dist.version) if point.dist else ())

    @property
    def built_in(self) -> bool:
        """Whether it is one of ours, which are bounded and may run inside the caller's process."""
        return self.distribution == BUILT_IN

    @property
    def origin(self) -> str:
        """Where it comes from, for a message."""
        return f"{self.distribution} {self.version}" if self.distribution else self.reference

    @cached_property
    def type(self) -> GraderType[..., Any]:
        """The grader type.

        Raises:
            PluginError: When it does not import, is not a grader type, or calls itself otherwise.
        """
        try:
            found = find_type(self.reference)
        except PluginError as error:
            raise PluginError(f"grader type {self.name!r} of {self.origin}: {error}") from error
        if found.name != self.name:
            raise PluginError(
                f"{self.origin} publishes {self.reference} as {self.name!r}, but it is @grader({found.name!r}); "
                "make the two names equal"
            )
        return found

    def versions(self, libraries: Iterable[str]) -> str:
        """The version of the type and of each library that decides its numbers, for signatures."""
        return ",".join([self.version, *(f"{library}={_version(library)}" for library in libraries)])


class Registry(Mapping[str, Entry]):
    """Grader types by name.

    Args:
        entries: The types.
        allowed: What graders that are loaded may need; None for anything.
        note: What stands behind the message about an unknown type.

    Raises:
        PluginError: When two distributions bring a type of the same name; names both.
    """

    def __init__(
        self, entries: Iterable[Entry] = (), *, allowed: frozenset[Need] | None = None, note: str = ""
    ) -> None:
        self._entries: dict[str, Entry] = {}
        self._allowed, self._note = allowed, note
        for entry in entries:
            other = self._entries.setdefault(entry.name, entry)
            if other is not entry:
                raise PluginError(
                    f"grader type {entry.name!r} comes from {other.origin} and from {entry.origin}; "
                    "uninstall or rename one of them"
                )

    @classmethod
    def installed(cls, *, note: str = "") -> "Registry":
        """The types of every installed distribution, built-in ones included; imports none of them yet.

        Args:
            note: What stands behind the message about an unknown type.
        """
        return cls(map(Entry.of, sorted(entry_points(group=GROUP))), note=note)

    def including(self, *decorated: object) -> "Registry":
        """This registry and more types: functions or classes decorated with `@grader`."""
        added = (_given(type_of(found)) for found in decorated)
        return Registry([*self._entries.values(), *added], allowed=self._allowed, note=self._note)

    def restricted(self, allowed: frozenset[Need]) -> "Registry":
        """This registry, of which only graders are loaded that need no more than that, those inside them included."""
        return Registry(self._entries.values(), allowed=allowed, note=self._note)

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def load(self, config: object) -> Grader:
        """Make a grader out of its JSON.

        Args:
            config: The parsed JSON object.

        Raises:
            UnknownGraderType: No installed type has this name.
            InvalidOptions: One or more fields are wrong, or contradict each other; each has its path.
            PluginError: The type's plugin cannot be used.
        """
        if isinstance(config, Grader):
            return config
        if isinstance(config, Mapping):
            config = with_type(config)
        else:
            raise InvalidOptions(
                [Problem((), f'a grader is a JSON object with a "type", got {_named(config)}')]
            )
        if _is_deep(config):
            raise InvalidOptions([Problem((), f"a grader is nested at most {MAX_DEPTH} levels deep")])
        entry = self._entry_of(config)
        problems = list(_common_problems(config))
        try:
            votes = Votes.read(config.get("votes"))
        except ValueError as error:
            problems.append(Problem(("votes",), str(error)))
        grader_type = entry.type
        values = option_values(grader_type.options, config)
        problems += _wrong_labels(config, values)
        self._refuse_needs(grader_type)
        try:
            options = validate_options(grader_type.options, values, context=self)
            if not problems:
                return Grader.bind(
                    grader_type,
                    options,
                    config=config,
                    versions=entry.versions,
                    pass_threshold=_as_float(config.get("pass_threshold")),
                    votes=votes,
                    invalid_grade=_as_float(config.get("invalid_grade")),
                    built_in=entry.built_in,
                )
        except PluginError:
            raise
        except ConfigurationError as error:
            raise InvalidOptions([*problems, *error.problems]) from error
        except ValueError as error:  # how a stranger's constructor refuses its options
            raise InvalidOptions([*problems, Problem((), str(error))]) from error
        except Exception as error:  # a stranger's constructor may raise anything
            raise PluginError(
                f"grader type {entry.name!r} of {entry.origin} cannot be made with these options: "
                f"{type(error).__name__}: {error}"
            ) from error
        raise InvalidOptions(problems)

    def _refuse_needs(self, grader_type: GraderType[..., Any]) -> None:
        """See that a type needs no more than is allowed, before anything of it is made.

        Raises:
            InvalidOptions: When it does.
        """
        lacking = frozenset[Need]() if self._allowed is None else grader_type.needs - self._allowed
        if lacking:
            needed = " and ".join(sorted(lacking))
            message = f"{grader_type.name!r} needs {needed}, and the grader that has it graded does not"
            raise InvalidOptions([Problem(("type",), message)])

    def _entry_of(self, config: Mapping[str, Any]) -> Entry:
        name = config.get("type")
        known = ", ".join(self)
        if name is None:
            raise InvalidOptions([Problem(("type",), f"this field is required; installed types: {known}")])
        if isinstance(name, str) and name in self._entries:
            return self._entries[name]
        near = get_close_matches(name, list(self), n=1) if isinstance(name, str) else []
        hint = f"did you mean {near[0]!r}? " if near else ""
        note = f"; {self._note}" if self._note else ""
        raise UnknownGraderType(f"unknown grader type {brief(name)}; {hint}installed types: {known}{note}")


def _version(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "missing"


def _given(found: GraderType[..., Any]) -> Entry:
    entry = Entry(found.name, found.reference)
    entry.type = found
    return entry


def _common_problems(config: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the fields that every grader has."""
    name = config.get("name")
    if name is not None and (not isinstance(name, str) or not name):
        yield Problem(("name",), f"expected a text that is not empty, got {brief(name)}")
    for field in ("pass_threshold", "invalid_grade"):
        number = config.get(field)
        if number is not None and not _is_finite(number):
            yield Problem((field,), f"expected a finite number, got {brief(number)}")


def _wrong_labels(config: Mapping[str, Any], options: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with the labels of a grader that are not options of its type."""
    for name in LABELS:
        given = config.get(name)
        if name not in options and not isinstance(given, (str, NoneType)):
            yield Problem((name,), f"expected a text, got {brief(given)}")


def _is_finite(number: object) -> bool:
    try:
        return not isinstance(number, (bool, str)) and math.isfinite(number)  # type: ignore[arg-type]
    except (TypeError, OverflowError):
        return False


def _as_float(number: Any) -> float | None:
    return None if number is None else float(number)


def _is_deep(config: object) -> bool:
    """Whether JSON is nested so deeply that making a grader of it could exhaust the stack."""
    level: list[object] = [config]
    for _ in range(MAX_DEPTH):
        maps = [value.values() for value in level if isinstance(value, Mapping)]
        lists = [value for value in level if isinstance(value, (list, tuple))]
        level = [*chain.from_iterable(maps), *chain.from_iterable(lists)]
        if not level:
            return False
    return True


def _named(value: object) -> str:
    if value is None:
        return "null"
    return "a list" if isinstance(value, list) else f"{type(value).__name__} {brief(value)}"
