"""The option `thoughts` of grader types: whether they grade what the model wrote, or its answer behind the reasoning."""

from collections.abc import Callable

from graders.contract import FailureKind, FailureType, Item
from graders.errors import GradingError
from graders.samples.reasoning import Thoughts, split
from graders.samples.sample import Sample
from graders.template import Template

_OF_TEXT = frozenset({"output_text", "output_json", "choices"})
"""Fields of a sample that depend on its text."""


def graded_text(template: Template, thoughts: Thoughts) -> Callable[[Sample, Item], str]:
    """How a type renders the text that it grades.

    Args:
        template: The text.
        thoughts: With `keep`, the template sees the sample as it is. With `skip`, it sees its answer in place of its text;
            where the template does not name the sample, the answer is looked for in the rendered text.
    """
    if thoughts == "keep":
        return template
    if template.mentions("sample"):
        return _SampleAnswer(template)
    return _TextAnswer(template)


class _SampleAnswer:
    def __init__(self, template: Template) -> None:
        self._template = template
        self._needs_answer = any(
            reference.namespace == "sample" and (not reference.steps or reference.steps[0] in _OF_TEXT)
            for reference in template.references
        )

    def __call__(self, sample: Sample, item: Item) -> str:
        return self._template(sample.answered() if self._needs_answer else sample.without_reasoning, item)


class _TextAnswer:
    def __init__(self, template: Template) -> None:
        self._template = template

    def __call__(self, sample: Sample, item: Item) -> str:
        answer = split(self._template(sample, item)).answer
        if answer is None:
            raise GradingError(
                f"{self._template.source} gives no answer: its reasoning does not end",
                kind=FailureKind.INVALID_VARIABLE,
                details={"type": FailureType.UNFINISHED_REASONING},
            )
        return answer
