"""What a run says: of what no case reached, to people, and to servers of continuous integration."""

from pathlib import Path
from xml.etree import ElementTree as ET

from runtime import Settings
from runtime.cases import FileReport, outcome_lines
from runtime.cases.reach import unreached
from runtime.cases.report import counted, junit
from tests.runtime.cases.running import EXACT, SCORED, loaded, outcomes

MULTI = """\
grader:
  type: multi
  graders:
    never: {type: string_check, input: "{{sample.output_text}}", reference: nothing, operation: eq}
    always: {type: numeric_check, input: "{{sample.output_text}}", reference: "{{sample.output_text}}"}
    high: {type: text_similarity, input: "{{sample.output_text}}", reference: "1", evaluation_metric: fuzzy_match, pass_threshold: 0}
    low: {type: text_similarity, input: "{{sample.output_text}}", reference: "13", evaluation_metric: fuzzy_match, pass_threshold: 1}
    fine: {type: string_check, input: "{{sample.output_text}}", reference: "1", operation: eq}
  calculate_output: never + always + high + low + fine
"""


async def test_parts_that_the_cases_do_not_tell_apart_are_named(quick: Settings, tmp_path: Path) -> None:
    text = (
        MULTI + "cases: [{sample: '1', expect: {failure: none}}, {sample: '12', expect: {failure: none}}]\n"
    )
    found = await outcomes(loaded(tmp_path, text), quick)
    assert unreached(found.values()) == [
        "never: every case gets 0 from it",
        "always: every case gets 1 from it",
        "high: it passes every case",
        "low: it passes no case",
    ]


async def test_parts_that_are_never_graded_are_named_with_their_grader(
    quick: Settings, tmp_path: Path
) -> None:
    text = (
        "graders:\n  one: {type: string_check, input: x, reference: x, operation: eq}\n  two:\n    type: multi\n"
        "    graders: {judge: {type: score_model, model: m, input: [{role: user, content: x}]}}\n"
        "    calculate_output: judge\n"
        "cases:\n  - {grader: one, sample: x, expect: 1}\n"
        "  - {grader: two, sample: x, judge: [{failure: model_grader_parse_error}], expect: null}\n"
    )
    found = await outcomes(loaded(tmp_path, text), quick)
    assert unreached(found.values()) == ["two, judge: it is ungraded in every case"]


async def test_criteria_that_no_case_meets_are_named(quick: Settings, tmp_path: Path) -> None:
    text = (
        "grader: {type: rubric, model: m, criteria: {right: a, kind: b, short: c}}\ncases:\n"
        "  - {name: a, sample: x, judge: [{right: yes, kind: no, short: yes}], expect: {passed: true}}\n"
        "  - {name: b, sample: x, judge: [{right: no, kind: no, short: yes}], expect: {passed: false}}\n"
    )
    found = await outcomes(loaded(tmp_path, text), quick)
    assert unreached(found.values()) == [
        "criterion kind: no case meets it",
        "criterion short: every case meets it",
    ]


async def test_junit_has_a_suite_of_each_file_and_says_what_is_wrong(quick: Settings, tmp_path: Path) -> None:
    text = EXACT + (
        "item: {answer: a}\ncases:\n  - {name: right, sample: a, expect: 1}\n"
        '  - {name: "bell \\x07", sample: "b\\x1b[2J", expect: {reward: 1, unchanged_by: [white_space]}}\n'
    )
    file = loaded(tmp_path, text)
    scored = loaded(tmp_path, SCORED + "cases: [{name: asks, sample: x, expect: 1}]\n", "b.cases.yaml")
    reports = [FileReport(f, list((await outcomes(f, quick)).values())) for f in (file, scored)]
    assert counted(reports) == {"passed": 1, "failed": 1, "error": 1}
    root = ET.fromstring(junit(reports, lambda explanation: ["explained"]))  # noqa: S314  # our own
    first, second = root.findall("testsuite")
    assert [first.get(name) for name in ("name", "tests", "failures", "errors")] == [
        f"{tmp_path}/a.cases.yaml",
        "2",
        "1",
        "0",
    ]
    assert [case.get("line") for case in first.iter("testcase")] == ["4", "5"]
    (failure,) = first.iter("failure")
    assert failure.get("message") == "reward: expected 1, got 0"
    assert failure.text is not None
    assert failure.text.endswith("\n    explained")
    (error,) = second.iter("error")
    assert (error.get("message") or "").startswith(
        "it asks the judge 'm', and a test asks no model by accident"
    )


async def test_no_text_of_a_case_moves_the_terminal(quick: Settings, tmp_path: Path) -> None:
    text = EXACT + 'item: {answer: a}\ncases: [{name: "\\x1b[2J", sample: b, expect: 1}]\n'
    (found,) = (await outcomes(loaded(tmp_path, text), quick)).values()
    assert outcome_lines(found, "f", lambda explanation: [])[0] == "failed: \\x1b[2J (f:3)"
