"""One of several answers: `x = 42, y = 43`, `42 if n is even and 43 if n is odd`, `42 → 43`, `41 42`."""

import re
from typing import Final

from graders.kinds.numeric.marks import DASH, GREEK, SPACES

WINDOW: Final = 120
"""Characters on each side of a number that are looked at."""
_NUMBER: Final = r"[-+]?[$]?[0-9](?:[0-9.,/]*[0-9])?"
_NAME: Final = rf"[$]?[A-Za-z{GREEK}](?:_?[0-9A-Za-z])?"
_IS: Final = r"(?: ?[=:] ?| is | equals )"
_ASSIGNED: Final = rf"{_NAME}{_IS}{_NUMBER}[$%]?(?: [a-z]{{1,12}})?[$]?"
_EARLIER = re.compile(
    rf"(?<![A-Za-z0-9_])((?:{_ASSIGNED}(?: ?[,;] ?(?:and )?| and ))+)({_NAME}){_IS}[-+$({DASH}]*$"
)
_LATER = re.compile(rf"[$%]?(?: [a-z]{{1,12}})?[$]?(?: ?[,;] ?(?:and )?| and )({_NAME}){_IS}({_NUMBER})")
_OWN_NAME = re.compile(rf"(?<![A-Za-z0-9_])({_NAME}){_IS}[-+$({DASH}]*$")
_GIVEN = re.compile(
    r"\b(?:since|if|when|for|with|at|given|where|as|because|let|once|substituting|using|plugging(?: in)?|setting|taking|that|assuming|from|"
    r"choose|suppose|say|put|putting|set)[: ]+[$(]*$",
    re.IGNORECASE,
)
_HAS_IS = re.compile(r"[=:]|\b(?:is|equals)\b")
_PAIR = re.compile(rf"({_NAME}){_IS}({_NUMBER})")

_COND: Final = r"(?:if|when|whenever|unless|where|in case|provided|for (?:all |every |any |each )?[$]?(?:even|odd|positive|negative|prime|[a-z][$]?(?![a-z]))|[$]?[a-z][$]? (?:is )?(?:even|odd|positive|negative|prime|[<>=]))"
_JOIN: Final = r"(?:,? ?\b(?:and|or|but|while|whereas|otherwise|else)\b|[,;])"
_LEADING: Final = (
    r"(?: ?(?:it is|it's|it equals|otherwise|else|then|is|the answer is|we get|equals|[a-z] =|[$,:(]) ?)*"
)
_CASES_BEFORE = re.compile(
    rf"(?<![\w.])({_NUMBER})(?: [a-z]{{2,12}}){{0,2}},? ?\(?{_COND}\b[^.\n]{{1,60}}{_JOIN}{_LEADING}[ $(]*$",
    re.IGNORECASE,
)
_CASES_AFTER = re.compile(
    rf"(?: [a-z]{{2,12}}){{0,2}},? ?\(?{_COND}\b[^.\n]{{1,60}}{_JOIN}{_LEADING}[ $(]*({_NUMBER})[^.\n]{{0,20}}?(?:{_COND}\b|[.)$\n]|$)",
    re.IGNORECASE,
)
_CONDITION_FIRST = re.compile(
    rf"(?:^|[.;:,\n(] ?|\band )(?:if|when|for) [^.,;\n]{{1,40}}(?:,|:| then| it is) ?(?:it is |we get |x = )?({_NUMBER})(?: [a-z]{{2,12}})?"
    rf"[,;.]? ?(?:(?:and|but|while) )?(?:(?:if|when|for) [^.,;\n]{{1,40}}(?:,|:| then| it is)|otherwise,?|else,?) ?(?:it is |we get |x = )?[ $(]*$",
    re.IGNORECASE,
)
_OWN_CONDITION = re.compile(
    r"\b(?:if|when|for) [^.,;\n]{1,40}(?:,|:| then| it is) ?(?:it is |we get |x = )?[ $(]*$", re.IGNORECASE
)
_CONDITION_LATER = re.compile(
    r"(?: [a-z]{2,12})?[,;.]? ?(?:(?:and|but|while) )?(?:(?:if|when|for) [^.,;\n]{1,40}(?:,|:| then| it is)|otherwise,?|else,?) ?"
    rf"(?:it is |we get |x = )?[ $(]*({_NUMBER})",
    re.IGNORECASE,
)
_CONDITION_OR_END = re.compile(
    rf"(?: [a-z]{{2,12}}){{0,2}},? ?\(?(?:{_COND}\b)|[ $)]*(?:[.!]|\n|$)", re.IGNORECASE
)
_ENDS_CASE = re.compile(
    r"(?:\b(?:and|or|but|while|whereas|otherwise|else|then|is|get|equals|it's)|[,;:=])[ $(]*$", re.IGNORECASE
)
_STARTS_CASE = re.compile(
    r"[0-9].*(?:(?:if|when|unless|where|case|provided|for) |even|odd|positive|negative|prime|[<>])|(?:if|when|for) .*[0-9]",
    re.IGNORECASE,
)
_OTHERWISE = re.compile(r"\b(?:otherwise|else)\b[^.\n]{0,20}$", re.IGNORECASE)

