"""`assert_well_behaved` accepts every built-in type and refuses graders that are broken on purpose, with a test to paste."""

import asyncio
import math
import random
import re
import signal
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import strategies as st

from graders import (
    ConfigurationError,
    Context,
    FailureKind,
    GraderResult,
    GradingError,
    HttpReply,
    Item,
    Registry,
    Sample,
    grader,
)
from graders.kinds.numeric_check import NumericCheck
from graders.testing import (
    FakeContext,
    FakeEmbedder,
    FakeHttp,
    FakeJudge,
    FakeSandbox,
    any_answer,
    assert_well_behaved,
    assert_well_behaved_on,
)

ITEM: dict[str, Any] = {"reference": "42", "words": ["b", "a"]}
TEXTS: dict[str, Any] = {"input": "{{sample.output_text}}", "reference": "{{item.reference}}"}
ASK: dict[str, Any] = {
    "model": "m",
    "input": [{"role": "user", "content": "{{sample.output_text}} {{item.reference}}"}],
}
EXACT: dict[str, Any] = {"type": "string_check", "operation": "eq", **TEXTS}


def ran(*, message: Mapping[str, Any], **_: Any) -> Any:
    """What a sandbox says of a source that grades, or of a model's code."""
    if "source" in message:
        return len(message["sample"]["output_text"]) % 7 / 7
    if "candidate" in message:
        return {"compiles": True, "acts": True, "defines": True, "code": None}
    return {"ok": True} if "load" in message else {"number": message["number"], "value": 3}


def lengths(text: str) -> list[float]:
    return [1.0, float(len(text)), float(text.count("a"))]


CONTEXT = FakeContext(
    judge=FakeJudge(any_answer),
    embedder=FakeEmbedder(lengths),
    sandbox=FakeSandbox(ran),
    http=FakeHttp(lambda **_: HttpReply(200, {"score": 0.5})),
)

BUILT_IN: dict[str, dict[str, Any]] = {
    "string_check": EXACT,
    "numeric_check": {"type": "numeric_check", **TEXTS},
    "numeric_check boxed": {
        "type": "numeric_check",
        **TEXTS,
        "extract": "boxed",
        "score": {"linear": {"scale": 10}},
    },
    "pattern_match": {"type": "pattern_match", "input": "{{sample.output_text}}", "pattern": r"(\d+,?)+$"},
    "python": {"type": "python", "source": "def grade(sample, item):\n    return 1.0\n"},
    "code_tests": {"type": "code_tests", "tests": [{"call": [1, 2], "expected": 3}], "entry_point": "add"},
    "score_model": {"type": "score_model", **ASK},
    "label_model": {"type": "label_model", **ASK, "labels": ["good", "bad"], "passing_labels": ["good"]},
    "rubric": {"type": "rubric", "model": "m", "criteria": {"right": {"text": "is right", "weight": 1}}},
    "rank": {"type": "rank", "model": "m", "criterion": "which is best"},
    "equivalence": {
        "type": "equivalence",
        "model": "m",
        "reference": "{{item.reference}}",
        "on_disagreement": "half",
    },
    "endpoint": {"type": "endpoint", "url": "https://grader.example/score"},
    "google_reward": {
        "type": "google_reward",
        "singleRewardConfig": {
            "parseResponseConfig": {"parseType": "REGEX_EXTRACT", "regexExtractExpression": r"\d+"},
            "stringMatchRewardScorer": {
                "correctAnswerReward": 1.0,
                "stringMatchExpression": {"matchOperation": "EXACT_MATCH", "expression": "42"},
            },
        },
    },
    "multi": {
        "type": "multi",
        "graders": {"a": EXACT, "b": {"type": "numeric_check", **TEXTS}},
        "calculate_output": "(a + b) / 2",
    },
    **{
        f"text_similarity {metric}": {"type": "text_similarity", **TEXTS, "evaluation_metric": metric}
        for metric in ("fuzzy_match", "bleu", "meteor", "rouge_l", "cosine")
    },
}


@pytest.mark.few(8)
@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_type_is_well_behaved(name: str) -> None:
    check_built_in(name, max_length=12, examples=5)


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_type_is_well_behaved_on_long_texts_and_many_examples(name: str) -> None:
    check_built_in(name, max_length=2000, examples=100)


