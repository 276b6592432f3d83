"""The evaluator: order, bulk, deadlines, duplicates, streams."""

import asyncio
import math
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graders import ConfigurationError, GraderResult, GradingError, Item, Registry, Sample, grader
from runtime import Evaluator, Settings, SyncEvaluator
from runtime.concurrency.bounded_cache import ENTRY_BYTES
from runtime.evaluation.canonical import canonical
from runtime.evaluation.context import GradingContext
from runtime.evaluation.execute import execute
from runtime.evaluation.grader_cache import BYTES_A_CHARACTER, TEXT_SHARE, GraderCache
from runtime.explain.explain import explain
from tests.conftest import ROOT
from tests.processes import remaining
from tests.runtime.sandbox.isolation import ISOLATES

EXACT = {
    "type": "string_check",
    "name": "exact",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "operation": "eq",
}
SIMILAR = {
    "type": "text_similarity",
    "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}",
    "evaluation_metric": "fuzzy_match",
}


async def test_a_result_says_what_made_it(evaluator: Evaluator) -> None:
    result = await evaluator.grade(EXACT, "yes", {"answer": "yes"})
    assert (result.reward, result.passed, result.failure) == (1.0, True, None)
    assert result.grader is not None
    assert (result.grader.name, result.grader.type, result.grader.range) == (
        "exact",
        "string_check",
        (0.0, 1.0),
    )
    assert result.grader.signature.startswith("string_check:")
    assert result.execution_time >= 0


async def test_a_batch_keeps_the_order_of_its_rows(evaluator: Evaluator) -> None:
    samples = [str(n) for n in range(5000)]
    items = [{"answer": str(n if n % 3 else -1)} for n in range(5000)]
    gradings = await evaluator.grade_many(EXACT, samples, items)
    assert gradings.rewards.tolist() == [float(n % 3 > 0) for n in range(5000)]
    assert (len(gradings), gradings.ungraded) == (5000, 0)
    assert [result.reward for result in gradings[:4]] == [0.0, 1.0, 1.0, 0.0]
    assert gradings[-1].passed is True


async def test_a_bulk_row_that_fails_is_ungraded_and_the_others_are_not(evaluator: Evaluator) -> None:
    items: list[dict[str, str]] = [{"answer": "a"} for _ in range(3000)]
    del items[1500]["answer"]
    gradings = await evaluator.grade_many(EXACT, ["a"] * 3000, items)
    assert math.isnan(gradings.rewards[1500])
    assert gradings.ungraded == 1
    failure = gradings[1500].failure
    assert failure is not None
    assert (failure.kind, failure.caused_by) == ("invalid_variable_error", "grader")
    assert gradings[1499].reward == gradings[1501].reward == 1.0


texts = st.one_of(st.sampled_from(["a", "A", "{{item.answer}}", ""]), st.text(max_size=5))


@given(
    rows=st.lists(st.tuples(texts, texts), max_size=30),
    operation=st.sampled_from(["eq", "ne", "like", "ilike"]),
    reference=st.sampled_from(["{{item.answer}}", "a", "{{ item['answer'] }}!", "{{sample.output_text}}"]),
)
async def test_bulk_equals_one_by_one(
    evaluator: Evaluator, rows: list[tuple[str, str]], operation: str, reference: str
) -> None:
    config = {**EXACT, "operation": operation, "reference": reference}
    items = [{"answer": answer} for _, answer in rows]
    bulk = await evaluator.grade_many(config, [text for text, _ in rows], items)
    each = [await evaluator.grade(config, text, item) for (text, _), item in zip(rows, items, strict=True)]
    assert bulk.rewards.tolist() == [result.reward for result in each]


async def test_samples_of_every_source_are_graded_alike(evaluator: Evaluator) -> None:
    sources: list[object] = [
        "yes",
        Sample("yes"),
        {"output_text": "yes"},
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}}]},
        [{"role": "user", "content": "?"}, {"role": "assistant", "content": "yes"}],
    ]
    gradings = await evaluator.grade_many(EXACT, sources, [{"answer": "yes"}] * len(sources))
    assert gradings.rewards.tolist() == [1.0] * len(sources)


