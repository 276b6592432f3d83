"""Write the reward file that a trainer loads: `python -m graders_client verl --url … --grader … > reward.py`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from graders_client.reward_files import FILES, reward_file


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the file to standard output; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m graders_client", description=__doc__)
    parser.add_argument("trainer", choices=sorted(FILES), help="the trainer that loads the file")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="of the service")
    parser.add_argument("--grader", required=True, help="the name of a grader that is stored there")
    parser.add_argument("--on-failure", default=None, help="what the trainer is given for an ungraded sample")
    parser.add_argument("--key-variable", default="GRADERS_API_KEY", help="environment variable with the key")
    given = parser.parse_args(arguments)
    try:
        text = reward_file(
            given.trainer,
            given.url,
            given.grader,
            on_failure=given.on_failure,
            key_variable=given.key_variable,
        )
    except ValueError as error:
        parser.error(str(error))
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
