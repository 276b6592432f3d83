"""`code_tests`: a model's Python against tests, in processes that cannot reach the tests' answers."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator

from graders.context import Context
from graders.contract import Failure, FailureKind, GraderResult, Item, brief
from graders.errors import ConfigurationError, GradingError, InvalidOptions, Problem, UnknownImage
from graders.kinds.code_testing.candidate import Candidate
from graders.kinds.code_testing.extraction import possible_codes
from graders.kinds.code_testing.forms import CallTest, Test, read_tests
from graders.kinds.code_testing.outcomes import CodeTestOutcome
from graders.kinds.code_testing.plan import Plan
from graders.kinds.code_testing.purpose import Purpose, purpose_of
from graders.kinds.code_testing.run import Run
from graders.options import carry
from graders.plugin import grader
from graders.samples.reasoning import Thoughts
from graders.samples.sample import Sample
from graders.samples.thoughts import graded_text
from graders.template import Template

NOT_COMPILED = ("SyntaxError", "IndentationError", "TabError")
_NO_SAMPLE = Sample("")
LONG_CHARACTERS = 20_000
"""Of an answer; to look for the code in a longer one may take more than 20 ms."""
SHOWN = 5
"""Failed tests that an explanation tells of."""


def _tests_option(value: Any) -> Template | list[Test]:
    try:
        if isinstance(value, Template):
            return value
        if isinstance(value, str) and "{{" in value:
            return Template(value)
        return read_tests(value)
    except ConfigurationError as error:
        raise carry(error) from None


# not `Template | list[Test]`: what pydantic would do with a union is done above, with better messages
Tests = Annotated[Any, PlainValidator(_tests_option, json_schema_input_type=str | list[Any] | dict[str, Any])]
Seconds = Annotated[float, Field(gt=0, le=120)]


@grader("code_tests")
class CodeTests:
    """Reward the share of tests that a model's Python passes, by weight; or 1 and 0, without partial credit.

    Tests are programs' inputs and outputs, function calls with expected values, assertions, or test source. The code
    runs in a process of its own that gets inputs and nothing else: it cannot see what is expected, and cannot say that
    it passed. The code is looked for behind the model's reasoning, unless `thoughts` is `keep`.
    """

    def __init__(
        self,
        *,
        tests: Tests,
        code: Template = Template("{{sample.output_text}}"),  # noqa: B008  # a template never changes
        extract: Literal["fenced", "none"] = "fenced",
        thoughts: Thoughts = "skip",
        entry_point: Template | None = None,
        prelude: Template | None = None,
        setup: Template | None = None,
        module: str = "solution",
        in_place: bool = False,
        tolerance: Annotated[float, Field(ge=0)] = 1e-9,
        partial_credit: bool = True,
        image: str | None = None,
        timeout_s: Seconds = 10.0,
        total_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0,
        memory_mb: Annotated[int, Field(ge=64, le=65_536)] = 1024,
    ) -> None:
        trusted = {"tests": tests, "prelude": prelude, "setup": setup, "entry_point": entry_point}
        problems = [
            Problem((name,), "what the model wrote must not become part of the tests: use {{item.…}}")
            for name, template in trusted.items()
            if isinstance(template, Template) and template.mentions("sample")
        ]
        if not module.isidentifier():
            problems.append(Problem(("module",), f"expected a module's name, got {brief(module)}"))
        if not isinstance(tests, Template) and entry_point is None:
            problems += [problem.under("tests") for problem in _without_function(tests)]
        if problems:
            raise InvalidOptions(problems)
        self._tests: Template | list[Test] = tests
        self._code, self._extract = graded_text(code, thoughts), extract
        self._entry_point, self._prelude, self._setup = entry_point, prelude, setup
        self._partial_credit = partial_credit
        self._limits: dict[str, Any] = {
            "module": module,
            "in_place": in_place,
            "tolerance": tolerance,
            "image": image,
            "memory_mb": memory_mb,
            "timeout_s": timeout_s,
            "total_timeout_s": total_timeout_s,
        }

    async def prepare(self, context: Context) -> None:
        """Find out whether the image is there, before anything is graded.

        Raises:
            InvalidOptions: When not.
        """
        try:
            await context.sandbox.check(image=self._limits["image"])
        except UnknownImage as error:
            raise InvalidOptions([Problem(("image",), str(error))]) from error

    def check_item(self, item: Item) -> Iterator[Problem]:
        """The entry point and the tests of a row, where they are wrong."""
        field = "entry_point"
        try:
            entry_point = self._function(_NO_SAMPLE, item)
            field = "tests"
            self._read_tests(entry_point, _NO_SAMPLE, item)
        except GradingError as error:
            if "variable" not in error.failure.details:  # which the row lacks
                yield Problem((field,), str(error))

    async def __call__(self, sample: Sample, item: Item, context: Context) -> GraderResult:
        """Run the tests."""
        entry_point = self._function(sample, item)
        tests = self._read_tests(entry_point, sample, item)
        code = self._code(sample, item)
        purpose = purpose_of(tests, entry_point, self._limits["module"])
        look = partial(self._candidates, code, purpose)
        candidates = await context.aside(look) if len(code) > LONG_CHARACTERS else look()
        if not candidates:
            failure = Failure(
                kind=FailureKind.SAMPLE_PARSE, caused_by="model", message="there is no code in the answer"
            )
            return GraderResult(0.0, failure=failure, explanation=failure.message, metrics=_counts([], tests))
        plan = self._plan(candidates, purpose, entry_point, sample, item)
        try:
            outcomes = await self._outcomes(context, plan, tests)
        except GradingError as error:
            if not error.failure.retryable:
                raise
            # the sandbox failed, and may not do so again
            outcomes = await self._outcomes(context, plan, tests)
        return self._result(outcomes, tests)

    async def _outcomes(self, context: Context, plan: Plan, tests: list[Test]) -> list[CodeTestOutcome]:
        run = Run(context.sandbox, plan)
        outcomes: list[CodeTestOutcome] = []
        try:
            for test in tests:
                outcomes += await run.test(test)
                if not self._partial_credit and not outcomes[-1].passed:
                    break
        finally:
            await run.close()
        return outcomes

    def _function(self, sample: Sample, item: Item) -> str | None:
        """The entry point; None if its template renders to nothing: the code is then a program."""
        entry_point = self._entry_point(sample, item) if self._entry_point else ""
        if entry_point and not all(map(str.isidentifier, entry_point.split("."))):
            raise GradingError(
                f"entry_point: expected a function's name, got {brief(entry_point)}",
                kind=FailureKind.INVALID_VARIABLE,
            )
        return entry_point or None

    def _read_tests(self, entry_point: str | None, sample: Sample, item: Item) -> list[Test]:
        problems: Iterable[Problem] = ()
        try:
            given = self._tests
            tests = read_tests(given.value(sample, item)) if isinstance(given, Template) else given
            if entry_point is None:
                problems = _without_function(tests)
        except InvalidOptions as error:
            problems = error.problems
        if problems:
            wrong = "; ".join(map(str, problems))
            raise GradingError(f"the item's tests are wrong: {wrong}", kind=FailureKind.INVALID_VARIABLE)
        return tests

    def _candidates(self, code: str, purpose: Purpose) -> list[Candidate]:
        if self._extract == "fenced":
            return possible_codes(code, purpose.names)
        return [Candidate((code,))] if code.strip() else []

    def _plan(
        self,
        candidates: list[Candidate],
        purpose: Purpose,
        entry_point: str | None,
        sample: Sample,
        item: Item,
    ) -> Plan:
        prelude = _ended(self._prelude(sample, item)) if self._prelude else ""
        setup = _ended(self._setup(sample, item)) if self._setup else ""
        return Plan(
            candidates=tuple(candidates),
            purpose=purpose,
            prelude=prelude,
            setup=setup,
            entry_point=entry_point,
            **self._limits,
        )

    def _result(self, outcomes: list[CodeTestOutcome], tests: list[Test]) -> GraderResult:
        failed = [outcome for outcome in outcomes if not outcome.passed]
        share = sum(o.weight for o in outcomes if o.passed) / sum(o.weight for o in outcomes)
        if not failed:
            share = 1.0  # exactly
        metrics = _counts(outcomes, tests)
        lines = [f"{metrics['passed']:g} of {metrics['total']:g} tests passed"]
        lines += [f"{outcome.name}: {outcome.why}" for outcome in failed[:SHOWN]]
        lines += [f"and {len(failed) - SHOWN} more"] if len(failed) > SHOWN else []
        explanation = "; ".join(lines)
        return GraderResult(
            share if self._partial_credit else float(not failed),
            sub_rewards={outcome.name: float(outcome.passed) for outcome in outcomes},
            explanation=explanation,
            failure=_failure(outcomes, explanation),
            metrics=metrics,
        )


def _failure(outcomes: list[CodeTestOutcome], explanation: str) -> Failure | None:
    """The flag of code that crashed in every test; code that computes something wrong is merely wrong."""
    crashes = {outcome.crash for outcome in outcomes}
    if "" in crashes:
        return None
    is_code = crashes.isdisjoint(NOT_COMPILED)
    kind = FailureKind.OTHER if is_code else FailureKind.SAMPLE_PARSE
    return Failure(kind=kind, caused_by="model", message=explanation, details={"type": outcomes[0].crash})


def _counts(outcomes: list[CodeTestOutcome], tests: list[Test]) -> dict[str, float]:
    return {
        "passed": float(sum(outcome.passed for outcome in outcomes)),
        "total": float(max(len(outcomes), len(tests))),
    }


def _without_function(tests: Iterable[Test]) -> list[Problem]:
    return [
        Problem((place,), "a call needs a 'function', or the grader an 'entry_point'")
        for place, test in enumerate(tests)
        if isinstance(test, CallTest) and test.function is None
    ]


def _ended(source: str) -> str:
    """A source that another can follow."""
    return source if not source or source.endswith("\n") else f"{source}\n"
