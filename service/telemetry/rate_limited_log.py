"""Warnings about what may happen thousands of times a second, logged once a minute."""

import logging
import time
from collections.abc import Callable

EVERY_S = 60.0


class RateLimitedLog:
    """Logs each kind of warning once a minute, with the number of times that it was not logged since.

    Args:
        logger: What writes the warnings.
        clock: Gives seconds.
    """

    def __init__(self, logger: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger, self._clock = logger, clock
        self._kinds: dict[str, tuple[float, int]] = {}

    def warning(self, kind: str, message: str) -> None:
        """Log a warning, unless one of its kind was logged within the last minute.

        Args:
            kind: What is counted together; one of a closed set, never a client's text.
            message: One line.
        """
        now = self._clock()
        since, left_out = self._kinds.get(kind, (-EVERY_S, 0))
        if now - since < EVERY_S:
            self._kinds[kind] = since, left_out + 1
            return
        self._kinds[kind] = now, 0
        repeated = f" ({left_out:,} more since the last such line)" if left_out else ""
        self._logger.warning("%s%s", message, repeated)
