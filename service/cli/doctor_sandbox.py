"""The sandbox's part of `graders doctor`: its level, its layers one by one, what they leave open and what they cost."""

import textwrap
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.console import Console

from graders import ConfigurationError, GradingError
from runtime import Settings
from runtime.attacks.canaries import try_layers
from runtime.sandbox.benchmark import measure
from runtime.sandbox.doctor import NOT_COVERED
from runtime.sandbox.host import REMEDIES, Reached, reach
from runtime.sandbox.images.images import Images
from runtime.sandbox.layers import CONFINING, FOREIGN, HYGIENE, NAMESPACES, Level
from runtime.sandbox.local_sandbox import LocalSandbox
from runtime.sandbox.processes.cgroups import Cgroups
from service.cli.console import marked

GIVES: Mapping[str, str] = {
    "user": "own users",
    "mount": "own file system",
    "pid": "own processes",
    "net": "own, empty network",
    "ipc": "own message queues",
    "uts": "own host name",
    "cgroup": "own control groups",
    "capabilities": "no rights of root",
    "no_new_privs": "no way to gain rights",
    "identity": "another user than root",
    "not_dumpable": "memory nobody else reads",
    "landlock": "only files Python needs",
    "seccomp": "only calls Python needs",
    "rlimits": "limited memory and files",
    "environment": "no variables of yours",
    "descriptors": "no files that were open",
}
"""What each layer gives to a sandboxed process, in words."""
LAYERS = (*NAMESPACES, *CONFINING, *HYGIENE)
LEVELS: Mapping[Level, str] = {
    Level.FULL: "full: every layer",
    Level.CONTAINER: "container: every layer but the namespaces, which give a process its own of something",
    Level.WEAK: "weak: limits, a clean environment, and the end of what takes too long",
    Level.NONE: "none: not even limits hold",
}
WIDTH = 80
COLOURS = {"active": "green", "degraded": "yellow", "missing": "red", "unshown": "cyan"}
UNITS = {
    "grading": "a process for each grading",
    "batch": "a process for each batch",
    "worker": "a process for many batches",
}


async def examine(settings: Settings, highest: Level) -> dict[str, Any]:
    """Everything about the sandbox of this machine, as plain data.

    Args:
        settings: The level to reach, limits, images.
        highest: The level that is tried first.
    """
    reached = await reach(highest)
    tried = {trial.layer: trial for trial in await try_layers(reached)}
    layers = [{**asdict(tried[layer]), "gives": GIVES[layer]} for layer in LAYERS]
    demanded = Level(settings.sandbox_level)
    images = [_try_image(settings, name) for name in Images(settings)]
    costs, why_no_costs = await _measure(settings, reached)
    return {
        "problems": _problems(reached.level, demanded, layers, images),
        "level": reached.level.value,
        "configured_level": demanded.value,
        "runs_code_of_others": reached.level >= max(FOREIGN, demanded),
        "refused": [
            {"level": level.value, "cause": str(error), "remedy": REMEDIES.get(error.layer, "")}
            for level, error in reached.refused.items()
        ],
        "layers": layers,
        "why_no_control_groups": _why_no_control_groups(),
        "not_covered": [gap.what for gap in NOT_COVERED[reached.level]],
        "costs": costs,
        "why_no_costs": why_no_costs,
        "images": images,
    }


def _why_no_control_groups() -> str:
    try:
        Cgroups.here()
    except OSError as error:
        return str(error)
    return ""


def _problems(
    level: Level, demanded: Level, layers: list[dict[str, Any]], images: list[dict[str, Any]]
) -> list[str]:
    if level < demanded:
        return [f"the sandbox reaches level {level.value}, and level {demanded.value} is configured"]
    return [
        *(
            f"layer {layer['layer']} is not verified, and level {demanded.value} demands it"
            for layer in layers
            if layer["state"] == "missing" and layer["layer"] in demanded.layers
        ),
        *(f"image {image['name']} cannot be used" for image in images if image["error"]),
    ]