async def test_as_many_items_as_samples_are_wanted(evaluator: Evaluator) -> None:
    with pytest.raises(ConfigurationError, match="2 samples and 1 items"):
        await evaluator.grade_many(EXACT, ["a", "b"], [{}])


UNREAD = GradingError("line 2: why", caused_by="infrastructure")
"""What stands for the sample of a row that a reader of files could not read."""


@pytest.mark.parametrize("bad", [3, None, {"choices": []}, UNREAD])
@pytest.mark.parametrize(
    "config",
    [
        EXACT,
        {"type": "multi", "graders": {"a": EXACT}, "calculate_output": "a"},
        pytest.param(
            {
                "type": "python",
                "source": "def grade(sample, item):\n    return sample['output_text'] == item['answer']",
            },
            marks=ISOLATES,
        ),
    ],
    ids=["bulk", "each", "rows"],
)
async def test_a_sample_that_cannot_be_read_is_ungraded_and_leaves_the_others(
    evaluator: Evaluator, config: dict[str, Any], bad: object
) -> None:
    samples, items = ["a", bad, "b"], [{"answer": "a"}] * 3
    gradings = await evaluator.grade_many(config, samples, items)
    assert [result.reward for result in gradings] == [1.0, None, 0.0]
    group = await evaluator.grade_group(config, samples, items[0])
    stream = [result async for _, result in evaluator.stream(config, zip(samples, items, strict=True))]
    one = await evaluator.grade(config, bad, items[0])
    for failed in (gradings[1], group[1], stream[1], one):
        assert failed.failure is not None
        assert failed.failure.caused_by == "infrastructure"
        assert failed.failure.message.startswith("line 2: why" if bad is UNREAD else "sample: ")
    assert [result.reward for result in (*group, *stream)] == [1.0, None, 0.0] * 2


async def test_values_of_numpy_become_plain_on_every_way_in(evaluator: Evaluator) -> None:
    item: Any = {"answer": np.int64(3), "of": np.array([1.5]), "when": date(2024, 1, 2)}
    check = {**EXACT, "input": "{{item.answer}} {{item.of}} {{item.when}}", "reference": "3 [1.5] 2024-01-02"}
    assert (await evaluator.grade(check, np.str_("a"), item)).reward == 1
    assert (await evaluate(evaluator, check, ["a"], [item])) == [1]
    assert (await evaluate(evaluator, check, np.array(["a", "b"]), [item, item])) == [1, 1]
    assert [result.reward for result in await evaluator.grade_group(check, np.array(["a", "b"]), item)] == [
        1,
        1,
    ]
    assert [result.reward async for _, result in evaluator.stream(check, [("a", item)])] == [1]
    assert (await explain(evaluator, check, "a", item)).result.reward == 1


async def test_a_row_that_cannot_become_plain_is_ungraded_with_its_path_and_leaves_the_others(
    evaluator: Evaluator,
) -> None:
    bad: Any = {"answer": "a", "image": [object()]}
    streamed = [result async for _, result in evaluator.stream(EXACT, [("a", bad)])]
    for found in (
        *streamed,
        list(await evaluator.grade_many(EXACT, ["a", "a", "b"], [{"answer": "a"}, bad, {"answer": "a"}]))[1],
        await evaluator.grade(EXACT, "a", bad),
        (await evaluator.grade_group(EXACT, ["a"], bad))[0],
        (await explain(evaluator, EXACT, "a", bad)).result,
    ):
        assert found.reward is None
        assert found.failure is not None
        assert found.failure.message.startswith("item: image.0: expected a text, a number, ")
    rewards = await evaluate(evaluator, EXACT, ["a", "a", "b"], [{"answer": "a"}, bad, {"answer": "a"}])
    assert rewards == [1, None, 0]


async def evaluate(evaluator: Evaluator, config: Any, samples: Any, items: Any) -> list[float | None]:
    return [result.reward for result in await evaluator.grade_many(config, samples, items)]


