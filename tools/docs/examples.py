"""Content of the grader type pages that the code does not have: worked examples, descriptions of options.

`tests/test_site.py` grades every example and compares the rewards with those given here; it also compares the
described options with the existing ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

ANSWER = "{{sample.output_text}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One grading of an example.

    Attributes:
        sample: The model's answer.
        item: The dataset row.
        reward: What it gives; None: ungraded.
        answers: What a judge, or an endpoint, answers; one for each time that it is asked. For a group, each sample's score.
        note: Why, in a few words.
    """

    sample: str
    item: dict[str, Any] = field(default_factory=dict)
    reward: float | None
    answers: Sequence[Any] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A grader and what it gives.

    Attributes:
        title: What it shows.
        grader: The grader's JSON.
        rows: Its gradings; those of a type that compares samples are one group.
    """

    title: str
    grader: dict[str, Any]
    rows: Sequence[Row]


def _judged(result: object) -> dict[str, Any]:
    return {"steps": [], "result": result}


EXAMPLES: dict[str, list[Example]] = {
    "string_check": [
        Example(
            title="The whole answer, or a part of it",
            grader={
                "type": "string_check",
                "input": ANSWER,
                "reference": "{{item.capital}}",
                "operation": "ilike",
            },
            rows=[
                Row(sample="It is PARIS.", item={"capital": "Paris"}, reward=1.0),
                Row(sample="It is Lyon.", item={"capital": "Paris"}, reward=0.0),
                Row(sample="It is Paris.", item={}, reward=None, note="the item lacks the field: ungraded"),
            ],
        )
    ],
    "numeric_check": [
        Example(
            title="A number after a mark",
            grader={
                "type": "numeric_check",
                "input": ANSWER,
                "reference": "{{item.answer}}",
                "extract": {"after": "####"},
            },
            rows=[
                Row(sample="6 × 7 = 42\n#### 42.0", item={"answer": "42"}, reward=1.0),
                Row(sample="#### 1,234", item={"answer": "1234"}, reward=1.0),
                Row(sample="I do not know.", item={"answer": "42"}, reward=0.0, note="no number: flagged"),
                Row(sample="#### 42", item={"answer": "many"}, reward=None, note="no number to compare with"),
            ],
        ),
        Example(
            title="Less reward for a larger distance",
            grader={
                "type": "numeric_check",
                "input": ANSWER,
                "reference": "{{item.target}}",
                "score": {"steps": [[0, 5], [1, 4], [5, 3]], "range": [0, 5]},
            },
            rows=[
                Row(sample="24", item={"target": "24"}, reward=5.0),
                Row(sample="25", item={"target": "24"}, reward=4.0),
                Row(sample="90", item={"target": "24"}, reward=0.0),
            ],
        ),
    ],
    "text_similarity": [
        Example(
            title="Fuzzy matching, the published example",
            grader={
                "type": "text_similarity",
                "input": ANSWER,
                "reference": "{{item.reference}}",
                "evaluation_metric": "fuzzy_match",
                "pass_threshold": 0.8,
            },
            rows=[
                Row(
                    sample="fuzzy wuzzy had no hair",
                    item={"reference": "fuzzy wuzzy was a bear"},
                    reward=0.7555555555555555,
                ),
                Row(
                    sample="fuzzy wuzzy was a bear", item={"reference": "fuzzy wuzzy was a bear"}, reward=1.0
                ),
            ],
        )
    ],
    "pattern_match": [
        Example(
            title="The share of groups that are right",
            grader={
                "type": "pattern_match",
                "input": ANSWER,
                "pattern": r"(?P<year>\d{4})-(?P<month>\d\d)",
                "groups": {"year": "{{item.year}}", "month": "{{item.month}}"},
            },
            rows=[
                Row(sample="on 2026-11-25", item={"year": 2026, "month": "11"}, reward=1.0),
                Row(sample="on 2025-11-25", item={"year": 2026, "month": "11"}, reward=0.5),
                Row(sample="last autumn", item={"year": 2026, "month": "11"}, reward=0.0),
            ],
        )
    ],
    "python": [
        Example(
            title="A source of your own",
            grader={
                "type": "python",
                "source": "def grade(sample, item):\n    return len(sample['output_text'].split()) / item['words']\n",
            },
            rows=[
                Row(sample="one two three", item={"words": 4}, reward=0.75),
                Row(
                    sample="one", item={"words": 0}, reward=None, note="it raised ZeroDivisionError: ungraded"
                ),
            ],
        )
    ],
    "code_tests": [
        Example(
            title="Function calls with expected values",
            grader={
                "type": "code_tests",
                "entry_point": "add",
                "tests": [{"call": [2, 3], "expected": 5}, {"call": [2, 2], "expected": 4}],
            },
            rows=[
                Row(sample="def add(a, b):\n    return a + b", reward=1.0),
                Row(sample="def add(a, b):\n    return a * b", reward=0.5),
                Row(sample="def add(a, b: return", reward=0.0, note="it does not compile: flagged"),
            ],
        )
    ],
    "score_model": [
        Example(
            title="A number from a judge",
            grader={
                "type": "score_model",
                "model": "gpt-6.1-sol",
                "input": [
                    {
                        "role": "user",
                        "content": "How polite is this, from 0 to 10?\n\n{{sample.output_text}}",
                    }
                ],
                "range": [0, 10],
            },
            rows=[
                Row(sample="Would you mind?", reward=9.0, answers=[_judged(9)]),
                Row(sample="Give me 15!", reward=10.0, answers=[_judged(15)], note="clamped to the range"),
                Row(
                    sample="Hm.",
                    reward=None,
                    answers=[_judged("nine")],
                    note="text is not a number, so no verdict: ungraded",
                ),
            ],
        )
    ],
    "label_model": [
        Example(
            title="A label from a judge",
            grader={
                "type": "label_model",
                "model": "gpt-6.1-sol",
                "input": [{"role": "user", "content": "Is this polite?\n\n{{sample.output_text}}"}],
                "labels": ["polite", "neutral", "rude"],
                "passing_labels": ["polite", "neutral"],
            },
            rows=[
                Row(sample="Would you mind?", reward=1.0, answers=[_judged("polite")]),
                Row(sample="Go away.", reward=0.0, answers=[_judged("rude")]),
                Row(
                    sample="Hm.",
                    reward=None,
                    answers=[_judged("unsure")],
                    note="none of the labels: ungraded",
                ),
            ],
        )
    ],
    "rubric": [
        Example(
            title="Criteria with weights",
            grader={
                "type": "rubric",
                "model": "gpt-6.1-sol",
                "criteria": {
                    "correct": {"text": "The result equals 42.", "weight": 3},
                    "clear": "A pupil could follow it.",
                },
            },
            rows=[
                Row(
                    sample="6 times 7 is 42.",
                    reward=1.0,
                    answers=[
                        {
                            "correct": {"reason": "", "verdict": "yes"},
                            "clear": {"reason": "", "verdict": "yes"},
                        }
                    ],
                ),
                Row(
                    sample="42, obviously.",
                    reward=0.75,
                    answers=[
                        {
                            "correct": {"reason": "", "verdict": "yes"},
                            "clear": {"reason": "", "verdict": "no"},
                        }
                    ],
                    note="3 of 4 points",
                ),
            ],
        )
    ],
    "rank": [
        Example(
            title="The samples of one prompt, together",
            grader={
                "type": "rank",
                "model": "gpt-6.1-sol",
                "criterion": "The shorter of two correct answers is better.",
            },
            rows=[
                Row(sample="42", reward=1.0, answers=[1.0]),
                Row(sample="It is 42, as is well known.", reward=0.25, answers=[0.25]),
            ],
        )
    ],
    "equivalence": [
        Example(
            title="Whether two texts say the same",
            grader={"type": "equivalence", "model": "gpt-6.1-sol", "reference": "{{item.answer}}"},
            rows=[
                Row(
                    sample="one half",
                    item={"answer": "0.5"},
                    reward=1.0,
                    answers=[{"reason": "", "same": "yes"}, {"reason": "", "same": "yes"}],
                ),
                Row(sample="0.5", item={"answer": "0.5"}, reward=1.0, note="equal: nobody is asked"),
                Row(
                    sample="about a half",
                    item={"answer": "0.5"},
                    reward=None,
                    answers=[{"reason": "", "same": "yes"}, {"reason": "", "same": "no"}],
                    note="the orders disagree: ungraded",
                ),
            ],
        )
    ],
    "endpoint": [
        Example(
            title="A service of your own",
            grader={"type": "endpoint", "url": "https://rewards.example/score", "rate_limit": 50},
            rows=[
                Row(sample="42", reward=0.8, answers=[(200, {"score": 0.8})]),
                Row(sample="42", reward=None, answers=[(500, None)], note="it answered 500, also in the end"),
            ],
        )
    ],
    "google_reward": [
        Example(
            title="A capital between tags, as Google writes it",
            grader={
                "type": "google_reward",
                "singleRewardConfig": {
                    "rewardName": "capital",
                    "parseResponseConfig": {
                        "parseType": "REGEX_EXTRACT",
                        "regexExtractExpression": "<ans>(.*?)</ans>",
                    },
                    "stringMatchRewardScorer": {
                        "correctAnswerReward": 1.0,
                        "wrongAnswerReward": -1.0,
                        "stringMatchExpression": {
                            "matchOperation": "EXACT_MATCH",
                            "expression": "{{references.answer}}",
                        },
                    },
                },
            },
            rows=[
                Row(sample="<ans>Paris</ans>", item={"references": {"answer": "Paris"}}, reward=1.0),
                Row(sample="Paris", item={"references": {"answer": "Paris"}}, reward=-1.0, note="no tags"),
            ],
        )
    ],
    "multi": [
        Example(
            title="Mostly the result, a little the wording",
            grader={
                "type": "multi",
                "graders": {
                    "answer": {
                        "type": "numeric_check",
                        "input": ANSWER,
                        "reference": "{{item.answer}}",
                    },
                    "short": {
                        "type": "pattern_match",
                        "input": ANSWER,
                        "pattern": ".{1,20}",
                        "match": "full",
                    },
                },
                "calculate_output": "0.75 * answer + 0.25 * short",
            },
            rows=[
                Row(sample="It is 42.", item={"answer": 42}, reward=1.0),
                Row(sample="After long thought: it is 42.", item={"answer": 42}, reward=0.75),
                Row(
                    sample="It is 42.",
                    item={"answer": "?"},
                    reward=None,
                    note="a part is ungraded: so is the whole",
                ),
            ],
        )
    ],
}
"""At least one for each built-in type."""

_MODEL = "The judge, by the name that the operator has configured."
_INPUT = "The text that is graded."
_REFERENCE = "What it is compared with."
_QUESTION = "What was asked; shown to the judge."
_CHARACTERS = "Of each text that is shown; a sample that is longer gets the lowest reward."
_SAMPLING = (
    "How the judge samples: `seed`, `top_p`, `temperature`, `max_completions_tokens`, `reasoning_effort`."
)
_INSTRUCTIONS = "Words of yours to the judge, after ours."
_RANGE = "Lowest and highest score; 0 to 1 without it."
_MESSAGES = "The messages that the judge is sent; templates work in every block."
_IGNORED_IMAGE = "Accepted and ignored: a model needs no packages."
_THOUGHTS = "Whether the answer behind the reasoning is graded (`skip`), or the whole text (`keep`)."
_MEMORY = "Address space of the process, in MiB."

OPTIONS: dict[str, dict[str, str]] = {
    "string_check": {
        "thoughts": _THOUGHTS,
        "input": _INPUT,
        "reference": _REFERENCE,
        "operation": "Equal, not equal, contains, contains whatever the letter case.",
    },
    "numeric_check": {
        "thoughts": _THOUGHTS,
        "input": "Where the number is looked for.",
        "reference": "The number, or a list of numbers.",
        "extract": "Where in `input` the answer stands.",
        "reference_extract": "Where in a reference that is text the number stands.",
        "percent": "What `50%` is: 0.5 or 50.",
        "abs_tol": "Distance within which numbers are equal.",
        "rel_tol": "The same, as a share of the reference.",
        "score": "What a distance earns.",
        "ordered": "Whether the order of a list counts.",
    },
    "text_similarity": {
        "thoughts": _THOUGHTS,
        "input": _INPUT,
        "reference": _REFERENCE,
        "evaluation_metric": "How similarity is measured.",
        "embedding_model": "For `cosine`: the model; the operator's without it.",
        "tokenizer": "For BLEU, GLEU, METEOR and ROUGE: `unicode` counts words of every script in place of the metric's own.",
    },
    "pattern_match": {
        "thoughts": _THOUGHTS,
        "input": _INPUT,
        "pattern": "A regular expression of RE2.",
        "match": "Anywhere in the text, or the whole of it.",
        "groups": "What capturing groups must have captured, by name or number.",
        "ignore_case": "Whether letter case is nothing.",
        "which": "Which match counts where `search` finds several: the `first`, the `last`, or `all`, of which the worst one counts.",
    },
    "python": {
        "thoughts": _THOUGHTS,
        "source": "A module that defines `grade(sample, item)`; fewer than 256,000 bytes.",
        "image_tag": "The packages that it can import.",
        "isolation": "A process for each grading, or for up to 64 of them.",
        "timeout_s": "Seconds for one grading; the operator's limit holds besides.",
        "memory_mb": _MEMORY,
    },
    "code_tests": {
        "tests": "The tests, or a template for them.",
        "code": "Where the code is.",
        "extract": "The fenced block, or the whole text.",
        "thoughts": _THOUGHTS,
        "entry_point": "The function under test.",
        "prelude": "Source that stands before the code.",
        "setup": "Source that stands before each test source; the code does not see it.",
        "module": "The name by which test source imports the code.",
        "in_place": "Whether the code changes its arguments.",
        "tolerance": "How far floats may differ, relative or absolute.",
        "partial_credit": "Whether a share of the tests earns a share of the reward.",
        "image": "The packages for code and tests.",
        "timeout_s": "Seconds for one test.",
        "total_timeout_s": "Seconds for all tests.",
        "memory_mb": _MEMORY,
    },
    "score_model": {
        "model": _MODEL,
        "input": _MESSAGES,
        "range": _RANGE,
        "sampling_params": _SAMPLING,
        "image_tag": _IGNORED_IMAGE,
    },
    "label_model": {
        "image_tag": _IGNORED_IMAGE,
        "model": _MODEL,
        "input": _MESSAGES,
        "labels": "What the judge may answer.",
        "passing_labels": "Those of the labels that earn 1.",
        "sampling_params": _SAMPLING,
    },
    "rubric": {
        "model": _MODEL,
        "criteria": "Criteria by key: a text, or `text`, `weight` and `choices`.",
        "input": _INPUT,
        "question": _QUESTION,
        "reference": "The right answer; shown to the judge.",
        "instructions": _INSTRUCTIONS,
        "calls": "One question for all criteria, or one for each.",
        "max_characters": _CHARACTERS,
        "sampling_params": _SAMPLING,
    },
    "rank": {
        "model": _MODEL,
        "criterion": "What makes a sample better than another.",
        "input": _INPUT,
        "question": _QUESTION,
        "reference": "The right answer; shown to the judge.",
        "range": _RANGE,
        "orders": "In how many orders the samples are shown.",
        "max_characters": _CHARACTERS,
        "seed": "Decides their names, and so the orders.",
        "sampling_params": _SAMPLING,
    },
    "equivalence": {
        "model": _MODEL,
        "reference": _REFERENCE,
        "input": _INPUT,
        "question": _QUESTION,
        "instructions": _INSTRUCTIONS,
        "on_disagreement": "What it is when the two orders disagree.",
        "max_characters": _CHARACTERS,
        "sampling_params": _SAMPLING,
    },
    "endpoint": {
        "url": "Where the service is.",
        "headers": "Headers that it is sent; their values are shown to nobody.",
        "rate_limit": "Requests a second, at most.",
    },
    "google_reward": {
        "singleRewardConfig": "One reward: its name, how the response is read, and its scorer.",
        "compositeRewardConfig": "Up to 16 rewards with weights; their weighted mean is the reward.",
    },
    "multi": {
        "graders": "Graders by key; none of them `multi`.",
        "calculate_output": "The formula; its variables are the keys.",
    },
}
"""What each option is, in a few words; other names of an option are told by its schema."""
