"""What the metric tests share."""

from __future__ import annotations

import pytest

from graders.kinds.metrics import wordnet


@pytest.fixture(scope="session", autouse=True)
def _read_table() -> None:
    """Read METEOR's table first: 0.1 s, more under coverage, would break Hypothesis' deadline for one example."""
    wordnet.load()
