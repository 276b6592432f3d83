"""What users get wrong in a grader that loads is found before it costs a run, and said with a remedy."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import InvalidOptions, Item, Registry, Sample, Template, grader
from graders.lint.findings import Finding
from graders.lint.lint import DataCheck, check_grader
from graders.lint.unseen import TRIED, written_references, wrongly_written
from tests.conftest import EXAMPLES
from tests.strategies import any_str, rows


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
PYTHON = {"type": "python", "source": "def grade(sample, item):\n    return 1.0"}
ENDPOINT = {"type": "endpoint", "url": "https://example.com"}
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
    ("config", "message"),
    [
        (PYTHON, "a sample that makes the source raise, hang or return no number is ungraded"),
        (ENDPOINT, "a sample that is too large to be sent is ungraded"),
    ],
)
def test_a_type_that_a_sample_can_break_is_better_with_an_invalid_grade(
    config: dict[str, Any], message: str
) -> None:
    (found,) = check_grader(REGISTRY.load(config))
    assert (found.level, found.path) == ("warning", ("invalid_grade",))
    assert found.message.startswith(message)
    assert '"invalid_grade": 0' in found.hint
    assert check_grader(REGISTRY.load({**config, "invalid_grade": -1})) == []
    multi = {"type": "multi", "graders": {"a": config, "b": CHECK}, "calculate_output": "a + b"}
    assert [found.path for found in check_grader(REGISTRY.load(multi))] == [("graders", "a", "invalid_grade")]
    assert check_grader(REGISTRY.load({**multi, "invalid_grade": 0})) == []
    multi["graders"] = {"a": {**config, "invalid_grade": 0}, "b": CHECK}
    assert check_grader(REGISTRY.load(multi)) == []


@pytest.mark.parametrize(
    "reference", ['{"a": 1}', "{}", "{ }", "{1}", "{{item.answer}}", "see item.answer", "item", "{a b}"]
)
def test_braces_and_words_of_other_kinds_are_no_finding(reference: str) -> None:
    assert lint(reference=reference) == []


@pytest.mark.parametrize("kind", ["score_model", "label_model"])
def test_an_image_tag_of_a_judge_is_a_warning(kind: str) -> None:
    labels = {"labels": ["a"], "passing_labels": ["a"]} if kind == "label_model" else {}
    content = "Grade {{item.a}}: {{sample.output_text}}"
    config = {"type": kind, "model": "m", "input": [{"role": "user", "content": content}], **labels}
    assert check_grader(REGISTRY.load(config)) == []
    (finding,) = check_grader(REGISTRY.load({**config, "image_tag": "2025-05-08"}))
    assert finding.path == ("image_tag",)
    assert finding.message == f"a {kind} runs no code, so its image_tag is ignored"


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
            "such rows are compared with an empty text or the text 'null'"
        )
    ]
    assert [found.hint for found in data([{"answer": ""}])] == ["such rows are compared with an empty text"]


NUMBER = {"type": "numeric_check", "input": "{{sample.output_text}}", "reference": "{{item.answer}}"}
TESTS = {"type": "code_tests", "tests": "{{item.tests}}"}


def wrong_rows(config: dict[str, Any], *items: dict[str, Any]) -> list[tuple[tuple[int, ...], str]]:
    """What the rows are refused for, beside nothing else that is found; the first is on line 1."""
    check = DataCheck(REGISTRY.load(config))
    for line, item in enumerate(items, 1):
        check.add(line, item)
    assert check.findings() == []
    return [(found.rows, found.message) for found in check.row_findings()]


NOT_A_NUMBER = "the reference {{item.answer}} is not a number: "


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("one", "there is no number, in 'one'"),
        ("", "there is no number, in ''"),
        (None, "it is null, in None"),
        ("1,5", "'1,5' is ambiguous: it can be read in more than one way"),
        (True, "it is true or false, in True"),
        ({"value": 3}, "it is an object, in {'value': 3}"),
        ([], "it is a list, in []"),
        ([1, "x"], "there is no number, in [1, 'x']"),
        ("inf", "'inf' is not finite"),
    ],
)
def test_a_reference_that_is_no_number_is_an_error_with_its_line(answer: Any, why: str) -> None:
    rows = {"answer": "4"}, {"answer": answer}, {"answer": 5}
    assert wrong_rows(NUMBER, *rows) == [((2,), NOT_A_NUMBER + why)]
    inside = {"type": "multi", "graders": {"n": NUMBER}, "calculate_output": "n"}
    assert wrong_rows(inside, *rows) == [((2,), NOT_A_NUMBER + why)]


def test_rows_with_the_same_wrong_reference_are_one_finding_and_few_different_ones_are_named() -> None:
    some: list[dict[str, Any]] = [{"answer": None}, {"answer": "four"}, {"answer": None}]
    assert wrong_rows(NUMBER, *some) == [
        ((1, 3), f"{NOT_A_NUMBER}it is null, in None (lines 1, 3)"),
        ((2,), f"{NOT_A_NUMBER}there is no number, in 'four'"),
    ]
    found = wrong_rows(NUMBER, *({"answer": f"word {chr(97 + n)}"} for n in range(23)))
    assert len(found) == 21
    assert found[-1] == ((21, 22, 23), "3 more rows are wrong here (lines 21, 22, 23)")


def test_a_number_of_the_samples_own_and_a_variable_that_is_missing_are_not_looked_at_as_numbers() -> None:
    assert wrong_rows({**NUMBER, "reference": "{{sample.output_text}}"}, {"answer": "one"}) == []
    check = DataCheck(REGISTRY.load(NUMBER))
    check.add(1, {})
    assert [found.message for found in check.findings()] == ["no row has {{item.answer}}"]
    assert check.row_findings() == []


def test_a_reference_that_no_row_changes_is_an_error_without_data() -> None:
    written = REGISTRY.load({**NUMBER, "reference": "one"})
    assert [(found.path, found.message) for found in check_grader(written)] == [
        (("reference",), "the reference one is not a number: there is no number, in 'one'")
    ]
    assert wrong_rows({**NUMBER, "reference": "one"}, {"answer": 1}) == []
    assert check_grader(REGISTRY.load({**NUMBER, "reference": "{{item..answer}}"})) == []


CALL = {"call": [1], "expected": 2}


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({"tests": []}, "the item's tests are wrong: expected at least one test"),
        ({"tests": None}, "the item's tests are wrong: expected a list of tests, got None"),
        ({"tests": [{"input": "1"}]}, "the item's tests are wrong: 0.output: this field is required"),
        ({"tests": [CALL], "function": ""}, "the item's tests are wrong: 0: a call needs a 'function'"),
        ({"tests": [CALL], "function": "1x"}, "entry_point: expected a function's name, got '1x'"),
    ],
)
def test_wrong_tests_of_a_row_are_an_error_with_its_line(item: dict[str, Any], why: str) -> None:
    good = {"tests": [CALL], "function": "double"}
    config = {**TESTS, "entry_point": "{{item.function}}"}
    check = DataCheck(REGISTRY.load(config))
    check.add(1, good)
    check.add(2, {"function": "double", **item})
    ((rows, message),) = [(found.rows, found.message) for found in check.row_findings()]
    assert rows == (2,)
    assert message.startswith(why)


def test_tests_that_a_row_lacks_are_only_missing() -> None:
    check = DataCheck(REGISTRY.load(TESTS))
    check.add(1, {})
    assert check.row_findings() == []


@given(st.lists(rows(), max_size=4), st.sampled_from([NUMBER, TESTS]))
def test_any_rows_can_be_checked_without_a_sample(
    items: list[dict[str, Any]], config: dict[str, Any]
) -> None:
    check = DataCheck(REGISTRY.load(config))
    for line, item in enumerate(items, 1):
        check.add(line, {**item, "answer": item.get("a"), "tests": item.get("b", item)})
    for found in check.row_findings():
        assert set(found.rows) <= set(range(1, len(items) + 1))


@pytest.mark.parametrize("low", [0, 1])
def test_a_threshold_that_every_reward_reaches_is_an_error(low: int) -> None:
    config = CHECK if low == 0 else {"type": "scored", "prompt": "{{item.answer}}"}
    grader = REGISTRY.load({**config, "pass_threshold": low})
    (found,) = check_grader(grader)
    assert (found.level, found.path) == ("error", ("pass_threshold",))
    assert found.message.endswith("every reward reaches it: every sample passes")
    assert check_grader(REGISTRY.load({**config, "pass_threshold": low + 0.5})) == []


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


INSTRUCTED = "Score how well the answer matches {{item.answer}}, from 0 to 1."
JUDGE: dict[str, Any] = {
    "type": "score_model",
    "model": "m",
    "input": [
        {"role": "developer", "content": INSTRUCTED},
        {"role": "user", "content": "Answer: {{sample.output_text}}"},
    ],
}
NO_ITEM = (
    "warning input: no message mentions the item, so the judge sees neither the question nor a reference -> "
    "show it what it needs, such as {{item.question}} and {{item.answer}}"
)
SAMPLE_FIRST = (
    "the sample stands before the instructions, so it may pass for them -> "
    "put the instructions first, best in a message of role 'developer', and the sample last"
)


def judge(*contents: Any, **changed: Any) -> list[str]:
    """Findings about a judge with these messages, all of the user's."""
    messages = [{"role": "user", "content": content} for content in contents] or JUDGE["input"]
    return shown(check_grader(REGISTRY.load({**JUDGE, "input": messages, **changed})))


