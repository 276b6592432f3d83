"""The commands `graders data import` and `graders data convert`."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.common_options import Json

app = typer.Typer()

Output = Annotated[
    Path, typer.Option("-o", "--output", help="Where the rows go; '-' prints them.", show_default=False)
]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]


@app.command("import")
def import_data(
    exports: Annotated[
        list[Path], typer.Argument(metavar="EXPORT", help="JSONL, JSON or parquet.", show_default=False)
    ],
    output: Output,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", help="Read everything as this: evals, chat, responses, otel, promptfoo, trl, …"
        ),
    ] = None,
    grader: Annotated[
        Path | None, typer.Option("--grader-out", help="Where the assertions of a promptfoo config go.")
    ] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Turn exports of other systems into rows {item, sample, recorded, source}. Exits with 1 when a part cannot be read."""
    from service.cli.data_import import import_exports  # noqa: PLC0415

    if code := import_exports(exports, output, source=source, grader=grader, force=force, as_json=as_json):
        raise typer.Exit(code)


@app.command("convert")
def convert_data(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSONL, a JSON list or parquet.", show_default=False)
    ],
    host: Annotated[
        str, typer.Option("--to", help="openai, foundry, trl, google, bedrock or verl.", show_default=False)
    ],
    output: Output,
    data_format: Annotated[
        str | None, typer.Option("--format", help="The format, instead of the one that the rows look like.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="The field with the reference, where the format has one place for it.")
    ] = None,
    data_source: Annotated[
        str | None, typer.Option(help="What verl is to call the data, instead of the file's name.")
    ] = None,
    allow_loss: Annotated[
        bool, typer.Option("--allow-loss", help="Write what the format can hold, without what is lost.")
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Turn rows of one trainer's format into another's. Exits with 1, and writes nothing, when something would be lost."""
    from service.cli.data_import import convert  # noqa: PLC0415

    code = convert(
        file,
        output,
        host,
        data_format=data_format,
        reference=reference,
        data_source=data_source,
        allow_loss=allow_loss,
        force=force,
        as_json=as_json,
    )
    if code:
        raise typer.Exit(code)
