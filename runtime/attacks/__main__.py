"""`python -m runtime.attacks LEVEL [--controls]`: one line of JSON for each attack; what the tests and the doctor read."""

import asyncio
import json
import os
import secrets
import sys
from dataclasses import asdict

from runtime.attacks import ALL
from runtime.attacks.arena import CANARY, ENV_NAME, Arena
from runtime.attacks.run import run_all, run_controls
from runtime.sandbox.layers import Level


async def main() -> None:
    """Carry out the corpus, or its positive controls."""
    level, controls = Level(int(sys.argv[1])), "--controls" in sys.argv
    names = {name for name in sys.argv[2:] if not name.startswith("-")}
    chosen = [attack for attack in ALL if not names or attack.name in names]
    with Arena() as arena:
        if controls:
            shown = [
                a
                for a in chosen
                if a.control is None and a.stopped_by and (os.geteuid() == 0 or not a.as_root)
            ]
            attempts = run_controls(shown, arena, level=level)
        else:
            attempts = run_all(chosen, arena, level=level)
        async for one in attempts:
            print(json.dumps(asdict(one)), flush=True)  # noqa: T201  # this is what it is for


if __name__ == "__main__":
    if not os.environ.get(ENV_NAME, "").startswith(CANARY):
        # it must be there from the beginning, as the operator's own would, which nobody is to try for
        os.environ[ENV_NAME] = CANARY + secrets.token_hex(16)
        os.execv(sys.executable, [sys.executable, "-m", "runtime.attacks", *sys.argv[1:]])  # noqa: S606  # itself
    asyncio.run(main())