def test_a_sound_judge_has_no_findings() -> None:
    assert judge() == []
    assert judge(votes=3, sampling_params={"temperature": 0.7}) == []
    assert judge(f"{INSTRUCTED}\n\nAnswer: {{{{sample.output_text}}}}") == []
    labels = {
        "type": "label_model",
        "model": "m",
        "labels": ["a"],
        "passing_labels": ["a"],
        "input": JUDGE["input"],
    }
    assert check_grader(REGISTRY.load(labels)) == []


def test_the_judge_among_the_examples_has_no_findings() -> None:
    grader = json.loads((EXAMPLES / "data/countdown_score_model.json").read_text())
    assert check_grader(REGISTRY.load(grader)) == []


def test_a_judge_without_the_item_judges_in_the_dark() -> None:
    assert judge("Say how good this answer is: {{sample.output_text}}") == [NO_ITEM]


@pytest.mark.parametrize(
    ("contents", "path"),
    [
        (["{{sample.output_text}}\n\nSay how well this answer matches {{item.answer}}"], "input.0.content"),
        (["Answer: {{ sample.output_text }}", INSTRUCTED], "input.0.content"),
        ([["{{sample.output_text}}", INSTRUCTED]], "input.0.content.0"),
        ([[{"type": "input_text", "text": "{{sample.output_text}}"}], INSTRUCTED], "input.0.content.0.text"),
        (["{{item.q}} {{item.answer}}", "{{sample.output_text}}", INSTRUCTED], "input.1.content"),
    ],
)
def test_a_sample_before_the_instructions_is_warned_of(contents: list[Any], path: str) -> None:
    assert judge(*contents) == [f"warning {path}: {SAMPLE_FIRST}"]


