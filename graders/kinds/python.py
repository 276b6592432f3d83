"""`python`: a function `grade(sample, item)` whose source is part of the grader, run in the sandbox."""

import math
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from graders.context import Context, Given
from graders.contract import Item
from graders.errors import ConfigurationError, GradingError, InvalidOptions, Problem, UnknownImage
from graders.plugin import grader
from graders.samples.reasoning import Thoughts
from graders.samples.sample import Sample

_GRADE = re.compile(r"\bdef[ \t]+grade[ \t]*\(\s{0,80}(\w{1,80})")
MAX_SOURCE = 256_000
"""Bytes of a source; published: less than 256 kB."""


@grader("python", range=(-math.inf, math.inf))
class PythonSource:
    """Call `grade(sample, item)` of a Python source, in a sandbox without network.

    It returns a finite number, or a bool that counts 0 or 1; whatever else it returns or raises leaves the
    sample ungraded. Its `sample` has the published fields; a source that names `answer_text` or
    `reasoning_text` finds them beside these. `answer_text` is None if the reasoning does not end. With
    `thoughts` set to `skip`, `output_text` is the answer, and empty if the sample has no answer. The operator
    sets the limits; by default they are 2 minutes, 2 GB of memory and 1 GB of scratch space. Source: the
    OpenAI graders guide; `isolation`, `timeout_s`, `memory_mb` and `thoughts` are ours.
    """

    def __init__(
        self,
        *,
        source: str,
        image_tag: str | None = None,
        isolation: Literal["grading", "batch"] | None = None,
        timeout_s: Annotated[float, Field(gt=0, le=600)] | None = None,
        memory_mb: Annotated[int, Field(ge=64)] | None = None,
        thoughts: Thoughts = "keep",
    ) -> None:
        size = len(source.encode(errors="surrogatepass"))
        if size >= MAX_SOURCE:
            raise _problem("source", f"a source has fewer than {MAX_SOURCE} bytes, this one has {size}")
        self._source, self._image, self._isolation = source, image_tag, isolation
        self._timeout_s, self._memory_mb = timeout_s, memory_mb
        self._thoughts = thoughts
        self._names_parts = "answer_text" in source or "reasoning_text" in source
        self.reads_sample = _reads_sample(source)

    async def prepare(self, context: Context) -> None:
        """Find out whether the source compiles and its image is there, before anything is graded.

        Raises:
            InvalidOptions: If it does not.
            GradingError: If no sandbox is available to check it.
        """
        try:
            await context.sandbox.check(self._source, image=self._image)
        except UnknownImage as error:
            raise _problem("image_tag", str(error)) from error
        except ConfigurationError as error:
            raise _problem("source", str(error)) from error

    async def __call__(self, sample: Sample, item: Item, context: Context) -> float:
        """Grade one sample."""
        (answer,) = await self.grade_rows([sample], [item], context)
        if isinstance(answer, GradingError):
            raise answer
        return answer

    async def grade_rows(
        self,
        samples: Sequence[Sample],
        items: Sequence[Item],
        context: Context,
        given: Given | None = None,
    ) -> list[float | GradingError]:
        """Grade many samples; returns a number or an error for each, and passes each to `given` at once."""
        return await context.sandbox.grade(
            self._source,
            [(self._shown(sample), dict(item)) for sample, item in zip(samples, items, strict=True)],
            image=self._image,
            isolation=self._isolation,
            timeout_s=self._timeout_s,
            memory_mb=self._memory_mb,
            given=given,
        )

    def _shown(self, sample: Sample) -> dict[str, Any]:
        """The sample as the source sees it."""
        shown = (sample if self._thoughts == "keep" else sample.without_reasoning).to_dict()
        if self._names_parts:
            shown["answer_text"] = sample.answer_text if sample.has_answer else None
            shown["reasoning_text"] = sample.reasoning_text
        return shown


def _reads_sample(source: str) -> bool:
    """Whether a source names the first parameter of `grade` anywhere else; a mention in a comment counts as well."""
    names = {found[1] for found in _GRADE.finditer(source)}
    if not names:
        return True
    return any(len(re.findall(rf"\b{name}\b", source)) > 1 for name in names)


def _problem(field: str, message: str) -> InvalidOptions:
    return InvalidOptions([Problem((field,), message)])
