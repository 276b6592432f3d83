"""METEOR as NLTK computes it: unigrams aligned exactly, by stem, by synonym, with a penalty for fragments.

A. Lavie and A. Agarwal, "METEOR: An Automatic Metric for MT Evaluation with High Levels of Correlation with Human
Judgments" (2007). The number is that of `nltk.translate.meteor_score.single_meteor_score` with its defaults
(alpha 0.9, beta 3, gamma 0.5, lower case, Porter stems, WordNet 3.0) on tokens split at white space, without
NLTK and its data.

Two identical texts of n words score 1 - 0.5 / n³, not 1: a single chunk is a fragment too. Without a match, and so
with an empty text on either or both sides, the score is 0.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from graders.kinds.metrics import Metric, wordnet
from graders.kinds.metrics.porter import stem

__all__ = ["METRICS", "meteor"]

_ALPHA: Final = 0.9
_BETA: Final = 3.0
_GAMMA: Final = 0.5

_LONGEST_KEPT: Final = 32
"""Words longer than this are not remembered, so that the two caches stay small whatever texts come."""


def meteor(candidate: str, reference: str) -> float:
    """Return the METEOR score of a candidate against one reference, in [0, 1)."""
    candidate_words = [word.lower() for word in candidate.split()]
    reference_words = [word.lower() for word in reference.split()]
    matches = _align(dict(enumerate(candidate_words)), dict(enumerate(reference_words)))
    if not matches:
        return 0.0
    precision = len(matches) / len(candidate_words)
    recall = len(matches) / len(reference_words)
    f_mean = (precision * recall) / (_ALPHA * precision + (1 - _ALPHA) * recall)
    penalty: float = _GAMMA * (_chunks(matches) / len(matches)) ** _BETA
    return (1 - penalty) * f_mean


def _align(candidate: dict[int, str], reference: dict[int, str]) -> dict[int, int]:
    """Match positions of the candidate to positions of the reference in three passes over the words left.

    In every pass the words are taken from the last to the first, and each gets the last place that suits it:
    that is NLTK's order, and the number of chunks depends on it. NLTK does not go back to the words after the
    second pass: the third asks WordNet for the synonyms of *stems*.
    """
    matches = _take(candidate, reference)
    candidate = {position: _stem(word) for position, word in candidate.items()}
    reference = {position: _stem(word) for position, word in reference.items()}
    matches |= _take(candidate, reference)
    matches |= _take_synonyms(candidate, reference)
    return matches


def _take(candidate: dict[int, str], reference: dict[int, str]) -> dict[int, int]:
    """Match equal words and remove them from both sides."""
    free = _positions(reference)
    matches = {}
    for position in reversed(list(candidate)):
        if places := free.get(candidate[position]):
            matches[position] = places.pop()
            del candidate[position], reference[matches[position]]
    return matches


def _take_synonyms(candidate: dict[int, str], reference: dict[int, str]) -> dict[int, int]:
    """Match each word to the last one left that is a synonym of it; no word left equals another."""
    free = _positions(reference)
    matches = {}
    for position in reversed(list(candidate)):
        # Intersecting walks the smaller side, so 200 synonyms against one word left cost one look-up.
        if known := free.keys() & _synonyms(candidate[position]):
            best = max(known, key=lambda word: free[word][-1])
            matches[position] = free[best].pop()
            if not free[best]:
                del free[best]
    return matches


def _positions(words: dict[int, str]) -> dict[str, list[int]]:
    """Return the positions of each word, ascending."""
    found: dict[str, list[int]] = {}
    for position, word in words.items():
        found.setdefault(word, []).append(position)
    return found


def _chunks(matches: dict[int, int]) -> int:
    """Return in how many runs the matches fall that are adjacent and in order in both texts."""
    return sum(matches.get(position - 1) != place - 1 for position, place in matches.items())


def _stem(word: str) -> str:
    return _kept_stem(word) if len(word) <= _LONGEST_KEPT else stem(word)


def _synonyms(word: str) -> frozenset[str]:
    return _kept_synonyms(word) if len(word) <= _LONGEST_KEPT else wordnet.load().synonyms(word)


_kept_stem = lru_cache(maxsize=16_384)(stem)


@lru_cache(maxsize=16_384)
def _kept_synonyms(word: str) -> frozenset[str]:
    return wordnet.load().synonyms(word)


# Linear in the length. The worst found, two texts of short words with nothing in common and nothing remembered
# ("abs cds ..."), takes 7.7 ms at 2,000 characters and 4.6 ms at 1,000. The first call in a process also reads the
# table, 0.1 s: call once beforehand where that matters.
METRICS = {"meteor": Metric(name="meteor", score=meteor, inline_limit=2_000, libraries=())}
