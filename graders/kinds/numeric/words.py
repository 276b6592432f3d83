"""The words around a number: whether they leave it what it is.

`minus 12` and `negative 12` are read as -12. Any other word that changes a number (`not`, `at least`, `half of`, `squared`,
`or more`, `plus`: the tables in `graders.kinds.numeric.phrases`) makes it no answer, as the sign for the same does. So does a
second number that is offered beside it (`41 or 42`). Quotes, emphasis, tags and words that say nothing (`about`, `the`,
`exactly`) are looked through; a full stop, a comma, a bracket or `=` ends what belongs to the number.

Only a window of bounded length is looked at, so that a text is read in linear time.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from graders.kinds.numeric.doubts import SIGNALS, is_doubted, is_negation
from graders.kinds.numeric.marks import ALGEBRA, DASH, GREEK
from graders.kinds.numeric.mentions import GUESSES, VERBS, is_mentioned
from graders.kinds.numeric.phrases import (
    ABBREVIATIONS,
    AFTER,
    AFTER_UNIT,
    ASIDE,
    BEFORE,
    BEFORE_SIGN,
    COMPARATIVES,
    EXCEPTIONS,
    FILLERS,
    FUNCTIONS,
    LARGER_UNITS,
    PASSED_OVER,
    SIGN_TOO,
    SIGNS,
    SMALLER_UNITS,
    THROUGH_BRACKET,
    Phrases,
)
from graders.kinds.numeric.tokens import matches, tokens_after, tokens_before

_WINDOW: Final = 64
_ABBREVIATED = re.compile(
    r"(?:\bmax|\bmin|[0-9] ?(?:r|rem|ft|yd|lbs?|hrs?|mins?))\. ?[*_\"'`$(\[]*$", re.IGNORECASE
)
"""An abbreviation whose full stop does not part it from the number behind it."""
_SENTENCE = re.compile(r"[ *_#>]*[A-Z][a-z]* [A-Za-z]")
_PLACES: Final = frozenset(
    {"decimal", "decimals", "significant", "sig", "dp", "places", "place", "digits", "figures"}
)
_OPERANDS: Final = frozenset(f"%)]{GREEK}{ALGEBRA}")

_JOINED: Final = frozenset({"and", ",", "&", "+"})
_OPEN: Final = frozenset(
    {
        "another",
        "other",
        "any",
        "some",
        "something",
        "anything",
        "whatever",
        "whichever",
        "others",
        "else",
        "none",
        "neither",
        "no",
        "similar",
        "different",
    }
)
_MARKS_BEFORE: Final = " \t\n\r\xa0*_\"'`$~#[{"
_MARKS_AFTER: Final = " \t\n\r\xa0*_\"'`$~)]}.,"
_DENIALS: Final = ("not", "n't", "never", "or")
_TELLING_BEFORE: Final = frozenset(
    {*BEFORE, *SIGNS, *FILLERS, *PASSED_OVER, "equal", "to", "or", "and", *LARGER_UNITS, *VERBS}
)
_TELLING_AFTER: Final = frozenset({*AFTER, *FUNCTIONS, *COMPARATIVES, "or", "and", "negative"})

_JOINTS: Final = f":)=?>{DASH}"
"""Marks that do not part `not` and its like from the number behind them."""

CHANGED: Final = "changed by the words around it"
ALTERNATIVE: Final = "one of several"


@dataclass(frozen=True, slots=True)
class Words:
    """What the words around a number make of it.

    Attributes:
        reason: Why it is no answer; empty when it may be one.
        sign: `minus`, `negative` or `plus`, when that word is its sign.
        others: Numbers that are offered beside it: it is no answer unless they are worth the same.
        passed_over: It says how another number was rounded.
    """

    reason: str = ""
    sign: str = ""
    others: tuple[str, ...] = ()
    passed_over: bool = False


NEUTRAL: Final = Words()
_REFUSED = Words(reason=CHANGED)
_EXPRESSION = Words(reason="part of a larger expression")


def words_around(text: str, start: int, end: int) -> Words:
    """What the words around the number at `text[start:end]`, in plain notation, make of it."""
    left, right = _own_line(text[max(0, start - _WINDOW) : start]), text[end : end + _WINDOW]
    if _is_neutral_left(left) and _is_neutral_right(right):
        return NEUTRAL
    before = tokens_before(left)
    after = tokens_after(right)
    if before and before[-1] == "to" and after and after[0] in _PLACES:
        return Words(passed_over=True)
    if _is_compound(before, after) or is_mentioned(before, after):
        return _REFUSED
    found = _behind(before) if before else NEUTRAL
    if found.reason or found.passed_over or not after:
        return found
    ahead = _ahead(after)
    if ahead.reason:
        return ahead
    return Words(sign=found.sign, others=found.others + ahead.others) if ahead.others else found


def _own_line(left: str) -> str:
    """What stands before a number, without earlier lines where a sentence begins with its line."""
    line = left.rpartition("\n")[2]
    return line if len(line) < len(left) and _SENTENCE.match(line) else left


def _is_neutral_left(left: str) -> bool:
    """Whether what stands before a number surely leaves it what it is: the common case, at a small part of the cost."""
    if _ABBREVIATED.search(left):
        return False
    left = left.rstrip(_MARKS_BEFORE)
    if not left or left[-1] in ".;!":
        return True
    left = left.lower()
    if any(map(left.__contains__, SIGNALS)):
        return False
    if left[-1] in ":=":
        word = left[left.rfind(" ") + 1 : -1].strip(_MARKS_BEFORE)
        return (
            word.isalnum()
            and word not in SIGN_TOO
            and word not in GUESSES
            and (left[-1] == ":" or not any(map(left.__contains__, _DENIALS)))
        )
    word = left[left.rfind(" ") + 1 :]
    return word.isalpha() and word not in _TELLING_BEFORE and not word.endswith("ly")


def _is_neutral_right(right: str) -> bool:
    """The same of what stands behind it: nothing, the end of a clause, or one word."""
    right = right.strip(_MARKS_AFTER)
    if not right or right[0] in ".;!?":
        return True
    return right.isalpha() and right.lower() not in _TELLING_AFTER


def _behind(tokens: list[str]) -> Words:
    """What the words before a number make of it."""
    direct = True
    if tokens[-1] == "." and len(tokens) > 1 and tokens[-2] in ABBREVIATIONS:
        tokens = tokens[:-1]
    if tokens[-1] in _JOINTS and tokens[-2:-1] and tokens[-2] in SIGN_TOO:
        tokens, direct = tokens[:-1], False
    tokens = _through_brackets(tokens)
    if not tokens:
        return NEUTRAL
    if direct and tokens[-1] in SIGNS:
        return _signed(tokens)
    if _is_denied(tokens):
        return _REFUSED
    tokens = list(tokens)
    while tokens:
        word = tokens[-1]
        if word in PASSED_OVER:
            return Words(passed_over=True)
        if word in SIGNS or word.endswith("n't") or _ends_in_phrase(tokens):
            return _REFUSED
        if not _says_nothing(tokens):
            return _alternative_behind(tokens)
        tokens.pop()
    return NEUTRAL


def _through_brackets(tokens: list[str]) -> list[str]:
    """The words before the brackets that a number is in; empty when those do not reach into them."""
    while tokens and tokens[-1] == "(":
        tokens = tokens[:-1]
        if tokens and tokens[-1] not in THROUGH_BRACKET and tokens[-1] not in {*SIGNS, *FUNCTIONS}:
            return []
    return tokens


def _is_compound(before: list[str], after: list[str]) -> bool:
    """`5 feet 6 inches`, `5 hours 30`, `5 feet, 6 inches`, `5 ft. 6 in.`: a part of one quantity, unlike `In 5 hours 42 cars`."""
    joined = before[-1:] == [","]
    units = before[:-1] if joined or before[-1:] == ["."] else before
    if len(units) < 2 or units[-1] not in LARGER_UNITS or not matches("#", units[-2]):
        return False
    ends = not after or not after[0].isalpha()
    return (ends and not joined) or (bool(after) and after[0] in SMALLER_UNITS)


def _is_denied(tokens: list[str]) -> bool:
    """`x is not = 42`, `not x = 42`, `-x = 42`, `it is false that x = 42`, `it is not, in fact, 42`."""
    mark, named = tokens[-1], tokens[:-1]
    if mark == ",":
        return any(comma == "," and is_negation(word) for word, comma in pairwise(named[-5:]))
    if mark != "=" or not named:
        return False
    if named[-2:-1] and named[-2] in ("-", DASH, "minus") and (len(named) < 3 or named[-3] in ":,.;("):
        return True
    if len(named) > 1 and len(named[-1]) == 1 and named[-1].isalpha():
        named = named[:-1]
    return is_negation(named[-1]) or is_doubted(named)


def _says_nothing(tokens: list[str]) -> bool:
    word = tokens[-1]
    before = tokens[-2] if len(tokens) > 1 else ""
    equal = word == "equal" or (word == "to" and before in ("equal", "going"))
    amount = word == "of" and before in ("total", "value", "amount")
    return word in FILLERS or equal or amount or (word.endswith("ly") and word.isalpha())


def _signed(tokens: list[str]) -> Words:
    """A number behind `minus`, `negative` or `plus`: the word is a sign, or an operator."""
    sign, rest = tokens[-1], tokens[:-1]
    if not rest:
        return Words(sign=sign)
    earlier = _behind(rest)
    if earlier.reason or earlier.sign or earlier.passed_over:
        return _REFUSED
    last = rest[-1]
    if sign != "negative" and last in ",(" and rest[-2:-1] and matches("#", rest[-2]):
        return _EXPRESSION  # 42, minus 2
    if sign == "negative":
        is_operand = last in _OPERANDS or matches("@", last) or last in f"+-*/^{DASH}×·÷"
        return _EXPRESSION if is_operand else Words(sign=sign, others=earlier.others)
    if last in BEFORE_SIGN or last.endswith(("'s", "ly")):
        return Words(sign=sign, others=earlier.others)
    return _EXPRESSION


def _ends_in_phrase(tokens: list[str]) -> bool:
    last = "#" if tokens[-1][-1].isdigit() else tokens[-1]
    for phrase in BEFORE.get(last, ()):
        if len(phrase) > len(tokens) or not all(map(matches, phrase, tokens[-len(phrase) :])):
            continue
        if not any(token.startswith(EXCEPTIONS.get(phrase, ())) for token in tokens):
            return True
    return is_doubted(tokens)


def _alternative_behind(tokens: list[str]) -> Words:
    """`41 or 42`, `41 apples or 42`, `x = 41 or x = 42`, `41 and 42`."""
    if tokens[-1] == "=" and len(tokens) > 2:
        tokens = tokens[:-2]
    if tokens[-2:] == ["or", ","]:
        tokens = tokens[:-1]
    joint = tokens[-1]
    if joint not in ("or", "and", "&"):
        return NEUTRAL
    earlier = tokens[:-1]
    if earlier[-2:] == ["and", "/"]:
        earlier = earlier[:-2]
    if earlier and earlier[-1] in ",(;.&":
        earlier = earlier[:-1][-1:]
    reach = 3 if joint == "or" else 1
    for token in reversed(earlier[-reach:]):
        if matches("#", token):
            return Words(others=(token,))
        if not token[0].isalpha():
            break
    return NEUTRAL


def _ahead(tokens: list[str]) -> Words:
    """What the words after a number make of it."""
    if tokens[0] == "\n":
        tokens = tokens[1:]
        if not tokens or tokens[0] not in ("or", "and", "squared", "minus", "plus"):
            return NEUTRAL
    if tokens[0] == "&" and len(tokens) > 1:
        tokens = ["and", *(word for word in tokens if word != "&")]
    if tokens[0] in ("or", "and"):
        return _REFUSED if _starts_phrase(tokens, AFTER) else _alternative_ahead(tokens)
    if tokens[0] in ",([":
        return _aside(tokens[1:])
    if _starts_phrase(tokens, AFTER) or _is_function(tokens):
        return _REFUSED
    if tokens[0] in COMPARATIVES and tokens[1:2] == ["than"] and _is_operand(tokens[2:]):
        return _REFUSED
    if tokens[0] == "negative" and not (tokens[1:] and tokens[1][0].isalpha()):
        return _REFUSED
    return _behind_unit(tokens)


def _behind_unit(tokens: list[str]) -> Words:
    """`5 metres or more`, `5 degrees below zero`, `42 apples or 43`."""
    for skipped in (1, 2):
        if len(tokens) <= skipped or not tokens[skipped - 1][0].isalpha():
            return NEUTRAL
        rest = tokens[skipped:]
        if _starts_phrase(rest, AFTER_UNIT):
            return _REFUSED
        if rest[0] == "or":
            return _alternative_ahead(rest)
        if rest[0] in _JOINED and len(rest) > 2 and rest[2] in SMALLER_UNITS and matches("#", rest[1]):
            return _REFUSED
        if rest[0] in ",([":
            return _aside(rest[1:])
    return NEUTRAL


def _aside(tokens: list[str]) -> Words:
    """What a remark behind a comma or in brackets says of the number."""
    if not tokens:
        return NEUTRAL
    if tokens[0] == "or":
        return _alternative_ahead(tokens)
    return _REFUSED if _starts_phrase(tokens, ASIDE) else NEUTRAL


def _starts_phrase(tokens: list[str], phrases: Phrases) -> bool:
    return any(
        len(phrase) <= len(tokens) and all(map(matches, phrase, tokens))
        for first in (tokens[0], "*")
        for phrase in phrases.get(first, ())
    )


def _is_function(tokens: list[str]) -> bool:
    """`5 sin x`, `5 log 2`, but not `42 log entries`."""
    return tokens[0] in FUNCTIONS and (len(tokens) == 1 or tokens[1] == "(" or _is_operand(tokens[1:]))


def _is_operand(tokens: list[str]) -> bool:
    if not tokens:
        return False
    return matches("@", tokens[0]) or tokens[0] in FUNCTIONS or tokens[0] in ("half", "twice", "double", "of")


def _alternative_ahead(tokens: list[str]) -> Words:
    """`42 or more`, `42 or 43`, `42 and 43`."""
    if tokens[:3] == ["and", "/", "or"]:
        tokens = tokens[2:]
    rest = [
        word
        for word in tokens[1:6]
        if word not in FILLERS and word != "so" and not word.endswith(("ly", ","))
    ]
    if rest[1:2] == ["="] and tokens[0] == "or":
        rest = rest[2:]
    if (
        tokens[0] == "or"
        and tokens[1:2]
        and not _OPEN.isdisjoint(tokens[1:3])
        and not any(matches("#", word) for word in rest)
    ):
        return _REFUSED
    if not rest:
        return NEUTRAL
    if matches("#", rest[0]):
        return Words(others=(rest[0],))
    if rest[0] in (ALGEBRA, GREEK) or (matches("@", rest[0]) and rest[1:2] != ["="]):
        return Words(reason=ALTERNATIVE)
    if tokens[0] == "and":
        return NEUTRAL
    following = tokens[tokens.index(rest[0]) + 1 :][:1]
    more_precisely = bool(following) and following[0].endswith("ly")
    return _REFUSED if rest[0] in COMPARATIVES and not more_precisely else NEUTRAL
