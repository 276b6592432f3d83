"""When to send a request again: what may pass, and how long to wait."""

import random
import time
from datetime import UTC
from email.utils import parsedate_to_datetime

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0


def may_pass(status: int) -> bool:
    """Whether the same request may be answered a moment later: status 408, 409, 429 or 5xx."""
    return status in (408, 409, 429) or status >= 500


def pause_after(tried: int) -> float:
    """Seconds to wait after so many tries: the longest doubles, and all of it is random (full jitter).

    Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (tried - 1))
    return random.uniform(0, longest)  # noqa: S311  # it spreads requests and hides nothing


def retry_after(said: str) -> float | None:
    """Seconds that a `Retry-After` asks to wait: a number of them, or a date (RFC 9110, 10.2.3); None when it is neither."""
    try:
        seconds = float(said)
    except ValueError:
        try:
            at = parsedate_to_datetime(said)
        except ValueError:
            return None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, at.timestamp() - time.time())
    return seconds if 0 <= seconds < float("inf") else None