def check_built_in(name: str, *, max_length: int, examples: int) -> None:
    """Try every hostile text, odd sample and hole; `max_length` is that of the repeated and the generated texts."""
    assert_well_behaved(
        BUILT_IN[name],
        items=[{"reference": "42"}],
        context=CONTEXT,
        max_seconds=5,
        max_length=max_length,
        examples=examples,
    )


def test_the_table_above_has_every_built_in_type() -> None:
    ours = {name for name, entry in Registry.installed().items() if entry.built_in}
    assert {config["type"] for config in BUILT_IN.values()} == ours


@grader("mean_length")
def mean_length(sample: Sample, item: Item) -> float:
    words = sample.output_text.split()
    return min(1.0, sum(map(len, words)) / len(words) / 10)


@grader("not_a_number")
def not_a_number(sample: Sample, item: Item) -> float:
    return math.nan if len(sample.output_text) > 1000 else 1.0


@grader("counts_nines")
def counts_nines(sample: Sample, item: Item) -> float:
    return float(sample.output_text.count("9"))


@grader("flips_a_coin")
def flips_a_coin(sample: Sample, item: Item) -> float:
    return random.random()  # noqa: S311  # it misbehaves on purpose


@grader("backtracks")
def backtracks(sample: Sample, item: Item) -> bool:
    return re.fullmatch(r"(\d+,?)+", sample.output_text) is not None


@grader("marks_the_item")
def marks_the_item(sample: Sample, item: Item) -> float:
    item["seen"] = True  # type: ignore[index]  # on purpose
    return 1.0


@grader("sorts_the_words")
def sorts_the_words(sample: Sample, item: Item) -> float:
    item.get("words", []).sort()
    return 1.0


@grader("new_ones_only")
class NewOnesOnly:
    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, sample: Sample, item: Item) -> float:
        self._seen.add(sample.output_text)
        return 1.0 / len(self._seen)


@grader("takes_calls_away")
def takes_calls_away(sample: Sample, item: Item) -> float:
    while sample.output_tools:
        sample.output_tools.pop()
    return 1.0


@grader("needs_a_field")
def needs_a_field(sample: Sample, item: Item) -> bool:
    return bool(sample.output_text == item["reference"])


@grader("says_one")
def says_one(sample: Sample, item: Item) -> float:
    return "1" if sample.output_text == item.get("reference") else 0.0  # type: ignore[return-value]  # on purpose


@grader("reads_a_number")
async def reads_a_number(sample: Sample, item: Item, context: Context) -> float:
    return float(sample.output_text.strip() or 0) > 0


@grader("distinct_ones")
def distinct_ones(samples: Sequence[Sample], item: Item) -> list[float]:
    return [1.0 for _ in {sample.output_text for sample in samples}]


@grader("one_for_all")
def one_for_all(samples: Sequence[Sample], item: Item) -> list[float]:
    return 1.0  # type: ignore[return-value]  # on purpose


@grader("leaves")
def leaves(sample: Sample, item: Item) -> float:
    raise SystemExit(sample.output_text)


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise ValueError


@grader("unspeakable")
def unspeakable(sample: Sample, item: Item) -> float:
    raise Unspeakable


BROKEN: list[tuple[Any, str, str]] = [
    (
        mean_length,
        "it raises ZeroDivisionError: ",
        "Sample(''),\n            {'reference': '42', 'words': ['b', 'a']},",
    ),
    (not_a_number, "a reward is a finite number, not nan", "Sample('a' * 1001),"),
    (counts_nines, "the reward 2 is outside the range 0 to 1", "Sample('99'),"),
    (flips_a_coin, "it gives 0.", "Sample(''),"),
    (backtracks, "it was still grading after 0.2 s", "0000!'),"),
    (marks_the_item, "it changes the item that it is given", "Sample(''),"),
    (sorts_the_words, "it changes the item that it is given", "Sample(''),"),
    (NewOnesOnly, "it gives 1.0, but 0.5 after another grading", "after=(Sample('a'), {"),
    (takes_calls_away, "it changes the sample", "Sample.load({'output_text': '', 'output_tools': [{}]}),"),
    (needs_a_field, "it raises KeyError: 'reference'", "Sample(''),\n            {'words': ['b', 'a']},"),
    (says_one, "a reward is a number, not str '1'", "Sample('42'),"),
    (reads_a_number, "it raises ValueError: could not convert string to float", "Sample('a'),"),
    (distinct_ones, "it returns [1.0] for a group of 2, not 2 scores", "[Sample('"),
    (one_for_all, "it returns 1.0 for a group of 1, not 1 scores", "[Sample('')],"),
    (leaves, "it raises SystemExit: ", "Sample(''),"),
    (unspeakable, "it raises Unspeakable: (its message cannot be shown)", "Sample(''),"),
]


