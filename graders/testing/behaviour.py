"""`assert_well_behaved`: what every grader owes its trainer, tried on samples and items that nobody would think of.

A grader may be any function of its sample and item; that it is a good one, no machine can know. But there are rules that all
good ones keep, and most broken ones break:

* `raises`: a grading function returns, or raises `GradingError`. Whatever else it raises is a bug of its own;
* `reward`: what it returns is a finite number inside its range, or a `GraderResult`, which says why where it has none;
* `slow`: it returns in time, whatever the text;
* `changes its item`, `changes its sample`: others grade them too;
* `deterministic`: the same sample and item get the same reward again;
* `independent`: also after another sample was graded.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from textwrap import indent
from typing import TYPE_CHECKING, Any, TypeAlias

from graders.bound_grader import Grader
from graders.context import Context
from graders.contract import GraderResult, Item
from graders.options import option_values
from graders.registry import Registry
from graders.samples.sample import Sample
from graders.testing import strategies
from graders.testing.bench import Bench, BenchCase, Fault, Gradable, loaded
from graders.testing.later import errors, hypothesis, st
from graders.testing.simpler import simplest
from graders.testing.source import source

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    Items: TypeAlias = SearchStrategy[Any] | Iterable[Item]

ADVICE = {
    "raises": "Return the lowest reward, or raise GradingError, for what cannot be graded.",
    "reward": "Return a finite number inside the range, or a GraderResult with a failure and its cause.",
    "slow": "Most often a regular expression backtracks: graders.Pattern cannot. Or cut the text first.",
    "changes its item": "Copy what you change: other graders see the same item.",
    "changes its sample": "Copy what you change: other graders see the same sample.",
    "deterministic": "Take what is random from the sample, as random.Random(sample.output_text) does, or leave it out.",
    "independent": "Keep nothing from one call for the next.",
}
"""How to mend what breaks each rule."""

_ITEMS = 20
_UNITS_OF_ITEM = 4


def assert_well_behaved(
    grader: Gradable,
    *,
    options: Mapping[str, Any] | None = None,
    items: "Items" = (),
    holes: bool = True,
    like: Iterable[str] = (),
    context: Context | None = None,
    max_seconds: float = 1.0,
    max_length: int = 20_000,
    examples: int = 100,
) -> None:
    """Check that a grader keeps the rules above on hostile samples and on items with holes.

    It grades in this process, several thousand times: what it calls through its context must be faked. The same call tries the same
    cases each time.

    Args:
        grader: A function or class under `@grader`, a loaded `Grader`, or a grader's JSON.
        options: The options of a function or class.
        items: Items as the grader expects them, or a strategy of such; the first 20 are always tried. Without any, items of
            any JSON are.
        holes: Whether to try the items with fields missing, or holding what nobody expects, too.
        like: Answers as the grader expects them. They are tried too, and what becomes of them when they are cut, changed,
            repeated or embedded, so that not all samples fail at the grader's first look.
        context: What an async grader is given; `FakeContext()` unless told otherwise. Give its fakes functions: a sequence
            of answers would soon be used up.
        max_seconds: How long one grading may take. One that takes longer is interrupted in the main thread of a Unix;
            elsewhere it is only measured, and one that never ends hangs the test.
        max_length: Characters of the longest text tried.
        examples: How many generated cases are tried, after those that are always tried.

    Raises:
        AssertionError: When a rule is broken: which, with the simplest case found, as a test to paste. And when nothing
            at all was graded, which would say nothing about the grader.
        ModuleNotFoundError: When Hypothesis is not installed.
        ConfigurationError: When the grader cannot be loaded.
    """
    __tracebackhide__ = True
    expected = items if isinstance(items, st.SearchStrategy) else [dict(item) for item in items]
    answers = list(like)
    bound = loaded(grader, options)
    group = bound.type.form == "group"
    with Bench.of(bound, context, max_seconds=max_seconds) as bench:
        always = _always(_examples_of(expected), answers, group=group, holes=holes, max_length=max_length)
        generated = _cases(bound, expected, answers, holes=holes, max_length=max_length)
        found = _first_of(bench, always) or _generated(bench, generated, examples=examples)
        if found is not None:
            fault, case = _simplest(bench, *found, items=_kept(expected))
            test = _as_test(grader, bound, case, options=options, faked=context is not None)
            raise AssertionError(_broken(bound, fault, test)) from fault.__cause__
        if not bench.graded:
            raise AssertionError(_nothing_graded(bound, bench.ungraded))


def assert_well_behaved_on(
    grader: Gradable,
    sample: Sample | str | Sequence[Sample | str],
    item: Item,
    *,
    after: tuple[Sample | str | Sequence[Sample | str], Item] | None = None,
    options: Mapping[str, Any] | None = None,
    context: Context | None = None,
    max_seconds: float = 1.0,
) -> None:
    """Check that a grader keeps the rules of `assert_well_behaved` on one sample and item; needs no Hypothesis.

    Args:
        grader: A function or class under `@grader`, a loaded `Grader`, or a grader's JSON.
        sample: The sample or its text; several, for a group grader.
        item: Its item.
        after: A sample and its item that are graded before, and should not matter.
        options: The options of a function or class.
        context: What an async grader is given; `FakeContext()` unless told otherwise.
        max_seconds: How long one grading may take.

    Raises:
        AssertionError: When a rule is broken.
        ConfigurationError: When the grader cannot be loaded.
    """
    __tracebackhide__ = True
    bound = loaded(grader, options)
    case = BenchCase(_several(sample), item, None if after is None else (_several(after[0]), after[1]))
    with Bench.of(bound, context, max_seconds=max_seconds) as bench:
        fault = _fault(bench, case)
    if fault is not None:
        raise AssertionError(_broken(bound, fault)) from fault.__cause__


Found: TypeAlias = tuple[Fault, BenchCase]


def _fault(bench: Bench, case: BenchCase) -> Fault | None:
    """The rule that grading a case breaks."""
    grader = bench.fresh()
    try:
        first = bench.grade(grader, case.samples, case.item)
        again = bench.grade(grader, case.samples, case.item)
        if _said(first) != _said(again):
            return Fault(
                "deterministic",
                f"gives {_shown(first)} and then {_shown(again)} for the same sample and item",
            )
        if case.before is None:
            return None
        other = bench.fresh()
        try:
            bench.grade(other, *case.before)
        except Fault:  # another case, which is looked at for itself
            return None
        later = bench.grade(other, case.samples, case.item)
    except Fault as fault:
        return fault
    if _said(first) != _said(later):
        return Fault("independent", f"gives {_shown(first)}, but {_shown(later)} after another grading")
    return None


def _said(results: Sequence[GraderResult]) -> list[object]:
    """What must be equal in the results of equal gradings: times may differ, and so may words."""
    return [
        (
            result.reward,
            result.sub_rewards,
            result.failure and (result.failure.kind, result.failure.caused_by),
        )
        for result in results
    ]


def _shown(results: Sequence[GraderResult]) -> str:
    rewards = ["no reward" if result.reward is None else f"{result.reward!r}" for result in results]
    return rewards[0] if len(rewards) == 1 else f"[{', '.join(rewards)}]"


def _examples_of(items: Any) -> list[Item]:
    """The examples that were given, or the simplest item of a strategy, or the simplest of all."""
    if isinstance(items, list):
        return items or [{}]
    simplest: Item = hypothesis.find(items, lambda _: True, settings=_settings(1))
    return [simplest]


def _kept(items: Any) -> list[Item] | None:
    """The items that the simplest case should have, if it can; None when any will do."""
    return (items or None) if isinstance(items, list) else []


def _first_of(bench: Bench, cases: Iterable[BenchCase]) -> Found | None:
    """The first case that breaks a rule, and which."""
    for case in cases:
        fault = _fault(bench, case)
        if fault is not None:
            return fault, case
    return None


def _always(
    items: Sequence[Item], answers: Sequence[str], *, group: bool, holes: bool, max_length: int
) -> Iterator[BenchCase]:
    """Each answer and hostile text; long texts, growing, so that what backtracks is met before it takes for ever; each hole."""
    first = items[0]
    for text in (*answers, *strategies.HOSTILE_TEXTS):
        yield BenchCase([Sample(text)], first)
    yield from (BenchCase([sample], first) for sample in strategies.odd_samples())
    yield BenchCase([Sample()], first, before=([Sample("a")], first))
    yield BenchCase([Sample("a"), Sample("b")][: 2 if group else 1], first, before=([Sample()], first))
    for item in items[:_ITEMS]:
        yield from (BenchCase([Sample(text)], item) for text in _fitting(item, answers))
    likes = [text for text in (*answers, *strategies.texts_in(first)) if text]
    for unit in (*strategies.REPEATED, *likes[:_UNITS_OF_ITEM]):
        for length in _lengths(max_length):
            yield BenchCase([Sample((unit * length)[:length] + "!")], first)
    if holes:
        others = [(item, other) for item in items[:_ITEMS] for other in strategies.each_hole(item)]
        others += [(first, other) for other in strategies.each_filling(first)]
        for item, other in others:
            yield from (BenchCase([Sample(text)], other) for text in _fitting(item, answers))


def _fitting(item: Item, answers: Sequence[str]) -> list[str]:
    """A few texts that have to do with an item, and two that have not."""
    return ["", "a", *islice(strategies.texts_in(item), _UNITS_OF_ITEM), *answers[:_UNITS_OF_ITEM]]


def _lengths(longest: int) -> Iterator[int]:
    """A few more each time while every character may double the time, and then four times as many."""
    length = 8
    while length < longest:
        yield length
        length = length + 4 if length < 40 else length * 4
    yield longest


def _cases(
    grader: Grader, items: Any, answers: list[str], *, holes: bool, max_length: int
) -> "SearchStrategy[BenchCase]":
    """Cases whose samples often have to do with their items."""
    if isinstance(items, list):
        rows = strategies.items(*items, holes=holes)
        like = [*answers, *(text for item in items for text in strategies.texts_in(item))]
    else:
        whole = items.map(dict)
        rows, like = (whole | whole.flatmap(strategies.with_holes) if holes else whole), answers
    most = 4 if grader.type.form == "group" else 1
    sample = strategies.samples(like, max_length=max_length)
    # strategies are made once: to make them of each item would take longer than all gradings
    some = st.lists(st.tuples(sample, st.sampled_from([0, 0, 0, 0, 1, 2])), min_size=1, max_size=most)
    pairs = st.builds(_pair, some, rows)
    return st.builds(lambda pair, before: BenchCase(pair[0], pair[1], before), pairs, st.none() | pairs)


def _pair(drawn: list[tuple[Sample, int]], item: Item) -> tuple[list[Sample], Item]:
    return [_near(sample, which, item) for sample, which in drawn], item


def _near(sample: Sample, which: int, item: Item) -> Sample:
    """The sample, or now and then one that says what stands in its item."""
    texts = list(islice(strategies.texts_in(item), which))
    return Sample(texts[-1]) if texts else sample


def _generated(bench: Bench, cases: "SearchStrategy[BenchCase]", *, examples: int) -> Found | None:
    """A generated case that breaks a rule, and which."""
    last: list[Found] = []

    def breaks(case: BenchCase) -> bool:
        found = _first_of(bench, [case])
        if found is not None:
            last[:] = [found]
        return found is not None

    # a grader that breaks a rule only now and then has broken it all the same
    with suppress(errors.NoSuchExample, errors.Flaky):
        hypothesis.find(cases, breaks, settings=_settings(examples))
    return last[0] if last else None


def _settings(examples: int) -> "hypothesis.settings":
    """Generate the same each time, and leave it to `simplest` to make it simpler."""
    return hypothesis.settings(
        max_examples=examples,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[hypothesis.Phase.generate],
    )


def _simplest(bench: Bench, fault: Fault, case: BenchCase, *, items: list[Item] | None) -> Found:
    """A simpler case that breaks the same rule in the same way, if there is one."""
    if fault.rule == "slow":  # each step would take as long
        return fault, case
    last = [fault]

    def breaks(other: BenchCase) -> bool:
        found = _fault(bench, other)
        if found is None or (found.rule, found.cause) != (fault.rule, fault.cause):
            return False
        last[:] = [found]
        return True

    case = simplest(case, breaks, items=items)
    return last[0], case


def _several(sample: Sample | str | Sequence[Sample | str]) -> list[Sample]:
    return (
        [Sample.load(sample)] if isinstance(sample, (Sample, str)) else [Sample.load(one) for one in sample]
    )


def _broken(grader: Grader, fault: Fault, test: str = "") -> str:
    said = f"{grader.info.type} is not well behaved: it {fault.what}. {ADVICE[fault.rule]}"
    return f"{said}\n\nThe simplest case found, as a test:\n\n{indent(test, '    ')}" if test else said


def _nothing_graded(grader: Grader, last: GraderResult | None) -> str:
    why = last.failure.message if last is not None and last.failure is not None else "no case was tried"
    return (
        f"{grader.info.type} graded nothing, so nothing is known of it: every grading was ungraded, the last because of: "
        f"{why}. Give items= as the grader expects them, and context= with the fakes that it asks."
    )


def _as_test(
    given: Gradable, grader: Grader, case: BenchCase, *, options: Mapping[str, Any] | None, faked: bool
) -> str:
    """A test of this one case, ready to paste."""
    first, imported, options = _named(given, grader, options)
    arguments = [first, _graded(grader, case.samples), source(case.item)]
    if case.before is not None:
        samples, item = case.before
        arguments.append(f"after=({_graded(grader, samples)}, {source(item)})")
    if options:
        arguments.append(f"options={source(options)}")
    if faked:
        arguments.append("context=context")
    comment = ["    # `context` is the one of the test that found this"] if faked else []
    lines = [
        "from graders import Sample",
        "from graders.testing import assert_well_behaved_on",
        *imported,
        "",
        f"def test_{re.sub('[^a-zA-Z0-9_]', '_', grader.type.name)}_is_well_behaved_on_this_sample() -> None:",
        *comment,
        "    assert_well_behaved_on(",
        *(f"        {argument}," for argument in arguments),
        "    )",
    ]
    return "\n".join(lines)


def _named(
    given: Gradable, grader: Grader, options: Mapping[str, Any] | None
) -> tuple[str, list[str], Mapping[str, Any] | None]:
    """How a test writes the grader, what it imports for that, and its options besides."""
    if isinstance(given, (Grader, Mapping)):
        if grader.type.name in Registry.installed():
            return source(grader.echo), [], None
        options = option_values(grader.type.options, grader.echo)
    module, _, path = grader.type.reference.partition(":")
    if "<locals>" in path or module == "__main__":  # it stands where the test that found this does
        return path.rpartition("<locals>.")[2], [], options
    return path, [f"from {module} import {path.partition('.')[0]}"], options


def _graded(grader: Grader, samples: Sequence[Sample]) -> str:
    return source(list(samples) if grader.type.form == "group" else samples[0])
