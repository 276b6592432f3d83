"""`graders convert`: writes a grader for another host."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

from graders import Grader, Registry
from runtime.convert.google import to_google
from runtime.convert.published import to_published
from runtime.convert.reward_lambda import to_lambda

Host: TypeAlias = Literal["openai", "foundry", "google", "lambda"]
HOSTS: tuple[Host, ...] = get_args(Host)


@dataclass(frozen=True, slots=True)
class Converted:
    """A grader for another host.

    Attributes:
        text: What that host takes: JSON, or a Python file for a Lambda function.
        notes: What a user should know, such as what its rows need.
    """

    text: str
    notes: tuple[str, ...]


def convert(config: Grader | Mapping[str, Any], to: Host, registry: Registry | None = None) -> Converted:
    """Write a grader for another host, where it gives the same rewards.

    Args:
        config: The grader's JSON, in any form that loads here.
        to: The host.
        registry: Grader types; the installed ones by default.

    Raises:
        ConfigurationError: When the grader is wrong, or cannot be said at that host; with one problem for each part.
        PluginError: When a plugin cannot be used.
    """
    grader = (registry or Registry.installed()).load(config)
    notes: list[str] = []
    if to == "lambda":
        text = to_lambda(grader, notes)
    else:
        written = to_google(grader, notes) if to == "google" else to_published(grader, to, notes)
        text = json.dumps(written, ensure_ascii=False, indent=2) + "\n"
    return Converted(text, tuple(dict.fromkeys(notes)))
