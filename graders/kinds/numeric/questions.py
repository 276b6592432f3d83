"""Numbers that are asked about, not stated: `Is it 42?`, `42, right?`, `41? 42?`.

The sentence of the number decides, up to the end of its line. `Is it 42? Yes.` states 42, and so does a sentence that goes on
with an offer (`The answer is 42, would you like to see more?`).
"""

import re
from typing import Final

WINDOW: Final = 120
"""Characters behind a number that are looked at."""
_END = re.compile(r"\?(?![\w=&/])|\n|[.!;](?=[\s\"'*_)\]$]|$)")
_CONFIRMED = re.compile(
    r"[\s?!*_)\"']*(?:yes|yep|yeah|yup|correct|right|indeed|exactly|sure|of course|certainly|true)\b",
    re.IGNORECASE,
)
_OFFER = re.compile(
    r"[,:)\xad-] ?(?:and )?(?:do|does|would|could|can|shall|should|may|want|need|is there|are there|how|what|why|which|any)\b"
    r"[^?]*\b(?:you|me|i|we|help|else|more|questions?)\b",
    re.IGNORECASE,
)


def is_asked(after: str) -> bool:
    """Whether the sentence ends in a question mark.

    Args:
        after: What follows the number, in plain notation.
    """
    after = after[:WINDOW]
    end = _END.search(after) if "?" in after else None
    if end is None or end.group() != "?":
        return False
    return not (_CONFIRMED.match(after, end.end()) or _OFFER.search(after, 0, end.start()))
