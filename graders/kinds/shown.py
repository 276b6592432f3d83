"""Texts that a judge is shown, and whose doing it is when they are too long.

A sample that cannot be judged because of its own length gets the lowest reward, like any other that cannot be graded by the
model's doing. A prompt that is too long because of the author's texts, or for a judge whose context is too small, is a
measurement that failed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, TypeAlias

from pydantic import Field

from graders.contract import FailureKind, FailureType, Item
from graders.errors import GradingError
from graders.kinds.messages import NeutralMessage
from graders.kinds.prompt_fence import visible
from graders.samples.sample import Sample
from graders.template import MAX_RENDERED, Template

MAX_CHARACTERS = 50_000
"""Of a shown text, unless a grader says otherwise."""
FITTING = 1_000
"""Characters that fit into the context of any judge."""

MaxCharacters: TypeAlias = Annotated[int, Field(ge=1, le=MAX_RENDERED)]


def rendered(
    templates: Mapping[str, Template | None], sample: Sample, item: Item, *, limit: int
) -> dict[str, str]:
    """The texts of those templates that were given, made visible, under the same labels.

    Args:
        templates: By label.
        sample: What is graded.
        item: Its row.
        limit: Characters of each, once what is hidden is written out.

    Raises:
        GradingError: When a text is longer (`type` is `too_long`); by the model's doing when more than half as many
            characters are the sample's. When a variable is not there.
    """
    given = {label: template for label, template in templates.items() if template is not None}
    return {label: _text(label, template, sample, item, limit) for label, template in given.items()}


def _text(label: str, template: Template, sample: Sample, item: Item, limit: int) -> str:
    text = visible(template(sample, item))
    if len(text) <= limit:
        return text
    is_models = of_sample([template], sample, item) > limit / 2
    raise GradingError(
        f"the text under {label!r} has {len(text):,} characters once hidden ones are written out; "
        f"a judge is shown at most {limit:,} (max_characters)",
        kind=FailureKind.SAMPLE_PARSE if is_models else FailureKind.OTHER,
        caused_by="model" if is_models else "grader",
        details={"type": FailureType.TOO_LONG, "characters": len(text), "limit": limit},
    )


def of_sample(
    templates: Iterable[Template],
    sample: Sample,
    item: Item,
    shown: Callable[[str], str] = visible,
) -> int:
    """How many characters of what is shown come from the sample."""
    pieces = (piece for template in templates for piece in template.parts(sample, item))
    return sum(len(shown(text)) for text, is_sample in pieces if is_sample)


def does_not_fit(error: GradingError) -> bool:
    """Whether a judge was not asked because the prompt does not fit into its context."""
    return error.failure.details.get("type") == FailureType.CONTEXT_LENGTH_EXCEEDED


def whose(error: GradingError, messages: Sequence[NeutralMessage], samples: int) -> GradingError:
    """The failure of a question; by the model's doing when its sample is more than half of a prompt that does not fit.

    Args:
        error: What the judge raised.
        messages: The prompt.
        samples: How many characters of it are the sample's; not looked at for another failure.
    """
    if not does_not_fit(error) or samples < FITTING or 2 * samples <= length(messages):
        return error
    return by_the_model(error)


def by_the_model(error: GradingError) -> GradingError:
    """The failure of a prompt that does not fit, by the doing of the model whose sample is in it."""
    failure = error.failure
    found = GradingError(
        f"the sample is too long to be judged: {failure.message}",
        kind=failure.kind,
        caused_by="model",
        details=failure.details,
    )
    found.usage = error.usage
    return found


def length(messages: Sequence[NeutralMessage]) -> int:
    """Characters of a prompt."""
    contents = [message["content"] for message in messages]
    blocks = [block for content in contents if not isinstance(content, str) for block in content]
    texts = [content for content in contents if isinstance(content, str)]
    return sum(map(len, texts)) + sum(
        len(text) for block in blocks for text in block.values() if isinstance(text, str)
    )


def outlier(texts: Iterable[str], around: int) -> str | None:
    """The longest of several texts that together do not fit into a prompt, when that is what is wrong with them.

    It is at least twice as long as most of them are: as a text at the lower quartile. Where all are long alike, none is to
    blame.

    Args:
        texts: Those of a group of samples, each once.
        around: Characters of the prompt that are not theirs.
    """
    ordered = sorted(texts, key=lambda text: (len(text), text))
    longest, usual = ordered[-1], ordered[len(ordered) // 4]
    is_theirs = sum(map(len, ordered)) > around
    is_long = len(longest) >= FITTING and (len(ordered) == 1 or len(longest) >= 2 * len(usual))
    return longest if is_theirs and is_long else None
