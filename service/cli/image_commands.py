"""The commands `graders images …`."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli import terminal
from service.cli.common_options import Config, Json, read_settings

app = typer.Typer(help="Sets of packages that Python graders can import.", no_args_is_help=True)

ImageName = Annotated[str, typer.Argument(help="What a grader's image_tag calls it.", show_default=False)]


@app.command("list")
def list_images(config: Config = None, as_json: Json = False) -> None:
    """List the images that are here, and those that could be."""
    from service.cli.images import describe, show  # noqa: PLC0415

    found = describe(read_settings(config))
    if as_json:
        terminal.out_json(found)
    else:
        show(found, terminal.console())


@app.command("build")
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
    from runtime.sandbox.images.build import BuildFailed  # noqa: PLC0415
    from runtime.sandbox.images.recipe import Recipe  # noqa: PLC0415
    from service.cli.images import build_image as build  # noqa: PLC0415
    from service.cli.images import show_built  # noqa: PLC0415

    recipe = Recipe.of(name, requirements, package or ())
    options = {"allow_missing": allow_missing, "replace": replace}
    try:
        built = build(recipe, read_settings(config), python, **options, console=terminal.console(stderr=True))
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


@app.command("check")
def check_image(name: ImageName, config: Config = None, as_json: Json = False) -> None:
    """Import everything that an image is there for, in the sandbox. Exits with 1 when something is wrong."""
    from graders import GradingError  # noqa: PLC0415
    from service.cli.images import check_image as check  # noqa: PLC0415
    from service.cli.images import show_checked  # noqa: PLC0415

    try:
        trials = check(name, read_settings(config))
    except GradingError as error:
        terminal.errors(str(error))
        raise typer.Exit(1) from None
    if as_json:
        terminal.out_json(trials)
    else:
        show_checked(trials, terminal.console())
    if any(trial["problem"] for trial in trials):
        raise typer.Exit(1)
