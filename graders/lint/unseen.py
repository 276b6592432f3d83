"""Findings about what a comparison cannot see, and about variables that are written where they are plain text."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from graders.bound_grader import Grader
from graders.contract import Item
from graders.errors import ConfigurationError, GradingError
from graders.lint.blind_spots import is_fatal, of_contained, of_reference
from graders.lint.findings import Finding, Path, RowReference, lines_named
from graders.options import RESERVED
from graders.samples.sample import FIELDS, Sample
from graders.template import Template

TRIED = 1_000
"""Rows whose references `fuzzy_match` is tried on."""
_VARIABLE = re.compile(r"\{\{\s*(?:item|sample)\b[^{}]*\}\}")
_EMPTY = Sample("")
_HINTS = {
    "string_check": "use 'eq', or a longer reference",
    "rouge": 'set "tokenizer": "unicode", or choose another metric',
    "bleu": 'set "tokenizer": "unicode", or choose another metric',
    "gleu": 'set "tokenizer": "unicode", or choose another metric',
    "meteor": "choose another metric, such as fuzzy_match, or a string_check",
    "fuzzy_match": "a policy may learn to do that: choose another metric, such as rouge_l, or a longer check",
}


def blind_whatever_the_data(path: Path, grader: Grader) -> Iterator[Finding]:
    """What a comparison cannot see of a reference that is the same in every row."""
    comparison = _ReferenceComparison.of(path, grader)
    if comparison is not None and not comparison.reference.references:
        found = comparison.weakness(comparison.reference.source)
        if found is not None:
            yield comparison.finding(*found)


def written_as_template(path: Path, grader: Grader) -> Iterator[Finding]:
    """Variables in fields that are no templates, where they are plain text."""
    if not grader.built_in:  # a plugin may make templates of its texts by itself
        return
    templates = {template.source for _, template in grader.templates()}
    inside = [where for where, _ in grader.inner()]
    for where, text in texts_in(grader.config):
        is_inner = any(where[: len(outer)] == outer for outer in inside)
        is_code = where[-1] == "source" or where[0] in RESERVED
        found = _VARIABLE.search(text)
        if found is None or is_inner or is_code or text in templates:
            continue
        level = "warning" if grader.type.name == "code_tests" else "error"
        hint = "write the text itself"
        if grader.type.name == "pattern_match":
            hint = (
                "the texts of 'groups' are templates: capture a group and compare it, or use a string_check"
            )
        message = f"{found[0]} is plain text here: this field is no template"
        yield Finding(level, (*path, *where), message, hint)  # type: ignore[arg-type]  # one of the two


def written_references(config: object, loaded: Iterable[Path] = ()) -> Iterator[RowReference]:
    """The variables of rows that the texts of a grader's JSON name where it does not load.

    Args:
        config: The JSON.
        loaded: The paths of what does load, which is left out.
    """
    for where, template in _written_templates(config, loaded):
        for reference in template.references:
            if reference.namespace == "item" and reference.steps:
                yield RowReference(where, reference.text, reference.steps)


def wrongly_written(config: object, loaded: Iterable[Path] = ()) -> Iterator[Finding]:
    """Fields that a sample does not have, in the texts of a grader's JSON where it does not load; the arguments are the same."""
    for where, template in _written_templates(config, loaded):
        yield from unknown_fields(where, template)


def unknown_fields(path: Path, template: Template) -> Iterator[Finding]:
    """Fields that a template names and that a sample does not have."""
    for reference in template.references:
        if reference.namespace == "sample" and reference.steps and reference.steps[0] not in FIELDS:
            near = get_close_matches(str(reference.steps[0]), FIELDS, n=1) or ["output_text"]
            message = f"{{{{{reference.text}}}}}: a sample has no such field"
            yield Finding("error", path, message, f"write {{{{sample.{near[0]}}}}}")


