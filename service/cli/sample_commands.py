"""The command `graders sample`."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli import terminal
from service.cli.common_options import Config, Json, read_settings

app = typer.Typer()


@app.command()
def sample(
    data: Annotated[Path, typer.Argument(help="Rows with prompts, as JSONL.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="Rows {item, samples}; also resumes a killed command.", show_default=False
        ),
    ],
    model: Annotated[str, typer.Option(help="The model, as the settings name it.", show_default=False)],
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=10_000, help="Answers a row.")] = 1,
    template: Annotated[
        Path | None,
        typer.Option(help="The prompt: messages as JSON with {{item.…}}, or the text of the user."),
    ] = None,
    temperature: Annotated[float | None, typer.Option(min=0, max=2)] = None,
    top_p: Annotated[float | None, typer.Option(min=0, max=1)] = None,
    seed: Annotated[
        int | None, typer.Option(help="Of the first draw of a row; each next one has one more.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Of an answer, reasoning included.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Sample only so many rows, from the first on.")
    ] = None,
    max_failed: Annotated[
        str, typer.Option(help="How many draws may fail: a number, or a share such as 1%.")
    ] = "0",
    force: Annotated[bool, typer.Option("--force", help="Write over a file with other samples.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Draw answers of a model for each row. Exits with 1 when too many draws fail."""
    from runtime.sampling.draw import Plan  # noqa: PLC0415
    from service.cli.run import ungraded_limit  # noqa: PLC0415
    from service.cli.sample import draw_samples, report_lines  # noqa: PLC0415

    allowed = ungraded_limit(max_failed, "--max-failed")
    given = {"temperature": temperature, "top_p": top_p, "seed": seed, "max_completion_tokens": max_tokens}
    sampling = {name: value for name, value in given.items() if value is not None}
    plan = Plan(model, count, sampling, template, limit)
    settings = read_settings(config)
    console = terminal.console(stderr=True)
    report = draw_samples(data, output, plan, settings=settings, force=force, console=console)
    if as_json:
        terminal.out_json({"output": str(output), **report.to_dict()})
    else:
        terminal.out("".join(f"{line}\n" for line in report_lines(report, output)))
    if not allowed(sum(report.failed.values()), report.draws):
        raise typer.Exit(1)