async def test_samples_and_items_may_be_generators(evaluator: Evaluator) -> None:
    samples, items = (text for text in "ab"), ({"answer": "a"} for _ in range(2))
    assert await evaluate(evaluator, EXACT, samples, items) == [1, 0]
    assert await evaluate(evaluator, EXACT, iter(()), iter(())) == []


async def test_rows_that_are_no_rows_are_refused(evaluator: Evaluator) -> None:
    with pytest.raises(
        ConfigurationError, match="samples: expected a list with one for each row, got a single str"
    ):
        await evaluate(evaluator, EXACT, "ab", [{}, {}])
    for rows, message in (
        ("ab", "got str"),
        (evaluator.stream(EXACT, []), "an asynchronous generator is not accepted"),
    ):
        with pytest.raises(ConfigurationError, match=f"rows: expected an iterable of pairs .*{message}"):
            [result async for result in evaluator.stream(EXACT, rows)]  # type: ignore[arg-type]


async def test_a_batch_that_is_late_is_ungraded_as_a_whole_or_in_part(evaluator: Evaluator) -> None:
    for config in (EXACT, SIMILAR):
        gradings = await evaluator.grade_many(config, ["a"] * 3000, [{"answer": "a"}] * 3000, deadline_s=-1)
        assert gradings.ungraded == 3000
        failure = gradings[0].failure
        assert failure is not None
        assert (failure.kind, failure.caused_by) == ("unresponsive_reward_error", "infrastructure")


async def test_a_text_beyond_the_cap_is_graded_in_a_worker_with_the_same_number(
    fresh_evaluator: Evaluator,
) -> None:
    text = "the quick brown fox " * 100
    result = await fresh_evaluator.grade(SIMILAR, text, {"answer": "the quick brown fox"})
    assert (
        result.reward == 0.6
    )  # rapidfuzz scales a perfect partial match of a text over 8 times as long by 0.6
    assert len(fresh_evaluator._pool._plugin_queues) == 1
    short = await fresh_evaluator.grade(
        SIMILAR, "fuzzy wuzzy had no hair", {"answer": "fuzzy wuzzy was a bear"}
    )
    assert short.reward == pytest.approx(0.7555555555555555, abs=1e-12)


@pytest.mark.full
async def test_a_text_that_would_stall_is_ungraded_at_the_deadline(evaluator: Evaluator) -> None:
    long = "ab" * 400_000
    result = await evaluator.grade(SIMILAR, long, {"answer": "ba" * 200_000}, deadline_s=1.0)
    assert result.reward is None
    assert result.failure is not None
    assert result.failure.kind == "unresponsive_reward_error"


@pytest.mark.full
async def test_a_jsonpath_over_a_long_sample_runs_in_a_worker_and_over_a_short_one_here(
    fresh_evaluator: Evaluator,
) -> None:
    config = {**EXACT, "input": "{{sample.output_json[*].x}}", "reference": "{{item.answer}}"}
    assert (await fresh_evaluator.grade(config, '[{"x": 1}, {"x": 2}]', {"answer": "[1,2]"})).reward == 1.0
    assert not fresh_evaluator._pool._plugin_queues
    long = "[" + ", ".join('{"x": 1}' for _ in range(500)) + "]"
    gradings = await fresh_evaluator.grade_many(
        config, [long] * 3, [{"answer": "[" + ",".join("1" * 500) + "]"}] * 3
    )
    assert gradings.rewards.tolist() == [1.0] * 3
    assert len(fresh_evaluator._pool._plugin_queues) == 1
    config["input"] = "{{item.own[*]}}"
    own = await fresh_evaluator.grade(config, "a", {"answer": "[]", "own": {1}})
    assert own.reward == 1.0  # a set cannot be sent to a worker; there is nothing in it that a path finds


