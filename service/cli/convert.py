"""`graders convert`: the same grader for another host."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from service.cli import terminal

app = typer.Typer()


@app.command()
def convert(
    grader: Annotated[
        Path, typer.Argument(help="The grader's JSON; '-' reads standard input.", show_default=False)
    ],
    to: Annotated[
        Literal["openai", "foundry", "google", "lambda"],
        typer.Option(help="The host that is to grade with it.", show_default=False),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where to write it; standard output by default.")
    ] = None,
) -> None:
    """Write a grader for another host, where it gives the same rewards; says what cannot be said there."""
    from graders import Registry  # noqa: PLC0415
    from runtime.convert.convert import convert as converted  # noqa: PLC0415
    from runtime.data.grader_file import GraderFile  # noqa: PLC0415
    from runtime.data.output_files import write_file  # noqa: PLC0415

    registry = Registry.installed()
    found = GraderFile(grader).load(lambda config: converted(config, to, registry))
    if output is None:
        terminal.out(found.text)
    else:
        write_file(output, found.text.encode())
    for note in found.notes:
        terminal.err(f"note: {note}\n")
