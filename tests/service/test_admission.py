"""A full queue refuses what would join it, says when to come again, and keeps nobody out of another queue."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import httpx2
import pytest

from graders import Registry
from runtime import Settings
from runtime.evaluation.cost_class import Cost
from service.auth.admission import Admission
from service.errors import Refusal
from tests.judge_server import JudgeServer, delayed, verdict
from tests.service.test_grade_api import BATCH, JUDGED, LINES, judged_by

CHECK = Registry.installed().load({"type": "string_check", "input": "a", "reference": "a", "operation": "eq"})
PLUGIN = Registry.installed().load({"type": "keyword", "words": ["a"]})
LIMITS: dict[Cost, int] = {"inline": 3, "worker": 1, "sandbox": 1, "judge": 1}


class Clock:
    """Gives the seconds that a test says."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_queue_is_full_by_what_is_in_it_and_never_by_what_comes() -> None:
    queues = Admission(LIMITS)
    queues.enter(CHECK)
    with queues.enter(CHECK, 1000):
        with pytest.raises(Refusal) as caught:
            queues.enter(CHECK)
        assert (caught.value.status, caught.value.code) == (429, "queue_full")
        assert (
            str(caught.value) == "1,000 gradings of the class 'inline' are waiting or being worked at already"
        )
        queues.enter(PLUGIN)
    queues.enter(CHECK)


def test_gradings_that_have_ended_make_room_one_by_one() -> None:
    queues = Admission(LIMITS)
    with queues.enter(CHECK, 4) as held:
        held.one_ended()
        with pytest.raises(Refusal):
            queues.enter(CHECK)
        held.one_ended()
        queues.enter(CHECK)
        assert queues.depths["inline"] == 2
    assert queues.depths == {"inline": 0, "worker": 0, "sandbox": 0, "judge": 0}


def test_a_refusal_says_when_half_of_the_queue_will_have_ended() -> None:
    clock = Clock()
    queues = Admission(LIMITS, clock)

    def wait() -> int:
        with pytest.raises(Refusal) as caught:
            queues.enter(CHECK)
        return caught.value.after_s

    with queues.enter(CHECK, 100) as held:
        assert wait() == 60  # nothing is known yet
        clock.now += 2
        for _ in range(20):
            held.one_ended()
        assert wait() == 4  # 10 a second, and 80 are left
        clock.now += 1000
        assert wait() == 60


@pytest.mark.full
@pytest.mark.parametrize("headers", [{}, LINES], ids=["json", "ndjson"])
def test_a_flood_of_judge_gradings_is_refused_and_string_checks_are_not(
    serve: Callable[[Settings], AbstractContextManager[str]], headers: dict[str, str]
) -> None:
    def reply_to(request: Any, number: int) -> Any:
        return delayed(verdict(0.5), 4.0) if "of the flood" in str(request.body) else verdict(0.5)

    with JudgeServer(reply_to) as judge:
        settings = judged_by(judge).model_copy(update={"queue_judge": 20})
        flood = {"grader": JUDGED, "rows": [{"sample": f"{number} of the flood"} for number in range(30)]}
        one = {"grader": JUDGED, "sample": "another"}
        check = {"grader": dict(CHECK.config), "sample": "a"}
        with (
            serve(settings) as address,
            httpx2.Client(base_url=address, timeout=60) as http,
            ThreadPoolExecutor() as background,
        ):
            batch = background.submit(http.post, BATCH, json=flood, headers=headers)
            while not judge.requests:
                time.sleep(0.01)
            text = http.get("/metrics").text
            asked = (("/v1/grade", one), (BATCH, flood))
            refused = list(background.map(lambda each: http.post(each[0], json=each[1]), asked))
            checked = http.post("/v1/grade", json=check)
            assert batch.result().status_code == 200
            afterwards = http.post("/v1/grade", json=one)
    assert [(reply.status_code, reply.json()["error"]["code"]) for reply in refused] == [
        (429, "queue_full")
    ] * 2
    assert all(int(reply.headers["retry-after"]) >= 1 for reply in refused)
    assert (checked.status_code, checked.json()["reward"]) == (200, 1.0)
    assert 'graders_queue_depth{cost="judge"} 30.0' in text
    assert (afterwards.status_code, afterwards.json()["reward"]) == (200, 0.5)
