"""The tests and assertions of promptfoo's configurations as rows and a grader that loads."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import Registry
from graders.testing.strategies import json_values
from runtime.data.importing.promptfoo_config import import_config, is_config

CONFIG: dict[str, Any] = {
    "prompts": ["{{q}}"],
    "providers": ["x"],
    "defaultTest": {
        "assert": [
            {"type": "icontains", "value": "the {{answer}}", "weight": 3},
            {"type": "latency", "threshold": 5},
        ]
    },
    "tests": [
        {"vars": {"q": "2+2", "answer": "4"}, "assert": [{"type": "equals", "value": "4"}]},
        {
            "vars": {"q": "3+3", "answer": "6"},
            "assert": [{"type": "equals", "value": "6"}, {"type": "cost", "threshold": 1}],
        },
    ],
}


def test_tests_are_rows_and_assertions_a_grader_that_loads() -> None:
    found = import_config(CONFIG)
    assert [dict(row.item) for row in found.rows] == [
        {"q": "2+2", "answer": "4", "assert_equals": "4"},
        {"q": "3+3", "answer": "6", "assert_equals": "6"},
    ]
    assert found.grader is not None
    assert found.grader["calculate_output"] == "(3 * icontains + 1 * test_equals) / 4"
    assert found.grader["graders"]["icontains"]["reference"] == "the {{item.answer}}"
    assert found.grader["graders"]["test_equals"]["reference"] == "{{item.assert_equals}}"
    Registry.installed().load(found.grader)
    assert found.left_out == [
        "defaultTest: latency: type 'latency' has no counterpart",
        "tests.1: cost: only some tests have it",
    ]


@pytest.mark.parametrize(
    "kind", ["equals", "not-equals", "contains", "icontains", "rouge-n", "bleu", "gleu", "meteor", "levenshtein", "llm-rubric"]
)  # fmt: skip
def test_an_assertion_that_has_a_counterpart_loads(kind: str) -> None:
    config = {"defaultTest": {"assert": [{"type": kind, "value": "{{a}}"}]}, "tests": [{"vars": {"a": "b"}}]}
    found = import_config(config)
    assert found.left_out == []
    assert found.grader is not None
    Registry.installed().load(found.grader)


@given(st.dictionaries(st.sampled_from(["tests", "defaultTest", "assert", "vars"]), json_values()))
def test_any_configuration_is_imported(value: dict[str, Any]) -> None:
    if is_config(value):
        import_config(value)
