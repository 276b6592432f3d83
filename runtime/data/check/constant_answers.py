"""What a model that always gives the same answer gets from the grader itself."""

import json
import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from graders import Grader, GraderResult
from runtime.data.check.base import FEWEST, Check, CheckedRow, canonical, percent
from runtime.data.check.labels import DOMINATING
from runtime.data.findings import Finding
from runtime.data.formats.base import brief

Grade = Callable[[Grader, Sequence[str], Sequence[Mapping[str, Any]]], Iterable[GraderResult]]
"""Grades samples, each with its item; gives one result for each, in their order."""
PHRASE = "I don't know."
_MARKED = ("\\boxed{%s}", "<answer>%s</answer>", "#### %s")
"""How answers are marked for graders that extract them."""
_VALUES_A_FIELD = 5
_MOST_ANSWERS = 10
_LONGEST = 4_000
_MOST_BYTES = 64 << 20
"""Bytes of the items that are kept."""


@dataclass(frozen=True)
class AnswerGrading:
    """How constant answers are graded.

    Attributes:
        grade: Grades them; None to grade none.
        rows: How many rows they are graded on at most; more rows than that are drawn by the seed.
        reason: Why none is graded.
        seed: Of the draw.
    """

    grade: Grade | None = None
    rows: int = 2_000
    reason: str = ""
    seed: int = 0


@dataclass
class _Constant:
    """One constant answer and its results."""

    text: str
    source: str
    rewards: list[float] = field(default_factory=list)
    ungraded: Counter[str] = field(default_factory=Counter)

    @property
    def said(self) -> str:
        return f"always {brief(self.text)}" if self.text else "the empty answer"

    def add(self, result: GraderResult) -> None:
        if result.reward is not None:
            self.rewards.append(result.reward)
        else:
            self.ungraded[result.failure.kind if result.failure else "unknown"] += 1

    def to_dict(self) -> dict[str, Any]:
        return {
            "answer": self.text,
            "from": self.source,
            "score": round(fmean(self.rewards), 4) if self.rewards else None,
            "graded": len(self.rewards),
            "ungraded": dict(self.ungraded),
        }


class ConstantAnswers(Check):
    """Draws rows by reservoir sampling, and grades constant answers on them at the end.

    The answers are the most frequent references of each field, also with the marks that graders look for, the empty answer,
    and a phrase.

    Args:
        grader: The grader.
        grading: How it grades them.
    """

    def __init__(self, grader: Grader, grading: AnswerGrading) -> None:
        self._grader, self._grading = grader, grading
        self._random = random.Random(grading.seed)  # noqa: S311  # no secret
        self._kept: list[tuple[int, str, tuple[tuple[str, str], ...]]] = []
        self._bytes = self._rows = 0
        self._answers: list[_Constant] = []

    def add(self, row: CheckedRow) -> tuple[Finding, ...]:
        """Keep the item of a row, or not."""
        if self._grading.grade is None:
            return ()
        self._rows += 1
        if len(self._kept) < self._grading.rows and self._bytes < _MOST_BYTES:
            place = len(self._kept)
            self._kept.append((0, "", ()))
        else:
            place = self._random.randrange(self._rows)
        if place < len(self._kept):
            item = canonical(row.view.item)
            self._bytes += len(item) - len(self._kept[place][1])
            self._kept[place] = (row.number, item, tuple(_references(row.view.references)))
        return ()

    def findings(self) -> Iterator[Finding]:
        """The best of the constant answers, where it gets much."""
        if self._grading.grade is None or not self._kept:
            return
        self._kept.sort(key=lambda each: each[0])
        self._grade(self._grading.grade)
        graded = [each for each in self._answers if each.rewards]
        low, high = self._range(graded)
        if not graded or len(self._kept) < FEWEST:
            return
        best = max(graded, key=lambda each: fmean(each.rewards))
        score = fmean(best.rewards)
        if score - low >= DOMINATING * (high - low):
            drawn = "" if len(self._kept) == self._rows else f", on {self._share()}"
            message = f"{best.said}: {score:.2f} by the grader{drawn}"
            hint = (
                f"a reward of {score:.2f} needs no skill: balance the rows, ask more of answers in the grader, "
                "or compare rewards with that number"
            )
            yield Finding("constant-answer", "warning", message, hint, field="grader")

    def figures(self) -> Mapping[str, Any]:
        """What each constant answer gets, and on how many rows."""
        if self._grading.grade is None:
            return {"constant_by_grader": {"skipped": self._grading.reason}}
        return {
            "constant_by_grader": {
                "rows": self._rows,
                "graded_rows": len(self._kept),
                "seed": self._grading.seed,
                "answers": [each.to_dict() for each in self._answers],
            }
        }

    def _share(self) -> str:
        return (
            f"{len(self._kept):,} of {self._rows:,} rows ({percent(len(self._kept) / self._rows)}), "
            f"drawn with the seed {self._grading.seed}"
        )

    def _range(self, graded: Sequence[_Constant]) -> tuple[float, float]:
        """The grader's range; where it has no end, 0 to 1, or to the largest reward that a constant answer got."""
        low, high = self._grader.info.range
        if math.isfinite(low) and math.isfinite(high):
            return low, high
        rewards = [reward for each in graded for reward in each.rewards]
        return min([0.0, *rewards]), max([1.0, *rewards])

    def _grade(self, grade: Grade) -> None:
        self._answers = list(self._chosen())
        items = [json.loads(item) for _, item, _ in self._kept]
        for answer in self._answers:
            for result in grade(self._grader, [answer.text] * len(items), items):
                answer.add(result)

    def _chosen(self) -> Iterator[_Constant]:
        counts: dict[str, Counter[str]] = {}
        for _, _, references in self._kept:
            for name, text in references:
                counts.setdefault(name, Counter())[text] += 1
        found: dict[str, str] = {}
        ranked = [(count, rank, name, text) for name, each in counts.items()
                  for rank, (text, count) in enumerate(each.most_common(_VALUES_A_FIELD))]  # fmt: skip
        for _, _, name, text in sorted(ranked, key=lambda each: (each[1], -each[0])):
            if len(found) < _MOST_ANSWERS:
                found.setdefault(text, name)
        first = next(iter(found), None)
        yield from (_Constant(text, name) for text, name in found.items())
        yield _Constant("", "")
        yield _Constant(PHRASE, "")
        if first is not None:
            yield from (_Constant(mark % first, found[first]) for mark in _MARKED)


def _references(references: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The references of a row as answers: each text of a list on its own."""
    for name, value in references.items():
        each: list[Any] = value if isinstance(value, list) else [value]
        for part in each[:_MOST_ANSWERS]:
            text = part if isinstance(part, str) else canonical(part)
            if text.strip() and len(text) <= _LONGEST:
                yield name, text
