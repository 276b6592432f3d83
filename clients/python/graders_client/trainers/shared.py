"""Clients for trainers that make an object for each sample: those of a process share one client, which gathers their calls."""

from __future__ import annotations

import os
from functools import lru_cache

from graders_client.client import GraderClient

KEY_VARIABLE = "GRADERS_API_KEY"


@lru_cache(maxsize=64)
def shared_client(url: str, grader: str, key_variable: str = KEY_VARIABLE) -> GraderClient:
    """The client of this process for a stored grader.

    Args:
        url: Of the service.
        grader: Its name.
        key_variable: The environment variable that has the service's key, if there is one.
    """
    return GraderClient(url, grader, api_key=os.environ.get(key_variable) or None)