async def test_a_multi_grader_with_a_plugin_is_graded_in_bulk(evaluator: Evaluator) -> None:
    config = {
        "type": "multi",
        "graders": {"exact": EXACT, "word": {"type": "keyword", "words": ["a", "b"]}},
        "calculate_output": "exact + word",
    }
    gradings = await evaluator.grade_many(config, ["a", "b", "ab", "c"], [{"answer": "a"}] * 4)
    assert gradings.rewards.tolist() == [1.5, 0.5, 1.0, 0.0]
    assert dict(gradings[0].sub_rewards) == {"exact": 1.0, "word": 0.5}


@pytest.mark.full
async def test_a_multi_grader_whose_plugin_fails_is_ungraded_unless_its_author_gave_a_grade(
    evaluator: Evaluator,
) -> None:
    config = {"type": "multi", "graders": {"p": {"type": "hostile"}}, "calculate_output": "p"}
    result = await evaluator.grade(config, "exit")
    assert result.reward is None
    assert result.failure is not None
    assert (result.failure.kind, result.failure.caused_by) == ("python_grader_server_error", "grader")
    given = await evaluator.grade({**config, "invalid_grade": -1.0}, "exit")
    assert (given.reward, given.substituted) == (-1.0, True)


async def test_a_stream_gives_results_in_order_and_reads_no_further_than_it_grades(quick: Settings) -> None:
    read = 0

    def rows() -> Iterator[tuple[str, Item]]:
        nonlocal read
        for n in range(1000):
            read += 1
            yield str(n), {"answer": "5"}

    async with Evaluator(settings=quick.model_copy(update={"concurrency": 8})) as evaluator:
        stream = evaluator.stream({**SIMILAR, "evaluation_metric": "rouge_l"}, rows())
        first = [await anext(stream) for _ in range(7)]
        await stream.aclose()
    assert [(n, result.reward) for n, result in first] == [(n, float(n == 5)) for n in range(7)]
    assert read <= 16


async def test_a_stream_goes_in_bulk_where_it_can(evaluator: Evaluator) -> None:
    rows: list[tuple[str, Item]] = [(str(n), {"answer": "1500"} if n != 7 else {}) for n in range(3000)]
    found = [(n, result.reward) async for n, result in evaluator.stream(EXACT, rows)]
    assert found == [(n, None if n == 7 else float(n == 1500)) for n in range(3000)]


@pytest.mark.full
async def test_an_unordered_stream_gives_the_quick_before_the_slow(evaluator: Evaluator) -> None:
    slow = {"type": "hostile"}
    rows: list[tuple[str, Item]] = [("spin", {}), ("good", {})]
    order = [n async for n, _ in evaluator.stream(slow, rows, ordered=False)]
    assert order == [1, 0]


async def test_equal_json_is_compiled_once(evaluator: Evaluator) -> None:
    assert evaluator.load(EXACT) is evaluator.load(dict(reversed(EXACT.items())))
    assert evaluator.load(EXACT) is not evaluator.load({**EXACT, "name": "other"})


def test_the_graders_that_were_used_last_are_kept_up_to_a_total_length() -> None:
    one, two, three = ({**EXACT, "reference": name} for name in "abc")
    room = 2 * (BYTES_A_CHARACTER * len(canonical(one) or "") + ENTRY_BYTES)
    compiled = GraderCache(Registry.installed(), int(room / (1 - TEXT_SHARE)) + 16)
    first, second = compiled.load(one), compiled.load(two)
    assert compiled.load(one) is first
    compiled.load(three)
    assert compiled.load(one) is first
    assert compiled.load(two) is not second


async def test_a_grader_that_is_not_plain_json_is_compiled_each_time(evaluator: Evaluator) -> None:
    config = {"type": "multi", "graders": {"a": evaluator.load(EXACT)}, "calculate_output": "a"}
    first = await evaluator.prepare(config)
    assert evaluator.load(config) is not first
    assert (await evaluator.grade(config, "a", {"answer": "a"})).reward == 1.0


async def test_a_long_grader_is_compiled_beside_the_event_loop(evaluator: Evaluator) -> None:
    parts = {f"k{n}": {**EXACT, "reference": f"{n}"} for n in range(300)}
    config = {"type": "multi", "graders": parts, "calculate_output": "+".join(parts)}
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    result = await evaluator.grade(config, "7", {})
    counting.cancel()
    assert result.reward == 1.0
    assert turns > 10


