"""What a comparison of texts cannot see: said where it is found in data, and beside the reward that it gave.

The numbers are the published ones and stay as they are; what they mean is told.
"""

import re
import unicodedata

from graders.kinds.metrics import load_metric

_ROUGE_WORD = re.compile(r"[A-Za-z0-9]+")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"
)
_SPACES = frozenset({"bleu", "gleu", "meteor"})
LOOKED_AT = 600
"""Characters of a reference that `fuzzy_match` is tried on."""
_WON = 0.9
_FEW = 1
"""Characters that are found in almost every text."""


def of_reference(metric: str, reference: str) -> str | None:
    """What a metric with its own words cannot see of a reference, or what it gives for too little; None when all is well.

    Args:
        metric: As `evaluation_metric` names it.
        reference: What samples are compared with; a blank one is not looked at.
    """
    if not reference.strip():
        return None
    if metric.startswith("rouge_"):
        return _of_rouge(metric.removeprefix("rouge_"), reference)
    if metric == "meteor" and len(reference.split()) == 1 and not _UNSPACED.search(reference):
        return "METEOR of one word is at most 0.5, also for an equal text"
    if metric in _SPACES and _UNSPACED.search(reference):
        return f"{metric} finds words by white space, and this script has none between words: a sentence is one word"
    if metric == "fuzzy_match" and (word := _winning_word(reference)) is not None:
        return f"fuzzy_match gives {word[1]:.2g} for nothing but {word[0]!r}, repeated: it compares sets of words"
    return None


def of_candidate(metric: str, candidate: str, score: float) -> str | None:
    """What stands behind the score of one sample: `fuzzy_match` won by one word that is repeated; None otherwise."""
    words = candidate[: 4 * LOOKED_AT].casefold().split()
    if metric != "fuzzy_match" or score < _WON or len(words) < 2 or len(set(words)) > 1:
        return None
    return "the text is one word, repeated: fuzzy_match compares sets of words"


def of_contained(reference: str) -> str | None:
    """Why `like` and `ilike` mean nothing for a reference; None when they do."""
    if not reference.strip():
        return "the reference is empty, and every text contains it: anything passes"
    if len(reference.strip()) <= _FEW:
        return f"the reference is one character, {reference.strip()!r}, and almost every text contains it: anything passes"
    return None


def is_fatal(metric: str, reference: str) -> bool:
    """Whether a metric gives every sample 0 for a reference that is not blank."""
    if not metric.startswith("rouge_") or not reference.strip():
        return False
    size = metric.removeprefix("rouge_")
    return len(_ROUGE_WORD.findall(reference)) < (int(size) if size.isdecimal() else 1)


def _of_rouge(size: str, reference: str) -> str | None:
    words = _ROUGE_WORD.findall(reference)
    if not words:
        return (
            "ROUGE sees only the letters a to z and digits, and the reference has neither: "
            "every sample gets 0, even an equal text"
        )
    if size.isdecimal() and len(words) < int(size):
        return (
            f"ROUGE-{size} compares runs of {size} words, and there are only {len(words)}: "
            "every sample gets 0, even an equal text"
        )
    seen = sum(map(len, words))
    letters = sum(unicodedata.category(character)[0] in "LN" for character in reference)
    if 2 * seen < letters:
        return "ROUGE sees only the letters a to z and digits, and most of the letters are others"
    return None


def _winning_word(reference: str) -> tuple[str, float] | None:
    """A word of a reference that repeated often enough is as good as the reference, and its score."""
    words = reference[:LOOKED_AT].split()
    if len(words) < 2:
        return None
    word = max(words, key=len)
    count = max(2, round((len(reference[:LOOKED_AT]) + 1) / (len(word) + 1)))
    score = load_metric("fuzzy_match").score(" ".join([word] * count), reference[:LOOKED_AT])
    return (word, score) if score >= _WON else None
