"""Right programs get their rewards beside the costliest samples known, over HTTP."""

import json
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest

from runtime import Settings
from runtime.attacks.costly import CALL, COSTLY, Costly

Serve = Callable[[Settings], AbstractContextManager[str]]
RIGHT = "import time\ndef f(x):\n    time.sleep(0.05)\n    return x + 3\n"
GRADER = {"type": "code_tests", "extract": "none", "tests": [CALL], "entry_point": "f"}


def grade(url: str, grader: dict[str, Any], sample: str, item: dict[str, Any]) -> Any:
    body = json.dumps({"grader": grader, "sample": sample, "item": item}).encode()
    request = urllib.request.Request(f"{url}/v1/grade", body, {"content-type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=600) as reply:  # noqa: S310
        return json.load(reply)


def rewards_beside(
    serve: Serve, settings: Settings, costly: tuple[Costly, ...], victims: int
) -> Counter[Any]:
    """The rewards of right programs while costly samples are graded, again and again."""
    with serve(settings) as url, ThreadPoolExecutor(16) as attackers, ThreadPoolExecutor(4) as others:
        wrong = [attackers.submit(grade, url, each.grader, each.sample, each.item) for each in costly]
        right = [others.submit(grade, url, GRADER, f"{RIGHT}# {number}", {}) for number in range(victims)]
        found = Counter(result.result()["reward"] for result in right)
        earned = {
            each.name: result.result()["reward"]
            for each, result in zip(costly, wrong, strict=True)
            if not each.may_earn
        }
    assert {name: reward for name, reward in earned.items() if reward} == {}
    return found


def settings_of(quick: Settings) -> Settings:
    return quick.model_copy(
        update={"sandbox_processes": 2, "python_timeout_s": 4.0, "grading_timeout_s": 300.0}
    )


@pytest.mark.full
def test_a_few_right_programs_beside_a_few_costly_samples(serve: Serve, quick: Settings) -> None:
    assert rewards_beside(serve, settings_of(quick), COSTLY[::4], 20) == {1.0: 20}


@pytest.mark.slow
def test_two_hundred_right_programs_beside_every_costly_sample(serve: Serve, quick: Settings) -> None:
    assert len(COSTLY) >= 30
    assert rewards_beside(serve, settings_of(quick), COSTLY, 200) == {1.0: 200}
