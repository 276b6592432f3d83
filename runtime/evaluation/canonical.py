"""Equal data has one text: for graders that are compiled once, and gradings that are done once."""

import hashlib
import json


def canonical(data: object) -> str | None:
    """A text that is equal for equal plain data, whatever the order of its keys; None for data that is not plain."""
    try:
        return json.dumps(data, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return None


def digest(data: object) -> str | None:
    """The digest of the canonical text of plain data."""
    text = canonical(data)
    return None if text is None else hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
