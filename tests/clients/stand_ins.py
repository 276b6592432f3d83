"""What stands for the packages of trainers: as much of each as our adapters touch, with the names of its published source."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any, Generic, TypeVar

import pytest
from pydantic import BaseModel, Field

T = TypeVar("T")
C = TypeVar("C")


def install(patch: pytest.MonkeyPatch, **modules: Mapping[str, Any]) -> None:
    """Have modules found, by their names with double underscores for dots."""
    for name, members in modules.items():
        dotted = name.replace("__", ".")
        parts = dotted.split(".")
        for depth in range(1, len(parts) + 1):
            parent = ".".join(parts[:depth])
            if parent not in sys.modules or depth == len(parts):
                module = ModuleType(parent)
                module.__path__ = []
                patch.setitem(sys.modules, parent, module)
        for member, value in members.items():
            setattr(sys.modules[dotted], member, value)
        for depth in range(1, len(parts)):
            setattr(
                sys.modules[".".join(parts[:depth])], parts[depth], sys.modules[".".join(parts[: depth + 1])]
            )


@dataclass
class Tensor:
    """As much of `torch.Tensor` as OpenRLHF touches of a reward."""

    values: list[float]


class JudgeConfig(BaseModel):
    """`verifiers.v1.JudgeConfig`."""

    id: str = ""
    name: str = ""
    weight: float = 1.0


class Judge(Generic[T, C]):
    """`verifiers.v1.Judge`."""

    def __init__(self, config: C) -> None:
        self.config = config


class SkyEnv:
    """`skyrl_gym.envs.base_text_env.BaseTextEnv`."""

    def __init__(self) -> None:
        self.turns, self.max_turns = 0, 1

    def init(self, prompt: list[dict[str, str]]) -> tuple[list[dict[str, str]], dict[str, Any]]:
        return prompt, {}

    def close(self) -> None: ...

    def get_metrics(self) -> dict[str, Any]:
        return {}


class MetricResult(BaseModel):
    """`eval_protocol.models.MetricResult`."""

    is_score_valid: bool = True
    score: float
    reason: str


class EvaluateResult(BaseModel):
    """`eval_protocol.models.EvaluateResult`."""

    score: float = Field(..., allow_inf_nan=False)
    is_score_valid: bool = True
    reason: str | None = None
    metrics: dict[str, MetricResult] = Field(default_factory=dict)
    error: str | None = None


@dataclass
class Score:
    """`inspect_ai.scorer.Score`."""

    value: float
    answer: str | None = None
    explanation: str | None = None
    reason: str | None = None
    metadata: dict[str, Any] | None = None

    @classmethod
    def unscored(cls, **rest: Any) -> "Score":
        return cls(float("nan"), **rest)


def scorer(metrics: Sequence[Any], name: str) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """`inspect_ai.scorer.scorer`."""

    def wrap(make: Callable[[], Any]) -> Callable[[], Any]:
        assert metrics
        assert name
        return make

    return wrap


class Rubric:
    """`openenv.core.rubrics.Rubric`, which calls `forward` and awaits it when it is a coroutine function."""

    last_score: float | None = None

    def __call__(self, action: Any, observation: Any) -> Any:
        return self.forward(action, observation)

    def forward(self, action: Any, observation: Any) -> Any:
        raise NotImplementedError


@dataclass
class Trajectory:
    """`art.Trajectory`."""

    answer: str
    metadata: dict[str, Any] = field(default_factory=dict)
    reward: float = 0.0
    metrics: dict[str, Any] = field(default_factory=dict)

    def messages(self) -> list[dict[str, str]]:
        return [{"role": "user", "content": "?"}, {"role": "assistant", "content": self.answer}]


@dataclass
class TrajectoryGroup:
    """`art.TrajectoryGroup`."""

    trajectories: list[Trajectory]
    metadata: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    logs: list[str] = field(default_factory=list)


def tinker_trajectory(tokens: list[int]) -> SimpleNamespace:
    """`tinker_cookbook.rl.types.Trajectory` of one action."""
    return SimpleNamespace(transitions=[SimpleNamespace(ac=SimpleNamespace(tokens=tokens), reward=0.0)])
