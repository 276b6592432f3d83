"""Words of every script, for metrics whose own tokenizers know ASCII or white space only.

The text is normalised (NFKC). A word is a run of letters, digits and marks (Unicode's categories L, N and M); in scripts
that are written without spaces (Han, kana, Thai, Lao, Khmer, Burmese) each character with its marks is one, as in
sacrebleu's `zh`. Other visible characters are a token each for BLEU and GLEU, which count punctuation, and nothing for
ROUGE and METEOR, which do not. These also fold case.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Final

from graders.kinds.metrics import Metric

__all__ = ["NAMES", "tokens", "with_unicode_words"]

_UNSPACED: Final = (
    (0x0E00, 0x0EFF),  # Thai and Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),
    (0x3040, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_COUNT_SYMBOLS: Final = frozenset({"bleu", "gleu"})
_LIMITS: Final = {"bleu": 1_000, "gleu": 1_500, "meteor": 500}
"""Characters up to which a metric with these words is quick: each may be a word of its own here."""
_ROUGE_LIMIT: Final = 8_000

NAMES: Final = frozenset({"bleu", "gleu", "meteor", *(f"rouge_{size}" for size in (*"12345", "l"))})
"""The metrics that can have these words."""


def tokens(text: str, *, symbols: bool) -> list[str]:
    """The words of a text in order, and with `symbols` its punctuation and symbols, each as a token of its own."""
    found: list[str] = []
    in_word = False
    for character in unicodedata.normalize("NFKC", text):
        kind = _kind(character)
        if kind == "mark":
            if found:
                found[-1] += character
        elif kind == "letter" and in_word:
            found[-1] += character
        elif kind in {"letter", "sign"} or (kind == "symbol" and symbols):
            found.append(character)
        if kind not in {"mark", "hidden"}:
            in_word = kind == "letter"
    return found


def with_unicode_words(metric: Metric) -> Metric:
    """The same metric over these words instead of its own.

    Raises:
        ValueError: When it has no words: `fuzzy_match` compares letters of every script as it is.
    """
    if metric.name not in NAMES:
        raise ValueError(f"{metric.name!r} has no other words")
    symbols = metric.name in _COUNT_SYMBOLS
    is_rouge = metric.name.startswith("rouge")

    def prepared(text: str) -> str:
        found = tokens(text if symbols else text.casefold(), symbols=symbols)
        return " ".join(map(_ascii, found) if is_rouge else found)

    def score(candidate: str, reference: str) -> float:
        return metric.score(prepared(candidate), prepared(reference))

    return metric._replace(score=score, inline_limit=_LIMITS.get(metric.name, _ROUGE_LIMIT))


def _ascii(word: str) -> str:
    """A word of ASCII letters and digits that stands for this one alone: ROUGE only asks whether two are equal."""
    return word if word.isascii() else f"u{word.encode('utf-8', 'surrogatepass').hex()}u"


@lru_cache(maxsize=8_192)
def _kind(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] == "M":
        return "mark"
    if category[0] in "LN":
        place = ord(character)
        return "sign" if any(low <= place <= high for low, high in _UNSPACED) else "letter"
    if category == "Cf":
        return "hidden"
    return "space" if character.isspace() or category in {"Cc", "Zs", "Zl", "Zp"} else "symbol"
