"""`graders doctor --attack`: every known attack on the sandbox of this machine, and what came of it."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, get_args

from rich.console import Console
from rich.progress import track

from runtime.attacks import ALL, Attack, Group, by_name
from runtime.attacks.arena import ENV_NAME
from runtime.attacks.run import applies
from runtime.sandbox.layers import Level

SHOWN = 1_000
"""Characters of the last words of a run that broke."""


def carry_out(level: Level, console: Console, attacks: Sequence[Attack] = ALL) -> dict[str, Any]:
    """Attack the sandbox at a level, in a process of its own.

    Args:
        level: The level of the sandbox.
        console: Where progress is shown.
        attacks: What to try; those for other machines are left out.

    Returns:
        What `summarize` makes of it.
    """
    names = [attack.name for attack in attacks if applies(attack)]
    with tempfile.TemporaryFile() as errors:
        lines = _lines(level, names, errors)
        shown = track(lines, "  attacking", len(names), console=console, disable=not console.is_terminal)
        attempts = list(shown)
        errors.seek(0)
        last_words = errors.read().decode(errors="replace")[-SHOWN:]
    return summarize(level, attempts, meant=len(names), last_words=last_words)


def _lines(level: Level, names: Sequence[str], errors: IO[bytes]) -> Iterator[dict[str, Any]]:
    """What came of each attack, one after the other."""
    with subprocess.Popen(  # noqa: S603  # our own interpreter, our own module
        [sys.executable, "-I", "-m", "runtime.attacks", str(level.value), *names],
        stdout=subprocess.PIPE,
        stderr=errors,
        env={**os.environ, ENV_NAME: "sk-canary"},  # a secret to look for: never the operator's own
    ) as process:
        try:
            for line in process.stdout or ():
                yield json.loads(line)
        finally:
            process.kill()


def summarize(
    level: Level, attempts: Sequence[Mapping[str, Any]], *, meant: int, last_words: str
) -> dict[str, Any]:
    """Attempts counted by group, as plain data.

    Args:
        level: The level that was attacked.
        attempts: What came of each attack.
        meant: How many there should be.
        last_words: What the process said that carried them out, which is why there are fewer.

    Returns:
        `problems` is not empty when an attack got through that is not documented to, or some were not carried out. An
        inconclusive attack is no problem: it ran out of time twice, the second time alone, and got nothing.
    """
    groups = {
        name: {"group": name, "tried": 0, "stopped": 0, "leaked": 0, "inconclusive": 0, "through": 0}
        for name in get_args(Group)
    }
    told: dict[str, list[dict[str, str]]] = {"leaked": [], "inconclusive": [], "through": []}
    for attempt in attempts:
        attack = by_name[attempt["attack"]]
        came = attempt["came"]
        if came == "through" and level in attack.leaks_at:
            came = "leaked"
        if came != "stopped":
            told[came].append({"attack": attack.name, "claim": attack.claim, "evidence": attempt["evidence"]})
        groups[attack.group]["tried"] += 1
        groups[attack.group][came] += 1
    problems = [f"attack {each['attack']} got through" for each in told["through"]]
    if len(attempts) < meant:
        problems.append(f"{meant - len(attempts)} attacks were not carried out: {last_words}")
    return {"problems": problems, "level": level.value, "groups": list(groups.values()), **told}


def show(found: dict[str, Any], console: Console) -> None:
    """Print what came of the attacks for a person."""
    console.print(f"\nattacks on level {found['level']}", style="bold")
    console.print(
        f"  {'group':10} {'tried':>6} {'stopped':>8} {'leaked':>7} {'inconclusive':>13} {'got through':>12}",
        style="dim",
    )
    for group in found["groups"]:
        counts = f"{group['tried']:6} {group['stopped']:8} {group['leaked']:7} "
        counts += f"{group['inconclusive']:13} {group['through']:12}"
        console.print(
            f"  {group['group']:10} {counts}", style="red" if group["through"] else "", highlight=False
        )
    if found["leaked"]:
        console.print(f"\n  leaked, as level {found['level']} is documented to:")
    for each in found["leaked"]:
        console.print(f"  - {each['claim']}", style="yellow", markup=False, highlight=False)
    for each in found["inconclusive"]:
        console.print(
            f"\n  {each['attack']} is inconclusive: {each['claim']}", style="yellow", highlight=False
        )
        console.print(f"    {each['evidence']}, twice, the second time alone", markup=False, highlight=False)
    for each in found["through"]:
        console.print(f"\n  {each['attack']} got through: {each['claim']}", style="red", highlight=False)
        console.print(f"    {each['evidence']}", markup=False, highlight=False)
