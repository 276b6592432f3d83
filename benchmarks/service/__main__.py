"""What the service promises, under load: `make bench`, or `python -m benchmarks.service keys` for one part.

The server is `graders serve`, a process of its own behind a loopback socket, with a database, files and a
cache that are removed afterwards. It shares the machine's processors with its clients, so the ratios are more
reliable than the times.
"""

import sys
from collections.abc import Callable

from rich.console import Console, RenderableType

from benchmarks.service import batch, hanging, kept, keys, memory, requests, sources, under_attack

PARTS: dict[str, Callable[[], RenderableType]] = {
    "requests": requests.measure,
    "batch": batch.measure,
    "sources": sources.measure,
    "memory": memory.measure,
    "kept": kept.measure,
    "keys": keys.measure,
    "hanging": hanging.measure,
    "under_attack": under_attack.measure,
}


def main() -> None:
    """Measure the parts that are named, or all, and print a table of each."""
    chosen = sys.argv[1:] or list(PARTS)
    if unknown := [name for name in chosen if name not in PARTS]:
        raise SystemExit(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    console = Console(width=110)
    for name in chosen:
        console.print(PARTS[name](), "")


if __name__ == "__main__":
    main()
