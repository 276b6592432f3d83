"""The commands `graders client …`: they write the reward file that a trainer loads.

What is in the file is the client's business, which is a distribution of its own, without dependencies: it is imported here when a file
is written, and nowhere else in the service.
"""

from pathlib import Path
from typing import Annotated

import typer

from service.cli import terminal

app = typer.Typer(
    help="Write the reward file that a trainer loads: graders client verl --grader math > reward.py",
    no_args_is_help=True,
)

INSTALL = (
    "the client for trainers is not installed beside this command: `pip install ./clients/python` in a copy of the repository; "
    "or run `python -m graders_client {trainer}` where it is installed"
)

Grader = Annotated[
    str, typer.Option(help="The name of a grader that is stored at the service.", show_default=False)
]
Url = Annotated[str, typer.Option(help="Where the service is, as the trainer reaches it.")]
OnFailure = Annotated[
    str | None,
    typer.Option(
        help="What the trainer is given for an ungraded sample, instead of its default: raise, group_mean or a number.",
    ),
]
KeyVariable = Annotated[
    str, typer.Option(help="The environment variable with the service's key; the key is not written.")
]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", help="Where to write it; standard output by default.")
]
ADDRESS = "http://127.0.0.1:8000"
VARIABLE = "GRADERS_API_KEY"


@app.command()
def openrlhf(
    grader: Grader,
    url: Url = ADDRESS,
    on_failure: OnFailure = None,
    key_variable: KeyVariable = VARIABLE,
    output: Output = None,
) -> None:
    """For OpenRLHF: --remote_rm_url reward.py."""
    _write("openrlhf", grader, url, on_failure, key_variable, output)


@app.command()
def slime(
    grader: Grader,
    url: Url = ADDRESS,
    on_failure: OnFailure = None,
    key_variable: KeyVariable = VARIABLE,
    output: Output = None,
) -> None:
    """For slime: --custom-rm-path my_reward.reward, for a file my_reward.py."""
    _write("slime", grader, url, on_failure, key_variable, output)


@app.command()
def verl(
    grader: Grader,
    url: Url = ADDRESS,
    on_failure: OnFailure = None,
    key_variable: KeyVariable = VARIABLE,
    output: Output = None,
) -> None:
    """For verl: custom_reward_function.path=reward.py."""
    _write("verl", grader, url, on_failure, key_variable, output)


def _write(
    trainer: str, grader: str, url: str, on_failure: str | None, key_variable: str, output: Path | None
) -> None:
    """Write a file.

    Raises:
        ConfigurationError: When the client is not installed, an argument is wrong, or the file cannot be written.
    """
    from graders import ConfigurationError  # noqa: PLC0415
    from runtime.data.output_files import write_file  # noqa: PLC0415

    try:
        from graders_client.reward_files import reward_file  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "graders_client":
            raise
        raise ConfigurationError(INSTALL.format(trainer=trainer)) from None
    try:
        text = reward_file(trainer, url, grader, on_failure=on_failure, key_variable=key_variable)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    if output is None:
        terminal.out(text)
    else:
        write_file(output, text.encode())
