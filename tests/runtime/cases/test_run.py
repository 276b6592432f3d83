"""Cases pass when everything is as they expect, and say what is not."""

from pathlib import Path

import pytest

from graders import ConfigurationError
from runtime import Settings
from tests.runtime.cases.running import EXACT, SCORED, loaded, outcomes, wrong

CALLED = "grader: {type: python, source: 'def grade(sample, item): return item[\"reward\"]'}\n"
RANDOM = (
    "grader:\n  type: python\n  source: |\n    import os\n"
    '    def grade(sample, item): return int.from_bytes(os.urandom(6), "big") / 2**48\n'
)
MULTI = """\
grader:
  type: multi
  graders:
    exact: {type: string_check, input: "{{sample.output_text}}", reference: "{{item.answer}}", operation: eq}
    number: {type: numeric_check, input: "{{sample.output_text}}", reference: "{{item.answer}}"}
  calculate_output: 0.5 * exact + 0.5 * number
"""


@pytest.mark.parametrize(
    ("reward", "expect", "expected"),
    [
        (0.5, "0.5", []),
        (0.30000000000000004, "0.3", []),
        (0.5, "0.6", ["reward: expected 0.6, got 0.5"]),
        (0.5, "{reward: {about: 0.4, within: 0.1}}", []),
        (0.5, "{reward: {about: 0.4, within: 0.09}}", ["reward: expected 0.4 ± 0.09, got 0.5"]),
        (0.5, "{reward: {at_least: 0.5}}", []),
        (0.5, "{reward: {at_least: 0.51}}", ["reward: expected at least 0.51, got 0.5"]),
        (0.5, "{reward: {at_most: 0.5}}", []),
        (
            0.5,
            "{reward: {at_least: 0.1, at_most: 0.4}}",
            ["reward: expected at least 0.1 and at most 0.4, got 0.5"],
        ),
        (0.5, "null", ["reward: expected ungraded, got 0.5"]),
        (0.5, "{failure: none}", []),
        (0.5, "{failure: grader}", ["failure: expected caused by the grader, got none"]),
    ],
)
async def test_a_reward_is_compared_as_the_case_says(
    quick: Settings, tmp_path: Path, reward: float, expect: str, expected: list[str]
) -> None:
    file = loaded(tmp_path, SCORED + f"cases:\n  - {{sample: x, judge: [{reward}], expect: {expect}}}\n")
    found = (await outcomes(file, quick))["case 1"]
    assert wrong(found) == expected
    assert found.status == ("failed" if expected else "passed")


async def test_an_ungraded_case_is_wrong_unless_it_was_expected(quick: Settings, tmp_path: Path) -> None:
    text = CALLED + (
        "item: {reward: text}\ncases:\n  - {name: a, sample: x, expect: 1}\n"
        "  - {name: b, sample: x, expect: {reward: null, failure: python_grader_runtime_error}}\n"
        "  - {name: c, sample: x, expect: {failure: {caused_by: grader, message: IS A FINITE NUMBER}}}\n"
        "  - {name: d, sample: x, expect: {failure: {message: division}}}\n"
        "  - {name: e, sample: x, expect: {passed: true}}\n"
    )
    found = await outcomes(loaded(tmp_path, text), quick)
    assert wrong(found["a"])[0].startswith("reward: expected 1, got ungraded: ")
    assert [wrong(found[name]) for name in "bc"] == [[], []]
    (line,) = wrong(found["d"])
    assert line.startswith(
        "failure: expected saying 'division', got python_grader_runtime_error caused by the grader"
    )
    assert wrong(found["e"]) == ["passed: expected passed, got neither, it is ungraded or has no threshold"]


async def test_passes_and_parts_are_compared(quick: Settings, tmp_path: Path) -> None:
    text = MULTI + (
        "item: {answer: '24'}\ncases:\n"
        "  - {name: a, sample: '24.0', expect: {reward: 0.5, sub_rewards: {exact: 0, number: 1}}}\n"
        "  - {name: b, sample: '24.0', expect: {sub_rewards: {exact: 1, numbr: 1}}}\n"
        "  - {name: c, sample: '24', expect: {passed: false}}\n"
    )
    found = await outcomes(loaded(tmp_path, text.replace("number\n", "number\n  pass_threshold: 1\n")), quick)
    assert wrong(found["a"]) == []
    assert wrong(found["b"]) == [
        "sub_rewards.exact: expected 1, got 0",
        "sub_rewards.numbr: expected 1, got no such part; its parts are exact, number",
    ]
    assert wrong(found["c"]) == ["passed: expected not passed, got passed"]