@pytest.mark.parametrize(
    "contents",
    [
        ["{{sample.output_text}} {{item.answer}}"],  # no instructions at all
        [
            "Compare the answer with {{item.answer}} and score it: {{sample.output_text}}. Write only the number, please."
        ],
        [INSTRUCTED, "{{sample.output_text}}", "Now judge it by all that was said."],
    ],
)
def test_a_sample_after_the_instructions_is_not(contents: list[str]) -> None:
    assert judge(*contents) == []


@pytest.mark.parametrize(
    ("text", "scale", "wide"),
    [
        ("Give a score from 1 to 5.", "score from 1 to 5", "[1, 5]"),
        ("Rate it 0-10", "Rate it 0-10", "[0, 10]"),
        ("on a scale of 0–100", "scale of 0–100", "[0, 100]"),
        ("a rating between 1 and 10", "rating between 1 and 10", "[1, 10]"),
        ("Grade it: 7 points out of 10", "Grade it: 7 points out of 10", "[0, 10]"),
        ("score from 0 (worst) to 10 (best)", "score from 0 (worst) to 10", "[0, 10]"),
        ("Answer with a number from -1 to 1", "a number from -1 to 1", "[-1, 1]"),
        ("Score 0-3: poor\nScore 4-6: fair\nScore 7-10: good", "Score 7-10", "[0, 10]"),
    ],
)
def test_a_scale_that_is_not_the_range_is_warned_of(text: str, scale: str, wide: str) -> None:
    content = f"Compare with {{{{item.answer}}}}. {text}\n{{{{sample.output_text}}}}"
    assert judge(content) == [
        (
            f"warning input.0.content: the judge is asked for {scale!r}, but the range is 0 to 1 -> "
            f'write "range": {wide}, or ask for 0 to 1'
        )
    ]
    assert judge(content, range=json.loads(wide)) == []


