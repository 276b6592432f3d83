"""Numbers that a sentence mentions without giving them as the answer.

A number that was ruled out or tried (`I ruled out 42`, `we tried 42`), an earlier guess (`my first guess was 42`), an operand
of a step (`now add 42`, `multiply by 42 to get the answer`), or a property of the answer (`the answer has 42 digits`).

What is counted is a quantity all the same: `They rejected 42 applications`, `She adds 42 cards`. Third persons may be what a
question is about, so that `She lost 42` states 42.
"""

from itertools import pairwise
from typing import Final

from graders.kinds.numeric.doubts import is_negation
from graders.kinds.numeric.phrases import FILLERS


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_OWN: Final = _words("i we you let's lets us me i've we've i'll we'll i'd we'd")
_REJECTED: Final = _words(
    "rejected reject rejecting discarded discard discarding eliminated eliminate eliminating excluded exclude excluding dismissed "
    "dismiss dismissing disregarded disregard disregarding ignored ignore ignoring tried try trying tested test testing considered "
    "consider considering guessed checked avoid avoided abandon abandoned omit omitted skip skipped drop dropped scratch scrap "
    "doubted withdrew withdraw retract retracted retracting"
)
"""What is done to a candidate; a statement about it only with a subject of its own (`I tried 42`) or none (`Discard 42`)."""
_TAKEN: Final = _words("use pick choose select take accept trust submit enter")
_OUT: Final = frozenset(
    (verb, "out")
    for verb in (
        "rule",
        "ruled",
        "rules",
        "ruling",
        "cross",
        "crossed",
        "crossing",
        "throw",
        "threw",
        "throwing",
    )
)
_BEGINS: Final = _words(
    ". , ; : ! ? and but so then first next now can could to will must should not already also please therefore"
)
_OPERATION: Final = _words("add adding")
GUESSES: Final = _words(
    "guess guesses attempt try estimate answer thought idea hunch conjecture result response"
)
_SURE_GUESSES: Final = _words("guess attempt hunch conjecture")
_EARLIER: Final = _words("first initial original earlier previous prior old former preliminary incorrect")
_STATES: Final = _words("was is were gave : = had gives being of")
_EARLIER_FOUND: Final = frozenset(
    (adverb, verb)
    for adverb in ("first", "initially", "originally", "previously", "earlier")
    for verb in (
        "got",
        "thought",
        "guessed",
        "wrote",
        "said",
        "answered",
        "tried",
        "put",
        "computed",
        "calculated",
        "believed",
    )
)
_FOUND: Final = frozenset(verb for _, verb in _EARLIER_FOUND)
_SUBJECTS: Final = _words("answer answers result solution")
_PROPERTIES: Final = _words("has have had contains contain having containing")
_PARTS: Final = _words("digits digit decimals decimal letters words characters zeros terms factors divisors")
_PURPOSE: Final = _words("get find obtain reach compute calculate determine derive produce give arrive")
_GOALS: Final = _words("answer result solution total")
VERBS: Final = (
    _REJECTED | _TAKEN | _OPERATION | _STATES | _PROPERTIES | _FOUND | {"out", "of", "with", "in", "are"}
)
"""Words before a number that may make it a mention."""


def is_mentioned(before: list[str], after: list[str]) -> bool:
    """Whether the words around a number make it anything but the answer.

    Args:
        before: The words before the number, in lower case.
        after: The words that follow it.
    """
    if after and _is_for_answer(after):
        return True
    while before and (before[-1] in FILLERS or before[-1].endswith("ly")):
        before = before[:-1]
    if not before:
        return False
    counted = (
        bool(after)
        and after[0][0].isalpha()
        and after[0] not in ("as", "because", "since", "and", "but", "for", "to", "too", "from")
    )
    return (
        _is_earlier(before)
        or _is_property(before, after)
        or (not counted and _is_rejected(before))
        or (before[-1] in _OPERATION and not counted and (len(before) == 1 or before[-2] in _OWN | _BEGINS))
    )


def _is_for_answer(after: list[str]) -> bool:
    """`42 to get the answer`, `42 apples to find the total`."""
    clause = after[: next((index for index, word in enumerate(after) if word in ".,;:!?\n"), len(after))][:8]
    goals = [index for index, word in enumerate(clause) if word in _GOALS]
    return any(
        word == "to" and verb in _PURPOSE and any(index + 1 < goal <= index + 5 for goal in goals)
        for index, (word, verb) in enumerate(pairwise(clause))
    )


def _is_earlier(before: list[str]) -> bool:
    """`my first guess was 42`, `my guess was 42`, `I initially got 42`, `at first I got 42`."""
    if before[-1] in _STATES and len(before) > 1 and before[-2] in GUESSES:
        sure = before[-2] in _SURE_GUESSES
        return (sure and before[-1] in ("was", "were")) or any(word in _EARLIER for word in before[-4:-2])
    if before[-2:-1] and (before[-2], before[-1]) in _EARLIER_FOUND:
        return True
    if before[-1] not in _FOUND:
        return False
    clause = before[-6:-1]
    return not _OWN.isdisjoint(clause) and (
        ("at", "first") in pairwise(clause)
        or not {"initially", "originally", "previously"}.isdisjoint(clause)
    )


def _is_property(before: list[str], after: list[str]) -> bool:
    """`the answer has 42`, `the answer consists of 42`, `the answer ends in 42`."""
    if before[-1] in _PROPERTIES:
        return any(word in _SUBJECTS for word in before[-3:-1])
    if before[-1] in ("with", "of") and after and after[0] in _PARTS:
        return not _SUBJECTS.isdisjoint(before)
    is_part = before[-2:] in (
        ["consists", "of"],
        ["made", "of"],
        ["ends", "in"],
        ["ends", "with"],
        ["starts", "with"],
        ["begins", "with"],
    )
    return is_part and any(word in _SUBJECTS for word in before[-5:-2])


def _is_rejected(before: list[str]) -> bool:
    if before[-2:-1] and (before[-2], before[-1]) in _OUT:
        return True
    if before[-1] in _TAKEN:
        return len(before) > 1 and is_negation(before[-2])
    if before[-1] not in _REJECTED:
        return False
    subject = before[-2] if len(before) > 1 else "."
    return (
        subject in _OWN
        or subject in _BEGINS
        or (subject in ("have", "had", "also", "just") and not _OWN.isdisjoint(before[-4:-2]))
    )
