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

from graders.contract import FailureKind, Item
from graders.errors import GradingError, TemplateError
from graders.options import option_schema
from graders.paths import Lookup, Step, compile_path
from graders.sample import Sample, SampleColumn

MAX_RENDERED = 2_000_000
"""Characters of a rendered text: a small template that names a long field many times must not fill the memory."""


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

    __slots__ = ("_lookup", "_of_sample", "_parts", "references", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        parts: list[str | Lookup] = []
        of_sample: list[bool] = []
        references: list[Reference] = []
        for piece in _pieces(source):
            if isinstance(piece, str):
                parts.append(piece)
                of_sample.append(False)
            else:
                path = compile_path(piece[0])
                references.append(Reference(piece[0], path.namespace, path.steps, path.is_plain))
                parts.append(path.look_up)
                of_sample.append(path.namespace == "sample")
        self.references = tuple(references)
        self._parts, self._of_sample = tuple(parts), tuple(of_sample)
        first = parts[0] if len(parts) == 1 else None
        self._lookup = first if callable(first) else None

    def __call__(self, sample: Sample, item: Item) -> str:
        """Render the text.

        Raises:
            GradingError: When a variable is not there (`invalid_variable_error`), or the sample is not JSON where JSON
                is needed (`sample_parse_error`). When it renders to more than 2,000,000 characters, by the model's doing
                if more than half of those are the sample's.
        """
        texts = [text for text, _ in self.parts(sample, item)]
        return texts[0] if len(texts) == 1 else "".join(texts)

    def parts(self, sample: Sample, item: Item) -> Iterator[tuple[str, bool]]:
        """Render the text piece by piece: each piece, and whether it comes from the sample.

        Raises:
            GradingError: As when it is rendered whole.
        """
        length = of_sample = 0
        for part, is_sample in zip(self._parts, self._of_sample, strict=True):
            text = part if isinstance(part, str) else as_text(part(sample, item))
            length += len(text)
            of_sample += len(text) * is_sample
            if length > MAX_RENDERED:
                raise GradingError(
                    f"a template renders to more than {MAX_RENDERED:,} characters",
                    caused_by="model" if of_sample > MAX_RENDERED / 2 else "grader",
                )
            yield text, is_sample

    @property
    def is_plain(self) -> bool:
        """Whether every reference is a chain of direct look-ups: quick, whatever the data."""
        return all(reference.is_plain for reference in self.references)

    def value(self, sample: Sample, item: Item) -> Any:
        """The referenced value as it is when the whole text is one reference; otherwise the rendered text."""
        return self(sample, item) if self._lookup is None else self._lookup(sample, item)

    def render_many(self, samples: SampleColumn, items: Sequence[Item]) -> Sequence[str]:
        """Render for each pair; equal to calling the template for each, and much faster for a plain reference."""
        if self._lookup is not None and self.references[0].is_plain:
            _, namespace, steps, _ = self.references[0]
            if (namespace, steps) == ("sample", ("output_text",)):
                return samples.output_texts
            if namespace == "item" and len(steps) == 1 and isinstance(steps[0], str):
                try:
                    values = list(map(itemgetter(steps[0]), items))
                except KeyError:
                    values = []
                if set(map(type, values)) == {str}:
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


def as_text(value: Any) -> str:
    """What a value becomes in a rendered text: a string itself, anything else compact JSON."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise GradingError(
            f"a template's value is not JSON: {error}", kind=FailureKind.INVALID_VARIABLE
        ) from error


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
