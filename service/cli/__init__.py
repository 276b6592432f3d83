"""The command `graders`. Heavy imports stand inside the commands: `graders --help` is quick."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli import terminal
from service.cli.ending import run_to_the_end

if TYPE_CHECKING:
    from runtime import Settings

app = typer.Typer(
    name="graders",
    help="Graders for reinforcement fine-tuning: run them, check them, serve them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
images_app = typer.Typer(help="Sets of packages that Python graders can import.", no_args_is_help=True)
app.add_typer(images_app, name="images")
keys_app = typer.Typer(help="API keys of the service.", no_args_is_help=True)
app.add_typer(keys_app, name="keys")

GraderArgument = Annotated[
    Path, typer.Argument(help="The grader's JSON; '-' reads standard input.", show_default=False)
]
GraderFileArgument = Annotated[
    Path, typer.Argument(metavar="GRADER", help="The grader's JSON.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Config = Annotated[Path | None, typer.Option(help="Settings file, instead of graders.toml.")]
ImageName = Annotated[str, typer.Argument(help="What a grader's image_tag calls it.", show_default=False)]


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with an error.")] = False,
) -> None:
    """Take the options of every command."""
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
        str, typer.Option(help="How many rows may be ungraded: a number, or a share such as 1%.")
    ] = "0",
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Ask judges again what they were asked before.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Grade the stored samples of a dataset. Exits with 1 when too many are ungraded."""
    from runtime.output_files import is_standard_output  # noqa: PLC0415
    from service.cli.run import grade_file, ungraded_limit  # noqa: PLC0415
    from service.cli.summary import show, summarize  # noqa: PLC0415

    allowed = ungraded_limit(max_ungraded)
    settings = _settings(config, judge_cache_mb=0 if no_cache else None)
    records = grade_file(
        grader, data, output, settings=settings, fresh=fresh, console=terminal.console(stderr=True)
    )
    summary = summarize(records)
    aside = output is not None and is_standard_output(output)
    if as_json:
        terminal.out_json(summary, stderr=aside)
    else:
        show(summary, terminal.console(stderr=aside))
    if not allowed(summary["ungraded"], summary["rows"]):
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

    if code := check(grader, data, lambda: _settings(config), as_json=as_json):
        raise typer.Exit(code)


@app.command()
def explain(
    grader: GraderArgument,
    row: Annotated[
        str,
        typer.Argument(
            help="A row {item, sample}: a JSON file, a line such as data.jsonl:17, or '-'.",
            show_default=False,
        ),
    ],
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Ask judges again what they were asked before.")
    ] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Grade one row and show everything that led to its reward. Exits with 1 when it is ungraded."""
    from service.cli.explain import explain_row  # noqa: PLC0415
    from service.cli.explanation import lines  # noqa: PLC0415

    found = explain_row(grader, row, _settings(config, judge_cache_mb=0 if no_cache else None))
    if as_json:
        terminal.out_json(found.to_dict())
    else:
        terminal.out("".join(f"{line}\n" for line in lines(found)))
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
        _settings(config),
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
    name: Annotated[str | None, typer.Argument(help="One grader type, with everything about it.")] = None,
    as_json: Json = False,
) -> None:
    """List the installed grader types, their options and where they come from."""
    from graders import Registry  # noqa: PLC0415
    from service.cli.catalogue import describe, show  # noqa: PLC0415

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
        terminal.err(f"{grader}: no source to take out: there is none, or it is in a file already\n")


@app.command()
def pack(
    grader: GraderFileArgument,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Where to write the JSON, instead; '-' prints it."),
    ] = None,
) -> None:
    """Put the source of a Python grader back into its JSON, as it is sent over HTTP."""
    from runtime.output_files import write_file  # noqa: PLC0415
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
        from runtime.output_files import write_file  # noqa: PLC0415
        from runtime.printable import printable_json  # noqa: PLC0415

        write_file(output, f"{printable_json(found, indent=2)}\n".encode())


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to bind.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to bind; 0 lets the system choose.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that share the port.")] = None,
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Ask judges again what they were asked before.")
    ] = False,
    config: Config = None,
) -> None:
    """Serve graders over HTTP, as OpenAI and Foundry do."""
    from service.cli.serve import serve as run_service  # noqa: PLC0415

    cache_mb = 0 if no_cache else None
    run_service(_settings(config, host=host, port=port, workers=workers, judge_cache_mb=cache_mb), config)


@app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="Where the copy is to be; '-' prints it.", show_default=False)],
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Copy the service's database, also while it runs, and look whether the copy is whole."""
    from runtime.output_files import is_standard_output  # noqa: PLC0415
    from service.cli import operating  # noqa: PLC0415

    made = operating.backup(_settings(config), file, force=force)
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

    found = operating.pruned(_settings(config), older_than, dry_run=dry_run)
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
    found = examine(_settings(config), Registry.installed(), attacked_on=attacked_on)
    if as_json:
        terminal.out_json(found)
    else:
        show(found, terminal.console())
    if not found["well"]:
        raise typer.Exit(1)


