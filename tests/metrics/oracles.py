"""NLTK on the WordNet database that `tools/fetch_wordnet.sh` makes: the definition of our METEOR."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import nltk
from nltk.corpus.reader.wordnet import WordNetCorpusReader
from nltk.translate.meteor_score import single_meteor_score

DATABASE: Final = Path(__file__).parents[2] / ".cache" / "wordnet" / "corpora" / "wordnet"
WHY_SKIPPED: Final = "no WordNet database: run tools/fetch_wordnet.sh"


@cache
def nltk_wordnet() -> Any:
    """Return NLTK's reader of the database; reading takes 4 s, once."""
    # NLTK opens nothing outside its data path
    path = str(DATABASE.parents[1])
    if path not in nltk.data.path:
        nltk.data.path.append(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns that the multilingual WordNet is not there
        return WordNetCorpusReader(str(DATABASE), None)


def nltk_meteor(reader: Any) -> Callable[[str, str], float]:
    """Return NLTK's METEOR as a function of (candidate, reference)."""

    def score(candidate: str, reference: str) -> float:
        return float(single_meteor_score(reference.split(), candidate.split(), wordnet=reader))

    return score
