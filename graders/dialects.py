"""Graders that are published in other forms than ours: recognised by their fields, and given the type that reads them."""

from collections.abc import Mapping
from typing import Any

from graders.options import LABELS, RESERVED

GOOGLE_CONFIGS = (
    "singleRewardConfig",
    "compositeRewardConfig",
    "single_reward_config",
    "composite_reward_config",
)
_SINGLE = frozenset(
    {
        *("stringMatchRewardScorer", "codeExecutionRewardScorer", "autoraterScorer", "cloudRunRewardScorer"),
        *(
            "string_match_reward_scorer",
            "code_execution_reward_scorer",
            "autorater_scorer",
            "cloud_run_reward_scorer",
        ),
    }
)
_COMPOSITE = frozenset({"weightedRewardConfigs", "weighted_reward_configs"})


def is_google(config: Mapping[str, Any]) -> bool:
    """Whether JSON without a `type` is a reward configuration of Google's, or the inside of one."""
    if config.get("type") is not None:
        return False
    return any(name in config for name in (*GOOGLE_CONFIGS, *_SINGLE, *_COMPOSITE))


def with_type(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A grader's JSON with a `type`, where it is a known one of another form; anything else as it is.

    Google's configuration may be the request's (`{"singleRewardConfig": …}`), or one object of it alone.
    """
    if not is_google(config):
        return config
    if any(name in config for name in GOOGLE_CONFIGS):
        return {"type": "google_reward", **config}
    common = {name: config[name] for name in (*RESERVED, *LABELS) if name in config}
    inner = {name: value for name, value in config.items() if name not in common}
    field = "compositeRewardConfig" if not _COMPOSITE.isdisjoint(config) else "singleRewardConfig"
    return {"type": "google_reward", **common, field: inner}
