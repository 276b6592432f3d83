"""The command `graders`. Heavy imports stand inside the commands: `graders --help` is quick."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli import (
    client,
    convert,
    data_commands,
    graded_commands,
    image_commands,
    key_commands,
    operating_commands,
    sample_commands,
    terminal,
)
from service.cli.common_options import Config, EngineOption, Json, RayAddress, read_settings
from service.cli.ending import run_to_the_end

app = typer.Typer(
    name="graders",
    help="Graders for reinforcement fine-tuning: run them, check them, serve them.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
app.add_typer(data_commands.app, name="data")
graded_commands.add_to(app, data_commands.app)
app.add_typer(client.app, name="client")
app.add_typer(image_commands.app, name="images")
app.add_typer(key_commands.app, name="keys")
app.add_typer(sample_commands.app)
app.add_typer(operating_commands.app)
app.add_typer(convert.app)

GraderArgument = Annotated[
    Path, typer.Argument(help="The grader's JSON; '-' reads standard input.", show_default=False)
]
GraderFileArgument = Annotated[
    Path, typer.Argument(metavar="GRADER", help="The grader's JSON.", show_default=False)
]


def _complete_type(incomplete: str) -> list[str]:
    from service.cli.grader_types import complete  # noqa: PLC0415

    return complete(incomplete)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415

        terminal.out(f"rft-graders {version('rft-graders')}\n")
        raise typer.Exit


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version and exit."),
    ] = False,
) -> None:
    """Take the options of every command."""
    del version  # `_print_version` has looked at it
    del debug  # `main` looks for it: an error may come before options are parsed


@app.command()
def run(
    grader: GraderArgument,
    data: Annotated[Path, typer.Argument(help="Rows {item, sample} as JSONL; '-' reads standard input.")],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Results as JSONL; also resumes a killed run. '-' prints them."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Grade again what an earlier run has graded.")
    ] = False,
    max_ungraded: Annotated[
        str, typer.Option(help="How many samples may be ungraded: a number, or a share such as 1%.")
    ] = "0",
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Ask judges again what they were asked before.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Grade only so many rows, from the first on.")
    ] = None,
    with_rows: Annotated[
        bool, typer.Option("--with-rows", help="Write item and sample of its row into each result.")
    ] = False,
    engine: EngineOption = None,
    address: RayAddress = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Grade the stored samples of a dataset. Exits with 1 when too many are ungraded, or the grader failed in every row."""
    from runtime.data.output_files import is_standard_output  # noqa: PLC0415
    from service.cli.run import grade_file, ungraded_limit  # noqa: PLC0415
    from service.cli.summary import show, summarize  # noqa: PLC0415

    allowed = ungraded_limit(max_ungraded)
    cache_mb = 0 if no_cache else None
    settings = read_settings(config, judge_cache_mb=cache_mb, engine=engine, ray_address=address)
    console = terminal.console(stderr=True)
    files = grader, data, output
    graded = grade_file(
        *files, settings=settings, fresh=fresh, console=console, limit=limit, with_rows=with_rows
    )
    summary = summarize(
        graded.records, bounds=graded.bounds, taken_over=graded.taken_over, broken=graded.broken
    )
    aside = output is not None and is_standard_output(output)
    if as_json:
        terminal.out_json(summary, stderr=aside)
    else:
        show(summary, terminal.console(stderr=aside))
    if summary["broken"] or not allowed(summary["ungraded"], summary["samples"]):
        raise typer.Exit(1)


