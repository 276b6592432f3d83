"""Texts that say nearly the same: MinHash signatures (Broder 1997) and locality-sensitive hashing in bands.

A text is the set of its runs of three words. Runs that stand in many texts of a file, such as the instructions of a prompt, are
left out: they say nothing about a text. Signatures are datasketch's; they take 256 bytes a text, and candidates are found by sorting
at the end, so that no table of buckets has to be held.
"""

import re
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

HASHES = 64
"""Hashes of a signature: the estimate of a similarity of 0.8 has a standard error of 0.05."""
BANDS = 16
THRESHOLD = 0.8
"""Share of runs that two texts have in common (Jaccard) from which on they are nearly the same."""
LEARNED_FROM = 200
"""Texts from which is learned what many of them share."""
COMMON = 0.2
"""Share of texts in which a run of words says nothing about any of them."""
_FEW = 9
_LONGEST = 200_000
"""Characters of a text that are looked at."""
_CACHED = 200_000
_RUN = 3
# scripts without spaces count by characters
_WORD = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\W_]+|[^\w\s]"
)
_FACTORS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], np.uint64)


class NearPair(NamedTuple):
    """Two texts that say nearly the same.

    Attributes:
        first: Position of the earlier one.
        second: Position of the later one.
        similarity: The estimated share of runs of words that they have in common.
    """

    first: int
    second: int
    similarity: float


class NearDuplicates:
    """Takes texts one at a time and finds those that are nearly the same.

    Args:
        examples: Some of the texts, from which is learned what they all share.

    Raises:
        ImportError: When datasketch is missing.
    """

    def __init__(self, examples: Iterable[str] = ()) -> None:
        from datasketch import MinHash  # noqa: PLC0415  # an optional extra

        self._new = MinHash
        self._permutations: Any = MinHash(HASHES, scheme="affine32").permutations
        self._words = _WordHashes()
        self._signatures = bytearray()
        self._has_one = array("b")
        self._common = np.empty(0, np.uint32)
        self._common = self._shared(examples)

    def add(self, text: str) -> None:
        """Take the next text; its position is how many came before it."""
        runs = self._runs(text)
        if len(self._common):
            runs = runs[~np.isin(runs, self._common)]
        self._has_one.append(bool(len(runs)))
        if not len(runs):
            self._signatures += bytes(4 * HASHES)
            return
        found = self._new(HASHES, scheme="affine32", permutations=self._permutations, hashfunc=int)
        found.update_batch(runs.tolist())
        self._signatures += found.hashvalues.astype(np.uint32).tobytes()

    def __len__(self) -> int:
        return len(self._has_one)

    def pairs(self) -> Iterator[NearPair]:
        """Every text that is nearly the same as an earlier one, with the most similar that was found; by its position."""
        return self._best(0)

    def pairs_across(self, border: int) -> Iterator[NearPair]:
        """The same of two parts: texts from a position on, each with one before it.

        Args:
            border: Position of the first text of the second part.
        """
        return self._best(border)

    def _best(self, border: int) -> Iterator[NearPair]:
        best: dict[int, NearPair] = {}
        signatures = np.frombuffer(self._signatures, np.uint32).reshape(-1, HASHES)
        places = np.flatnonzero(np.frombuffer(self._has_one, np.bool_)) if len(self) else np.empty(0, np.intp)
        width = HASHES // BANDS
        for band in range(BANDS):
            keys = _mixed(signatures[places, band * width : (band + 1) * width])
            for first, second in _candidates(keys, places, border):
                for pair in _alike(signatures, first, second):
                    known = best.get(pair.second)
                    if known is None or (-pair.similarity, pair.first) < (-known.similarity, known.first):
                        best[pair.second] = pair
        yield from sorted(best.values(), key=lambda pair: pair.second)

    def _shared(self, examples: Iterable[str]) -> NDArray[np.uint32]:
        """The runs of words that stand in many texts."""
        different = list(dict.fromkeys(examples))[:LEARNED_FROM]
        if len(different) < 3:
            return self._common
        counts: Counter[int] = Counter()
        for text in different:
            counts.update(self._runs(text).tolist())
        least = max(COMMON * len(different), min(_FEW, len(different) - 1))
        return np.array(sorted(run for run, count in counts.items() if count > least), np.uint32)

    def _runs(self, text: str) -> NDArray[np.uint32]:
        """The different runs of three words, as hashes; of fewer words, the words."""
        words = _WORD.findall(text[:_LONGEST].casefold())
        if len(self._words) > _CACHED:
            self._words.clear()
        hashes = np.ones(len(words) + _RUN - 1, np.uint64)
        hashes[: len(words)] = np.fromiter(map(self._words.__getitem__, words), np.uint64, len(words))
        if not words:
            return np.empty(0, np.uint32)
        count = max(1, len(words) - _RUN + 1)
        mixed = sum(hashes[step : step + count] * _FACTORS[step] for step in range(_RUN))
        return np.unique((np.asarray(mixed) >> np.uint64(32)).astype(np.uint32))


class _WordHashes(dict[str, int]):
    """The hash of each word that was met."""

    def __missing__(self, word: str) -> int:
        self[word] = found = zlib.crc32(word.encode("utf-8", "replace"))
        return found


def _mixed(columns: NDArray[np.uint32]) -> NDArray[np.uint64]:
    """One number for each row of a band."""
    mixed = np.zeros(len(columns), np.uint64)
    for column in columns.T:
        mixed = (mixed ^ column.astype(np.uint64)) * _FACTORS[0]
        mixed ^= mixed >> np.uint64(29)
    return mixed


def _candidates(
    keys: NDArray[np.uint64], places: NDArray[np.intp], border: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Pairs with equal keys: each text with the one before it, and with the first of all that have its key.

    With a border, each text from there on with the last one before the border, and with the first.
    """
    order = np.argsort(keys, kind="stable")  # stable: texts with one key stay in their order
    ordered, where = keys[order], places[order]
    numbers = np.arange(len(ordered))
    is_equal = np.concatenate((np.zeros(min(1, len(ordered)), np.bool_), ordered[1:] == ordered[:-1]))
    starts = np.maximum.accumulate(np.where(is_equal, 0, numbers))
    before = np.maximum(numbers - 1, 0)
    if border:
        before = np.maximum.accumulate(np.where(where < border, numbers, 0))
        is_equal &= (where >= border) & (before >= starts) & (where[before] < border)
    yield where[before[is_equal]], where[is_equal]
    is_other = is_equal & (starts != before)
    yield where[starts[is_other]], where[is_other]


def _alike(
    signatures: NDArray[np.uint32], first: NDArray[np.intp], second: NDArray[np.intp], *, chunk: int = 20_000
) -> Iterator[NearPair]:
    for start in range(0, len(first), chunk):
        one, other = first[start : start + chunk], second[start : start + chunk]
        similarity = (signatures[one] == signatures[other]).mean(axis=1)
        for place in np.flatnonzero(similarity >= THRESHOLD):
            yield NearPair(int(one[place]), int(other[place]), float(similarity[place]))
