"""One grading under observation: what it returned, and which rule it broke."""

import asyncio
import copy
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, TypeAlias

from graders.bound_grader import Grader
from graders.context import Context
from graders.contract import GraderResult, Item, brief
from graders.errors import ConfigurationError, GradingError
from graders.grader_type import GraderType, type_of
from graders.registry import Registry
from graders.samples.sample import Sample
from graders.testing.fakes import FakeContext

Gradable: TypeAlias = Grader | GraderType[..., Any] | type | Mapping[str, Any]
"""What an assertion takes for a grader: a loaded one, what `@grader` has decorated, or a grader's JSON."""

TRIES = 3
"""How often a grading may be slow before that counts: the machine may have been busy with something else."""


@dataclass(
    frozen=True, slots=True, repr=False
)  # Hypothesis would write out texts of 20,000 characters, and what has no repr
class BenchCase:
    """What is graded: the samples of one prompt (one, but for a group grader), their item, and what is graded before."""

    samples: Sequence[Sample]
    item: Item
    before: tuple[Sequence[Sample], Item] | None = None


class Fault(Exception):
    """A grading broke a rule.

    Attributes:
        rule: Which one.
        what: What happened, to be read after "it ".
        cause: The kind of the exception that a grading function raised; empty for the other rules.
    """

    def __init__(self, rule: str, what: str, cause: str = "") -> None:
        super().__init__(what)
        self.rule, self.what, self.cause = rule, what, cause


class _Interrupted(BaseException):
    """A grading took too long. No grader's `except Exception` keeps it."""


def loaded(grader: Gradable, options: Mapping[str, Any] | None = None) -> Grader:
    """The grader that an assertion was given.

    Args:
        grader: A `Grader`, a function or class under `@grader`, or a grader's JSON.
        options: The options of a function or class.

    Raises:
        ConfigurationError: If it has another type, its options are wrong, or `options` are given for a grader
            with its own.
    """
    if isinstance(grader, (Grader, Mapping)):
        if options:
            raise ConfigurationError("options= is for a function or a class; this grader already has its own")
        return Registry.installed().load(grader)
    found, installed = type_of(grader), Registry.installed()
    if found.name not in installed or installed[found.name].type is not found:
        others = (entry for entry in installed.values() if entry.name != found.name)
        installed = Registry(others).including(found)
    return installed.load({"type": found.name, **(options or {})})


