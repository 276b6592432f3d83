"""Options that several commands have, and the settings that they stand for."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from runtime.settings.variables import CONFIG_VARIABLE
from service.cli import terminal

if TYPE_CHECKING:
    from runtime import Settings


class EngineName(StrEnum):
    """Values of the setting `engine`."""

    LOCAL = "local"
    RAY = "ray"


Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Config = Annotated[
    Path | None,
    typer.Option(envvar=CONFIG_VARIABLE, show_envvar=False, help="Settings file, instead of graders.toml."),
]
EngineOption = Annotated[
    EngineName | None,
    typer.Option("--engine", help="Grade batches in this process, or with actors of a Ray cluster."),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--address", help="Of the Ray cluster: host:port or auto; one of this machine if not given."
    ),
]


def read_settings(config: Path | None, **arguments: Any) -> "Settings":
    """The settings of a command.

    Warns on standard error of environment variables that look like settings but are not.

    Args:
        config: The file of `--config`.
        arguments: The values from the command line; None if not given.

    Raises:
        ConfigurationError: If a setting is wrong.
    """
    from runtime import Settings  # noqa: PLC0415

    for message in Settings.unread_variables():
        terminal.err(f"warning: {message}\n")
    return Settings.load(config, **arguments)
