"""What users get wrong in a grader that loads: found before it costs a run.

`check_grader` looks at the grader alone; `DataCheck` also at the rows that it will grade.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from graders.bound_grader import Grader
from graders.contract import Item
from graders.formula import Formula, normal_name
from graders.kinds.messages import Message, SamplingParams
from graders.lint.findings import Finding, Path, RowReference, lines_named
from graders.lint.item_check import ItemCheck, wrong_whatever_the_data
from graders.lint.unseen import BlindSpots, blind_whatever_the_data, unknown_fields, written_as_template
from graders.paths import Step, has_path, walk
from graders.template import Template

_SINGLE_BRACES = re.compile(r"(?<!\{)\{\s*([A-Za-z_][\w.]{0,80})\s*\}(?!\})")
_BARE_PATH = re.compile(r"\s*((?:item|sample)\.[\w.\[\]]+)\s*")
_REFERENCE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_WORD = re.compile(r"[^\W\d_]{2,}")
_SPACE = re.compile(r"\s+")
_NUMBER = r"-?\d{1,6}(?:\.\d{1,6})?"
_SCALE = re.compile(
    r"\b(?:scor|rat(?:e|ing)|grad(?:e|ing)|mark|scale|a number\b|points?\b)[^\n.;]{0,40}?(?<![\w.±-])"
    rf"(?:(?P<low>{_NUMBER})(?: ?\([^()\n]{{0,40}}\))?\s?(?:-|–|—|to|and|through|\.\.)\s?(?P<high>{_NUMBER})"
    r"|out of (?P<of>\d{1,6}))(?!\w|\.\d)",
    re.IGNORECASE,
)
"""A scale, such as "a score from 1 to 5", "Rate it 0-10" or "points out of 100"; numbers alone may be anything."""
_BREAKABLE = {
    "python": "a sample that makes the source raise, hang or return no number",
    "endpoint": "a sample that is too large to be sent",
}
"""Types that leave a sample ungraded after what it may bring about."""
_WITHOUT_CODE = frozenset({"score_model", "label_model"})
"""Types whose published files may have an `image_tag`, and that run no code."""
LABEL = 4
"""Words that may stand before a sample as its label, without being instructions."""


def check_grader(grader: Grader, path: Path = ()) -> list[Finding]:
    """What is wrong with a grader, whatever the data.

    Args:
        grader: The grader.
        path: Where it stands in a grader that does not load; what that does with ungraded samples is not known then.
    """
    findings = [finding for where, inner in all_graders(grader, path) for finding in _check_one(where, inner)]
    return [*findings, *(() if path else _check_escape((), grader))]


def _check_one(path: Path, grader: Grader) -> Iterator[Finding]:
    templates = dict(grader.templates())
    for where, template in templates.items():
        yield from _check_template((*path, *where), template)
    # a plugin has the sample itself, and may need templates for nothing but the item
    if (
        grader.built_in
        and templates
        and not any(template.mentions("sample") for template in templates.values())
    ):
        yield Finding(
            "error",
            path,
            "no template mentions the sample, so every sample of an item gets the same reward",
            "put {{sample.output_text}} where the model's answer belongs",
        )
    yield from _check_swapped(path, templates)
    yield from _check_threshold(path, grader)
    yield from _check_formula(path, grader)
    yield from _check_votes(path, grader)
    yield from _check_messages(path, grader)
    yield from _check_scale(path, grader)
    yield from written_as_template(path, grader)
    yield from blind_whatever_the_data(path, grader)
    yield from wrong_whatever_the_data(path, grader)
    if grader.type.name in _WITHOUT_CODE and grader.config.get("image_tag") is not None:
        message = f"a {grader.type.name} runs no code, so its image_tag is ignored"
        yield Finding("warning", (*path, "image_tag"), message, "remove it")


def _check_template(path: Path, template: Template) -> Iterator[Finding]:
    for found in _SINGLE_BRACES.finditer(template.source):
        name = found[1] if found[1].startswith(("item.", "sample.")) else f"item.{found[1]}"
        yield Finding(
            "warning",
            path,
            f"{found[0]} in single braces is plain text, not a variable",
            f"write {{{{{name}}}}}",
        )
    if bare := _BARE_PATH.fullmatch(template.source):
        yield Finding(
            "warning", path, f"{bare[1]!r} is plain text, not a variable", f"write {{{{{bare[1]}}}}}"
        )
    yield from unknown_fields(path, template)


def _check_swapped(path: Path, templates: Mapping[Path, Template]) -> Iterator[Finding]:
    graded, reference = templates.get(("input",)), templates.get(("reference",))
    if graded and reference and reference.mentions("sample") and not graded.mentions("sample"):
        yield Finding(
            "warning",
            (*path, "input"),
            "'input' never mentions the sample and 'reference' does: they look swapped",
            "'input' is the text that is graded, 'reference' what it is compared with",
        )


def _check_threshold(path: Path, grader: Grader) -> Iterator[Finding]:
    threshold, (low, high) = grader.config.get("pass_threshold"), grader.info.range
    if threshold is None:
        return
    if threshold == low:
        yield Finding(
            "error",
            (*path, "pass_threshold"),
            f"{threshold:g} is the lowest reward of this grader, and every reward reaches it: every sample passes",
            f"choose a number above {low:g}, up to {high:g}",
        )
    elif not low <= threshold <= high:
        outcome = "no sample can pass" if threshold > high else "every sample passes"
        yield Finding(
            "error",
            (*path, "pass_threshold"),
            f"{threshold:g} is outside the rewards {low:g} to {high:g} of this grader: {outcome}",
            f"choose a number from {low:g} to {high:g}",
        )


def _check_escape(path: Path, grader: Grader) -> Iterator[Finding]:
    """Look for a type that a sample may break, where neither it nor a grader around it has a reward for that."""
    if grader.invalid_grade is not None:
        return
    if grader.built_in and (why := _BREAKABLE.get(grader.type.name)):
        yield Finding(
            "warning",
            (*path, "invalid_grade"),
            f"{why} is ungraded: a policy may learn to bring that about in place of a low reward",
            'give such a sample the lowest reward that this grader gives, such as "invalid_grade": 0',
        )
    for where, inner in grader.inner():
        yield from _check_escape((*path, *where), inner)


def _check_formula(path: Path, grader: Grader) -> Iterator[Finding]:
    keys = {where[-1]: where for where, _ in grader.inner()}
    for where, formula in grader.find(Formula):
        for key in keys:
            if normal_name(str(key)) not in formula.variables:
                yield Finding(
                    "warning",
                    (*path, *where),
                    f"the grader {key!r} is run and its reward never used",
                    f"use {key} in the formula, or remove the grader",
                )


def _check_votes(path: Path, grader: Grader) -> Iterator[Finding]:
    if grader.votes is None:
        return
    alike = "every vote is alike, and each is paid for"
    if grader.built_in and not grader.is_async:
        message = f"a {grader.type.name} gives the same reward each time: {alike}"
        yield Finding("warning", (*path, "votes"), message, "remove 'votes'")
    for where, sampling in grader.find(SamplingParams):
        if sampling.temperature == 0:
            message = f"votes of a judge at temperature 0 hardly differ: {alike}"
            hint = "raise the temperature, or remove 'votes'"
            yield Finding("warning", (*path, *where, "temperature"), message, hint)


def _check_messages(path: Path, grader: Grader) -> Iterator[Finding]:
    """What a judge is told in messages of the author's own."""
    messages = {where for where, _ in grader.find(Message)}
    templates = [
        ((*path, *where), template)
        for where, template in grader.templates()
        if any(where[:length] in messages for length in range(len(where)))
    ]
    if not templates:
        return
    if not any(template.mentions("item") for _, template in templates):
        yield Finding(
            "warning",
            (*path, "input"),
            "no message mentions the item, so the judge sees neither the question nor a reference",
            "show it what it needs, such as {{item.question}} and {{item.answer}}",
        )
    yield from _check_order(templates)


