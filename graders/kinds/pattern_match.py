"""`pattern_match`: a regular expression against a text, in time linear in the text."""

from collections import deque
from collections.abc import Sequence
from typing import Any, Literal

from graders.contract import GraderResult, Item, brief
from graders.errors import InvalidOptions, Problem
from graders.pattern import Pattern
from graders.plugin import grader
from graders.samples.reasoning import Thoughts
from graders.samples.sample import Sample
from graders.samples.thoughts import graded_text
from graders.template import Template


@grader("pattern_match", libraries=["google-re2"])
class PatternMatch:
    """Reward a text that a regular expression is found in, matches whole, or captures the right groups from.

    The expression is RE2's: no look-around and no back-references, and no input that makes it backtrack for ever.
    `match` says how: `search` anywhere in the text, or `full` for the whole of it. With `groups`, a map from a capturing
    group's name or number to a template, the reward is the share of those groups whose captured text equals the rendered
    one; a text that does not match scores 0. With `thoughts` as `skip`, `input` sees the model's answer without its
    reasoning.

    `which` says which match counts where `search` finds several: the `first`, the `last`, or `all` of them, of which the one
    with the lowest reward counts, so that a text that names every candidate gains nothing by it.
    """

    def __init__(
        self,
        *,
        input: Template,  # noqa: A002  # the published name for the graded text
        pattern: Pattern,
        match: Literal["search", "full"] = "search",
        which: Literal["first", "last", "all"] = "first",
        groups: dict[str, Template] | None = None,
        ignore_case: bool = False,
        thoughts: Thoughts = "keep",
    ) -> None:
        self._input = graded_text(input, thoughts)
        self._pattern = Pattern(f"(?i){pattern.source}") if ignore_case else pattern
        self._full = match == "full"
        self._which = "first" if self._full else which
        self._groups = [(key, self._number(key), wanted) for key, wanted in (groups or {}).items()]

    def _number(self, key: str) -> int:
        if key in self._pattern.names:
            return self._pattern.names[key]
        if key.isdecimal() and len(key) < 5 and int(key) <= self._pattern.groups:
            return int(key)
        names = ", ".join(self._pattern.names)
        has = f"it has {self._pattern.groups}" + (f", of which these have names: {names}" if names else "")
        raise InvalidOptions([Problem(("groups", key), f"the pattern has no such capturing group; {has}")])

    def is_bounded(self, sample: Sample, item: Item) -> bool:
        """Whether the expression surely gets through the text quickly."""
        return self._pattern.is_quick_on(self._input(sample, item), every=self._which != "first")

    def __call__(self, sample: Sample, item: Item) -> GraderResult:
        """Grade one sample."""
        found = self._matches(self._input(sample, item))
        if not found:
            return GraderResult(0.0, explanation="the pattern does not match")
        if not self._groups:
            return GraderResult(1.0, explanation=f"the pattern matches {brief(found[0].group(0))}")
        wanted = [(key, number, template(sample, item)) for key, number, template in self._groups]
        wrong = max((_wrong(match, wanted) for match in found), key=len)
        return GraderResult(
            (len(wanted) - len(wrong)) / len(wanted),
            explanation="; ".join(wrong) or "every group captured what was wanted",
        )

    def _matches(self, text: str) -> list[Any]:
        """The matches that count."""
        if self._full or self._which == "first":
            found = self._pattern.fullmatch(text) if self._full else self._pattern.search(text)
            return [] if found is None else [found]
        every = self._pattern.finditer(text)
        return list(every) if self._which == "all" else list(deque(every, maxlen=1))


def _wrong(match: Any, wanted: Sequence[tuple[str, int, str]]) -> list[str]:
    """What each group captured that is not what was wanted."""
    captured = [(key, match.group(number), text) for key, number, text in wanted]
    return [f"{key} captured {_shown(group)}" for key, group, text in captured if group != text]


def _shown(text: str | None) -> str:
    return "nothing" if text is None else brief(text)
