"""When a result is the expected one, and how a message shows it.

The sandbox's role `compare` loads this file by its path, into interpreters that have no other module of ours: it imports
the standard library and nothing else.
"""

import json
import math
import reprlib
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import islice
from typing import Any, Literal

Rule = Literal["default", "livecodebench"]
"""How results are compared: as this package does, or as LiveCodeBench's own harness."""
Unordered = Literal["deep"] | bool
"""In which lists the order does not matter: in none, in the outermost one (True), or in all of them (`deep`)."""

MANY_EQUAL_HASHES = 64
"""Different elements with equal hashes beyond which a table is slow to build; honest data has no such elements."""
SORTED_ELEMENTS = 1_000
"""Elements of a set up to which a message shows it in order."""

_EXACT = 2.0**53
"""Up to here a float holds every whole number."""
_COLLECTIONS = (list, tuple, set, frozenset)
_SETS = (set, frozenset)


class TooManySteps(Exception):
    """A comparison was given up, because it took more steps than it was given."""


def same_value(
    expected: Any,
    actual: Any,
    tolerance: float,
    *,
    unordered: Unordered = False,
    steps: float = math.inf,
) -> bool:
    """Whether a function's result is the expected value.

    Expected values come from JSON, so what JSON does not tell apart is equal: a list and a tuple, a dict's key 1 and the
    key "1". A set has no order, so it equals a list only where the order does not matter; a set that is expected equals
    any collection of the same elements. Floats are equal within the tolerance, relative or absolute, a float and a whole
    number within the tolerance, absolute, and two whole numbers exactly; NaN is NaN. A bool is not a number, a text is not a number. Where the order does not
    matter, elements that are exactly equal are paired first.

    Args:
        expected: The expected value, plain data.
        actual: The result, plain data of exact types.
        tolerance: How far two floats may differ.
        unordered: In which lists the order does not matter.
        steps: How many values may be looked at.

    Raises:
        TooManySteps: When more would have to be.
    """
    return _Comparison(tolerance, steps, is_deep=unordered == "deep").same(
        expected, actual, unordered=bool(unordered)
    )


def same_output(expected: str, actual: str, tolerance: float | None = None) -> bool:
    """Whether what a program printed is what was expected.

    White space at the ends of lines, and empty lines at the end, do not count. With a tolerance, lines are compared word
    by word, and words that are numbers within it.
    """
    wanted, found = _lines(expected), _lines(actual)
    if wanted == found:
        return True
    if tolerance is None or len(wanted) != len(found):
        return False
    return all(_same_line(w.split(), f.split(), tolerance) for w, f in zip(wanted, found, strict=True))


def same_for_livecodebench(expected: Any, actual: Any) -> bool:
    """Whether LiveCodeBench's harness takes a function's result for the expected value.

    A tuple counts as a list, inside of it none does; otherwise the two are compared as Python does: 1 equals 1.0 and True.
    """
    return bool((list(actual) if isinstance(actual, tuple) else actual) == expected)


def same_output_for_livecodebench(expected: str, actual: str) -> bool:
    """Whether LiveCodeBench's harness takes what a program printed for what was expected.

    White space around the text and around each line does not count. Lines are equal when their texts are, or when all
    their words are numbers, and the same ones, exactly: `1.0` and `1`, but not 0.30000000000000004 and 0.3.
    """
    wanted, found = ([line.strip() for line in text.strip().split("\n")] for text in (expected, actual))
    return len(wanted) == len(found) and all(
        w == f or _same_decimals(w, f) for w, f in zip(wanted, found, strict=True)
    )


def shown(value: object) -> str:
    """A value as a message shows it; only its beginning is looked at."""
    try:
        return _BRIEF.repr(value)
    except ValueError:  # an integer of 4,301 digits
        return f"<{type(value).__name__}>"


