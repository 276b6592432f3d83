"""Grade answers of the Countdown numbers game: combine all numbers, each once, to reach a target."""

import json
from collections import Counter
from fractions import Fraction

from countdown_grader.arithmetic import NotArithmetic, evaluate
from graders import FailureKind, GraderResult, GradingError, Item, Sample, Template, grader

LADDER = ((0, 5.0, "reaches the target"), (1, 4.0, "off by at most 1"), (5, 3.0, "off by at most 5"))


@grader("countdown", range=(0, 5))
def countdown(
    sample: Sample,
    item: Item,
    *,
    answer: Template,
    numbers: Template,
    target: Template,
    decimals: int | None = None,
) -> GraderResult:
    """Reward 0 to 5 by the published rules of the Countdown demo.

    5: the expression is valid, uses every number once and reaches the target; 4: off by at most 1; 3: off by at most 5;
    2: further off; 1: the reported result is not the expression's value; 0: the expression is invalid or uses other
    numbers. Source: the judge's instructions in microsoft-foundry/fine-tuning, Demos/RFT_Countdown.

    Args:
        sample: The model's answer.
        item: The puzzle.
        answer: The JSON object `{"expression", "result"}` that the model was asked for.
        numbers: A JSON list of the numbers to use, each once.
        target: The number to reach.
        decimals: Accept a reported result that is rounded to so many decimals; by default it must be exact.
    """
    wanted = _numbers(numbers(sample, item))
    goal = _number(target(sample, item))
    expression, reported = _parse(answer(sample, item))
    try:
        value, used = evaluate(expression)
    except NotArithmetic as error:
        return GraderResult(0.0, explanation=f"invalid expression: {error}")
    if used != wanted:
        return GraderResult(0.0, explanation=f"uses {_listed(used)}, not {_listed(wanted)}")
    distance = abs(value - goal)
    metrics = {"distance": float(distance)}
    rounding = 0 if decimals is None else Fraction(1, 2 * 10**decimals)
    if reported is None or abs(reported - value) > rounding:
        return GraderResult(
            1.0, explanation=f"the value is {float(value):.6g}, not as reported", metrics=metrics
        )
    for limit, reward, why in LADDER:
        if distance <= limit:
            return GraderResult(reward, explanation=why, metrics=metrics)
    return GraderResult(2.0, explanation="off by more than 5", metrics=metrics)


def _parse(answer: str) -> tuple[str, Fraction | None]:
    """The expression and the reported result; an answer that is not the JSON asked for is the model's failure."""
    try:
        fields = json.loads(answer)
        expression, result = fields["expression"], fields["result"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise GradingError(
            f'the answer is not {{"expression": …, "result": …}}: {error}',
            kind=FailureKind.SAMPLE_PARSE,
            caused_by="model",
        ) from error
    try:
        return str(expression), Fraction(str(result)[:50])
    except (ValueError, ZeroDivisionError):
        return str(expression), None


def _numbers(text: str) -> Counter[Fraction]:
    """The numbers of the puzzle; what is no list of numbers is the dataset's fault, not the model's."""
    try:
        return Counter(map(Fraction, json.loads(text)))
    except (ValueError, TypeError, ArithmeticError) as error:
        message = f"the item's numbers are no JSON list of numbers: {text[:80]}"
        raise GradingError(message, kind=FailureKind.INVALID_VARIABLE) from error


def _number(text: str) -> Fraction:
    try:
        return Fraction(text)
    except (ValueError, ArithmeticError) as error:
        raise GradingError(
            f"the item's target is not a number: {text[:80]}", kind=FailureKind.INVALID_VARIABLE
        ) from error


def _listed(numbers: Counter[Fraction]) -> str:
    return "[" + ", ".join(map(str, sorted(numbers.elements()))) + "]"
