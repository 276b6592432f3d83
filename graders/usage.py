"""Judge tokens by the model that answered: `{"gpt-x": {"prompt_tokens": 120, …}}`."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens")
"""What is counted of each answer, in the order of the published API."""

Usage: TypeAlias = Mapping[str, Mapping[str, int]]


def summed(usages: Iterable[Usage]) -> dict[str, dict[str, int]]:
    """Tokens by model of several results together."""
    total: dict[str, dict[str, int]] = {}
    for usage in usages:
        for model, tokens in usage.items():
            of_model = total.setdefault(model, {})
            for name, number in tokens.items():
                of_model[name] = of_model.get(name, 0) + number
    return total


def all_models(usage: Usage) -> dict[str, int]:
    """Each of `TOKENS` of all models together; 0 where a model does not say it."""
    return {name: sum(tokens.get(name, 0) for tokens in usage.values()) for name in TOKENS}
