"""Clauses that deny, doubt or call wrong the number in them: `I don't think it is 42`, `it is a mistake to say 42`."""

from itertools import pairwise
from typing import Final

_WRONG: Final = frozenset({"wrong", "incorrect", "false", "mistaken"})
_ANSWERS: Final = frozenset({"answer", "result", "value", "solution", "number", "guess", "attempt"})
_MISTAKEN: Final = _WRONG | {"mistake", "error", "untrue"}
_NOBODY: Final = frozenset({"nobody", "noone"})
_STATING: Final = frozenset(
    [
        "say",
        "claim",
        "think",
        "answer",
        "write",
        "assume",
        "conclude",
        "believe",
        "state",
        "put",
        "call",
        "give",
        "suppose",
    ]
)


def _pairs(text: str) -> frozenset[tuple[str, str]]:
    """Pairs of words, of a text that separates them by `|`."""
    return frozenset((first, second) for first, second in map(str.split, text.split("|")))


_SUPPOSES: Final = frozenset({"suppose", "supposing", "imagine", "pretend", "assume", "hypothetically"})
_NO_ONE: Final = _pairs("no one|none would|few would")
_SUPPOSED: Final = _pairs(
    "tempted to|tempting to|refuse to|deny that|used to|incorrectly get|wrongly get|mistakenly get|wonder if|wonder whether|wondering if|wondering whether|sure if|sure whether|unsure if|unsure whether|know if|know whether|not sure|not write|not put|have said"
)
"""Two words of a clause that gives a wrong answer."""
_SUPPOSED_BY_OTHERS: Final = _pairs("would say|might say|might think|would think|might guess|may think")
"""The same, unless it speaks of `I` or `we`."""
_OWN: Final = frozenset({"i", "we"})

SIGNALS: Final = (
    "think",
    "believ",
    "doubt",
    "that",
    "wrong",
    "incorrect",
    "false",
    "mistake",
    "error",
    "would",
    "might",
    "tempt",
    "said",
    "refuse",
    "used to",
    "deny",
    "incorrectly",
    "mistakenly",
    "not",
    "nobody",
    "no one",
    "none would",
    "suppos",
    "wonder",
    "sure",
    "know if",
    "know whether",
    "assume",
    "imagin",
    "pretend",
    "hypothe",
    "let's",
    "few would",
    "noone",
)
"""Pieces of text without one of which no clause is doubted."""


def is_negation(word: str) -> bool:
    """Whether a word is `not`, `never` or ends in `n't`."""
    return word in ("not", "never", "isnt") or word.endswith("n't")


def is_doubted(tokens: list[str]) -> bool:
    """`I don't think it is 42`, `it is false that it is 42`, `the wrong answer is 42`."""
    if "doubt" in tokens or (
        "that" in tokens and not {"false", "untrue", "impossible", "wrong"}.isdisjoint(tokens)
    ):
        return True
    if any(word in _WRONG and following in _ANSWERS for word, following in pairwise(tokens[-4:])):
        return True
    clause = tokens[-_clause_length(tokens) :]
    if clause[0] in _SUPPOSES or (
        clause[0] == "let's" and clause[1:2] in (["suppose"], ["assume"], ["say"], ["imagine"])
    ):
        return True
    if not _NOBODY.isdisjoint(clause) or not _NO_ONE.isdisjoint(pairwise(clause)):
        return True
    for word, following, verb in zip(clause, clause[1:], clause[2:], strict=False):
        if verb in _STATING and following == "to" and word in _MISTAKEN:
            return True
    pairs = set(pairwise(clause))
    if not _SUPPOSED.isdisjoint(pairs) or (
        _OWN.isdisjoint(clause) and not _SUPPOSED_BY_OTHERS.isdisjoint(pairs)
    ):
        return True
    return ("think" in tokens or "believe" in tokens) and any(map(is_negation, tokens))


def _clause_length(tokens: list[str]) -> int:
    """How many words the last clause has, at least one."""
    stop = next((index for index, word in enumerate(reversed(tokens)) if word in ".,;:!?"), len(tokens))
    return max(stop, 1)