def _written_templates(config: object, loaded: Iterable[Path]) -> Iterator[tuple[Path, Template]]:
    apart = list(loaded)
    for where, text in texts_in(config):
        if "{{" not in text or where[-1:] == ("source",) or any(where[: len(path)] == path for path in apart):
            continue
        try:
            yield where, Template(text)
        except ConfigurationError:
            continue


def texts_in(config: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in plain data, with its keys and indices."""
    if isinstance(config, str):
        yield path, config
    elif isinstance(config, Mapping):
        for key, inner in config.items():
            yield from texts_in(inner, (*path, key))
    elif isinstance(config, (list, tuple)):
        for index, inner in enumerate(config):
            yield from texts_in(inner, (*path, index))


@dataclass(frozen=True)
class _ReferenceComparison:
    """A grader that compares the sample with a reference that is not the sample's.

    Attributes:
        path: Where the reference stands.
        metric: The similarity; `string_check` for a text that has to contain another.
        reference: The reference.
    """

    path: Path
    metric: str
    reference: Template

    @classmethod
    def of(cls, path: Path, grader: Grader) -> "_ReferenceComparison | None":
        """The comparison that a grader makes; None when it makes none that is looked at here."""
        reference = dict(grader.templates()).get(("reference",))
        options: dict[str, Any] = grader.options.arguments()
        if not grader.built_in or reference is None or reference.mentions("sample"):
            return None
        place = (*path, "reference")
        if grader.type.name == "string_check" and options["operation"] in {"like", "ilike"}:
            return cls(place, "string_check", reference)
        metric = options.get("evaluation_metric")
        if grader.type.name != "text_similarity" or metric == "cosine" or options["tokenizer"] != "published":
            return None
        return cls(place, str(metric), reference)

    def weakness(self, reference: str) -> tuple[bool, str] | None:
        """What cannot be seen of a text, and whether it makes every reward meaningless."""
        if self.metric == "string_check":
            message = of_contained(reference)
            return None if message is None else (True, message)
        message = of_reference(self.metric, reference)
        return None if message is None else (is_fatal(self.metric, reference), message)

    def finding(self, is_error: bool, message: str, rows: tuple[int, ...] = ()) -> Finding:  # noqa: FBT001  # a pair's first
        """The finding."""
        hint = _HINTS[self.metric.partition("_")[0] if self.metric.startswith("rouge") else self.metric]
        return Finding("error" if is_error else "warning", self.path, message, hint, rows)


@dataclass
class _Weak:
    message: str
    rows: list[int] = field(default_factory=list)


class BlindSpots:
    """What comparisons cannot see of the references in rows; `add` every row, then ask for the `findings`."""

    def __init__(self, graders: Iterable[tuple[Path, Grader]]) -> None:
        found = (_ReferenceComparison.of(path, grader) for path, grader in graders)
        self._comparisons = [
            each
            for each in found
            if each is not None and each.reference.references and each.reference.is_plain
        ]
        self._weak: dict[tuple[int, bool], _Weak] = {}
        self._rows = 0

    def add(self, line: int, item: Item) -> None:
        """Look at one row."""
        self._rows += 1
        for number, comparison in enumerate(self._comparisons):
            if comparison.metric == "fuzzy_match" and self._rows > TRIED:
                continue
            try:
                reference = comparison.reference(_EMPTY, item)
            except GradingError:
                continue  # a field that is missing is a finding of its own
            weakness = comparison.weakness(reference)
            if weakness is not None:
                is_error, message = weakness
                self._weak.setdefault((number, is_error), _Weak(message)).rows.append(line)

    def findings(self) -> Iterator[Finding]:
        """Everything that the rows showed."""
        for (number, is_error), weak in self._weak.items():
            comparison, rows = self._comparisons[number], tuple(weak.rows)
            looked_at = min(self._rows, TRIED) if comparison.metric == "fuzzy_match" else self._rows
            where = f"in {len(rows)} of {looked_at} rows ({lines_named(rows)})"
            yield comparison.finding(is_error, f"{weak.message}; {where}", rows)