async def _measure(settings: Settings, reached: Reached) -> tuple[list[dict[str, Any]], str]:
    if reached.level < FOREIGN:
        return [], "nothing is run here"
    reachable = settings.model_copy(update={"sandbox_level": reached.level.value})
    sandbox = LocalSandbox(reachable, highest=reached.level)
    try:
        return [asdict(cost) for cost in await measure(sandbox)], ""
    except GradingError as error:
        return [], str(error)
    finally:
        await sandbox.aclose()


def _try_image(settings: Settings, name: str) -> dict[str, Any]:
    try:
        image = Images(settings)[name]
        return {"name": name, "python": str(image.python), "packages": len(image.versions), "error": None}
    except ConfigurationError as error:
        return {"name": name, "python": None, "packages": 0, "error": str(error)}


def show(found: dict[str, Any], console: Console) -> None:
    """Print what was found for a person."""
    level = Level(found["level"])
    console.print(f"\nsandbox: level {level.value} of {max(Level).value}", style="bold")
    say(LEVELS[level], console)
    say(f"configured: level {found['configured_level']}, or more", console)
    runs = "is run here, locked" if found["runs_code_of_others"] else "is refused here"
    say(f"code of others (Python graders over HTTP, what models write) {runs}", console)
    for refused in found["refused"]:
        say(f"level {refused['level']} is not reached: {refused['cause']}", console, style="yellow")
    _show_layers(found["layers"], console)
    why = found["why_no_control_groups"]
    say(
        f"all gradings together: {f'no limit of their own ({why})' if why else 'limited by control groups'}",
        console,
    )
    _show_costs(found["costs"], found["why_no_costs"], console)
    console.print("\nimages: packages that Python graders can import", style="bold")
    for image in found["images"]:
        what = image["error"] or f"{image['packages']} packages, {image['python']}"
        say(f"{image['name']}: {what}", console, style="red" if image["error"] else "")
    console.print(f"\nwhat level {level.value} does not cover", style="bold")
    show_gaps(found["not_covered"], console)


def show_gaps(gaps: list[str], console: Console) -> None:
    """Print what is not covered."""
    for gap in gaps:
        say(gap, console, style="yellow", mark="- ")


def say(text: str, console: Console, *, style: str = "", mark: str = "") -> None:
    """Print a text in short lines, with a mark before the first."""
    indent = f"  {mark}"
    lines = textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=" " * len(indent))
    for line in lines:
        console.print(line, style=style, markup=False, highlight=False)


def _show_layers(layers: list[dict[str, Any]], console: Console) -> None:
    console.print("\nlayers of the sandbox", style="bold")
    say("Each was tried with an act that it forbids, in two throw-away processes.", console)
    say("active: the act failed with the layer, and succeeded without it.", console)
    console.print(f"\n  {'state':9} {'layer':13} {'gives a process':25} so that it could not", style="dim")
    for layer in layers:
        could_not = layer["tried"] if layer["state"] in {"active", "degraded"} and layer["with_it"] else "–"
        row = f"{layer['layer']:13} {layer['gives']:25} {could_not}"
        mark = marked(f"[{COLOURS[layer['state']]}]{layer['state']:9}[/]")
        console.print(" ", mark, row, highlight=False)
    reasons: dict[tuple[str, str, str], list[str]] = {}
    for layer in layers:
        if layer["cause"]:
            reasons.setdefault((layer["state"], layer["cause"], layer["remedy"]), []).append(layer["layer"])
    for (state, cause, remedy), names in reasons.items():
        console.print()
        say(f"{state}: {', '.join(names)}", console, style=COLOURS[state])
        say(cause, console, mark="why:    ")
        if remedy:
            say(remedy, console, mark="remedy: ")


def _show_costs(costs: list[dict[str, Any]], why_none: str, console: Console) -> None:
    console.print("\ncost of one grading (median; a grader that does nothing)", style="bold")
    if why_none:
        say(why_none, console)
    for cost in costs:
        asked = "one by one" if cost["at_once"] == 1 else f"{cost['at_once']} at once"
        row = f"{cost['p50_ms']:7.3f} ms  {asked:11} {cost['isolation']:8} {UNITS[cost['isolation']]}"
        console.print(f"  {row}", highlight=False)