class Bench:
    """A place to grade in: this process, one grading after another, each watched.

    Attributes:
        graded: How many gradings gave a reward, `invalid_grade` aside.
        ungraded: The last result that had none, or the `invalid_grade`.
    """

    def __init__(self, grader: Grader, context: Context | None, max_seconds: float) -> None:
        self.grader, self.max_seconds = grader, max_seconds
        self._context: Context = FakeContext() if context is None else context
        self._runner: asyncio.Runner | None = None
        self.graded = 0
        self.ungraded: GraderResult | None = None

    @classmethod
    @contextmanager
    def of(cls, grader: Grader, context: Context | None = None, *, max_seconds: float) -> Iterator["Bench"]:
        """A bench; a grader that is async gets one event loop for all its gradings.

        Raises:
            ConfigurationError: When an async grader is tested where an event loop runs already.
        """
        bench = cls(grader, context, max_seconds)
        if not grader.is_async:
            yield bench
            return
        if _loop_runs():
            raise ConfigurationError(
                f"{grader.info.type!r} is async and its assertions run it in an event loop of their own: "
                "make the test `def` instead of `async def`"
            )
        with asyncio.Runner() as bench._runner:
            yield bench

    def fresh(self) -> Grader:
        """The same grader, prepared anew: it remembers nothing of the gradings of another."""
        return replace(self.grader, function=self.grader.prepared_anew())

    def grade(self, grader: Grader, samples: Sequence[Sample], item: Item) -> list[GraderResult]:
        """Grade copies of the samples and of the item.

        Raises:
            Fault: When the grading breaks a rule that one grading can break.
        """
        results = self._given_time(grader, samples, item)
        for result in results:
            if result.graded and not result.substituted:
                self.graded += 1
            else:
                self.ungraded = result
        return results

    def _given_time(self, grader: Grader, samples: Sequence[Sample], item: Item) -> list[GraderResult]:
        for _ in range(TRIES - 1):
            try:
                return self._graded(grader, samples, item)
            except Fault as fault:
                if fault.rule != "slow":
                    raise
        return self._graded(grader, samples, item)

    def _graded(self, grader: Grader, samples: Sequence[Sample], item: Item) -> list[GraderResult]:
        given, shown = [_copied(sample) for sample in samples], copy.deepcopy(dict(item))
        before = copy.deepcopy([sample.to_dict() for sample in samples]), copy.deepcopy(shown)
        started = time.perf_counter()
        try:
            with _interrupted_after(self.max_seconds):
                returned = self._call(grader, given, MappingProxyType(shown))
        except GradingError as error:
            returned = error
        except _Interrupted:
            raise Fault("slow", f"was still grading after {self.max_seconds:g} s") from None
        except (Exception, SystemExit) as error:
            if self._changes(grader, samples, item):
                raise Fault("changes its item", "changes the item that it is given") from error
            kind = type(error).__name__
            raise Fault("raises", f"raises {_described(error)}", kind) from error
        seconds = time.perf_counter() - started
        if seconds > self.max_seconds:
            raise Fault("slow", f"took {seconds:.2f} s, more than {self.max_seconds:g} s")
        if shown != before[1]:
            raise Fault("changes its item", "changes the item that it is given")
        if [sample.to_dict() for sample in given] != before[0]:
            raise Fault("changes its sample", "changes the sample that it is given")
        return _completed(grader, returned, len(samples))

    def _call(self, grader: Grader, samples: list[Sample], item: Item) -> object:
        first = samples if grader.type.form == "group" else samples[0]
        if self._runner is None:
            return grader.function(first, item)
        return self._runner.run(grader.function(first, item, self._context))

    def _changes(self, grader: Grader, samples: Sequence[Sample], item: Item) -> bool:
        """Whether a grader that failed on the read-only item that it was given changes one that it can."""
        shown = copy.deepcopy(dict(item))
        # it has failed before, and may again; only the item is of interest
        with suppress(Exception, SystemExit, _Interrupted), _interrupted_after(self.max_seconds):
            self._call(grader, [_copied(sample) for sample in samples], shown)
        return shown != item


def _completed(grader: Grader, returned: object, size: int) -> list[GraderResult]:
    """The results of what a grading function returned or of the `GradingError` that it raised."""
    if isinstance(returned, GradingError):
        return [grader.failed(returned)] * size
    scores = [returned]
    if grader.type.form == "group":
        try:
            scores = list(returned)  # type: ignore[call-overload]  # whatever a stranger returned
        except TypeError:
            scores = []
        if len(scores) != size:
            raise Fault("reward", f"returns {brief(returned)} for a group of {size}, not {size} scores")
    try:
        return [grader.complete(score) for score in scores]
    except GradingError as error:
        low, high = grader.info.range
        message = error.failure.message.removeprefix(f"{grader.info.type}: ")
        raise Fault("reward", f"returns no reward from {low:g} to {high:g}: {message}") from error


def _described(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except Exception:  # noqa: BLE001  # a stranger's __str__
        text = "(its message cannot be shown)"
    return f"{type(error).__name__}: {text[:300]}"


def _copied(sample: Sample) -> Sample:
    return Sample.load(copy.deepcopy(sample.to_stored()))


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@contextmanager
def _interrupted_after(seconds: float) -> Iterator[None]:
    """Raise `_Interrupted` in what takes longer, where that is possible: in the main thread of a Unix."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise _Interrupted

    started = time.monotonic()
    handler = signal.signal(signal.SIGALRM, interrupt)
    # a test's own time limit may use the same timer; it gets back what is left of it
    left, interval = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:  # also when it rings just before it is stopped
        if left:
            left = max(left - (time.monotonic() - started), 0.001)
        signal.signal(signal.SIGALRM, handler or signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, left, interval)
