"""SkyRL-gym 0.4: `register(id="graders", entry_point="graders_client.trainers.skyrl:GradersEnv")`.

The environment's configuration says `url`, `grader` and, if wanted, `on_failure` and `key_variable`. SkyRL makes one environment
for each sample; those of a process share a client, which gathers their calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from graders_client.on_failure import RecentMeans, chosen
from graders_client.trainers.columns import group_of
from graders_client.trainers.shared import KEY_VARIABLE, shared_client


@lru_cache(maxsize=64)
def _means(url: str, grader: str, on_failure: str | float) -> RecentMeans:
    return RecentMeans(on_failure)


def step(action: str, config: Mapping[str, Any], extras: Mapping[str, Any]) -> dict[str, Any]:
    """The one step of an episode.

    Args:
        action: What the model answered.
        config: The environment's configuration.
        extras: Of the dataset row; `reward_spec` has the `ground_truth`.
    """
    url, grader = config.get("url"), config.get("grader")
    if not url or not grader:
        raise ValueError(
            "the environment's configuration: expected `url`, and `grader`, a stored grader's name"
        )
    means = _means(url, grader, chosen("skyrl", config.get("on_failure")))
    spec = extras.get("reward_spec") or {}
    row = {name: value for name, value in extras.items() if name not in ("reward_spec", "max_turns")}
    item = {**row, "ground_truth": spec.get("ground_truth"), "reward_spec": spec}
    client = shared_client(url, grader, config.get("key_variable") or KEY_VARIABLE)
    graded = client.grade_one(action, item)
    metadata: dict[str, Any] = {
        "graded": graded.graded,
        **{f"sub_rewards/{k}": v for k, v in graded.sub_rewards.items()},
    }
    if graded.failure is not None:
        metadata["failure"] = graded.failure.message
    return {
        "observations": [],
        "reward": means.rewards([graded], [group_of(item)])[0],
        "done": True,
        "metadata": metadata,
    }


def __getattr__(name: str) -> Any:
    """Make `GradersEnv` when SkyRL asks for it: it must be derived from SkyRL's own class."""
    if name != "GradersEnv":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _environment()


@lru_cache(maxsize=1)
def _environment() -> type:
    from skyrl_gym.envs.base_text_env import BaseTextEnv  # noqa: PLC0415

    class GradersEnv(BaseTextEnv):  # type: ignore[misc]  # SkyRL is not installed where this is checked
        """An environment of one turn, whose reward a grader gives."""

        def __init__(self, env_config: Any = None, extras: Mapping[str, Any] | None = None) -> None:
            super().__init__()
            self._config, self._extras = env_config, extras or {}

        def step(self, action: str) -> dict[str, Any]:
            """Grade the answer, which ends the episode."""
            return step(action, self._config, self._extras)

    return GradersEnv
