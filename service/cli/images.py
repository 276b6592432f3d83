"""`graders images`: the sets of packages that Python graders can import."""

import asyncio
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from graders import ConfigurationError
from runtime import Settings
from runtime.sandbox.images.build import build, unfinished
from runtime.sandbox.images.check import check
from runtime.sandbox.images.images import Image, Images, how_to_build
from runtime.sandbox.images.published import PUBLISHED
from runtime.sandbox.images.recipe import Recipe
from runtime.sandbox.local_sandbox import LocalSandbox
from service.cli.tables import show_rows


def describe(settings: Settings) -> list[dict[str, Any]]:
    """Every image as plain data: those that are there, half there, or published and not built."""
    images = Images(settings)
    found = [_describe(images, name) for name in images]
    names = {each["name"] for each in found}
    half = [(n, "unfinished", str(place)) for n, place in unfinished(settings).items() if n not in names]
    names |= {name for name, *_ in half}
    absent = [(name, "not built", None) for name in PUBLISHED if name not in names]
    return [*found, *({"name": n, "state": state, "where": where} for n, state, where in half + absent)]


def _describe(images: Images, name: str) -> dict[str, Any]:
    try:
        image = images[name]
        return {
            "name": name,
            "state": "ok",
            "where": str(image.directory),
            "python": image.version,
            "packages": dict(sorted(image.versions.items())),
            "missing": image.manifest.missing if image.manifest else {},
            "built": image.manifest.built.isoformat(timespec="seconds") if image.manifest else None,
        }
    except ConfigurationError as error:
        where = str(images.directories[name])
        return {"name": name, "state": "broken", "where": where, "error": str(error)}


def show(images: list[dict[str, Any]], console: Console) -> None:
    """Print images for a person."""
    rows = []
    for each in images:
        style = {"ok": "green", "broken": "red"}.get(each["state"], "yellow")
        missing = f", {len(each['missing'])} missing" if each.get("missing") else ""
        packages = f"{len(each['packages'])}{missing}" if "packages" in each else ""
        where = each["where"] or f"make it with `{how_to_build(each['name'])}`"
        rows.append([each["name"], Text(each["state"], style), each.get("python", ""), packages, where])
    show_rows(console, ("image", "state", "python", "packages", "where"), rows)
    for each in images:
        if "error" in each:
            console.print(each["error"], style="red", markup=False, highlight=False)
        for requirement, why in each.get("missing", {}).items():
            console.print(
                f"{each['name']} lacks {requirement}: {why}", style="yellow", markup=False, highlight=False
            )


def build_image(
    recipe: Recipe,
    settings: Settings,
    python: str | None,
    *,
    allow_missing: bool,
    replace: bool,
    console: Console,
) -> dict[str, Any]:
    """Build an image, and describe it as plain data.

    Raises:
        ConfigurationError: When it cannot be made as it is asked for.
        BuildFailed: When packages do not install.
    """
    found = shutil.which(python or sys.executable)
    if found is None:
        raise ConfigurationError(f"--python {python}: there is no such program")
    with console.status("") as status:
        directory = build(
            recipe,
            settings,
            python=Path(found),
            allow_missing=allow_missing,
            replace=replace,
            tell=lambda text: status.update(Text(text)),  # brackets in a requirement are no markup
        )
    image = Image.at(recipe.name, directory)
    described = _describe(Images(settings), recipe.name)
    return {
        **described,
        "bytes": _size(directory),
        "nltk_data": image.manifest.nltk_data if image.manifest else (),
    }


def _size(directory: Path) -> int:
    return sum(path.lstat().st_size for path in directory.rglob("*"))


def show_built(built: dict[str, Any], console: Console) -> None:
    """Print for a person what has been built."""
    for requirement, why in built["missing"].items():
        console.print(f"left out {requirement}: {why}", style="yellow", markup=False, highlight=False)
    console.print(
        f"built {built['name']}: Python {built['python']}, {len(built['packages'])} packages, "
        f"{built['bytes'] / 1e6:,.1f} MB in {built['where']}; `graders images check {built['name']}` tries them",
        markup=False,
        highlight=False,
    )


def check_image(name: str, settings: Settings) -> list[dict[str, Any]]:
    """What came of each thing that an image should hold, as plain data.

    Raises:
        ConfigurationError: When this machine does not have it.
        GradingError: When this machine has no safe place to try it in.
    """

    async def run() -> list[dict[str, Any]]:
        sandbox = LocalSandbox(settings)
        try:
            return [asdict(trial) for trial in await check(sandbox, name)]
        finally:
            await sandbox.aclose()

    return asyncio.run(run())


def show_checked(trials: list[dict[str, Any]], console: Console) -> None:
    """Print for a person what came of a check."""
    rows = []
    for trial in trials:
        mark = Text("wrong", "red") if trial["problem"] else Text("ok", "green")
        found = trial["found"] or "missing"
        rows.append([trial["name"], mark, trial["wanted"], found, ", ".join(trial["modules"])])
    show_rows(console, ("package", "", "wanted", "there", "imports"), rows, breaks=True)
    for trial in trials:
        if trial["problem"]:
            console.print(f"{trial['name']}: {trial['problem']}", style="red", markup=False, highlight=False)
