"""The commands that operate a service: `graders backup`, `graders prune` and `graders doctor`."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli import terminal
from service.cli.common_options import Config, Json, read_settings

app = typer.Typer()


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where the copy is to be; '-' prints it.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Copy the service's database, also while it runs, and look whether the copy is whole."""
    from runtime.data.output_files import is_standard_output  # noqa: PLC0415
    from service.cli import operating  # noqa: PLC0415

    made = operating.backup(read_settings(config), file, force=force)
    aside = is_standard_output(file)
    if as_json:
        terminal.out_json(made, stderr=aside)
    else:
        (terminal.err if aside else terminal.out)(operating.backup_lines(made))


@app.command()
def prune(
    older_than: Annotated[
        str, typer.Option(help="A time such as 12h, 30d or 8w: what is older goes.", show_default=False)
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List what would be removed, and remove nothing.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Remove ended runs of evals, files that nothing mentions, and kept answers, also while the service runs."""
    from service.cli import operating  # noqa: PLC0415

    found = operating.pruned(read_settings(config), older_than, dry_run=dry_run)
    if as_json:
        terminal.out_json(found)
    else:
        terminal.out(operating.pruned_lines(found))


@app.command()
def doctor(
    attack: Annotated[
        bool, typer.Option("--attack", help="Carry out every known attack on the sandbox; half a minute.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Try what this machine isolates, reaches and lacks. Exits with 1 when something is missing."""
    from graders import Registry  # noqa: PLC0415
    from service.cli.doctor import examine, show  # noqa: PLC0415

    attacked_on = terminal.console(stderr=True) if attack else None
    found = examine(read_settings(config), Registry.installed(), attacked_on=attacked_on)
    if as_json:
        terminal.out_json(found)
    else:
        show(found, terminal.console())
    if not found["well"]:
        raise typer.Exit(1)
