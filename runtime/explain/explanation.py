"""The `Explanation`: one grading laid open, with everything that led to its reward."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from graders import Failure, GraderInfo, GraderResult
from graders.context import Unread
from graders.pattern import encodable
from graders.result_data import EXPLAINED, failure_data, result_data
from runtime.telemetry.observed import Service

TEXT_CHARACTERS = 20_000
"""Of one text that are kept; how many more there were stands at its end."""
CHARACTERS = 2_000_000
"""Of all texts of one explanation together: a small template that names a long field may stand in hundreds of graders."""
ENTRIES = 5_000
"""Gradings and calls of one explanation together; the rest is counted."""
LEVELS = 50
"""Of lists and maps inside each other."""
BITS = 14_000
"""Of an integer; writing out a very long one takes long, and Python refuses it."""
PER_VALUE = 8
"""Characters that a value counts for besides those of its text."""


class BoundedJson:
    """Plain data out of whatever was seen, JSON of a bounded size: what does not fit is left out, and said to be."""

    def __init__(self, text_characters: int = TEXT_CHARACTERS) -> None:
        """An empty one.

        Args:
            text_characters: How many characters of one text are kept.
        """
        self._characters, self._entries, self._text_characters = CHARACTERS, ENTRIES, text_characters

    def has_room(self) -> bool:
        """Whether there is room for one more entry, which is taken."""
        self._entries -= 1
        return self._entries >= 0

    def text(self, text: str) -> str:
        """A text, or its beginning and how much is left out."""
        kept = text[: min(self._text_characters, self._characters)]
        self._characters = max(0, self._characters - len(kept) - PER_VALUE)
        left_out = len(text) - len(kept)
        return encodable(f"{kept}… ({left_out:,} characters left out)" if left_out else kept)

    def plain(self, value: object, levels: int = LEVELS) -> Any:
        """Any value as JSON has it: a number that is not finite is None, a foreign object its type's name."""
        if isinstance(value, str):
            return self.text(str(value))
        self._characters = max(0, self._characters - PER_VALUE)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int):
            return value if value.bit_length() <= BITS else f"<an integer of {value.bit_length():,} bits>"
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else None
        if isinstance(value, (Mapping, list, tuple)) and levels == 0:
            return "… (left out: nested too deeply)"
        if isinstance(value, Mapping):
            return self._map(value, levels)
        if isinstance(value, (list, tuple)):
            return self._list(value, levels)
        return repr(value) if isinstance(value, Unread) else f"<{type(value).__name__}>"

    def _map(self, value: Mapping[Any, Any], levels: int) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, inner in value.items():
            if not self._characters:
                kept["…"] = f"{len(value) - len(kept):,} more left out"
                break
            kept[self.text(str(key))] = self.plain(inner, levels - 1)
        return kept

    def _list(self, value: Sequence[Any], levels: int) -> list[Any]:
        kept: list[Any] = []
        for inner in value:
            if not self._characters:
                kept.append(f"… ({len(value) - len(kept):,} more left out)")
                break
            kept.append(self.plain(inner, levels - 1))
        return kept


@dataclass(frozen=True, slots=True)
class Rendered:
    """A template of a grader, and what became of it.

    Attributes:
        path: The option that it is, with dots: `input`, `criteria.right.text`.
        source: The text as the author wrote it.
        text: What it became; None where that failed, or was not tried.
        failure: Why there is no text.
    """

    path: str
    source: str
    text: str | None
    failure: str | None = None


@dataclass(frozen=True, slots=True)
class EvaluatedFormula:
    """A formula of a grader, and the numbers in it.

    Attributes:
        path: The option that it is: `calculate_output`.
        source: The text as the author wrote it.
        with_numbers: The same with each variable's number in its place; a variable without a number stays as it is.
        value: What it comes to; None where it has no value.
    """

    path: str
    source: str
    with_numbers: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Call:
    """A call that a grading made through its context, and the answer.

    Attributes:
        service: Who was asked.
        asked: What, as plain data: of a judge `model`, `messages`, `schema_name` and `sampling`; of the sandbox `role` and
            `message`, or the limits of a `grade`; of an embedder `model` and `texts`; of http `url` and `headers`, masked.
        answered: Plain data; None where there was no answer. Of a judge `output`, `model`, `retries` and `cached`.
        seconds: How long it took.
        usage: Tokens of a judge that were paid for.
        failure: Why there was no answer.
        finished: Whether it was waited for: a deadline may have come before.
    """

    service: Service
    asked: Mapping[str, Any]
    answered: Any
    seconds: float
    usage: Mapping[str, int]
    failure: Failure | None
    finished: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """One grading, and the gradings inside it.

    Attributes:
        key: What the grader around it calls this one, with dots: `graders.exact`; `vote 1`; empty for the outermost.
        grader: Its name, type, signature and range.
        pass_threshold: The lowest reward that passes; None if the grader has no threshold.
        votes: The number of votes and how their rewards are combined, in words; None without votes.
        options: Its JSON without the graders inside it, with secrets masked; empty for a single vote.
        sample: The graded text, if it differs from that of the outer grading; None if it is the same.
        result: The result; ungraded if the deadline passed before the grading ended.
        templates: Its rendered templates; empty for a single vote, whose outer grading has them.
        formulas: Its formulas with their numbers.
        calls: Its calls of judges, embedders, endpoints and the sandbox, in order.
        printed: The end of the output that a plugin printed; None if it printed nothing.
        each_vote: The single votes, in order.
        inside: The gradings inside it, in order.
        left_out: The number of further calls and gradings that did not fit.
    """

    key: str
    grader: GraderInfo
    pass_threshold: float | None
    votes: str | None
    options: Mapping[str, Any]
    sample: str | None
    result: GraderResult
    templates: tuple[Rendered, ...] = ()
    formulas: tuple[EvaluatedFormula, ...] = ()
    calls: tuple[Call, ...] = ()
    printed: str | None = None
    each_vote: tuple["Explanation", ...] = ()
    inside: tuple["Explanation", ...] = ()
    left_out: int = 0

    def to_dict(self, *, full: bool = False) -> dict[str, Any]:
        """All of it as plain data that JSON has: what is not finite is None, what is too long is cut and says so.

        Args:
            full: Cut only what is too long for an explanation as a whole.
        """
        return _plain(self, book_for(full=full))


def book_for(*, full: bool) -> BoundedJson:
    """A book that keeps the beginnings of long texts, or, in full, whole texts as long as there is room for them."""
    return BoundedJson(CHARACTERS if full else TEXT_CHARACTERS)


def _plain(explanation: Explanation, book: BoundedJson) -> dict[str, Any]:
    return {
        "key": explanation.key,
        "grader": book.plain(asdict(explanation.grader)),
        "pass_threshold": explanation.pass_threshold,
        "votes": explanation.votes,
        "options": dict(explanation.options),
        "sample": explanation.sample,
        "result": result_data(explanation.result, EXPLAINED, book.plain),
        "templates": [asdict(template) for template in explanation.templates],
        "formulas": [asdict(formula) for formula in explanation.formulas],
        "calls": [
            {
                **asdict(call),
                "failure": None if call.failure is None else failure_data(call.failure, book.plain),
            }
            for call in explanation.calls
        ],
        "printed": explanation.printed,
        "each_vote": [_plain(vote, book) for vote in explanation.each_vote],
        "inside": [_plain(inner, book) for inner in explanation.inside],
        "left_out": explanation.left_out,
    }