def refusal(given: Any, **how: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        assert_well_behaved(given, **{"items": [ITEM], "max_seconds": 0.2, **how})
    return str(caught.value)


@pytest.mark.few(8)
@pytest.mark.parametrize(
    ("given", "what", "example"), BROKEN, ids=lambda value: getattr(value, "__name__", "")
)
def test_a_broken_grader_is_refused_with_the_rule_and_the_simplest_case(
    given: Any, what: str, example: str
) -> None:
    message = refusal(given)
    assert what in message
    assert example in message


@pytest.mark.few(3)
@pytest.mark.parametrize(
    "given",
    [mean_length, counts_nines, NewOnesOnly, takes_calls_away, marks_the_item, reads_a_number, distinct_ones],
)
def test_the_test_that_is_shown_fails_when_it_is_pasted(given: Any) -> None:
    message = refusal(given)
    _, _, code = message.partition("as a test:\n\n")
    pasted: dict[str, Any] = {}
    exec("if True:\n" + code, pasted)  # noqa: S102  # what an author would paste
    (test,) = (made for name, made in pasted.items() if name.startswith("test_"))
    with pytest.raises(AssertionError) as caught:
        test()
    assert str(caught.value) == message.partition("\n")[0]


def test_the_whole_message_reads_well() -> None:
    assert refusal(needs_a_field) == (
        "needs_a_field is not well behaved: it raises KeyError: 'reference'. Return the lowest reward, or raise GradingError, "
        "for what cannot be graded.\n\n"
        "The simplest case found, as a test:\n\n"
        "    from graders import Sample\n"
        "    from graders.testing import assert_well_behaved_on\n"
        f"    from {__name__} import needs_a_field\n\n"
        "    def test_needs_a_field_is_well_behaved_on_this_sample() -> None:\n"
        "        assert_well_behaved_on(\n"
        "            needs_a_field,\n"
        "            Sample(''),\n"
        "            {'words': ['b', 'a']},\n"
        "        )"
    )


def test_the_graders_own_exception_is_the_cause() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_well_behaved(mean_length)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_bug_that_hides_behind_the_item_of_a_strategy_is_found() -> None:
    @grader("first_word")
    def first_word(sample: Sample, item: Item, *, least: int) -> bool:
        return sample.output_text in item["words"][least]

    rows = st.fixed_dictionaries({"words": st.lists(st.text(), max_size=3)})
    message = refusal(first_word, options={"least": 0}, items=rows, holes=False)
    assert "IndexError" in message
    assert (
        "first_word,\n            Sample(''),\n            {'words': []},\n            options={'least': 0},"
        in message
    )
    assert "import first_word" not in message
    assert "KeyError" in refusal(first_word, options={"least": 0}, items=st.just({"words": ["a"]}))


def test_holes_are_not_tried_where_the_author_says_that_there_are_none() -> None:
    assert_well_behaved(needs_a_field, items=[ITEM], holes=False, examples=20, max_length=50)


def test_without_items_the_item_is_made_as_simple_as_the_sample() -> None:
    @grader("minds_lists")
    def minds_lists(sample: Sample, item: Item) -> float:
        return 1 / (not any(isinstance(value, list) for value in item.values()))

    message = refusal(minds_lists, items=())
    assert "Sample(''),\n            {'a': []}," in message


def test_a_fault_of_one_call_only_is_found_by_the_call_after_it() -> None:
    @grader("breaks_later")
    class BreaksLater:
        def __init__(self) -> None:
            self._long = False

        def __call__(self, sample: Sample, item: Item) -> float:
            if self._long and not sample.output_text:
                raise ValueError(sample)
            self._long = sample.output_text != ""
            return 1.0

    message = refusal(BreaksLater)
    assert "it raises ValueError: Sample.load('')" in message
    assert "after=(Sample('a'), {'reference': '42', 'words': ['b', 'a']})," in message


def test_what_is_broken_before_the_case_is_no_fault_of_the_case() -> None:
    assert_well_behaved_on(needs_a_field, "a", ITEM, after=("a", {}))
    with pytest.raises(AssertionError, match="KeyError"):
        assert_well_behaved_on(needs_a_field, "a", {}, after=("a", ITEM))


def test_answers_that_are_expected_lead_beyond_the_first_look() -> None:
    @grader("parses")
    def parses(sample: Sample, item: Item) -> float:
        if not (isinstance(sample.output_json, dict) and "value" in sample.output_json):
            return 0.0
        return float(sample.output_json["value"] == item["reference"])

    message = refusal(parses, items=[ITEM], like=['{"value": "42"}'], examples=5)
    assert "it raises KeyError: 'reference'" in message
    assert """Sample('{"value":""}'),\n            {'words': ['b', 'a']},""" in message


def test_a_field_that_holds_something_else_is_a_hole_too() -> None:
    @grader("divides")
    def divides(sample: Sample, item: Item) -> float:
        return float(len(sample.output_text) / int(item["size"]) > 1) if "size" in item else 0.0

    message = refusal(divides, items=[{"size": "3"}], examples=5)
    assert "Sample(''),\n            {'size': None}," in message
    assert "TypeError" in message


def test_what_is_broken_only_now_and_then_is_broken() -> None:
    calls: list[str] = []

    @grader("breaks_once")
    def breaks_once(sample: Sample, item: Item) -> float:
        if len(sample.choices) > 1:
            calls.append(sample.output_text)
            return float(len(calls) != 1)
        return 1.0

    assert "it gives 0.0 and then 1.0 for the same sample and item" in refusal(breaks_once, max_length=50)


def test_a_broken_group_is_remembered_as_a_group() -> None:
    @grader("compares_with_the_last")
    class ComparesWithTheLast:
        def __init__(self) -> None:
            self._last = 0

        def __call__(self, samples: Sequence[Sample], item: Item) -> list[float]:
            last, self._last = self._last, len(samples[0].output_text)
            return [float(self._last >= last) for _ in samples]

    message = refusal(ComparesWithTheLast)
    assert "it gives 1.0, but 0.0 after another grading" in message
    assert "[Sample('')]" in message
    assert "after=([Sample('a')], {" in message
    with pytest.raises(
        AssertionError, match=r"it gives \[1.0, 1.0\], but \[0.0, 0.0\] after another grading"
    ):
        assert_well_behaved_on(ComparesWithTheLast, ["", ""], {}, after=(["a"], {}))


def test_a_grader_that_grades_nothing_is_refused() -> None:
    config = {"type": "numeric_check", **TEXTS}
    assert refusal(config, items=[{}], examples=5, max_length=50, max_seconds=5).startswith(
        "numeric_check graded nothing, so nothing is known of it: every grading was ungraded"
    )
    assert "write FakeContext(judge=…). Give items= as" in refusal(
        {"type": "score_model", **ASK}, examples=5, max_length=50, max_seconds=5
    )


def test_a_grader_that_says_why_there_is_no_reward_is_well_behaved() -> None:
    @grader("careful")
    def careful(sample: Sample, item: Item) -> GraderResult:
        if "reference" not in item:
            raise GradingError("the item has no reference")
        return GraderResult(float(sample.output_text == item["reference"]))

    assert_well_behaved(careful, items=[ITEM], examples=20, max_length=50)
    assert_well_behaved_on(careful, Sample("42"), {})


def test_failures_that_differ_from_call_to_call_are_no_reward_that_stays_the_same() -> None:
    @grader("fails_now_and_then")
    class FailsNowAndThen:
        def __init__(self) -> None:
            self._calls = 0

        def __call__(self, sample: Sample, item: Item) -> float:
            self._calls += 1
            if self._calls % 2:
                return 1.0
            raise GradingError("busy", kind=FailureKind.OTHER, caused_by="infrastructure")

    assert "it gives 1.0 and then no reward for the same sample and item" in refusal(FailsNowAndThen)


def test_a_loaded_grader_and_its_json_are_shown_as_json() -> None:
    broken = {"type": "multi", "graders": {"a": EXACT}, "calculate_output": "1 / a", "name": "inverse"}
    assert_well_behaved(broken, items=[ITEM], examples=5, max_length=50)
    own = Registry.installed().including(counts_nines).load({"type": "counts_nines", "name": "nines"})
    message = refusal(own)
    assert "counts_nines,\n            Sample('99')," in message
    assert "options=" not in message
    judge = FakeJudge(lambda **_: 1 / 0)
    message = refusal({"type": "score_model", **ASK}, context=FakeContext(judge=judge))
    assert "assert_well_behaved_on(\n            {'type': 'score_model', 'model': 'm', " in message
    assert "# `context` is the one of the test that found this" in message
    assert "            context=context,\n" in message


def test_a_built_in_class_is_taken_with_its_options() -> None:
    assert_well_behaved(NumericCheck, options=TEXTS, items=[ITEM], examples=5, max_length=100)


def test_a_type_may_have_the_name_of_an_installed_one() -> None:
    @grader("string_check")
    def other(sample: Sample, item: Item) -> float:
        return 9.0

    assert "the reward 9 is outside" in refusal(other)


@pytest.mark.parametrize("given", [EXACT, Registry.installed().load(EXACT)])
def test_options_beside_a_grader_that_has_its_own_are_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="options= is for a function or a class"):
        assert_well_behaved(given, options={"operation": "ne"})