@pytest.mark.full
async def test_a_sample_that_is_too_long_for_the_event_loop_goes_to_a_worker(
    fresh_evaluator: Evaluator,
) -> None:
    long = "[" + "1," * 60_000 + "1]"
    config = {**EXACT, "input": "{{sample.output_json[60000]}}", "reference": "1"}
    assert (await fresh_evaluator.grade(config, long, {})).reward == 1.0
    assert len(fresh_evaluator._pool._plugin_queues) == 1


async def test_samples_of_one_prompt_are_graded_side_by_side(evaluator: Evaluator) -> None:
    results = await evaluator.grade_group(EXACT, ["a", "b"], {"answer": "b"})
    assert [result.reward for result in results] == [0.0, 1.0]


@grader("counts")
def counts(sample: Sample, item: Item) -> GraderResult:
    """Give everything that a result can say."""
    return GraderResult(0.25, explanation="because", metrics={"n": 1.0}, sub_rewards={"x": None})


async def test_execute_adds_what_the_framework_knows_to_a_plugins_result() -> None:
    loaded = Registry.installed().including(counts).load({"type": "counts", "pass_threshold": 0.2})
    (result,) = await execute(loaded, [Sample("")], {}, GradingContext(Evaluator(settings=Settings()), None))
    assert (result.reward, result.passed, result.explanation, dict(result.metrics)) == (
        0.25,
        True,
        "because",
        {"n": 1.0},
    )
    assert result.grader == loaded.info


def test_the_same_without_async(quick: Settings) -> None:
    rows: list[tuple[str, Item]] = [("a", {"answer": "a"}), ("b", {"answer": "a"})]
    with SyncEvaluator(settings=quick) as evaluator:
        loaded = evaluator.load(EXACT)
        assert evaluator.prepare(loaded) is loaded
        assert evaluator.grade(loaded, "a", {"answer": "a"}).reward == 1.0
        assert evaluator.grade_many(loaded, ["a"], [{"answer": "a"}]).rewards.tolist() == [1.0]
        assert [r.reward for r in evaluator.grade_group(loaded, ["a", "b"], {"answer": "b"})] == [0.0, 1.0]
        assert [(n, r.reward) for n, r in evaluator.stream(loaded, rows)] == [(0, 1.0), (1, 0.0)]
        with pytest.raises(ConfigurationError):
            evaluator.grade({"type": "nothing"}, "a")


@pytest.mark.full
def test_a_program_that_forgets_to_close_its_evaluator_ends_and_leaves_no_worker() -> None:
    code = (
        "import os\n"
        "from runtime import SyncEvaluator\n"
        "from tests.processes import descendants\n"
        "evaluator = SyncEvaluator()\n"
        "evaluator.grade({'type': 'process_id'}, '')\n"
        "print(*descendants(os.getpid()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60, cwd=ROOT
    )
    workers = set(map(int, done.stdout.split()))
    assert workers
    assert remaining(workers) == set()


@pytest.mark.full
def test_a_stream_that_is_left_early_leaves_the_evaluator_usable(sync_evaluator: SyncEvaluator) -> None:
    rows: list[tuple[str, Item]] = [("spin" if n == 50 else f"good {n}", {}) for n in range(100)]
    for n, _ in sync_evaluator.stream({"type": "hostile"}, rows):
        if n == 3:
            break
    assert sync_evaluator.grade(EXACT, "a", {"answer": "a"}).reward == 1.0


def test_what_ends_a_stream_is_raised_where_it_is_read(sync_evaluator: SyncEvaluator) -> None:
    def rows() -> Iterator[tuple[str, Item]]:
        yield "a", {"answer": "a"}
        raise ConfigurationError("the second row is not valid")

    with pytest.raises(ConfigurationError, match="the second row is not valid"):
        list(sync_evaluator.stream({**SIMILAR, "evaluation_metric": "rouge_l"}, rows()))