@app.command()
def validate(
    grader: GraderArgument,
    data: Annotated[
        Path | None, typer.Option(help="Rows as JSONL: a dataset with samples, or training rows.")
    ] = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Find every mistake in a grader, and between it and its data. Exits with 1 when there is an error, with 2 when a file cannot be read."""
    from service.cli.validate import validate as check  # noqa: PLC0415

    if code := check(grader, data, lambda: read_settings(config), as_json=as_json):
        raise typer.Exit(code)


@app.command()
def explain(
    grader: GraderArgument,
    row: Annotated[
        str,
        typer.Argument(
            help="A row {item, sample}: a JSON file, a line such as data.jsonl:17, one sample of a line such as data.jsonl:17:2, or '-'.",
            show_default=False,
        ),
    ],
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Ask judges again what they were asked before.")
    ] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Show long texts whole: up to 2,000,000 characters in all.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Grade one row and show everything that led to its reward. Exits with 1 when it is ungraded."""
    from runtime.explain.render import lines  # noqa: PLC0415
    from service.cli.explain import explain_row  # noqa: PLC0415

    settings = read_settings(config, judge_cache_mb=0 if no_cache else None)
    found = explain_row(grader, row, settings, full=full)
    if as_json:
        terminal.out_json(found.to_dict(full=full))
    else:
        terminal.out("".join(f"{line}\n" for line in lines(found, full=full)))
    if found.result.reward is None:
        raise typer.Exit(1)


@app.command("test")
def run_tests(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Case files, or directories with *.cases.yaml and *.cases.jsonl; the current one."
        ),
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Rewrite what is not as expected, and show the difference.")
    ] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Run again when a file changes.")] = False,
    junit: Annotated[Path | None, typer.Option(help="Write JUnit's XML to this file.")] = None,
    record: Annotated[
        bool,
        typer.Option(
            "--record", help="Ask real judges for answers that are not recorded yet, and keep them."
        ),
    ] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Ask real judges, embedding servers and endpoints.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Run case files: what graders are expected to give. Exits with 1 when something is not as expected."""
    from graders import ConfigurationError  # noqa: PLC0415
    from service.cli import cases  # noqa: PLC0415

    if record and live:
        raise ConfigurationError("--record keeps answers and --live keeps none: give one of them")
    where = paths or [Path()]
    if watch:
        cases.watch(where, [word for word in sys.argv[1:] if word != "--watch"], terminal.out)
        return
    tested = cases.run_case_files(
        where,
        read_settings(config),
        asking="record" if record else "live" if live else "recorded",
        update=update,
        write=(lambda text: None) if as_json else terminal.out,
    )
    if junit is not None:
        cases.write_junit(tested, junit)
    if as_json:
        terminal.out_json(tested.to_dict())
    else:
        cases.show(tested, terminal.out)
    if any(tested.wrong()):
        raise typer.Exit(1)


@app.command()
def types(
    name: Annotated[
        str | None,
        typer.Argument(help="One grader type, with everything about it.", autocompletion=_complete_type),
    ] = None,
    as_json: Json = False,
) -> None:
    """List the installed grader types, their options and where they come from."""
    from graders import Registry  # noqa: PLC0415
    from service.cli.grader_types import describe, show  # noqa: PLC0415

    found = describe(Registry.installed(), name)
    if as_json:
        terminal.out_json(found)
    else:
        show(found, terminal.console(), whole=name is not None)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Of the project, such as my-grader.", show_default=False)],
    template: Annotated[
        str, typer.Option("-t", "--template", help="function, class, group, judge or python-source.")
    ] = "function",
    into: Annotated[Path, typer.Option(help="Where its directory is made.")] = Path(),
    as_json: Json = False,
) -> None:
    """Make a small project for a grader of your own, with tests and cases that pass."""
    from service.cli.new import create, show  # noqa: PLC0415

    made = create(name, template, into)
    if as_json:
        terminal.out_json(made)
    else:
        show(made, terminal.console())


@app.command()
def unpack(
    grader: GraderFileArgument,
    force: Annotated[
        bool, typer.Option("--force", help="Write over files that hold something else.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Write the source of a Python grader into a file beside its JSON, where it is edited."""
    from service.cli.packing import unpack as take_out  # noqa: PLC0415

    done = take_out(grader, force=force)
    if as_json:
        terminal.out_json(done)
    for each in () if as_json else done:
        terminal.out(f"{grader}: {_source_of(each)} is now in {each['file']}\n")
    if not done:
        terminal.err(f"{grader}: nothing to unpack: it has no source, or its source is already in a file\n")


@app.command()
def pack(
    grader: GraderFileArgument,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Where to write the JSON, instead; '-' prints it."),
    ] = None,
) -> None:
    """Put the source of a Python grader back into its JSON, as it is sent over HTTP."""
    from runtime.data.output_files import write_file  # noqa: PLC0415
    from service.cli.packing import pack as put_in  # noqa: PLC0415

    text, done = put_in(grader)
    if output == Path("-"):
        terminal.out_json_text(text)
        return
    target = grader if output is None else output
    if done or target != grader:
        write_file(target, text.encode())
    for each in done:
        terminal.err(f"{target}: {_source_of(each)} is put in from {each['file']}\n")
    if not done:
        terminal.err(f"{grader}: no source to put in: nothing in it refers to a file\n")


@app.command()
def schema(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where to write it, instead of printing it.")
    ] = None,
) -> None:
    """Write the JSON Schema of a grader of any installed type, so that editors complete and check grader files."""
    from service.cli.schema import file_schema  # noqa: PLC0415

    found, left_out = file_schema()
    for error in left_out:
        terminal.err(f"warning: left out: {error}\n")
    if output is None or output == Path("-"):
        terminal.out_json(found)
    else:
        from runtime.data.output_files import write_file  # noqa: PLC0415
        from runtime.data.printable import printable_json  # noqa: PLC0415

        write_file(output, f"{printable_json(found, indent=2)}\n".encode())


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to bind; 0 lets the system choose.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that share the port.")] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Ask judges again what they were asked before.")
    ] = False,
    engine: EngineOption = None,
    config: Config = None,
) -> None:
    """Serve graders over HTTP, as OpenAI and Foundry do."""
    from service.cli.serve import serve as run_service  # noqa: PLC0415

    cache_mb = 0 if no_cache else None
    given = {"host": host, "port": port, "workers": workers, "judge_cache_mb": cache_mb, "engine": engine}
    run_service(read_settings(config, **given), config)


def _source_of(done: dict[str, Any]) -> str:
    return f"the source of {done['grader']}" if done["grader"] else "the source"


def main() -> None:
    """Run the command line; see `run_to_the_end`."""
    run_to_the_end(app)
