"""What users get wrong in a grader that loads is found before it costs a run, and said with a remedy."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import Item, Registry, Sample, Template, grader
from graders.lint import DataCheck, Finding, check_grader
from tests.strategies import rows


@grader("scored", range=(1, 5))
def scored(sample: Sample, item: Item, *, prompt: Template) -> float:
    """Reward from 1 to 5."""
    return 1.0


REGISTRY = Registry.installed().including(scored)
CHECK: dict[str, Any] = {
    "type": "string_check",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
USER = {"role": "user", "content": "2+2?"}
ASSISTANT = {"role": "assistant", "content": "4"}


def lint(**changed: Any) -> list[Finding]:
    return check_grader(REGISTRY.load({**CHECK, **changed}))


def data(items: list[dict[str, Any]], **changed: Any) -> list[Finding]:
    check = DataCheck(REGISTRY.load({**CHECK, **changed}))
    for line, item in enumerate(items, start=1):
        check.add(line, item)
    assert check.rows == len(items)
    return check.findings()


def shown(findings: list[Finding]) -> list[str]:
    return [
        f"{found.level} {'.'.join(map(str, found.path))}: {found.message} -> {found.hint}"
        for found in findings
    ]


def test_a_sound_grader_has_no_findings() -> None:
    assert lint() == []
    assert lint(pass_threshold=1) == []
    assert check_grader(REGISTRY.load({"type": "keyword", "words": ["a"]})) == []


@pytest.mark.parametrize(
    ("changed", "findings"),
    [
        (
            {"reference": "the {question} and { item.answer }"},
            [
                "warning reference: {question} in single braces is plain text, not a variable -> write {{item.question}}",
                "warning reference: { item.answer } in single braces is plain text, not a variable -> write {{item.answer}}",
            ],
        ),
        (
            {"reference": "item.answer"},
            ["warning reference: 'item.answer' is plain text, not a variable -> write {{item.answer}}"],
        ),
        (
            {"input": "{{sample.output_txt}}"},
            [
                "error input: {{sample.output_txt}}: a sample has no such field -> write {{sample.output_text}}"
            ],
        ),
        (
            {"input": "{{sample.zzz}}"},
            ["error input: {{sample.zzz}}: a sample has no such field -> write {{sample.output_text}}"],
        ),
        (
            {"input": "{{item.answer}}"},
            [
                (
                    "error : no template mentions the sample, so every sample of an item gets the same reward -> "
                    "put {{sample.output_text}} where the model's answer belongs"
                )
            ],
        ),
        (
            {"input": "{{item.answer}}", "reference": "{{sample.output_text}}"},
            [
                (
                    "warning input: 'input' never mentions the sample and 'reference' does: they look swapped -> "
                    "'input' is the text that is graded, 'reference' what it is compared with"
                )
            ],
        ),
        (
            {"pass_threshold": 1.5},
            [
                (
                    "error pass_threshold: 1.5 is outside the rewards 0 to 1 of this grader: no sample can pass -> "
                    "choose a number from 0 to 1"
                )
            ],
        ),
        (
            {"pass_threshold": -1},
            [
                (
                    "error pass_threshold: -1 is outside the rewards 0 to 1 of this grader: every sample passes -> "
                    "choose a number from 0 to 1"
                )
            ],
        ),
    ],
)
def test_what_is_wrong_with_a_grader_is_said_with_a_remedy(
    changed: dict[str, Any], findings: list[str]
) -> None:
    assert shown(lint(**changed)) == findings


@pytest.mark.parametrize(
    "reference", ['{"a": 1}', "{}", "{ }", "{1}", "{{item.answer}}", "see item.answer", "item", "{a b}"]
)
def test_braces_and_words_of_other_kinds_are_no_finding(reference: str) -> None:
    assert lint(reference=reference) == []


def test_the_whole_sample_and_its_known_fields_are_no_finding() -> None:
    assert lint(input="{{sample}}") == []
    assert lint(input="{{sample.output_json.anything[0]}}") == []


def test_graders_inside_are_looked_at_with_their_path() -> None:
    config = {
        "type": "multi",
        "graders": {"a": {**CHECK, "reference": "item.answer"}, "b": CHECK, "é": CHECK},
        "calculate_output": "a",
    }
    assert shown(check_grader(REGISTRY.load(config))) == [
        (
            "warning calculate_output: the grader 'b' is run and its reward never used -> "
            "use b in the formula, or remove the grader"
        ),
        (
            "warning calculate_output: the grader 'é' is run and its reward never used -> "
            "use é in the formula, or remove the grader"
        ),
        "warning graders.a.reference: 'item.answer' is plain text, not a variable -> write {{item.answer}}",
    ]
    assert check_grader(REGISTRY.load({**config, "graders": {"a": CHECK}})) == []


def test_a_range_of_the_type_decides_which_thresholds_are_outside() -> None:
    config = {"type": "scored", "prompt": "{{sample.output_text}}", "pass_threshold": 0.5}
    assert [found.path for found in check_grader(REGISTRY.load(config))] == [("pass_threshold",)]


def test_rows_that_fit_have_no_findings() -> None:
    assert data([{"answer": "4"}, {"answer": 0}, {"answer": False, "messages": [ASSISTANT, USER]}]) == []
    assert data([{"answer": "4", "messages": []}, {"answer": "4", "messages": "none"}]) == []


def test_no_rows_are_a_finding() -> None:
    assert shown(data([])) == ["error : there are no rows -> give a file with one JSON object a line"]


def test_a_variable_that_no_row_has_names_the_nearest_column() -> None:
    assert data([{"anwser": 1, "question": 2}] * 2) == [
        Finding(
            "error",
            ("reference",),
            "no row has {{item.answer}}",
            "did you mean {{item.anwser}}? the rows have anwser, question",
            (1, 2),
        )
    ]
    assert [found.hint for found in data([{}])] == ["the rows have no fields"]
    assert [found.hint for found in data([{"answer": 1}], reference="{{item.answer.value}}")] == [
        "the rows have answer"
    ]


def test_a_variable_that_some_rows_lack_names_their_lines() -> None:
    found = data([{"answer": "4"}, {}, {"answer": "5"}])
    assert found == [
        Finding(
            "error",
            ("reference",),
            "{{item.answer}} is missing in 1 of 3 rows (line 2)",
            "those rows would be ungraded: add the field to them",
            (2,),
        )
    ]


def test_many_lines_are_shortened_and_all_kept() -> None:
    found = data([{"answer": "4"}] + [{}] * 8)[0]
    assert found.message == "{{item.answer}} is missing in 8 of 9 rows (lines 2, 3, 4, 5, 6 and 3 more)"
    assert found.rows == tuple(range(2, 10))


def test_a_variable_that_is_named_twice_is_counted_once() -> None:
    found = data([{"answer": "4"}, {}], reference="{{item.answer}} or {{item.answer}}")
    assert [one.message for one in found] == ["{{item.answer}} is missing in 1 of 2 rows (line 2)"]


def test_empty_values_are_a_warning() -> None:
    assert shown(data([{"answer": ""}, {"answer": None}, {"answer": 0}])) == [
        (
            "warning reference: {{item.answer}} is null or empty in 2 of 3 rows (lines 1, 2) -> "
            "such rows are compared with an empty text"
        )
    ]


def test_a_conversation_ends_with_the_message_to_be_answered() -> None:
    rows = [{"answer": "4", "messages": messages} for messages in ([USER, ASSISTANT], [USER], ["text"])]
    assert shown(data(rows)) == [
        (
            "error : the last message is not the user's in 2 of 3 rows (lines 1, 3) -> "
            "a training row ends with the message that the model is to answer: role 'user'"
        )
    ]


def test_rows_are_checked_for_graders_inside_too() -> None:
    config = {"type": "multi", "graders": {"a": CHECK}, "calculate_output": "a"}
    check = DataCheck(REGISTRY.load(config))
    check.add(1, {"other": 1})
    assert [found.path for found in check.findings()] == [("graders", "a", "reference")]


@given(
    st.lists(rows(), max_size=5),
    st.sampled_from(["{{item.a}}", "{{item.a.b[0]}}", "{{item}}", "{{item['é'].b}}"]),
)
def test_any_rows_can_be_checked(items: list[dict[str, Any]], reference: str) -> None:
    for found in data(items, reference=reference):
        assert set(found.rows) <= set(range(1, len(items) + 1))
        assert list(found.rows) == sorted(set(found.rows))


def test_a_plugin_need_not_mention_the_sample_in_a_template() -> None:
    @grader("near")
    def near(sample: Sample, item: Item, *, reference: Template) -> bool:
        """Compare the sample itself with a template."""
        return sample.output_text == reference(sample, item)

    loaded = Registry.installed().including(near).load({"type": "near", "reference": "{{item.a}}"})
    assert check_grader(loaded) == []
