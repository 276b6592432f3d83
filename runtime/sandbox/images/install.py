"""pip, run for another environment than its own, and what it says when it fails."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

MAX_REASON = 400
_UNREACHED = re.compile(r"Retry\(total=0,.* after connection broken by '(?:.*<[^>]*>: )?(.*?)(?:'\))?': /")
_BUILD = re.compile(r"× (.*?)\.?\n(?:.*\n)*?\s*(.*)\n\s*\[end of output\]")
_ERROR = re.compile(r"ERROR: (?!No matching distribution found|ResolutionImpossible)(.*)")
_VERSIONS = re.compile(r"\(from versions: .*, ((?:[^,]+, ){4}[^,]+)\)")


class NoPip(Exception):
    """There is no pip, or it reaches no package index: what it then says of packages means nothing."""


def install(python: Path, requirements: Iterable[str]) -> str | None:
    """Install into an interpreter's environment; says why it failed, if it did.

    Raises:
        NoPip: When nothing can be installed at all.
    """
    done = run(
        [
            *(sys.executable, "-m", "pip", "--python", str(python), "install"),
            *("--no-input", "--disable-pip-version-check", "--progress-bar", "off", "--quiet"),
            *requirements,
        ]
    )
    if done.returncode == 0:
        return None
    output = done.stderr.decode(errors="replace")
    if "No module named pip" in output:
        raise NoPip(f"pip is not there; install it with `{sys.executable} -m ensurepip`")
    if unreached := _UNREACHED.search(output):
        raise NoPip(f"pip reaches no package index: {unreached[1]}")
    return reason(done)


def run(command: list[str]) -> "subprocess.CompletedProcess[bytes]":
    """Run a program; variables that steer Python are taken away: they are about the operator's environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(  # noqa: S603  # the operator's interpreter, and requirements that were parsed
        command, capture_output=True, stdin=subprocess.DEVNULL, env=environment, check=False
    )


def reason(done: "subprocess.CompletedProcess[bytes]") -> str:
    """What a program said was wrong, in one line that is not too long."""
    output = (done.stderr or done.stdout).decode(errors="replace").strip()
    if built := _BUILD.search(output):
        text = f"{built[1]}: {built[2]}"
    else:
        errors = _ERROR.findall(output) or output.splitlines()[-1:] or [f"exit status {done.returncode}"]
        text = _VERSIONS.sub(r"(from versions: …, \1)", "; ".join(errors))
    half = MAX_REASON // 2
    return text if len(text) <= MAX_REASON else f"{text[:half]} … {text[-half:]}"