@pytest.mark.parametrize(
    "text",
    [
        "Use the numbers 1 to 9",
        "The score is off by ±2 to ±5",
        "Write 2-3 sentences",
        "rated on 2024-05",
        "Score it. Between 5 and 9 words are allowed",
        "Score from 0.0 to 1.0",
        "score 1.5.2 to 3",
    ],
)
def test_numbers_that_are_no_other_scale_are_not_warned_of(text: str) -> None:
    assert judge(f"Compare with {{{{item.answer}}}}: {text}\n{{{{sample.output_text}}}}") == []


def test_the_criterion_of_a_ranking_is_looked_at_too() -> None:
    rank = {"type": "rank", "model": "m", "criterion": "Give a score from 1 to 5."}
    assert [found.path for found in check_grader(REGISTRY.load(rank))] == [("criterion",)]
    assert check_grader(REGISTRY.load({**rank, "range": [1, 5]})) == []


def test_votes_of_what_never_differs_are_warned_of() -> None:
    assert shown(lint(votes=3)) == [
        (
            "warning votes: a string_check gives the same reward each time: every vote is alike, and each is paid for -> "
            "remove 'votes'"
        )
    ]
    assert (
        check_grader(REGISTRY.load({"type": "keyword", "words": ["a"], "votes": 3})) == []
    )  # a plugin may differ
    python = {**PYTHON, "votes": 3, "invalid_grade": 0}
    assert check_grader(REGISTRY.load(python)) == []


def test_votes_at_temperature_0_are_warned_of() -> None:
    assert judge(votes=3, sampling_params={"temperature": 0}) == [
        (
            "warning sampling_params.temperature: votes of a judge at temperature 0 hardly differ: every vote is alike, "
            "and each is paid for -> raise the temperature, or remove 'votes'"
        )
    ]
    assert judge(sampling_params={"temperature": 0}) == []


@given(any_str(), any_str())
def test_no_prompt_makes_looking_at_it_fail(text: str, more: str) -> None:
    contents = [f"{text}{{{{sample.output_text}}}}{more}", text]
    try:
        loaded = REGISTRY.load(
            {**JUDGE, "input": [{"role": "user", "content": content} for content in contents]}
        )
    except InvalidOptions:
        return
    assert all(found.level in ("error", "warning") for found in check_grader(loaded))


# what a comparison cannot see

SIMILAR = {"type": "text_similarity", "input": "{{sample.output_text}}", "reference": "{{item.answer}}"}
MANY_WORDS = "The capital of France is Paris."


