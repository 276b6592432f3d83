"""`numeric_check`: whether a text gives the right number, or how near it comes."""

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache, partial
from typing import Any

from graders.batch_scores import BatchScores
from graders.contract import CausedBy, FailureKind, GraderResult, Item, brief
from graders.errors import GradingError, Problem
from graders.kinds.numeric.closeness import (
    EQUAL,
    Closeness,
    NotNegative,
    Score,
    Tolerance,
    as_float,
    as_written,
    compare,
    compare_one,
)
from graders.kinds.numeric.extraction import MAX_ELEMENTS, Extract, read_number, read_numbers
from graders.kinds.numeric.forms import NumberError, Percent
from graders.kinds.numeric.scanner import Number
from graders.kinds.numeric.short_answers import short_answer
from graders.plugin import grader
from graders.samples.reasoning import Thoughts
from graders.samples.sample import Sample
from graders.samples.sample_column import SampleColumn
from graders.samples.thought_marks import may_have_thoughts
from graders.samples.thoughts import graded_text
from graders.template import Template

INLINE_LIMIT = 4_000
"""Characters that are read in the caller's process: at the worst found (`½` again and again) in 24 ms."""

BATCH_LIMIT = 1_000
"""Characters of a sample that is read together with many others, so that nothing else waits for long."""
REMEMBERED = 16
"""References that are not read again: the samples of a group have the same one."""
MAX_REMEMBERED = 100
"""Characters of such a reference."""

_NO_SAMPLE = Sample("")
_JSON_NAMES = {type(None): "null", bool: "true or false", dict: "an object", list: "a list", tuple: "a list"}
_LAST = Extract(mode="last")
_WHOLE = Extract(mode="whole")
_EXACT = Score(kind="exact")