class _Brief(reprlib.Repr):
    """Shows the beginning of a value; nothing long is sorted for it."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = self.maxfrozenset = 20
        self.maxstring = self.maxother = self.maxlong = 100

    def repr_set(self, x: set[Any], level: int) -> str:
        return self._elements(x, level, "{", "}") if x else "set()"

    def repr_frozenset(self, x: frozenset[Any], level: int) -> str:
        return self._elements(x, level, "frozenset({", "})") if x else "frozenset()"

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        pairs = islice(x.items(), self.maxdict)
        return self._joined(
            (f"{self.repr1(k, level - 1)}: {self.repr1(v, level - 1)}" for k, v in pairs), x, level, "{", "}"
        )

    def _elements(self, x: Iterable[Any], level: int, begin: str, end: str) -> str:
        found = list(islice(x, SORTED_ELEMENTS + 1))
        is_sortable = len(found) <= SORTED_ELEMENTS and len({type(each) for each in found} | {str}) == 1
        chosen = (sorted(found) if is_sortable or all(map(_is_number, found)) else found)[: self.maxset]
        return self._joined((self.repr1(each, level - 1) for each in chosen), x, level, begin, end)

    def _joined(self, parts: Iterable[str], x: Any, level: int, begin: str, end: str) -> str:
        if level <= 0:
            return f"{begin}...{end}"
        more = ["..."] if len(x) > self.maxset else []
        return f"{begin}{', '.join([*parts, *more])}{end}"


_BRIEF = _Brief()


class _Comparison:
    """One comparison, and the steps that it has left."""

    def __init__(self, tolerance: float, steps: float, *, is_deep: bool) -> None:
        self._tolerance, self._left, self._is_deep = tolerance, steps, is_deep

    def same(self, expected: Any, actual: Any, *, unordered: bool = False) -> bool:
        self._step(1)
        unordered = unordered or self._is_deep
        if _is_number(expected) and _is_number(actual):
            return _same_number(expected, actual, self._tolerance)
        if isinstance(expected, _COLLECTIONS):
            if not isinstance(actual, _COLLECTIONS) or len(expected) != len(actual):
                return False
            if unordered or isinstance(expected, _SETS):
                return self._same_elements(expected, actual)
            return not isinstance(actual, _SETS) and all(
                self.same(e, a) for e, a in zip(expected, actual, strict=True)
            )
        if isinstance(expected, Mapping):
            return (
                isinstance(actual, dict)
                and len(expected) == len(actual)
                and self._same_dict(expected, actual)
            )
        return type(expected) is type(actual) and bool(expected == actual)

    def _same_dict(self, expected: Mapping[Any, Any], actual: dict[Any, Any]) -> bool:
        wanted = {_key(key): value for key, value in expected.items()}
        found = {_key(key): value for key, value in actual.items()}
        return wanted.keys() == found.keys() and all(
            self.same(value, found[key]) for key, value in wanted.items()
        )

    def _same_elements(self, expected: Iterable[Any], actual: Iterable[Any]) -> bool:
        """Whether the elements can be paired, of two collections of one length."""
        wanted, found = self._without_equals(list(expected), list(actual))
        if not wanted:
            return True
        if _are_alike(wanted) and _are_alike(found):
            # of numbers that can be paired within a tolerance at all, those of one rank can
            wanted, found = sorted(wanted), sorted(found)
            return all(_same_number(w, f, self._tolerance) for w, f in zip(wanted, found, strict=True))
        for element in wanted:
            place = next((i for i, other in enumerate(found) if self.same(element, other)), None)
            if place is None:
                return False
            del found[place]
        return True

    def _without_equals(self, expected: list[Any], actual: list[Any]) -> tuple[list[Any], list[Any]]:
        """What is left of both when elements that are exactly equal are paired."""
        wanted, found = list(map(self._exact, expected)), list(map(self._exact, actual))
        _check_hashes(found)
        surplus = Counter(wanted)
        surplus.subtract(found)
        left = []
        for key, value in zip(wanted, expected, strict=True):
            if surplus[key] > 0:
                surplus[key] -= 1
                left.append(value)
        rest = []
        for key, value in zip(found, actual, strict=True):
            if surplus[key] < 0:
                surplus[key] += 1
                rest.append(value)
        return left, rest

    def _exact(self, value: Any) -> Any:
        """A key that values have in common which are equal with a tolerance of 0."""
        self._step(1)
        if isinstance(value, float) and math.isnan(value):
            return ("nan",)
        if value is None or isinstance(value, str) or _is_number(value):
            return value
        if isinstance(value, Mapping):
            return ("dict", frozenset((_key(key), self._exact(inner)) for key, inner in value.items()))
        if isinstance(value, _COLLECTIONS):
            inner = map(self._exact, value)
            if self._is_deep or isinstance(value, _SETS):
                return ("any order", self._is_deep, frozenset(Counter(inner).items()))
            return ("list", *inner)
        return (type(value).__name__, value)

    def _step(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise TooManySteps


def _check_hashes(keys: Iterable[Any]) -> None:
    """Refuse keys of which a table is slow to build: numbers can be chosen so that all have one hash.

    Raises:
        TooManySteps: When too many that differ have an equal hash.
    """
    first: dict[int, Any] = {}
    clashes = 0
    for key in keys:
        clashes += first.setdefault(hash(key), key) != key
        if clashes > MANY_EQUAL_HASHES:
            raise TooManySteps


def _are_alike(values: list[Any]) -> bool:
    """Whether values are all whole numbers, or all floats."""
    return _is_number(values[0]) and len(set(map(type, values))) == 1


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _same_number(expected: float, actual: float, tolerance: float) -> bool:
    if isinstance(expected, int) and isinstance(actual, int):
        return expected == actual
    try:
        if math.isnan(expected) or math.isnan(actual):
            return math.isnan(expected) and math.isnan(actual)
        # of a whole number no relative part: 1,000,000,007.5 is not 1,000,000,007
        relative = 0.0 if int in (type(expected), type(actual)) else tolerance
        return math.isclose(expected, actual, rel_tol=relative, abs_tol=tolerance)
    except OverflowError:  # an integer too large for a float
        return expected == actual


def _key(key: Any) -> str:
    """A dict's key as JSON writes it; what JSON has no key for is equal to no text."""
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, (bool, float)):
        return json.dumps(key)
    if isinstance(key, int):
        return str(key) if key.bit_length() < 10_000 else hex(key)  # Python writes no more than 4,300 digits
    return f"\0{key!r}"


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _same_line(expected: list[str], actual: list[str], tolerance: float) -> bool:
    return len(expected) == len(actual) and all(
        w == f or _same_word(w, f, tolerance) for w, f in zip(expected, actual, strict=True)
    )


def _same_word(expected: str, actual: str, tolerance: float) -> bool:
    try:
        wanted, found = float(expected), float(actual)
    except ValueError:
        return False
    if max(abs(wanted), abs(found)) < _EXACT or math.isnan(wanted) or math.isnan(found):
        return _same_number(wanted, found, tolerance)
    # a float is too coarse for so large a number, or infinite
    try:
        exact_wanted, exact_found = Decimal(expected), Decimal(actual)
        if exact_wanted == exact_found:
            return True
        difference = abs(exact_wanted - exact_found)
        return difference.is_finite() and difference <= Decimal(tolerance) * max(
            Decimal(1), abs(exact_wanted), abs(exact_found)
        )
    except ArithmeticError:  # infinite, or larger than a Decimal
        return False


def _same_decimals(expected: str, actual: str) -> bool:
    try:
        return list(map(Decimal, expected.split())) == list(map(Decimal, actual.split()))
    except ArithmeticError:  # no number
        return False
