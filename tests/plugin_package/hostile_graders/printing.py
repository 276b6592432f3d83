"""A grader whose author looks for what is wrong: it prints, raises, and reaches for what it has not asked for."""

import logging
import socket
import sys
import urllib.request
from pathlib import Path

from graders import Item, Sample, grader

logging.basicConfig(stream=sys.stderr)


def _table(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise RuntimeError("there is no table") from error


def _print() -> None:
    print("to the output")
    print("\x1b[2Jto the errors", file=sys.stderr)
    logging.getLogger("plugin").warning("to the log")


@grader("debugged", isolation="worker")
def debugged(sample: Sample, item: Item) -> float:
    """Reward 1 after doing what the sample says."""
    act, _, argument = sample.output_text.partition(" ")
    match act:
        case "read":
            Path(argument).read_text(encoding="utf-8")
        case "write":
            Path(argument).write_text("x", encoding="utf-8")
        case "table":
            _table(argument)
        case "connect":
            socket.create_connection(("127.0.0.1", int(argument)), timeout=5)
        case "resolve":
            socket.getaddrinfo("example.com", 443)
        case "fetch":
            urllib.request.urlopen(f"http://127.0.0.1:{argument}/", timeout=5)
        case "look_up":
            return {"": 1.0}[argument]
        case "print":
            _print()
        case "print_much":
            print("x" * 100_000 + "the end")
    if argument == "then_fail":
        raise ValueError("after it printed")
    return 1.0
