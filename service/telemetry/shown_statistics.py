"""The statistics of a named grader as they are answered: the published names in one flat object, and everything by split."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from graders import CausedBy, FailureKind
from runtime.telemetry.outcomes import Got
from service.telemetry.grader_statistics import (
    EQUAL_GROUPS,
    ERROR,
    FAILED,
    GRADED,
    GRADINGS,
    GROUPS,
    REWARDS,
    SECONDS,
    SPLITS,
    SQUARES,
    TOKEN,
    UNGRADED,
    WHOLE,
    Sums,
)


def shown_statistics(grader: Mapping[str, Any], by_split: Mapping[str, Sums]) -> dict[str, Any]:
    """Sums as they are answered: the published names in one flat object, and everything by split.

    Args:
        grader: Its JSON, which names the types of the graders inside.
        by_split: What was summed up.
    """
    splits = {split: _Split(grader, by_split.get(split, {})) for split in SPLITS}
    metrics: dict[str, float | None] = {}
    parts = sorted({part for split in splits.values() for part in split.parts})
    for label in [*parts, WHOLE]:  # the whole last, in case that a part is called the same
        for split, figures in splits.items():
            metrics |= figures.published(split, label, {e for s in splits.values() for e in s.errors(label)})
    train, valid = splits["train"], splits["valid"]
    for split, figures in splits.items():
        metrics[f"{split}_reward_mean"] = figures.reward_mean(WHOLE)
        metrics[f"{split}_frac_reward_zero_std"] = figures.equal_groups
        metrics[f"{split}_ungraded_mean"] = figures.mean(figures.ungraded(WHOLE), WHOLE)
        metrics |= figures.failure_means(split)
    parse, unresponsive = FailureKind.SAMPLE_PARSE.value, FailureKind.UNRESPONSIVE_REWARD.value
    metrics |= {
        "train_mean_reward": train.reward_mean(WHOLE),
        "full_valid_mean_reward": valid.reward_mean(WHOLE),
        "mean_unresponsive_rewards": train.mean(train.errors(WHOLE).get(unresponsive, 0), WHOLE),
        "train_mean_parse_error": train.mean(train.errors(WHOLE).get(parse, 0), WHOLE),
        "full_valid_mean_parse_error": valid.mean(valid.errors(WHOLE).get(parse, 0), WHOLE),
    }
    usage: dict[str, dict[str, int]] = {}
    for prefix, figures in (("train", train), ("eval", valid)):
        for model, tokens in figures.tokens(WHOLE).items():
            usage.setdefault(model, {}).update({f"{prefix}_{kind}": count for kind, count in tokens.items()})
    return {
        "metrics": dict(sorted(metrics.items())),
        "model_graders_token_usage": usage,
        "splits": {split: figures.shown() for split, figures in splits.items()},
    }


_SHOWN_ERRORS = (FailureKind.SAMPLE_PARSE, FailureKind.INVALID_VARIABLE, FailureKind.OTHER)
"""Error flags that are published also where none was set."""


class _Split:
    """The figures of one split."""

    def __init__(self, grader: Mapping[str, Any], sums: Sums) -> None:
        self._grader, self._sums = grader, sums
        self.parts = sorted({part for part, _ in sums if part != WHOLE})

    def count(self, part: str, name: str) -> float:
        return self._sums.get((part, name), 0.0)

    def mean(self, value: float, part: str) -> float | None:
        """The mean over all gradings; None if there are no gradings."""
        return _ratio(value, self.count(part, GRADINGS))

    def reward_mean(self, part: str) -> float | None:
        return _ratio(self.count(part, REWARDS), self.count(part, GRADED))

    def reward_std(self, part: str) -> float | None:
        """The standard deviation of all rewards, not an estimate from a sample."""
        mean, squares = self.reward_mean(part), _ratio(self.count(part, SQUARES), self.count(part, GRADED))
        if mean is None or squares is None:
            return None
        return math.sqrt(max(0.0, squares - mean * mean))

    def ungraded(self, part: str) -> int:
        return int(self.count(part, GRADINGS) - self.count(part, GRADED))

    def failures(self, part: str) -> dict[CausedBy, dict[Got, int]]:
        """Gradings that failed, by who made them fail and what their samples got."""
        return {
            cause: {got: int(self.count(part, f"{FAILED}{cause}/{got}")) for got in get_args(Got)}
            for cause in get_args(CausedBy)
        }

    def failure_means(self, split: str) -> Iterator[tuple[str, float | None]]:
        """Shares of the gradings: failed by the model, ungraded by the grader or by infrastructure, substituted."""
        failures = self.failures(WHOLE)
        yield f"{split}_failed_by_model_mean", self.mean(sum(failures["model"].values()), WHOLE)
        for cause in ("grader", "infrastructure"):
            yield f"{split}_ungraded_by_{cause}_mean", self.mean(failures[cause]["ungraded"], WHOLE)
        substituted = sum(got["substituted"] for got in failures.values())
        yield f"{split}_substituted_mean", self.mean(substituted, WHOLE)

    @property
    def equal_groups(self) -> float | None:
        return _ratio(self.count(WHOLE, EQUAL_GROUPS), self.count(WHOLE, GROUPS))

    def errors(self, part: str) -> dict[str, int]:
        return self._under(part, ERROR)

    def tokens(self, part: str) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for name, number in self._under(part, TOKEN).items():
            kind, _, model = name.partition("/")
            found.setdefault(model, {})[kind] = number
        return found

    def published(self, split: str, part: str, errors: set[str]) -> Iterator[tuple[str, float | None]]:
        kind, name = self._label(part)
        yield f"scores/graders/{kind}/{name}/{split}_reward_mean", self.reward_mean(part)
        seconds = self.mean(self.count(part, SECONDS), part)
        yield f"timing/graders/{kind}/{name}/{split}_execution_latency_mean", seconds
        for error in sorted({*errors, *_SHOWN_ERRORS}):
            number, where = self.errors(part).get(error, 0), f"errors/graders/{kind}/{name}/{split}_{error}"
            yield f"{where}_count", number
            yield f"{where}_mean", self.mean(number, part)
        totals: dict[str, int] = {}
        for tokens in self.tokens(part).values():
            for token, number in tokens.items():
                totals[token] = totals.get(token, 0) + number
        for token, number in totals.items():
            yield f"usage/graders/{kind}/{name}/{split}_{token}_count", number
            yield f"usage/graders/{kind}/{name}/{split}_{token}_mean", self.mean(number, part)

    def shown(self) -> dict[str, Any]:
        groups = {
            "count": int(self.count(WHOLE, GROUPS)),
            "equal": int(self.count(WHOLE, EQUAL_GROUPS)),
            "frac_reward_zero_std": self.equal_groups,
        }
        return {
            **self._one(WHOLE),
            "groups": groups,
            "graders": {part: self._one(part) for part in self.parts},
        }

    def _one(self, part: str) -> dict[str, Any]:
        return {
            "gradings": int(self.count(part, GRADINGS)),
            "graded": int(self.count(part, GRADED)),
            "ungraded": self.ungraded(part),
            "ungraded_causes": self._under(part, UNGRADED),
            "failures": self.failures(part),
            "reward_mean": self.reward_mean(part),
            "reward_std": self.reward_std(part),
            "errors": self.errors(part),
            "execution_latency_mean": self.mean(self.count(part, SECONDS), part),
            "tokens": self.tokens(part),
        }

    def _label(self, part: str) -> tuple[str, str]:
        """The type and the name of a grader inside, or of the whole."""
        kind, name = str(self._grader["type"]), str(self._grader["name"])
        if part == WHOLE:
            return kind, name
        inner = self._grader.get("graders")
        found = inner.get(part) if isinstance(inner, Mapping) else None
        return str(found.get("type", kind)) if isinstance(found, Mapping) else kind, part

    def _under(self, part: str, prefix: str) -> dict[str, int]:
        return {
            name.removeprefix(prefix): int(value)
            for (of, name), value in sorted(self._sums.items())
            if of == part and name.startswith(prefix)
        }


def _ratio(value: float, of: float) -> float | None:
    return value / of if of else None
