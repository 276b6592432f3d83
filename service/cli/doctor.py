"""`graders doctor`: what this machine isolates, reaches and lacks, found out by trying."""

import asyncio
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from rich.console import Console

from graders import PluginError, Registry
from runtime import Settings
from runtime.sandbox.layers import FOREIGN, Level
from runtime.workers.probes import NOT_COVERED as WORKERS_DO_NOT_COVER
from runtime.workers.probes import probe_workers
from service.cli import attack, doctor_sandbox
from service.cli.console import marked

if TYPE_CHECKING:
    from runtime.judge.probing import JudgeProbe

LIBRARIES = (
    "rft-graders",
    "openai",
    "pydantic",
    "numpy",
    "fastapi",
    "rapidfuzz",
    "sacrebleu",
    "rouge-score-rs",
    "google-re2",
)


def examine(
    settings: Settings,
    registry: Registry,
    *,
    highest: Level = Level.FULL,
    attacked_on: Console | None = None,
) -> dict[str, Any]:
    """Everything about this machine, as plain data; `well` is false when something that should hold does not.

    Args:
        settings: The level to reach, limits, images.
        registry: Grader types to load.
        highest: The level of the sandbox that is tried first.
        attacked_on: Where to show the progress of the attacks; None for no attacks.
    """
    sandbox = asyncio.run(doctor_sandbox.examine(settings, highest))
    level = Level(sandbox["level"])
    workers = [asdict(probe) for probe in probe_workers(settings, level)]
    types = [_try_type(registry, name) for name in registry]
    attacks = attack.carry_out(level, attacked_on) if attacked_on is not None and level >= FOREIGN else None
    judges = [asdict(probe) for probe in asyncio.run(_judges(settings))]
    problems = [
        *sandbox["problems"],
        *(f"worker processes: {probe['name']} does not hold" for probe in workers if not probe["active"]),
        *(f"grader type {found['name']} does not load" for found in types if found["error"]),
        *(f"judge {judge['name']}: {judge['how']}" for judge in judges if not judge["answers"]),
        *(attacks["problems"] if attacks is not None else []),
    ]
    return {
        "well": not problems,
        "problems": problems,
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "libraries": {name: _version(name) for name in LIBRARIES},
        "sandbox": sandbox,
        "workers": workers,
        "workers_do_not_cover": list(WORKERS_DO_NOT_COVER),
        "grader_types": types,
        "judges": judges,
        "attacks": attacks,
    }


async def _judges(settings: Settings) -> "list[JudgeProbe]":
    if not settings.judges:
        return []
    from runtime.judge.probing import probe_judges  # noqa: PLC0415  # the client takes long to import

    return await probe_judges(settings)


def _try_type(registry: Registry, name: str) -> dict[str, Any]:
    entry = registry[name]
    found: dict[str, Any] = {"name": name, "from": entry.origin, "error": None}
    try:
        _ = entry.type
    except PluginError as failed:
        found["error"] = str(failed)
    return found


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def show(found: dict[str, Any], console: Console) -> None:
    """Print an examination for a person."""
    console.print(found["system"], highlight=False)
    libraries = ", ".join(f"{name} {version or 'missing'}" for name, version in found["libraries"].items())
    doctor_sandbox.say(libraries, console, style="dim")
    doctor_sandbox.show(found["sandbox"], console)
    console.print("\nworker processes for plugins", style="bold")
    for probe in found["workers"]:
        mark = "[green]active [/]" if probe["active"] else "[red]missing[/]"
        console.print(" ", marked(mark), f"{probe['name']}: {probe['how']}", highlight=False)
    doctor_sandbox.show_gaps(found["workers_do_not_cover"], console)
    console.print("\ngrader types", style="bold")
    for each in found["grader_types"]:
        mark = "[red]broken [/]" if each["error"] else "[green]loads  [/]"
        console.print(" ", marked(mark), f"{each['name']} from {each['from']}", highlight=False)
        if each["error"]:
            console.print(f"          {each['error']}", style="red", markup=False)
    if found["judges"]:
        console.print("\njudges", style="bold")
    for judge in found["judges"]:
        mark = "[green]answers[/]" if judge["answers"] else "[red]missing[/]"
        words = f"{judge['name']} at {judge['where']}: {judge['how']}"
        console.print(" ", marked(mark), words, highlight=False)
    if found["attacks"] is not None:
        attack.show(found["attacks"], console)
    console.print()
    for problem in found["problems"]:
        console.print(marked("[red]not well:[/]"), problem, highlight=False)
    if found["well"]:
        console.print("all is well", style="green")
