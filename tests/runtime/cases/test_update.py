"""`--update` rewrites what is not as expected, and nothing else of the file."""

from pathlib import Path

import pytest

from graders import ConfigurationError
from runtime import Settings
from runtime.cases.update import difference, updated
from tests.runtime.cases.running import SCORED, loaded, outcomes


@pytest.mark.few(4)
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("    expect: 1   # as it is\n", "    expect: 0.25   # as it is\n"),
        ("    expect:   {reward: 1.0 }\n", "    expect:   {reward: 0.25 }\n"),
        (
            (
                "    expect:\n          # the reward\n          reward:\n              about: 0.5  # hm\n"
                "              within:   0.1\n\n    # the end\n"
            ),
            (
                "    expect:\n          # the reward\n          reward:\n              about: 0.25  # hm\n"
                "              within:   0.1\n\n    # the end\n"
            ),
        ),
        ("    expect: {reward: {at_least: 1}}\n", "    expect: {reward: {at_least: 0.25}}\n"),
        ("    expect: {reward: {at_most: 0.125}}\n", "    expect: {reward: {at_most: 0.25}}\n"),
        ("    expect: null\n", "    expect: 0.25\n"),
        ("    expect: {failure: model}\n", "    expect: {failure: none}\n"),
        (
            "    expect:\n      failure:   # why\n        kind: other_error\n        # more\n        message: x\n# end\n",
            "    expect:\n      failure:   # why\n        none\n# end\n",
        ),
        ("    expect: {reward: 0.25}\n", "    expect: {reward: 0.25}\n"),
    ],
)
async def test_only_the_expectation_is_rewritten(
    quick: Settings, tmp_path: Path, before: str, after: str
) -> None:
    head = f"# a file\n{SCORED}judge: [0.25]\ncases:\n  - name:   a   # it\n    sample: 'x'\n"
    file = loaded(tmp_path, head + before)
    text = updated(file, (await outcomes(file, quick)).values())
    assert text == head + after
    again = loaded(tmp_path, text)
    assert (await outcomes(again, quick))["a"].status == "passed"


async def test_what_is_ungraded_now_is_expected_to_be(quick: Settings, tmp_path: Path) -> None:
    head = f"{SCORED}judge: [{{failure: model_grader_parse_error}}]\ncases:\n  - name: a\n    sample: x\n"
    file = loaded(
        tmp_path, head + "    expect:\n      reward: {about: 1, within: 0.5}\n      failure: none\n"
    )
    text = updated(file, (await outcomes(file, quick)).values())
    assert text == head + (
        "    expect:\n      reward: null\n      failure: {kind: model_grader_parse_error, caused_by: infrastructure}\n"
    )


async def test_whole_numbers_passes_and_parts_are_written_as_people_write_them(
    quick: Settings, tmp_path: Path
) -> None:
    head = (
        "grader:\n  type: multi\n  pass_threshold: 1\n  graders:\n"
        '    a: {type: string_check, input: "{{sample.output_text}}", reference: x, operation: eq}\n'
        "  calculate_output: 3 * a\ncases:\n"
    )
    file = loaded(
        tmp_path, head + "  - {sample: x, expect: {reward: 1, passed: false, sub_rewards: {a: 0}}}\n"
    )
    text = updated(file, (await outcomes(file, quick)).values())
    assert text == head + "  - {sample: x, expect: {reward: 3, passed: true, sub_rewards: {a: 1}}}\n"


async def test_only_the_line_of_a_case_is_rewritten_in_jsonl(quick: Settings, tmp_path: Path) -> None:
    head = '{"grader": {"type": "string_check", "input": "{{sample.output_text}}", "reference": "é", "operation": "eq"}}\n'
    rows = (
        '{"sample":"é",   "expect":1}\n{"sample": "é", "expect": {"reward": 0}}\n{"sample": "y", "expect": 1}'
    )
    file = loaded(tmp_path, head + rows, "a.cases.jsonl")
    text = updated(file, (await outcomes(file, quick)).values())
    assert text == head + (
        '{"sample":"é",   "expect":1}\n{"sample": "é", "expect": {"reward": 1}}\n{"sample": "y", "expect": 0}'
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.cases.yaml", f'{SCORED}judge: [1]\ncases:\n  - {{sample: "\u2028😀", expect: 0}}  # é\n'),
        (
            "a.cases.jsonl",
            (
                '{"grader": {"type": "score_model", "model": "m", "input": [{"role": "user", "content": "x"}]}}\n'
                '{"sample": "\u2028😀", "judge": [1], "expect": 0}\n'
            ),
        ),
    ],
)
async def test_line_ends_and_rare_characters_stay(
    quick: Settings, tmp_path: Path, name: str, text: str
) -> None:
    text = text.replace("\n", "\r\n")
    file = loaded(tmp_path, text, name)
    assert updated(file, (await outcomes(file, quick)).values()) == text.replace("0}", "1}")


async def test_orders_and_properties_say_what_is_right_and_stay(quick: Settings, tmp_path: Path) -> None:
    text = (
        'grader: {type: string_check, input: "{{sample.output_text}}", reference: x, operation: eq}\n'
        "cases:\n  - {name: a, sample: x, expect: {unchanged_by: [white_space]}}\n  - {name: b, sample: y}\n"
        "order: [b > a]\n"
    )
    file = loaded(tmp_path, text)
    found = await outcomes(file, quick)
    assert {name: outcome.status for name, outcome in found.items()} == {
        "a": "failed",
        "b": "passed",
        "order: b > a": "failed",
    }
    assert updated(file, found.values()) == text


async def test_cases_that_share_an_expectation_are_not_rewritten(quick: Settings, tmp_path: Path) -> None:
    text = (
        f"{SCORED}cases:\n  - {{name: a, sample: x, judge: [1], expect: &right {{reward: 1}}}}\n"
        "  - {name: b, sample: x, judge: [0], expect: *right}\n"
    )
    file = loaded(tmp_path, text)
    found = await outcomes(file, quick)
    with pytest.raises(ConfigurationError, match="some share an anchor"):
        updated(file, found.values())


async def test_the_difference_is_a_unified_diff(quick: Settings, tmp_path: Path) -> None:
    file = loaded(tmp_path, f"{SCORED}judge: [1]\ncases:\n  - {{sample: x, expect: 0}}\n")
    text = updated(file, (await outcomes(file, quick)).values())
    assert difference(file, text)[-2:] == ["-  - {sample: x, expect: 0}", "+  - {sample: x, expect: 1}"]
