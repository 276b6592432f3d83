"""Where the command `graders` begins: an interrupt ends it in a line also while it is still being imported."""

import sys

from service import stopping


def main() -> None:
    """Run the command line."""
    stopping.install_handlers()
    try:
        from service.cli import main as run  # noqa: PLC0415  # that takes long enough to be interrupted
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        stopping.end(stopping.INTERRUPTED)
    run()
