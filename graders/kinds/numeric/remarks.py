"""Remarks behind an answer that leave it what it is: `42 (not 43)`, `42 if x > 0`."""

import re

_DENIED = re.compile(
    r"(?:(?<=[0-9%$)*])\s|[,;(])\s{0,4}(?:and |but )?(?:not|rather than|instead of|as opposed to) [\s$*(]{0,8}"
    r"([-+−]?[0-9](?:[0-9.,/]{0,40}[0-9])?)[\s$*).]{0,8}$",
    re.IGNORECASE,
)
_CONDITION = re.compile(
    r"[\s,(](?:if|when|whenever|where|for|provided|provided that|assuming) (?:that |all |every )?\$?\s?\\?[(]?[A-Za-z]\s?"
    r"(?:[<>]=?|=|[≤≥≠]|\\(?:le|leq|ge|geq|ne|neq|lt|gt)\b)\s?[-+−]?(?:[0-9]{1,20}(?:\.[0-9]{1,20})?|[A-Za-z])[\s$).\\]{0,8}$"
)


def without_remark(text: str) -> tuple[str, str]:
    """A stated answer without a remark at its end, and the number that the remark says it is not; empty without a remark.

    Args:
        text: The place where an answer is stated; the remark must end it.
    """
    tail = text[-200:]
    head = text[: len(text) - len(tail)]
    if match := _DENIED.search(tail):
        return head + tail[: match.start()], match.group(1)
    if match := _CONDITION.search(tail):
        return head + tail[: match.start()], ""
    return text, ""