@grader("numeric_check")
class NumericCheck:
    r"""Reward the number that `input` gives by its distance to the number, or list of numbers, `reference`.

    * `extract` says where the answer stands: `"last"` or `"first"` number, `"whole"` text, `"boxed"` (`\boxed{…}`),
      `{"after": "####"}`, `{"regex": "…"}`; `reference_extract` says the same of a reference that is text. All but the first
      two must state one number: two different ones, and boxes or markers that differ, earn nothing; `6*7 = 42` states 42.
    * A number counts only where the words and marks around it leave it what it is: `minus 12` is -12; `not 12`, `at least 12`,
      `12 squared`, `12 or more`, `11 or 12` and `12. No, that is wrong` are no answer. The words are English ones.
    * Forms understood (the explanation names the one found): thousands separators, unicode minus, percent, currency,
      scientific notation, fractions, mixed numbers, LaTeX. What can be read in two ways (`1,5`, `10-12`, `5k`), pieces of
      expressions (`2x`, `x > 2`), `inf`, `nan`, `1e999` and numbers of more than 400 digits are no number: the lowest
      reward, flagged `sample_parse_error`.
    * `percent`: `50%` is 0.5 (`"ratio"`), or 50 (`"number"`) where the references leave the sign out.
    * `abs_tol`, `rel_tol`: a number within `abs_tol + rel_tol * |reference|` counts as equal. By default fractional
      numbers may differ by a billionth (1/3 is 0.3333333333), whole numbers not at all.
    * `score`: `"exact"`, `{"linear": {"scale": 10}}`, `{"exponential": {"scale": 10}}`, or steps such as Countdown's
      `{"steps": [[0, 5], [1, 4], [5, 3]], "range": [0, 5]}`.
    * A reference that is a list compares element by element; the largest distance counts. `ordered: false` ignores order.
    * `thoughts`: with `"skip"`, the number is looked for behind the model's reasoning (`<think>…</think>` and the like);
      reasoning that does not end gives no answer. With `"keep"`, the whole text is read.

    A reference that is not a finite number is the grader's fault: the result is ungraded.
    """

    def __init__(
        self,
        *,
        input: Template,  # noqa: A002  # the published name
        reference: Template,
        extract: Extract = _LAST,
        reference_extract: Extract = _WHOLE,
        percent: Percent = "ratio",
        abs_tol: NotNegative = 0.0,
        rel_tol: NotNegative | None = None,
        score: Score = _EXACT,
        ordered: bool = True,
        thoughts: Thoughts = "skip",
    ) -> None:
        self._input, self._reference = input, reference
        self._text = graded_text(input, thoughts)
        self._extract, self._reference_extract = extract, reference_extract
        self._percent = percent
        self._tolerance = Tolerance.of(abs_tol, rel_tol)
        self._score = score
        self._ordered = ordered
        self._reads_output_text = input.is_output_text
        self._is_direct = input.is_lone_reference and input.mentions("sample")
        self._read_reference = partial(_read_reference, reference_extract, percent)
        self._remembered = lru_cache(REMEMBERED)(self._read_reference)
        self.range = score.bounds

    def is_bounded(self, sample: Sample, item: Item) -> bool:
        """Whether the texts are short enough to be read in well under a second, whatever they hold."""
        if len(self._reference(sample, item)) > INLINE_LIMIT:
            return False
        if self._reads_output_text and len(sample.output_text) <= INLINE_LIMIT:
            return True  # an answer is no longer than the text that it is a part of
        return len(self._text(sample, item)) <= INLINE_LIMIT

    def check_item(self, item: Item) -> Iterator[Problem]:
        """The reference of a row, where it is not a number."""
        if self._reference.mentions("sample"):
            return
        try:
            value = self._reference.value(_NO_SAMPLE, item)
        except GradingError:
            return  # a variable that is not there
        try:
            self._wanted(value)
        except GradingError as error:
            shown, message = brief(value), str(error)
            yield Problem(("reference",), message if shown in message else f"{message}, in {shown}")

    def __call__(self, sample: Sample, item: Item) -> GraderResult:
        """Grade one sample.

        Raises:
            GradingError: If the sample gives no number, or the reference is not a number.
        """
        wanted = self._wanted(self._reference.value(sample, item))
        text = self._text(sample, item)
        try:
            if isinstance(wanted, tuple):
                found = read_numbers(text, self._extract, self._percent)
            else:
                found = [read_number(text, self._extract, self._percent)]
        except NumberError as error:
            raise GradingError(
                f"the sample gives no answer: {error}",
                kind=FailureKind.SAMPLE_PARSE,
                caused_by=_writer(self._input),
            ) from None
        return self._result(found, wanted if isinstance(wanted, tuple) else (wanted,))

    def grade_batch(self, samples: SampleColumn, items: Sequence[Item]) -> BatchScores:
        """The rewards of rows with a short answer and one plain number as reference; all other rows are graded alone."""
        read = [self._read_short(sample, item) for sample, item in zip(samples, items, strict=True)]

        def returned(row: int, _: float) -> object:
            pair = read[row]
            return pair and self._result([pair[0]], [pair[1]])

        return BatchScores([math.nan if pair is None else self._reward(*pair) for pair in read], returned)

    def _reward(self, found: Number, wanted: Fraction) -> float:
        return self._score.reward(compare_one(found.exact, wanted, self._tolerance))

    def _read_short(self, sample: Sample, item: Item) -> tuple[Number, Fraction] | None:
        """A short answer and its reference; None for a row that fails, or may take longer to read."""
        written = sample.output_text
        if not self._is_direct or len(written) > BATCH_LIMIT or may_have_thoughts(written):
            return None
        try:
            wanted = self._short_reference(self._reference.value(sample, item))
            if wanted is None:
                return None
            found = short_answer(self._text(sample, item), self._extract.mode, self._extract.after)
        except (GradingError, NumberError):
            return None
        return None if found is None else (found, wanted)

    def _short_reference(self, value: Any) -> Fraction | None:
        """The reference, where it is a number or a text that surely takes no time to read.

        Raises:
            NumberError: When it is neither a number nor a text.
        """
        if not isinstance(value, str):
            return self._one(value)
        number = short_answer(value, self._reference_extract.mode, self._reference_extract.after)
        return None if number is None else number.exact

    def _compare(self, found: Sequence[Number], wanted: Sequence[Fraction]) -> Closeness:
        if len(found) == len(wanted) == 1:
            return compare_one(found[0].exact, wanted[0], self._tolerance)
        return compare([number.exact for number in found], wanted, self._tolerance, ordered=self._ordered)

    def _result(self, found: Sequence[Number], wanted: Sequence[Fraction]) -> GraderResult:
        closeness = self._compare(found, wanted)
        return GraderResult(
            self._score.reward(closeness),
            explanation=self._explain(found, wanted, closeness),
            metrics={} if closeness.distance is None else {"distance": as_float(closeness.distance)},
        )

    def _wanted(self, value: Any) -> Fraction | tuple[Fraction, ...]:
        """The reference as exact numbers; a short text that was read lately is not read again.

        Raises:
            GradingError: Of kind `invalid_variable_error`, when it is anything but finite numbers.
        """
        try:
            if isinstance(value, str):
                read = self._remembered if len(value) <= MAX_REMEMBERED else self._read_reference
                return read(value)
            if isinstance(value, (list, tuple)) and 0 < len(value) <= MAX_ELEMENTS:
                return tuple(self._one(element) for element in value)
            return self._one(value)
        except NumberError as error:
            raise GradingError(
                f"the reference {self._reference.source} is not a number: {error}",
                kind=FailureKind.INVALID_VARIABLE,
                caused_by=_writer(self._reference),
            ) from None

    def _one(self, value: Any) -> Fraction:
        if isinstance(value, str):
            return read_number(value, _WHOLE, self._percent).exact
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise NumberError(f"it is {_JSON_NAMES.get(type(value), type(value).__name__)}")
        if isinstance(value, float) and not math.isfinite(value):
            raise NumberError(f"it is {value}")
        return Fraction(value) if isinstance(value, int) else as_written(value)

    def _explain(self, found: Sequence[Number], wanted: Sequence[Fraction], closeness: Closeness) -> str:
        if closeness.distance is None:
            return f"{len(found)} numbers against {len(wanted)}"
        if len(wanted) == 1:
            read, against = _read(found[0]), _shown(wanted[0])
        else:
            read, against = ", ".join(map(_read, found[:5])), ", ".join(map(_shown, wanted[:5]))
        if len(wanted) > 5:
            against = f"{against} and {len(wanted) - 5} more"
        if closeness is EQUAL:
            return f"{read} against {against}: distance 0"
        return f"{read} against {against}: distance {_shown(closeness.distance)}{self._hint(found, wanted)}"

    def _hint(self, found: Sequence[Number], wanted: Sequence[Fraction]) -> str:
        """A word to the author of a grader whose references leave the percent sign out."""
        if not all("percent" in number.form for number in found):
            return ""
        if [number.exact * 100 for number in found] == list(wanted) and any(wanted):
            return '; the reference leaves out the percent sign: set percent to "number"'
        return ""


def _read_reference(extract: Extract, percent: Percent, text: str) -> Fraction | tuple[Fraction, ...]:
    """The number, or the list of numbers in brackets, that a reference states.

    Raises:
        NumberError: When it states none.
    """
    if text.strip().startswith("[") and text.strip().endswith("]"):
        return tuple(number.exact for number in read_numbers(text, _WHOLE, percent))
    return read_number(text, extract, percent).exact


def _writer(template: Template) -> CausedBy:
    """Whose failure it is that a text is not a number: the model's where the sample stands in it."""
    return "model" if template.mentions("sample") else "grader"


def _read(number: Number) -> str:
    return f"{_shown(number.exact)} from {number.text!r} ({number.form})"


def _shown(exact: Fraction) -> str:
    if exact.denominator == 1 and -(10**15) < (whole := exact.numerator) < 10**15:
        return str(whole)
    return f"{as_float(exact):.12g}"