async def test_what_gives_another_reward_each_time_is_not_deterministic(
    quick: Settings, tmp_path: Path
) -> None:
    cases = "cases: [{name: a, sample: x, expect: {reward: {at_least: 0}, deterministic: true}}]\n"
    found = await outcomes(loaded(tmp_path, RANDOM + cases), quick)
    (line,) = wrong(found["a"])
    assert line.startswith("deterministic: expected 0.")
    assert line.endswith(" for the same answer")
    steady = await outcomes(loaded(tmp_path, SCORED + "judge: [1]\n" + cases), quick)
    assert steady["a"].status == "passed"


async def test_a_change_of_the_text_that_changes_the_reward_is_shown(quick: Settings, tmp_path: Path) -> None:
    text = EXACT + (
        "item: {answer: Yes}\ncases:\n"
        "  - {name: a, sample: Yes, expect: {reward: 1, unchanged_by: [white_space, letter_case]}}\n"
        "  - {name: b, sample: 'No', expect: {reward: 0, unchanged_by: [white_space, letter_case]}}\n"
    )
    found = await outcomes(loaded(tmp_path, text), quick)
    assert wrong(found["a"]) == [
        "unchanged_by white_space: expected 1, got 0 for ' Yes'",
        "unchanged_by letter_case: expected 1, got 0 for 'YES'",
    ]
    assert found["b"].status == "passed"


async def test_orders_compare_the_rewards_of_neighbours(quick: Settings, tmp_path: Path) -> None:
    text = SCORED + (
        "cases:\n  - {name: good, sample: x, judge: [1]}\n  - {name: fair, sample: x, judge: [0.5]}\n"
        "  - {name: even, sample: x, judge: [0.5]}\n"
        "  - {name: lost, sample: x, judge: [{failure: model_grader_parse_error}]}\n"
        "order:\n  - good > fair >= even\n  - fair > even\n  - even > good\n  - good > lost\n"
    )
    found = await outcomes(loaded(tmp_path, text), quick)
    assert found["order: good > fair >= even"].status == "passed"
    assert wrong(found["order: fair > even"]) == [
        "order: expected fair > even, got fair gets 0.5 and even gets 0.5"
    ]
    assert wrong(found["order: even > good"]) == [
        "order: expected even > good, got even gets 0.5 and good gets 1"
    ]
    assert wrong(found["order: good > lost"]) == [
        "order: expected good > lost, got good gets 1 and lost is ungraded"
    ]


async def test_an_order_over_a_case_that_is_an_error_is_an_error(quick: Settings, tmp_path: Path) -> None:
    text = SCORED + ("cases:\n  - {name: a, sample: x, judge: [1]}\n  - {name: b, sample: x}\norder: a > b\n")
    found = await outcomes(loaded(tmp_path, text), quick)
    assert found["order: a > b"].errors == ("the case 'b' could not be tested",)


async def test_a_wrong_grader_is_said_with_the_line_of_its_field(quick: Settings, tmp_path: Path) -> None:
    (tmp_path / "g.json").write_text('{"type": "string_check",\n "operation": "equals"}')
    text = "grader: g.json\ncases: [{sample: x, expect: 1}]\n"
    with pytest.raises(ConfigurationError) as caught:
        await outcomes(loaded(tmp_path, text), quick)
    assert f"{tmp_path}/g.json:2: operation: expected 'eq', 'ne'," in str(caught.value)
    inline = "grader:\n  type: string_check\n  operation: equals\ncases: [{sample: x, expect: 1}]\n"
    with pytest.raises(ConfigurationError) as caught:
        await outcomes(loaded(tmp_path, inline), quick)
    assert f"{tmp_path}/a.cases.yaml:3: operation: expected 'eq', 'ne'," in str(caught.value)
