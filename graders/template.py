"""Templates: `{{ item.path }}` and `{{ sample.path }}` in a grader's text, filled in one pass.

What was substituted is never scanned again, nothing is executed, and there is no escape. A string is inserted as it is,
anything else as compact JSON.
"""

import json
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from graders.contract import CausedBy, FailureKind, FailureType, Item
from graders.errors import GradingError, TemplateError
from graders.options import option_schema
from graders.paths import Lookup, Step, compile_path
from graders.samples.plain_data import json_problem
from graders.samples.sample import Sample
from graders.samples.sample_column import SampleColumn

MAX_RENDERED = 2_000_000
"""Characters of a rendered text: a small template that names a long field many times must not fill the memory. A text that
is longer because of the sample is the model's failure; one that is too long without the sample is the grader's."""


class Reference(NamedTuple):
    """One `{{…}}` of a template.

    Attributes:
        text: What stands between the braces.
        namespace: `item` or `sample`.
        steps: The plain names and indices that the path begins with.
        is_plain: Whether the path is no more than those.
    """

    text: str
    namespace: str
    steps: tuple[Step, ...]
    is_plain: bool


class Template:
    """A text with `{{…}}` references, compiled once and rendered for each grading.

    Attributes:
        source: The text as the author wrote it.
        references: Its references, in order.

    Raises:
        TemplateError: When a `{{` has no `}}`, or holds something that is not a path.
    """

    __slots__ = ("_lookup", "_parts", "references", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        parts: list[str | _Variable] = []
        references: list[Reference] = []
        for piece in _pieces(source):
            if isinstance(piece, str):
                parts.append(piece)
            else:
                path = compile_path(piece[0])
                references.append(Reference(piece[0], path.namespace, path.steps, path.is_plain))
                writer: CausedBy = "model" if path.namespace == "sample" else "grader"
                parts.append(_Variable(path.look_up, writer, piece[0]))
        self.references = tuple(references)
        self._parts = tuple(parts)
        first = parts[0].look_up if len(parts) == 1 and isinstance(parts[0], _Variable) else None
        self._lookup = first

    def __call__(self, sample: Sample, item: Item) -> str:
        """Render the text.

        Raises:
            GradingError: When a variable is not there (`invalid_variable_error`), or the sample is not JSON where JSON
                is needed (`sample_parse_error`), or the text has more than 2,000,000 characters.
        """
        if self._lookup is not None:
            value = self._lookup(sample, item)
            if type(value) is str and len(value) <= MAX_RENDERED:
                return value
        texts: list[str] = []
        length = 0
        for part in self._parts:
            texts.append(part if isinstance(part, str) else part.text(sample, item))
            length += len(texts[-1])
            if length > MAX_RENDERED:
                raise GradingError(
                    f"a template renders to more than {MAX_RENDERED:,} characters",
                    caused_by=self._writer_of_too_much(sample, item),
                    details={"type": FailureType.TOO_LARGE},
                )
        return texts[0] if len(texts) == 1 else "".join(texts)

    def parts(self, sample: Sample, item: Item) -> Iterator[tuple[str, bool]]:
        """The text piece by piece: each piece, and whether it comes from the sample.

        Raises:
            GradingError: As when it is rendered, except that the length of the whole has no limit.
        """
        for part in self._parts:
            if isinstance(part, str):
                yield part, False
            else:
                yield part.text(sample, item), part.writer == "model"

    def _writer_of_too_much(self, sample: Sample, item: Item) -> CausedBy:
        """Who made the text too long: the grader (its words or the item) when it is too long without the sample."""
        length = 0
        for part in self._parts:
            if isinstance(part, str) or part.writer == "grader":
                length += len(part if isinstance(part, str) else part.text(sample, item))
                if length > MAX_RENDERED:
                    return "grader"
        return "model"

    @property
    def is_plain(self) -> bool:
        """Whether every reference is a chain of direct look-ups: quick, whatever the data."""
        return all(reference.is_plain for reference in self.references)

    @property
    def is_lone_reference(self) -> bool:
        """Whether the whole text is one reference, a chain of direct look-ups."""
        return self._lookup is not None and self.is_plain

    @property
    def is_output_text(self) -> bool:
        """Whether it renders to the sample's text and nothing else."""
        return self.is_lone_reference and self.references[0][1:3] == ("sample", ("output_text",))

    def value(self, sample: Sample, item: Item) -> Any:
        """The referenced value as it is when the whole text is one reference; otherwise the rendered text."""
        return self(sample, item) if self._lookup is None else self._lookup(sample, item)

    def render_many(self, samples: SampleColumn, items: Sequence[Item]) -> Sequence[str]:
        """Render for each pair; equal to calling the template for each, and much faster for a plain reference."""
        if self.is_lone_reference:
            _, namespace, steps, _ = self.references[0]
            if self.is_output_text and _are_short(samples.output_texts):
                return samples.output_texts
            if namespace == "item" and len(steps) == 1 and isinstance(steps[0], str):
                try:
                    values = list(map(itemgetter(steps[0]), items))
                except KeyError:
                    values = []
                if set(map(type, values)) == {str} and _are_short(values):
                    return values
        return [self(sample, item) for sample, item in zip(samples, items, strict=True)]

    def mentions(self, namespace: str) -> bool:
        """Whether any reference looks into `item` or `sample`."""
        return any(reference.namespace == namespace for reference in self.references)

    def __repr__(self) -> str:
        return f"Template({self.source!r})"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return option_schema(cls, core_schema.str_schema(strict=True), write=lambda template: template.source)


class _Variable(NamedTuple):
    """A reference, compiled.

    Attributes:
        look_up: Finds its value.
        writer: Who wrote the value: `model` for the sample's, `grader` for the item's.
        path: The text of the reference.
    """

    look_up: Lookup
    writer: CausedBy
    path: str

    def text(self, sample: Sample, item: Item) -> str:
        """Its value as it stands in a rendered text."""
        return as_text(self.look_up(sample, item), self.writer, self.path)


def as_text(value: Any, writer: CausedBy = "grader", path: str = "") -> str:
    """What a value becomes in a rendered text: a string itself, anything else compact JSON.

    Args:
        value: Plain data.
        writer: Who wrote it, and causes the failure when it is not JSON.
        path: What the error calls it.

    Raises:
        GradingError: Of kind `invalid_variable_error`, when it is not JSON: an infinite number, a foreign object.
    """
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        why = json_problem(value, (path,) if path else ()) or error
        raise GradingError(
            f"a template's value is not JSON: {why}", kind=FailureKind.INVALID_VARIABLE, caused_by=writer
        ) from error


def _are_short(texts: Sequence[str]) -> bool:
    """Whether no text is longer than a rendered text may be."""
    return max(map(len, texts), default=0) <= MAX_RENDERED


def _pieces(source: str) -> Iterator[str | tuple[str]]:
    """Split into text and one-tuples of what stands between braces."""
    position = 0
    while (start := source.find("{{", position)) >= 0:
        end = source.find("}}", start + 2)
        if end < 0:
            raise TemplateError(
                f"the '{{{{' at character {start} has no '}}}}'; close it: {{{{item.answer}}}}"
            )
        inside = source[start + 2 : end].strip()
        if not inside:
            raise TemplateError(
                f"the '{{{{ }}}}' at character {start} is empty; name a variable: {{{{item.answer}}}}"
            )
        if start > position:
            yield source[position:start]
        yield (inside,)
        position = end + 2
    if position < len(source) or not source:
        yield source[position:]