def _check_order(templates: list[tuple[Path, Template]]) -> Iterator[Finding]:
    """Look for a sample that stands before what the judge is to do with it."""
    shown: Path | None = None
    before = after = 0
    for path, template in templates:
        for reference, text in _pieces(template):
            if shown is None and reference.startswith("sample"):
                shown = path
            words = len(_WORD.findall(text))
            before, after = (before + words, after) if shown is None else (before, after + words)
    if shown is not None and before <= LABEL < after:
        yield Finding(
            "warning",
            shown,
            "the sample stands before the instructions, so it may pass for them",
            "put the instructions first, best in a message of role 'developer', and the sample last",
        )


def _check_scale(path: Path, grader: Grader) -> Iterator[Finding]:
    """Look for a scale in the prompt that is not the range."""
    if not {"model", "range"} <= set(grader.options.arguments()):
        return
    low, high = grader.info.range
    found = (
        (where, match)
        for where, template in grader.templates()
        for _, text in _pieces(template)
        for match in _SCALE.finditer(text)
    )
    scales = [
        (where, _SPACE.sub(" ", match[0]), float(match["low"] or low), float(match["high"] or match["of"]))
        for where, match in found
    ]
    scales = [scale for scale in scales if scale[2] < scale[3]]  # "rated 2024-05" is not a scale
    if not scales:
        return
    widest = min(scale[2] for scale in scales), max(scale[3] for scale in scales)
    if widest != (low, high):
        where, phrase, *_ = next(scale for scale in scales if scale[3] == widest[1])
        yield Finding(
            "warning",
            (*path, *where),
            f"the judge is asked for {phrase!r}, but the range is {low:g} to {high:g}",
            f'write "range": [{widest[0]:g}, {widest[1]:g}], or ask for {low:g} to {high:g}',
        )


def _pieces(template: Template) -> Iterator[tuple[str, str]]:
    """Each reference of a template with the plain text that follows it; the first text follows none."""
    _, *rest = pieces = _REFERENCE.split(template.source)
    yield "", pieces[0]
    yield from zip(map(str.strip, rest[::2]), rest[1::2], strict=True)


