"""An `Explanation` as lines for a person.

Whatever a model, a judge or a dataset said stands behind a `|`, so that it is not taken for ours.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from graders import Failure, GraderResult
from runtime.explanation import Call, Explanation, Rendered, Worked
from runtime.printable import printable

MOST_LINES = 12
"""Of one text that are shown."""
MOST_CHARACTERS = 160
"""Of one line of a text that are shown."""
FEW_LINES = 3
"""Of a text that is shown again, whole, in what a judge is asked, and of what its author has beside him."""
SHORT = 100
"""Characters of a value that stands beside its name."""


def lines(explanation: Explanation) -> list[str]:
    """One grading laid open, in plain lines: indented, long texts shortened, nothing in them that a terminal would obey."""
    return _grading(explanation, explanation.grader.name)


def _grading(explanation: Explanation, name: str) -> list[str]:
    return [
        f"{printable(name)} ({explanation.grader.type}): {_outcome(explanation)}",
        *_inside(explanation),
        f"  signature: {printable(explanation.grader.signature)}",
    ]


def _vote(explanation: Explanation) -> list[str]:
    return [f"{explanation.key}: {_outcome(explanation)}", *_inside(explanation)]


def _inside(explanation: Explanation) -> Iterator[str]:
    """All that stands below the first line."""
    result = explanation.result
    if explanation.sample is not None:
        yield from _indented(_titled("sample", explanation.sample))
    yield from _indented(_result(result, explanation))
    yield from _indented(_options(explanation))
    most = FEW_LINES if _asks_a_judge(explanation) else MOST_LINES
    for template in explanation.templates:
        yield from _indented(_template(template, most))
    for call in explanation.calls:
        yield from _indented(_call(call, result.failure))
    for inner in explanation.inside:
        key = inner.key.removeprefix("graders.") or inner.grader.name
        yield from _indented(_grading(inner, key))
    for vote in explanation.each_vote:
        yield from _indented(_vote(vote))
    for formula in explanation.formulas:
        yield from _indented(_formula(formula))
    if explanation.left_out:
        yield f"  … and {explanation.left_out:,} more calls and gradings, for which there was no room"
    yield f"  time: {_seconds(result.execution_time)}"


def _asks_a_judge(explanation: Explanation) -> bool:
    asking = (explanation, *explanation.each_vote)
    return any(call.service == "judge" for one in asking for call in one.calls)


def _outcome(explanation: Explanation) -> str:
    """How it came out, in a few words."""
    result, threshold = explanation.result, explanation.pass_threshold
    votes = "" if explanation.votes is None else f", the {explanation.votes} votes"
    if result.reward is None:
        return f"ungraded{votes}"
    passed = "passed" if result.passed else "did not pass"
    verdict = "" if result.passed is None else f", {passed} (at {threshold:g} or more)"
    return f"reward {result.reward:g}{votes}{verdict}"


def _result(result: GraderResult, explanation: Explanation) -> Iterator[str]:
    failure = result.failure
    if failure is not None:
        is_of_part = any(inner.result.failure is not None for inner in explanation.inside)
        yield from _failure(replace(failure, details={}) if is_of_part else failure)
    if result.substituted:
        yield "the reward is the invalid_grade that the author asked for in place of a failed one"
    if result.explanation is not None and (failure is None or result.explanation != failure.message):
        yield from _titled("why", result.explanation)
    if result.sub_rewards and not explanation.inside:
        yield f"sub_rewards: {_numbers(result.sub_rewards)}"
    if result.metrics:
        yield f"metrics: {_numbers(result.metrics)}"
    # of what a judge said, this is shown where it was asked
    shown = {"model", "steps"} if _asks_a_judge(explanation) else ()
    for name, value in result.metadata.items():
        if name not in shown:
            yield from _titled(f"metadata.{name}", _text(value))
    for model, tokens in result.usage.items():
        said = {name.removesuffix("_tokens"): number for name, number in tokens.items()}
        yield f"tokens of {printable(model)}: {_numbers(said)}"


def _failure(failure: Failure) -> Iterator[str]:
    again = ", may succeed when it is done again" if failure.retryable else ""
    yield f"failure: {failure.kind.value}, caused by the {failure.caused_by}{again}"
    yield from _indented(_quoted(failure.message))
    for name, value in failure.details.items():
        yield from _indented(_titled(name, _text(value).removesuffix("\n")))


def _options(explanation: Explanation) -> Iterator[str]:
    """The options that are neither templates, nor hold any: what became of those is shown by itself."""
    with_templates = {template.path.partition(".")[0] for template in explanation.templates}
    of_formulas = {formula.path for formula in explanation.formulas}
    for name, value in explanation.options.items():
        if name not in with_templates | of_formulas:
            text = _text(value).removesuffix("\n")
            short = len(text) <= SHORT and "\n" not in text
            yield from [f"{printable(name)}: {printable(text)}"] if short else _titled(name, text, FEW_LINES)


def _template(template: Rendered, most: int) -> Iterator[str]:
    source = printable(template.source)
    if template.text == template.source:
        yield from _titled(template.path, template.source, most)
        return
    yield f"{printable(template.path)}: {_cut(source, SHORT)}"
    if template.text is not None:
        yield from _indented(_quoted(template.text, most))
    else:
        yield f"  has no text: {_cut(printable(template.failure or ''), MOST_CHARACTERS)}"


def _formula(formula: Worked) -> Iterator[str]:
    value = "has no value" if formula.value is None else f"= {formula.value:g}"
    source, numbers = (" ".join(text.split()) for text in (formula.source, formula.with_numbers))
    yield f"{printable(formula.path)}: {_cut(printable(source), MOST_CHARACTERS)}"
    yield f"  {_cut(printable(numbers), MOST_CHARACTERS)} {value}"


def _call(call: Call, known: Failure | None) -> Iterator[str]:
    """One call; its failure is left out where it is `known`, being that of the whole grading."""
    asked = dict(call.asked)
    if call.service == "judge":
        model = printable(str(asked.get("model")))
        yield f"judge {model}: {_how(call)}"
        yield from _indented(_sampling(asked))
        for message in asked.get("messages", ()):
            yield from _indented(_message(message))
    elif call.service == "http":
        yield f"POST {printable(str(asked.pop('url', '')))}: {_how(call)}"
        yield from _indented(_fields(asked))
    else:
        role = f", {printable(str(asked.pop('role')))}" if "role" in asked else ""
        yield f"{call.service}{role}: {_how(call)}"
        message = asked.pop("message", None)
        if isinstance(message, Mapping):
            yield from _indented(_fields(message))
        elif message is not None:
            yield from _indented(_titled("message", _text(message)))
        yield from _indented(_fields(asked))
    if call.failure is not None:
        if call.failure != known:
            yield from _indented(_failure(call.failure))
    elif call.finished:
        yield from _indented(_answer(call))


def _how(call: Call) -> str:
    if not call.finished:
        return f"nobody waited for the answer any more, after {_seconds(call.seconds)}"
    if call.failure is not None:
        return f"no answer, after {_seconds(call.seconds)}"
    cached = isinstance(call.answered, Mapping) and call.answered.get("cached") is True
    remembered = ", remembered from an earlier question" if cached else ""
    total = call.usage.get("total_tokens")
    tokens = f", {total:,} tokens" if total else ""
    return f"answered in {_seconds(call.seconds)}{remembered}{tokens}"


def _sampling(asked: Mapping[str, Any]) -> Iterator[str]:
    if asked.get("sampling"):
        yield f"sampling: {_cut(printable(_text(asked['sampling'])), SHORT)}"


def _message(message: object) -> Iterator[str]:
    if not isinstance(message, Mapping):
        yield from _quoted(_text(message))
        return
    yield f"{printable(str(message.get('role', 'message')))}:"
    content = message.get("content")
    blocks = content if isinstance(content, list) else [content]
    for block in blocks:
        text = block.get("text", block) if isinstance(block, Mapping) else block
        yield from _indented(_quoted(_text(text)))


def _answer(call: Call) -> Iterator[str]:
    if call.service == "judge" and isinstance(call.answered, Mapping):
        output = call.answered.get("output")
        yield f"answer of {printable(str(call.answered.get('model')))}:"
        yield from _indented(_verdict(output))
    elif isinstance(call.answered, Mapping):
        yield "answer:"
        yield from _indented(_fields(call.answered))
    else:
        yield from _fields({"answer": call.answered})


def _verdict(output: object) -> Iterator[str]:
    if not isinstance(output, Mapping):
        yield from _quoted(_text(output))
        return
    for name, value in output.items():
        if name == "steps" and isinstance(value, list) and all(isinstance(step, Mapping) for step in value):
            for number, step in enumerate(value, 1):
                yield from _titled(f"step {number}", ": ".join(map(_text, step.values())))
        else:
            yield from _titled(str(name), _text(value))


def _fields(fields: Mapping[str, Any]) -> Iterator[str]:
    for name, value in fields.items():
        if value is None or isinstance(value, (bool, int, float)):
            yield f"{printable(name)}: {json.dumps(value)}"
        elif value:
            yield from _titled(name, _text(value))


def _titled(name: str, text: str, most: int = MOST_LINES) -> Iterator[str]:
    """A name and a text: beside it when it is short, otherwise below it."""
    if len(text) <= SHORT and "\n" not in text:
        yield f"{printable(name)}: | {printable(text)}".rstrip()
    else:
        yield f"{printable(name)}:"
        yield from _indented(_quoted(text, most))


def _quoted(text: str, most: int = MOST_LINES) -> Iterator[str]:
    """What somebody else said, shortened, each line behind a `|`."""
    whole = text.split("\n")
    shown = whole[:most]
    for line in shown:
        yield f"| {_cut(printable(line), MOST_CHARACTERS)}".rstrip()
    if len(whole) > most:
        left = sum(len(line) + 1 for line in whole[most:]) - 1
        yield f"… {len(whole) - most:,} more lines, {left:,} characters"


def _indented(inner: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in inner)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… {len(text) - most:,} more characters"


def _text(value: object) -> str:
    """A text itself, anything else as JSON in one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)


def _numbers(numbers: Mapping[str, float | None]) -> str:
    said = (
        f"{printable(name)} {'ungraded' if number is None else f'{number:g}'}"
        for name, number in numbers.items()
    )
    return _cut(", ".join(said), 4 * SHORT)


def _seconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