_CHANGE_BEFORE = re.compile(
    rf"(?:^|[^\w.,/*+=^×·÷{DASH} -]|(?<![A-Za-z])[a-z]+ |[,:] |\n) *({_NUMBER})[ $%]*(?:--?|==?)>[ $]*$"
)
_CHANGE_AFTER = re.compile(rf"[ $%]*(?:--?|==?)>[ $]*({_NUMBER})(?![ ]?[-+*/^×·÷=A-Za-z(])")
_APART_BEFORE = re.compile(r"(?:^|[\s(\[$*:=`\"'])([-+]?[0-9](?:[0-9.,]*[0-9])?)[ \xa0\t]+$")
_APART_AFTER = re.compile(r"[ \xa0\t]+([-+]?[0-9][0-9.,]*)(?![ ]?[A-Za-z.)])")


def other_answers(before: str, after: str) -> tuple[str, ...]:
    """Numbers that are offered beside a number: it is an answer only where they are worth the same.

    Args:
        before: What stands before the number, in plain notation.
        after: What follows it.
    """
    found: tuple[str, ...] = ()
    if before.endswith((" ", "\xa0", "\t")) and before.rstrip(SPACES)[-1:].isdigit() and _stands_alone(after):
        found = _captured(_APART_BEFORE.search(before))
    elif after[:1] in (" ", "\xa0", "\t") and after.lstrip(SPACES)[:1].isdigit():
        found = _captured(_APART_AFTER.match(after))
    if ">" in before[-8:]:
        found = found or _captured(_CHANGE_BEFORE.search(before))
    if ">" in after[:8]:
        found = found or _captured(_CHANGE_AFTER.match(after))
    return found or _assigned(before, after) or _by_case(before, after)


def _stands_alone(after: str) -> bool:
    return not after.lstrip(SPACES)[:1].isalpha()


def _captured(found: re.Match[str] | None) -> tuple[str, ...]:
    return (found.group(1).lstrip("$"),) if found else ()


def _assigned(before: str, after: str) -> tuple[str, ...]:
    """The values of other names beside this one: `x = 42, y = 43`, but not `when x = 42, y = 43`."""
    if not _HAS_IS.search(before[-12:]):
        return ()
    own = _OWN_NAME.search(before)
    if own is None:
        return ()
    if (earlier := _EARLIER.search(before)) and not _GIVEN.search(before, 0, earlier.start()):
        return tuple(value for name, value in _PAIR.findall(earlier.group(1)) if name != own.group(1))
    later = _LATER.match(after)
    if later is None or later.group(1) == own.group(1) or _GIVEN.search(before, 0, own.start()):
        return ()
    return (later.group(2),)


def _by_case(before: str, after: str) -> tuple[str, ...]:
    """The value of another case: `42 if n is even and 43 if n is odd`, `if n is even, 42; otherwise 43`."""
    if _ENDS_CASE.search(before[-24:]) and _STARTS_CASE.search(before):
        if (first := _CONDITION_FIRST.search(before)) is not None:
            return (first.group(1),)
        if (earlier := _CASES_BEFORE.search(before)) and (
            _OTHERWISE.search(before) or _CONDITION_OR_END.match(after)
        ):
            return (earlier.group(1),)
    if after[:1] not in (" ", ",", ";", "."):
        return ()
    later = _CONDITION_LATER.match(after)
    if later is not None and _OWN_CONDITION.search(before):
        return (later.group(1),)
    return _captured(_CASES_AFTER.match(after))