@dataclass
class _Hits:
    """How often a reference found something."""

    rows: int = 0
    missing: list[int] = field(default_factory=list)
    empty: list[int] = field(default_factory=list)
    texts: set[str] = field(default_factory=set)


class DataCheck:
    """What is wrong between graders and their data; `add` every row, then ask for the `findings`.

    Args:
        graders: Each with its path: the grader, or those parts of one that load.
        references: What else reads the rows: the variables in what does not load.
        are_prompts: Whether rows with `messages` are what a model is to answer, so that they end with the user's.
    """

    def __init__(
        self,
        graders: Grader | Iterable[tuple[Path, Grader]],
        references: Iterable[RowReference] = (),
        *,
        are_prompts: bool = True,
    ) -> None:
        self._are_prompts = are_prompts
        roots = [((), graders)] if isinstance(graders, Grader) else list(graders)
        every = [found for path, root in roots for found in all_graders(root, path)]
        self._references = dict.fromkeys(  # a template may name one variable twice
            (
                *(
                    RowReference((*path, *where), reference.text, reference.steps)
                    for path, inner in every
                    for where, template in inner.templates()
                    for reference in template.references
                    if reference.namespace == "item" and reference.steps
                ),
                *references,
            )
        )
        self._seen: dict[tuple[Path, str], _Hits] = {}
        self._columns: dict[str, None] = {}
        self._wrong_last: list[int] = []
        self._blind = BlindSpots(every)
        self._wrong = ItemCheck(every)
        self.rows = 0

    def add(self, line: int, item: Item) -> None:
        """Look at one row, which stands at this line of its file."""
        self.rows += 1
        self._columns.update(dict.fromkeys(map(str, item)))
        if self._are_prompts and not _ends_with_user(item):
            self._wrong_last.append(line)
        self._blind.add(line, item)
        for path, text, steps in self._references:
            seen = self._seen.setdefault((path, text), _Hits())
            seen.rows += 1
            if not has_path(item, steps):
                seen.missing.append(line)
            elif (value := walk(item, steps)) is None or value == "":
                seen.empty.append(line)
                seen.texts.add("null" if value is None else "")
        self._add_wrong(line, item)

    def _add_wrong(self, line: int, item: Item) -> None:
        """Look for what is wrong in the row by itself; a value that is wrong and empty is wrong only."""
        wrong = self._wrong.add(line, item)
        if not wrong:
            return
        for (path, _), seen in self._seen.items():
            if path in wrong and seen.empty[-1:] == [line]:
                seen.empty.pop()

    def findings(self) -> list[Finding]:
        """Everything that the rows showed about the grader, or about the file as a whole."""
        return list(self._findings())

    def row_findings(self) -> list[Finding]:
        """What is wrong in single rows, each with the field of the grader that reads it and the lines."""
        return list(self._wrong.findings())

    def _findings(self) -> Iterator[Finding]:
        if not self.rows:
            yield Finding("error", (), "there are no rows", "give a file with one JSON object a line")
        for path, text, steps in self._references:
            seen = self._seen.get((path, text), _Hits())
            if seen.missing:
                yield self._missing(path, text, steps, seen)
            if seen.empty:
                rows = tuple(seen.empty)
                message = f"{{{{{text}}}}} is null or empty in {len(rows)} of {seen.rows} rows ({lines_named(rows)})"
                texts = " or ".join(
                    "an empty text" if not text else f"the text {text!r}" for text in sorted(seen.texts)
                )
                yield Finding("warning", path, message, f"such rows are compared with {texts}", rows)
        if self._wrong_last:
            rows = tuple(self._wrong_last)
            message = (
                f"the last message is not the user's in {len(rows)} of {self.rows} rows ({lines_named(rows)})"
            )
            hint = "a training row ends with the message that the model is to answer: role 'user'"
            yield Finding("error", (), message, hint, rows)
        yield from self._blind.findings()

    def _missing(self, path: Path, text: str, steps: tuple[Step, ...], seen: _Hits) -> Finding:
        rows = tuple(seen.missing)
        columns = list(self._columns)
        near = get_close_matches(str(steps[0]), columns, n=1)
        if len(rows) < seen.rows:
            message = f"{{{{{text}}}}} is missing in {len(rows)} of {seen.rows} rows ({lines_named(rows)})"
            return Finding(
                "error", path, message, "those rows would be ungraded: add the field to them", rows
            )
        hint = f"did you mean {{{{item.{near[0]}}}}}? " if near and near[0] != steps[0] else ""
        return Finding(
            "error",
            path,
            f"no row has {{{{{text}}}}}",
            f"{hint}the rows have {', '.join(columns) or 'no fields'}",
            rows,
        )


def _ends_with_user(item: Mapping[str, Any]) -> bool:
    """Whether a row's conversation, if it has one, ends with the message to be answered."""
    messages = item.get("messages")
    if not isinstance(messages, list) or not messages:
        return True
    return isinstance(messages[-1], dict) and messages[-1].get("role") == "user"


def all_graders(grader: Grader, path: Path = ()) -> Iterator[tuple[Path, Grader]]:
    """A grader and those inside it, each with its path."""
    yield path, grader
    for where, inner in grader.inner():
        yield from all_graders(inner, (*path, *where))
