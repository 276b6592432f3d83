"""Struck-out text: `~~42~~`, `<del>42</del>`, `<s>42</s>`."""

import re

_OPENED = re.compile(r"<(?:del|strike|s)(?: [^<>\n]*)?>|\[(?:del|strike|s)\]", re.IGNORECASE)
_CLOSED = re.compile(r"</(?:del|strike|s)>|\[/(?:del|strike|s)\]", re.IGNORECASE)
_TAG = re.compile(r"<[^<>\n]{0,40}>")
_EMPHASIS = " *_`$(["


def is_struck(before: str, after: str) -> bool:
    """Whether a number is struck out by Markdown or by a tag, as far as what is around it shows.

    `<s>` at the beginning of a text also begins the output of some models: it strikes out only the number right behind it.

    Args:
        before: What stands before the number.
        after: What follows it.
    """
    if "~~" in before and "~~" in after:
        line, ahead = before.rpartition("\n")[2], after.partition("\n")[0]
        if line.count("~~") % 2 and "~~" in ahead:
            return True
    if "line-through" in before and "</" in after and before.rfind("</") < before.rfind("line-through"):
        return True
    if not ("<" in before or "[" in before) or not _CLOSED.search(after):
        return False
    opened = list(_OPENED.finditer(before))
    if not opened or _CLOSED.search(before, opened[-1].end()):
        return False
    last = opened[-1]
    begins = not before[: last.start()].strip()
    return (
        last.group().lower() != "<s>" or not begins or not _TAG.sub("", before[last.end() :]).strip(_EMPHASIS)
    )