def rows_seen(config: dict[str, Any], *answers: str) -> list[str]:
    check = DataCheck(REGISTRY.load(config))
    for line, answer in enumerate(answers, start=1):
        check.add(line, {"answer": answer})
    return [f"{found.level} {found.message}" for found in check.findings() if found.path == ("reference",)]


@pytest.mark.parametrize(
    ("metric", "answers", "finding"),
    [
        (
            "rouge_l",
            ["你好", "ok"],
            "error ROUGE sees only the letters a to z and digits, and the reference has neither",
        ),
        ("rouge_1", ["это да", "ok"], "error ROUGE sees only"),
        ("rouge_l", ["你好世界 ok", "ok"], "warning ROUGE sees only the letters a to z and digits, and most"),
        (
            "rouge_4",
            ["one two three", "a b c d"],
            "error ROUGE-4 compares runs of 4 words, and there are only 3",
        ),
        ("meteor", ["yes", "yes sir"], "warning METEOR of one word is at most 0.5"),
        ("gleu", ["今天天气", "a b"], "warning gleu finds words by white space"),
        (
            "fuzzy_match",
            [MANY_WORDS, "42"],
            "warning fuzzy_match gives 0.95 for nothing but 'capital', repeated",
        ),
    ],
)
def test_rows_that_a_metric_cannot_see_are_findings(metric: str, answers: list[str], finding: str) -> None:
    (found,) = rows_seen({**SIMILAR, "evaluation_metric": metric}, *answers)
    assert found.startswith(finding)
    assert found.endswith("; in 1 of 2 rows (line 1)")


@pytest.mark.parametrize("metric", ["rouge_l", "bleu", "meteor"])
def test_other_words_see_them(metric: str) -> None:
    config = {**SIMILAR, "evaluation_metric": metric, "tokenizer": "unicode"}
    assert rows_seen(config, "你好", "это да", "ok then") == []


def test_the_same_reference_in_every_row_is_a_finding_without_data() -> None:
    config = {**SIMILAR, "reference": "你好", "evaluation_metric": "rouge_l"}
    (found,) = check_grader(REGISTRY.load(config))
    assert (found.level, found.path, found.rows) == ("error", ("reference",), ())
    assert found.hint == 'set "tokenizer": "unicode", or choose another metric'
    assert check_grader(REGISTRY.load({**config, "reference": "hello"})) == []


@pytest.mark.parametrize("operation", ["like", "ilike"])
def test_a_reference_that_anything_contains_is_an_error(operation: str) -> None:
    config = {**CHECK, "operation": operation}
    (found,) = rows_seen(config, "A", "Paris")
    assert found == (
        "error the reference is one character, 'A', and almost every text contains it: anything passes; in 1 of 2 rows (line 1)"
    )
    empty, warning = sorted(rows_seen(config, "", "Paris"))
    assert empty.startswith("error the reference is empty, and every text contains it: anything passes")
    assert warning.startswith("warning {{item.answer}} is null or empty")
    (static,) = lint(operation=operation, reference="x")
    assert (static.level, static.path) == ("error", ("reference",))
    assert rows_seen({**config, "operation": "eq"}, "A") == []
    assert rows_seen({**config, "reference": "{{sample.output_text}}", "input": "{{item.answer}}"}, "A") == []


def test_a_row_without_the_reference_is_only_that() -> None:
    check = DataCheck(REGISTRY.load({**CHECK, "operation": "like"}))
    check.add(1, {})
    assert [found.message for found in check.findings()] == ["no row has {{item.answer}}"]


def test_fuzzy_match_is_tried_on_the_first_rows_only() -> None:
    (found,) = rows_seen({**SIMILAR, "evaluation_metric": "fuzzy_match"}, *[MANY_WORDS] * (TRIED + 5))
    assert f"in {TRIED} of {TRIED} rows" in found


