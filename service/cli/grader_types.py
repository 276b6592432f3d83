"""`graders types`: the installed grader types, their options and where they come from."""

import inspect
from difflib import get_close_matches
from typing import Any

from rich.console import Console
from rich.text import Text

from graders import PluginError, Registry, UnknownGraderType
from graders.grader_type import Need
from runtime.workers.plugin_sharing import isolation_of
from runtime.workers.spawn import allowances
from service.cli.tables import show_rows

_NEEDS: dict[Need, str] = {
    "files": "reads and writes whatever the user who starts it may",
    "network": "connects to other machines, and to the services of this one",
}

_ISOLATION = {
    "grading": "each grading has a process of its own",
    "worker": "a process has many gradings of one client and grader",
}


def describe(registry: Registry, name: str | None) -> list[dict[str, Any]]:
    """One grader type, or all of them, as plain data; a type that does not load says why.

    Raises:
        UnknownGraderType: If no grader type of this name is installed.
    """
    if name is not None and name not in registry:
        near = get_close_matches(name, list(registry), n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownGraderType(
            f"no grader type {name!r} is installed; {hint}there are {', '.join(registry)}"
        )
    return [_describe(registry, each) for each in ([name] if name else registry)]


def complete(incomplete: str) -> list[str]:
    """The names of installed types that begin with what was typed, for the shell."""
    return [name for name in Registry.installed() if name.startswith(incomplete)]


def _describe(registry: Registry, name: str) -> dict[str, Any]:
    entry = registry[name]
    origin = {"name": name, "distribution": entry.distribution, "version": entry.version}
    try:
        found = entry.type
    except PluginError as error:
        return {**origin, "error": str(error)}
    schema = found.options.model_json_schema()
    isolation, why = (None, None) if entry.built_in else isolation_of(found)
    return {
        **origin,
        "summary": found.summary,
        "form": found.form,
        "asks_the_world": found.is_async,
        "built_in": entry.built_in,
        "needs": sorted(found.needs),
        "isolation": isolation,
        "isolation_reason": why,
        "range": [str(bound) if abs(bound) == float("inf") else bound for bound in found.range],
        "options": {
            option: {**described, "required": option in schema.get("required", [])}
            for option, described in schema.get("properties", {}).items()
        },
        "doc": inspect.cleandoc(found.__doc__ or ""),
    }


def show(types: list[dict[str, Any]], console: Console, *, whole: bool) -> None:
    """Print grader types for a person: a table, or everything about one."""
    if whole and not console.is_terminal:  # its options follow, a line each
        console.print(Text(f"{types[0]['name']} ({_origin(types[0])})"), soft_wrap=True, highlight=False)
        console.print(_summary(types[0]), soft_wrap=True, highlight=False)
    elif console.is_terminal:
        rows = [[each["name"], _origin(each), _summary(each)] for each in types]
        show_rows(console, ("type", "from", "reward"), rows, breaks=True)
    else:
        lines = [[each["name"], _origin(each), ", ".join(_options(each)), _summary(each)] for each in types]
        show_rows(console, ("type", "from", "options", "reward"), lines)
    if not whole or "error" in types[0]:
        return
    low, high = (f"{bound:g}" if isinstance(bound, float | int) else bound for bound in types[0]["range"])
    console.print(f"\nrewards from {low} to {high}")
    for name, described in types[0]["options"].items():
        kind = " or ".join(map(_brief, described.get("anyOf", [described])))
        default = f", default {described['default']!r}" if "default" in described else ""
        required = "required" if described["required"] else "optional"
        console.print(f"  {name}: {kind} ({required}{default})", markup=False, highlight=False)
    if isolation := types[0]["isolation"]:
        reason = types[0]["isolation_reason"]
        console.print(
            f"isolation {isolation}: {_ISOLATION[isolation]}, because {reason}", markup=False, highlight=False
        )
    _show_needs(types[0], console)
    if types[0]["doc"]:
        console.print(f"\n{types[0]['doc']}", markup=False, highlight=False)


def _origin(found: dict[str, Any]) -> str:
    return "built in" if found.get("built_in") else f"{found['distribution']} {found['version']}"


def _summary(found: dict[str, Any]) -> Text:
    """What a type does, what it needs for that, and how its gradings are isolated."""
    if "error" in found:
        return Text(found["error"], "red")
    beside = [f"needs {', '.join(found['needs'])}"] if found["needs"] else []
    beside += [f"isolation {found['isolation']}"] if found["isolation"] else []
    return Text(f"{found['summary']} ({'; '.join(beside)})" if beside else found["summary"])


def _options(found: dict[str, Any]) -> list[str]:
    """The names of a type's options, with a question mark behind those that may be left out."""
    options = found.get("options", {}).items()
    return [name if described["required"] else f"{name}?" for name, described in options]


def _show_needs(found: dict[str, Any], console: Console) -> None:
    if not found["needs"]:
        return
    for need in found["needs"]:
        console.print(f"needs {need}: it {_NEEDS[need]}", highlight=False)
    if found["built_in"]:
        return
    env, toml = allowances({found["name"]: frozenset(found["needs"])})
    console.print(f"it runs where {env} is set, or graders.toml says {toml}", markup=False, highlight=False)


def _brief(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    return str(
        schema.get("type") or schema.get("$ref", "").rpartition("/")[2] or schema.get("const") or "anything"
    )
