"""The task: five digits are asked for in ascending order. Questions, their items, and demonstrations with mistakes."""

import json
import random
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from graders_client import Graded

GRADER = Path(__file__).with_name("grader.json")
LENGTH = 5
HELD_OUT_SHARE = 0.2

Item = dict[str, Any]


def questions(generator: random.Random, count: int, *, held_out: bool = False) -> list[str]:
    """Different texts of five digits.

    Args:
        generator: Of the random numbers.
        count: How many.
        held_out: Draw those whose digits, in any order, are kept out of training.
    """
    found: dict[str, None] = {}
    while len(found) < count:
        digits = "".join(generator.choices("0123456789", k=LENGTH))
        if is_held_out(digits) == held_out:
            found[digits] = None
    return list(found)


def is_held_out(digits: str) -> bool:
    """Whether a question is kept out of training: one for all orders of the same digits, whatever the seed."""
    return random.Random("".join(sorted(digits))).random() < HELD_OUT_SHARE  # noqa: S311  # no secret


def item_of(digits: str) -> Item:
    """What the grader reads of a question."""
    places = sorted(digits)
    return {"digits": digits, "sorted": "".join(places), "places": places}


def messages_of(digits: str) -> list[dict[str, str]]:
    """The prompt."""
    return [{"role": "user", "content": digits}]


def demonstration(digits: str, generator: random.Random, right: float) -> str:
    """The answer of a careless demonstrator.

    Args:
        digits: The question.
        generator: Of the random numbers.
        right: The share of answers without a mistake. The others have one to three digits exchanged or misread.
    """
    places = sorted(digits)
    if generator.random() < right:
        return "".join(places)
    for _ in range(generator.randint(1, 3)):
        at, other = generator.sample(range(LENGTH), 2)
        if generator.random() < 0.5:
            places[at], places[other] = places[other], places[at]
        else:
            places[at] = generator.choice("0123456789")
    return "".join(places)


def graded_row(line: int, digits: str, answers: Sequence[str], graded: Sequence[Graded]) -> Item:
    """A line of a graded file, as `graders data select` and `graders data export` read it.

    Args:
        line: Its number, from 1.
        digits: The question.
        answers: To it.
        graded: The result of each answer; an ungraded one says why, and is not exported.
    """
    results = [
        {
            "line": line,
            "draw": draw,
            "key": f"{digits}:{draw}",
            "reward": each.reward,
            "sub_rewards": dict(each.sub_rewards),
            "failure": asdict(each.failure) if each.failure else None,
        }
        for draw, each in enumerate(graded)
    ]
    return {
        "item": item_of(digits),
        "messages": messages_of(digits),
        "samples": list(answers),
        "results": results,
    }


def write_rows(path: Path, rows: list[Item]) -> None:
    """Write JSONL."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read_rows(path: Path) -> list[Item]:
    """Read JSONL."""
    return [json.loads(line) for line in path.read_text().splitlines()]