@pytest.mark.parametrize("reference", ["one", " ", "! ?"])
def test_fuzzy_match_is_not_won_by_one_word_where_there_is_one_or_none(reference: str) -> None:
    assert rows_seen({**SIMILAR, "evaluation_metric": "fuzzy_match"}, reference) == []


# variables that are plain text


def test_a_variable_in_a_field_that_is_no_template_is_an_error() -> None:
    config = {"type": "pattern_match", "input": "{{sample.output_text}}", "pattern": "^{{ item.answer }}$"}
    (found,) = check_grader(REGISTRY.load(config))
    assert (found.level, found.path) == ("error", ("pattern",))
    assert found.message == "{{ item.answer }} is plain text here: this field is no template"
    assert found.hint.startswith("the texts of 'groups' are templates")
    multi = {"type": "multi", "graders": {"a": {**config, "name": "{{item.x}}"}}, "calculate_output": "a"}
    assert [found.path for found in check_grader(REGISTRY.load(multi))] == [("graders", "a", "pattern")]


def test_what_looks_like_a_variable_elsewhere_is_none() -> None:
    pattern = {"type": "pattern_match", "input": "{{sample.output_text}}", "pattern": "a{2}{{x}}"}
    assert check_grader(REGISTRY.load(pattern)) == []
    source = {
        **PYTHON,
        "source": "def grade(sample, item):\n    return '{{item.x}}' == 1",
        "invalid_grade": 0,
    }
    assert check_grader(REGISTRY.load(source)) == []
    tests = [{"input": "{{item.x}}", "output": "1"}]
    (found,) = check_grader(REGISTRY.load({"type": "code_tests", "tests": tests}))
    assert (found.level, found.path) == ("warning", ("tests", 0, "input"))
    words = {"type": "keyword", "words": ["{{item.x}}"]}
    assert check_grader(REGISTRY.load(words)) == []


def test_variables_are_read_where_a_grader_does_not_load() -> None:
    config = {
        "type": "multi",
        "graders": {"a": {"input": "{{item.a.0}} {{sample.x}} {{item}}"}, "b": {"x": ["{{item.b}}", "{{"]}},
    }
    found = list(written_references(config))
    assert [(each.path, each.text) for each in found] == [
        (("graders", "a", "input"), "item.a.0"),
        (("graders", "b", "x", 0), "item.b"),
    ]
    assert [each.text for each in written_references(config, [("graders", "a")])] == ["item.b"]
    (wrong,) = wrongly_written(config)
    assert (wrong.path, wrong.message) == (
        ("graders", "a", "input"),
        "{{sample.x}}: a sample has no such field",
    )
    assert not list(wrongly_written(config, [("graders", "a")]))
    assert not list(wrongly_written({"source": "f'{{sample.x}}'"}))
    check = DataCheck([(("graders", "c"), REGISTRY.load(CHECK))], found)
    check.add(1, {"b": 1})
    assert {found.path for found in check.findings()} == {
        ("graders", "a", "input"),
        ("graders", "c", "reference"),
    }


def test_a_part_of_a_grader_is_checked_at_its_place() -> None:
    findings = check_grader(REGISTRY.load({**PYTHON, "pass_threshold": 9}), ("graders", "a"))
    assert [found.path for found in findings] == []
    findings = check_grader(REGISTRY.load({**CHECK, "pass_threshold": 9}), ("graders", "a"))
    assert [found.path for found in findings] == [("graders", "a", "pass_threshold")]


def test_rows_that_are_no_prompts_may_end_with_the_assistant() -> None:
    for are_prompts, expected in (
        (True, ["the last message is not the user's in 1 of 1 rows (line 4)"]),
        (False, []),
    ):
        check = DataCheck(REGISTRY.load(CHECK), are_prompts=are_prompts)
        check.add(4, {"messages": [{"role": "assistant", "content": "Paris"}], "answer": "Paris"})
        assert [found.message for found in check.findings()] == expected
