"""To Google's reward configuration."""

import re
from collections.abc import Mapping
from typing import Any

from graders import ConfigurationError, Grader
from graders.dialects import GOOGLE_CONFIGS
from runtime.convert.published import source_of

_REFERENCE = re.compile(r"\{\{\s*item\.(?:references\.)?([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_OPERATIONS = {"eq": "EXACT_MATCH", "ne": "EXACT_MATCH", "neq": "EXACT_MATCH", "like": "PARTIAL_MATCH"}
_EVALUATE = """


def evaluate(example, response):
    import json

    text = "".join(part.get("text") or "" for part in response.get("parts", []) if not part.get("thought"))
    try:
        parsed = json.loads(text)
    except ValueError:
        parsed = None
    message = {"role": "assistant", "content": text, "tool_calls": []}
    sample = {
        "output_text": text,
        "output_json": parsed,
        "output_tools": [],
        "output_reasoning_summary": None,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    return float(grade(sample, {**example.get("references", {}), **example}))
"""


def to_google(grader: Grader, notes: list[str]) -> dict[str, Any]:
    """A grader as a reward configuration of Google's that gives the same rewards, where these lie in [-1, 1].

    Args:
        grader: The grader.
        notes: Takes what a user should know of the result.

    Raises:
        ConfigurationError: When it cannot be said there.
    """
    if grader.info.type == "google_reward":
        return {name: value for name, value in grader.config.items() if name in GOOGLE_CONFIGS}
    if grader.invalid_grade is not None or grader.votes is not None:
        raise ConfigurationError("Google's rewards have no invalid_grade and no votes")
    name = grader.info.name
    if (match := _string_match(grader, notes)) is not None:
        return {"singleRewardConfig": {"rewardName": name, "stringMatchRewardScorer": match}}
    source = source_of(grader, "google")
    low, high = grader.info.range
    if not -1.0 <= low <= high <= 1.0:
        notes.append(f"Google clips rewards to [-1, 1]; those of this grader lie in {low:g} to {high:g}")
    notes.append("the fields of a row are read from its references, or from the row itself")
    code = {"pythonCodeSnippet": source.rstrip() + _EVALUATE}
    return {"singleRewardConfig": {"rewardName": name, "codeExecutionRewardScorer": code}}


def _string_match(grader: Grader, notes: list[str]) -> Mapping[str, Any] | None:
    """A `string_check` of the whole answer as a string match; None for anything else."""
    config = grader.config
    is_plain = (
        grader.info.type == "string_check" and grader.built_in and config.get("thoughts", "keep") == "keep"
    )
    if not is_plain or config["operation"] not in _OPERATIONS:
        return None
    if not re.fullmatch(r"\{\{\s*sample\.output_text\s*\}\}", config["input"]):
        return None
    expression = _REFERENCE.sub(r"{{references.\1}}", config["reference"])
    rest = re.sub(r"\{\{references\.\w+\}\}", "", expression)
    if "{{" in rest:
        return None
    if expression != config["reference"]:
        notes.append("rows need the fields that the grader reads under 'references'")
    right, wrong = (0.0, 1.0) if config["operation"] in ("ne", "neq") else (1.0, 0.0)
    match = {"matchOperation": _OPERATIONS[config["operation"]], "expression": expression}
    return {"correctAnswerReward": right, "wrongAnswerReward": wrong, "stringMatchExpression": match}
