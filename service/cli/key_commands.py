"""The commands `graders keys …`."""

from typing import Annotated

import typer

from service.cli import terminal
from service.cli.common_options import Config, Json, read_settings

app = typer.Typer(help="API keys of the service.", no_args_is_help=True)


@app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What to call it.", show_default=False)],
    scope: Annotated[
        list[str], typer.Option(help="What it allows: grade, read or manage; may be given often.")
    ],
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="How many requests a process takes from it.")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="How many of them a process answers at once.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it, which is never done again."""
    from service.cli.keys import create  # noqa: PLC0415

    limits = {"requests_per_minute": requests_per_minute, "concurrency": concurrency}
    made = create(read_settings(config), name, scope, **limits)
    if as_json:
        terminal.out_json(made)
    else:
        terminal.out(f"{made['key']}\n")
        terminal.err(f"{made['id']} is made; its key is shown only now\n")


@app.command("list")
def list_keys(config: Config = None, as_json: Json = False) -> None:
    """List the keys that were made, and the revoked ones too."""
    from service.cli.keys import describe, show  # noqa: PLC0415

    found = describe(read_settings(config))
    if as_json:
        terminal.out_json(found)
    else:
        show(found, terminal.console())


@app.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `graders keys list` shows it.")],
    config: Config = None,
) -> None:
    """End a key; running services refuse it within seconds."""
    from service.cli.keys import revoke  # noqa: PLC0415

    revoke(read_settings(config), key_id)
    terminal.err(f"{key_id} is revoked\n")
