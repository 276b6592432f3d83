"""The commands `graders data …`: check, split, convert and export the data that models are trained on."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from service.cli import import_commands
from service.cli.common_options import Config, Json, read_settings

app = typer.Typer(
    help="Data for training: check it, split it, turn it into other formats.", no_args_is_help=True
)
app.add_typer(import_commands.app)

DataFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="JSONL, a JSON list or parquet.", show_default=False)
]
Force = Annotated[bool, typer.Option("--force", help="Write over files that are there.")]


class Host(StrEnum):
    """Who is to take the data; the names of `runtime.data.formats.hosts`."""

    FOUNDRY = "foundry"
    OPENAI = "openai"
    GOOGLE = "google"
    BEDROCK = "bedrock"
    TRL = "trl"
    VERL = "verl"


@app.command("check")
def check_data(
    file: DataFile,
    valid: Annotated[
        Path | None, typer.Option(help="The validation file: checked too, and compared with FILE.")
    ] = None,
    grader: Annotated[
        Path | None,
        typer.Option(help="A grader's JSON: can it grade each row, and what does it give constant answers?"),
    ] = None,
    host: Annotated[
        Host | None, typer.Option("--for", help="Who is to take the file; its limits become errors.")
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Show the share of each value of this field; may be given often."),
    ] = None,
    data_format: Annotated[
        str | None, typer.Option("--format", help="The format, instead of the one that the rows look like.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with plots to this file.")] = None,
    force: Force = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Find what is wrong with training data. Exits with 1 when there is an error, with 2 when a file cannot be read."""
    from service.cli.data_check import check  # noqa: PLC0415

    code = check(
        file,
        valid=valid,
        grader=grader,
        host=None if host is None else host.value,
        by=by or (),
        data_format=data_format,
        html=html,
        force=force,
        as_json=as_json,
        settings=lambda: read_settings(config),
    )
    if code:
        raise typer.Exit(code)


@app.command("split")
def split_data(
    file: DataFile,
    valid: Annotated[
        str,
        typer.Option(help="How much goes to the validation file: a share such as 0.1, or a number of rows."),
    ],
    by: Annotated[
        list[str] | None,
        typer.Option(help="Rows with the same value of this field stay together; may be given often."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed gives another split.")] = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Directory for train.jsonl and valid.jsonl.")
    ] = None,
    train_out: Annotated[
        Path | None, typer.Option("--train", help="The training file, instead of a directory.")
    ] = None,
    valid_out: Annotated[
        Path | None, typer.Option("--valid-out", help="The validation file, instead of a directory.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Split a file in two; duplicates, near duplicates and groups stay on one side."""
    from service.cli.data_split import split  # noqa: PLC0415

    code = split(
        file,
        valid=valid,
        by=by or (),
        seed=seed,
        output=output,
        train_out=train_out,
        valid_out=valid_out,
        force=force,
        as_json=as_json,
    )
    if code:
        raise typer.Exit(code)
