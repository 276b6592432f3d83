"""What a grader's tests are made of: fakes of what a `Context` reaches, assertions about graders, and strategies for Hypothesis.

::

    judge = FakeJudge([{"result": 0.5}])
    result = await FakeContext(judge=judge).grade(grader, Sample("…"), {})
    assert result.reward == 0.5 and judge.calls[0]["model"] == "gpt-…"

    assert_well_behaved(keyword, options={"words": ["red"]})
    assert_order(keyword, ["a red cat", "a cat"], {}, options={"words": ["red"]})
    assert_unchanged_by(keyword, "a red cat", {}, "white_space", "letter_case", options={"words": ["red"]})

`assert_well_behaved` and the strategies need Hypothesis (extra `testing`). The rest does not.
"""

from graders.testing.behaviour import assert_well_behaved, assert_well_behaved_on
from graders.testing.bench import Gradable
from graders.testing.changes import CHANGES, Change, change_named
from graders.testing.comparisons import assert_monotone, assert_order, assert_unchanged_by
from graders.testing.fakes import FakeContext, FakeEmbedder, FakeHttp, FakeJudge, FakeSandbox, any_answer
from graders.testing.strategies import hostile_texts, items, json_values, samples, texts, tool_calls

__all__ = [
    "CHANGES",
    "Change",
    "FakeContext",
    "FakeEmbedder",
    "FakeHttp",
    "FakeJudge",
    "FakeSandbox",
    "Gradable",
    "any_answer",
    "assert_monotone",
    "assert_order",
    "assert_unchanged_by",
    "assert_well_behaved",
    "assert_well_behaved_on",
    "change_named",
    "hostile_texts",
    "items",
    "json_values",
    "samples",
    "texts",
    "tool_calls",
]
