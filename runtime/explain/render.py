"""An `Explanation` as lines for a person.

Whatever a model, a judge or a dataset said stands behind a `|`, so that it is not taken for ours.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from graders import Failure, GraderResult
from runtime.data.printable import printable
from runtime.explain.explanation import Call, EvaluatedFormula, Explanation, Rendered
from runtime.telemetry.outcomes import blamed, is_unreadable

MOST_LINES = 12
"""Of one text that are shown."""
MOST_CHARACTERS = 160
"""Of one line of a text that are shown."""
FEW_LINES = 3
"""Of a text that is shown again, whole, in what a judge is asked, and of what its author has beside him."""
SHORT = 100
"""Characters of a value that stands beside its name."""


def lines(explanation: Explanation, *, full: bool = False) -> list[str]:
    """One grading laid open, in plain lines: indented, nothing in them that a terminal would obey.

    Args:
        explanation: What to show.
        full: Show long texts whole, rather than shortened.
    """
    return _Lines(full=full).of(explanation)


class _Lines:
    """Gives the lines of explanations.

    Args:
        full: Shorten nothing.
    """

    def __init__(self, *, full: bool) -> None:
        self._most_lines = sys.maxsize if full else MOST_LINES
        self._few_lines = sys.maxsize if full else FEW_LINES
        self._most_characters = sys.maxsize if full else MOST_CHARACTERS
        self._short_text = sys.maxsize if full else SHORT

    def of(self, explanation: Explanation) -> list[str]:
        """All lines of one grading."""
        return self._grading(explanation, explanation.grader.name)

    def _grading(self, explanation: Explanation, name: str) -> list[str]:
        return [
            f"{printable(name)} ({explanation.grader.type}): {_outcome(explanation)}",
            *self._inside(explanation),
            f"  signature: {printable(explanation.grader.signature)}",
        ]

    def _vote(self, explanation: Explanation) -> list[str]:
        return [f"{explanation.key}: {_outcome(explanation)}", *self._inside(explanation)]

    def _inside(self, explanation: Explanation) -> Iterator[str]:
        """All that stands below the first line."""
        result = explanation.result
        if explanation.sample is not None:
            yield from _indented(self._titled("sample", explanation.sample))
        yield from _indented(self._result(result, explanation))
        yield from _indented(self._options(explanation))
        most = self._few_lines if _asks_a_judge(explanation) else self._most_lines
        for template in explanation.templates:
            yield from _indented(self._template(template, most))
        for call in explanation.calls:
            yield from _indented(self._call(call, result.failure))
        if explanation.printed is not None:
            yield from _indented(self._titled("printed", explanation.printed))
        for inner in explanation.inside:
            key = inner.key.removeprefix("graders.") or inner.grader.name
            yield from _indented(self._grading(inner, key))
        for vote in explanation.each_vote:
            yield from _indented(self._vote(vote))
        for formula in explanation.formulas:
            yield from _indented(self._formula(formula))
        if explanation.left_out:
            yield f"  … and {explanation.left_out:,} more calls and gradings, for which there was no room"
        yield f"  time: {_seconds(result.execution_time)}"

    def _result(self, result: GraderResult, explanation: Explanation) -> Iterator[str]:
        failure = result.failure
        if failure is not None:
            is_of_part = any(inner.result.failure is not None for inner in explanation.inside)
            yield from self._failure(replace(failure, details={}) if is_of_part else failure)
        if result.substituted:
            yield "the reward is the invalid_grade that the author asked for in place of a failed one"
        if result.explanation is not None and (failure is None or result.explanation != failure.message):
            yield from self._titled("why", result.explanation)
        if result.sub_rewards and not explanation.inside:
            yield f"sub_rewards: {self._numbers(result.sub_rewards)}"
        if result.metrics:
            yield f"metrics: {self._numbers(result.metrics)}"
        # of what a judge said, this is shown where it was asked
        shown = {"model", "steps"} if _asks_a_judge(explanation) else ()
        for name, value in result.metadata.items():
            if name not in shown:
                yield from self._titled(f"metadata.{name}", _text(value))
        for model, tokens in result.usage.items():
            said = {name.removesuffix("_tokens"): number for name, number in tokens.items()}
            yield f"tokens of {printable(model)}: {self._numbers(said)}"

    def _failure(self, failure: Failure) -> Iterator[str]:
        again = ", may succeed when it is repeated" if failure.retryable else ""
        cause = blamed(failure.caused_by, is_unreadable=is_unreadable(failure.details))
        yield f"failure: {failure.kind.value}, {cause}{again}"
        yield from _indented(self._quoted(failure.message))
        for name, value in failure.details.items():
            yield from _indented(self._titled(name, _text(value).removesuffix("\n")))

    def _options(self, explanation: Explanation) -> Iterator[str]:
        """The options that are neither templates, nor hold any: what became of those is shown by itself."""
        with_templates = {template.path.partition(".")[0] for template in explanation.templates}
        of_formulas = {formula.path for formula in explanation.formulas}
        for name, value in explanation.options.items():
            if name not in with_templates | of_formulas:
                text = _text(value).removesuffix("\n")
                short = len(text) <= SHORT and "\n" not in text
                yield from (
                    [f"{printable(name)}: {printable(text)}"]
                    if short
                    else self._titled(name, text, self._few_lines)
                )

    def _template(self, template: Rendered, most: int) -> Iterator[str]:
        source = printable(template.source)
        if template.text == template.source:
            yield from self._titled(template.path, template.source, most)
            return
        yield f"{printable(template.path)}: {self._cut(source, self._short_text)}"
        if template.text is not None:
            yield from _indented(self._quoted(template.text, most))
        else:
            yield f"  not rendered: {self._cut(printable(template.failure or ''), self._most_characters)}"

    def _formula(self, formula: EvaluatedFormula) -> Iterator[str]:
        value = "has no value" if formula.value is None else f"= {formula.value:g}"
        source, numbers = (" ".join(text.split()) for text in (formula.source, formula.with_numbers))
        yield f"{printable(formula.path)}: {self._cut(printable(source), self._most_characters)}"
        yield f"  {self._cut(printable(numbers), self._most_characters)} {value}"

    def _call(self, call: Call, known: Failure | None) -> Iterator[str]:
        """One call; its failure is left out where it is `known`, being that of the whole grading."""
        asked = dict(call.asked)
        if call.service == "judge":
            model = printable(str(asked.get("model")))
            yield f"judge {model}: {_how(call)}"
            yield from _indented(self._sampling(asked))
            for message in asked.get("messages", ()):
                yield from _indented(self._message(message))
        elif call.service == "http":
            yield f"POST {printable(str(asked.pop('url', '')))}: {_how(call)}"
            yield from _indented(self._fields(asked))
        else:
            role = f", {printable(str(asked.pop('role')))}" if "role" in asked else ""
            yield f"{call.service}{role}: {_how(call)}"
            message = asked.pop("message", None)
            if isinstance(message, Mapping):
                yield from _indented(self._fields(message))
            elif message is not None:
                yield from _indented(self._titled("message", _text(message)))
            yield from _indented(self._fields(asked))
        if call.failure is not None:
            if call.failure != known:
                yield from _indented(self._failure(call.failure))
        elif call.finished:
            yield from _indented(self._answer(call))

    def _sampling(self, asked: Mapping[str, Any]) -> Iterator[str]:
        if asked.get("sampling"):
            yield f"sampling: {self._cut(printable(_text(asked['sampling'])), self._short_text)}"

    def _message(self, message: object) -> Iterator[str]:
        if not isinstance(message, Mapping):
            yield from self._quoted(_text(message))
            return
        yield f"{printable(str(message.get('role', 'message')))}:"
        content = message.get("content")
        blocks = content if isinstance(content, list) else [content]
        for block in blocks:
            text = block.get("text", block) if isinstance(block, Mapping) else block
            yield from _indented(self._quoted(_text(text)))

    def _answer(self, call: Call) -> Iterator[str]:
        if call.service == "judge" and isinstance(call.answered, Mapping):
            output = call.answered.get("output")
            yield f"answer of {printable(str(call.answered.get('model')))}:"
            yield from _indented(self._verdict(output))
        elif isinstance(call.answered, Mapping):
            yield "answer:"
            yield from _indented(self._fields(call.answered))
        else:
            yield from self._fields({"answer": call.answered})

    def _verdict(self, output: object) -> Iterator[str]:
        if not isinstance(output, Mapping):
            yield from self._quoted(_text(output))
            return
        for name, value in output.items():
            if (
                name == "steps"
                and isinstance(value, list)
                and all(isinstance(step, Mapping) for step in value)
            ):
                for number, step in enumerate(value, 1):
                    yield from self._titled(f"step {number}", ": ".join(map(_text, step.values())))
            else:
                yield from self._titled(str(name), _text(value))

    def _fields(self, fields: Mapping[str, Any]) -> Iterator[str]:
        for name, value in fields.items():
            if value is None or isinstance(value, (bool, int, float)):
                yield f"{printable(name)}: {json.dumps(value)}"
            elif value:
                yield from self._titled(name, _text(value))

    def _titled(self, name: str, text: str, most: int | None = None) -> Iterator[str]:
        """A name and a text: beside it when it is short, otherwise below it."""
        if len(text) <= SHORT and "\n" not in text:
            yield f"{printable(name)}: | {printable(text)}".rstrip()
        else:
            yield f"{printable(name)}:"
            yield from _indented(self._quoted(text, most))

    def _quoted(self, text: str, most: int | None = None) -> Iterator[str]:
        """What somebody else said, shortened, each line behind a `|`."""
        whole = text.split("\n")
        most = self._most_lines if most is None else most
        shown = whole[:most]
        for line in shown:
            yield f"| {self._cut(printable(line), self._most_characters)}".rstrip()
        if len(whole) > most:
            left = sum(len(line) + 1 for line in whole[most:]) - 1
            yield f"… {len(whole) - most:,} more lines, {left:,} characters"

    def _cut(self, text: str, most: int) -> str:
        return text if len(text) <= most else f"{text[:most]}… {len(text) - most:,} more characters"

    def _numbers(self, numbers: Mapping[str, float | None]) -> str:
        said = (
            f"{printable(name)} {'ungraded' if number is None else f'{number:g}'}"
            for name, number in numbers.items()
        )
        return self._cut(", ".join(said), 4 * self._short_text)


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


def _indented(inner: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" for line in inner)


def _text(value: object) -> str:
    """A text itself, anything else as JSON in one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)


def _seconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