async def test_an_async_grader_asks_for_a_test_without_a_loop() -> None:
    with pytest.raises(ConfigurationError, match=r"'reads_a_number' is async .* make the test `def` instead"):
        assert_well_behaved(reads_a_number)


def test_a_grader_that_never_ends_is_interrupted() -> None:
    @grader("endless")
    async def endless(sample: Sample, item: Item, context: Context) -> float:
        await asyncio.sleep(3600)
        return 1.0

    @grader("endless_and_broken")
    def endless_and_broken(sample: Sample, item: Item) -> float:
        item["a"] = 1  # type: ignore[index]  # on purpose
        while True:
            pass

    with pytest.raises(
        AssertionError, match=r"endless is not well behaved: it was still grading after 0.05 s"
    ):
        assert_well_behaved_on(endless, "", {}, max_seconds=0.05)
    with pytest.raises(AssertionError, match=r"it changes the item that it is given"):
        assert_well_behaved_on(endless_and_broken, "", {}, max_seconds=0.05)


def test_a_grader_that_was_slow_only_once_is_not_slow() -> None:
    @grader("warms_up")
    class WarmsUp:
        def __init__(self) -> None:
            self._cold = True

        def __call__(self, sample: Sample, item: Item) -> float:
            while self._cold:
                self._cold = False
                threading.Event().wait(0.5)
            return 1.0

    assert_well_behaved_on(WarmsUp, "", {}, max_seconds=0.2)


def test_outside_the_main_thread_time_is_measured() -> None:
    @grader("naps")
    def naps(sample: Sample, item: Item) -> float:
        threading.Event().wait(0.05)
        return 1.0

    told: list[str] = []

    def run() -> None:
        with pytest.raises(AssertionError) as caught:
            assert_well_behaved_on(naps, "", {}, max_seconds=0.01)
        told.append(str(caught.value))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert re.search(r"it took 0\.\d\d s, more than 0.01 s", told[0])


def test_a_tests_own_alarm_goes_on() -> None:
    def mine(*_: object) -> None: ...

    before = signal.signal(signal.SIGALRM, mine)
    signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        assert_well_behaved_on(needs_a_field, "", ITEM)
        assert signal.getsignal(signal.SIGALRM) is mine
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] < 1000
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
