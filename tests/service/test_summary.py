"""The figures of a run, against values worked out by hand."""

import io
from typing import Any

from rich.console import Console

from service.cli.summary import show, summarize


def record(reward: float | None, *, passed: bool | None = None, **sub: float | None) -> dict[str, Any]:
    failure = (
        None
        if reward is not None
        else {"kind": "other_error", "caused_by": "infrastructure", "message": "down"}
    )
    said: dict[str, Any] = {"sub_rewards": sub, "metrics": {}, "usage": {}}
    return {"reward": reward, "passed": passed, "failure": failure, **said}


def test_figures_of_a_small_run() -> None:
    found = summarize(
        [
            record(0.0, passed=False, a=0.0),
            record(1.0, passed=True, a=1.0),
            record(0.5, passed=True, a=None),
            record(None),
        ]
    )
    assert (found["rows"], found["graded"], found["ungraded"]) == (4, 3, 1)
    assert found["reward"] == {"mean": 0.5, "min": 0.0, "max": 1.0}  # too few rows for an interval
    assert found["pass_rate"] == {"rate": 2 / 3, "passed": 2, "of": 3}
    assert found["ungraded_by_cause"] == [
        {"kind": "other_error", "caused_by": "infrastructure", "count": 1, "example": "down"}
    ]
    assert found["sub_rewards"] == {"a": {"mean": 0.5, "ungraded": 1}}
    assert [bar["count"] for bar in found["histogram"]] == [1, 1, 1]


def test_many_values_are_put_into_ten_equal_bins() -> None:
    found = summarize([record(n / 100) for n in range(100)])
    assert [bar["count"] for bar in found["histogram"]] == [10] * 10


def test_a_run_without_rewards_has_no_mean() -> None:
    for rows in ([], [record(None)]):
        found = summarize(rows)
        assert (found["reward"], found["pass_rate"], found["histogram"]) == (None, None, [])
    assert summarize([record(1.0)])["reward"] == {"mean": 1.0, "min": 1.0, "max": 1.0}


def test_what_a_person_reads() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    model = {"kind": "sample_parse_error", "caused_by": "model", "message": "not [JSON]"}
    tokens = {"prompt_tokens": 1200, "completion_tokens": 30}
    lowest = {**record(0.0, passed=False), "failure": model, "usage": {"o3": tokens}}
    lowest["metrics"] = {"cached": 1.0, "retries": 2.0}
    show(summarize([record(1.0, passed=True, a=1.0), record(None, a=None), lowest]), console)
    text = " ".join(console.export_text().split())
    for line in (
        "rows 3",
        "ungraded",
        "mean reward 0.5000",
        "pass rate",
        "50.0% (1 of 2)",
        "a 1.0000 ungraded 1",
        "judge o3 1,200 tokens asked, 30 answered",
        "judges 1 remembered, 2 retries",
    ):
        assert line in text
    assert "ungraded: 1 × other_error, caused by infrastructure for example: down" in text
    assert "graded, and flagged: 1 × sample_parse_error, caused by the model for example: not [JSON]" in text