@images_app.command("list")
def list_images(config: Config = None, as_json: Json = False) -> None:
    """List the images that are here, and those that could be."""
    from service.cli.images import describe, show  # noqa: PLC0415

    found = describe(_settings(config))
    if as_json:
        terminal.out_json(found)
    else:
        show(found, terminal.console())


@images_app.command("build")
def build_image(
    name: ImageName,
    requirements: Annotated[
        Path | None, typer.Option(help="Packages, one a line, such as numpy==2.2.4.")
    ] = None,
    package: Annotated[list[str] | None, typer.Option(help="One more package; may be given often.")] = None,
    python: Annotated[str | None, typer.Option(help="Interpreter, instead of the one we run on.")] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Go on without what does not install.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Build again what is there.")] = False,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Build an image with pip; of a published name, what is published. Exits with 1 when packages do not install."""
    from runtime.sandbox.building import BuildFailed  # noqa: PLC0415
    from runtime.sandbox.recipe import Recipe  # noqa: PLC0415
    from service.cli.images import build_image as build  # noqa: PLC0415
    from service.cli.images import show_built  # noqa: PLC0415

    recipe = Recipe.of(name, requirements, package or ())
    options = {"allow_missing": allow_missing, "replace": replace}
    try:
        built = build(recipe, _settings(config), python, **options, console=terminal.console(stderr=True))
    except BuildFailed as failed:
        if as_json:
            terminal.out_json({"name": name, "built": None, "error": str(failed), "missing": failed.missing})
        lines = [f"{requirement}: {why}" for requirement, why in failed.missing.items()]
        some = 0 < len(failed.missing) < len(recipe.requirements) and not allow_missing
        hint = "; --allow-missing builds it without them" if some else ""
        terminal.errors("\n".join([*lines, f"{name}: {failed}{hint}"]))
        raise typer.Exit(1) from None
    if as_json:
        terminal.out_json(built)
    else:
        show_built(built, terminal.console())


@images_app.command("check")
def check_image(name: ImageName, config: Config = None, as_json: Json = False) -> None:
    """Import everything that an image is there for, in the sandbox. Exits with 1 when something is wrong."""
    from graders import GradingError  # noqa: PLC0415
    from service.cli.images import check_image as check  # noqa: PLC0415
    from service.cli.images import show_checked  # noqa: PLC0415

    try:
        trials = check(name, _settings(config))
    except GradingError as error:
        terminal.errors(str(error))
        raise typer.Exit(1) from None
    if as_json:
        terminal.out_json(trials)
    else:
        show_checked(trials, terminal.console())
    if any(trial["problem"] for trial in trials):
        raise typer.Exit(1)


@keys_app.command("create")
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
    made = create(_settings(config), name, scope, **limits)
    if as_json:
        terminal.out_json(made)
    else:
        terminal.out(f"{made['key']}\n")
        terminal.err(f"{made['id']} is made; its key is shown only now\n")


@keys_app.command("list")
def list_keys(config: Config = None, as_json: Json = False) -> None:
    """List the keys that were made, and the revoked ones too."""
    from service.cli.keys import describe, show  # noqa: PLC0415

    found = describe(_settings(config))
    if as_json:
        terminal.out_json(found)
    else:
        show(found, terminal.console())


@keys_app.command("revoke")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As `graders keys list` shows it.")],
    config: Config = None,
) -> None:
    """End a key; running services refuse it within seconds."""
    from service.cli.keys import revoke  # noqa: PLC0415

    revoke(_settings(config), key_id)
    terminal.err(f"{key_id} is revoked\n")


def main() -> None:
    """Run the command line; see `run_to_the_end`."""
    run_to_the_end(app)


def _settings(config: Path | None, **arguments: Any) -> "Settings":
    from runtime import Settings  # noqa: PLC0415

    return Settings.load(config, **arguments)


def _source_of(done: dict[str, Any]) -> str:
    return f"the source of {done['grader']}" if done["grader"] else "the source"
