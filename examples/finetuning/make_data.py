"""From the log of a chat service to files that trainers take, graded on the way: `python make_data.py OUT`.

Each step is one command, which is printed before it runs. A scripted model stands in for a real one.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from scripted_model import (  # type: ignore[import-not-found]  # it stands beside this script
    MODEL,
    server,
)

HERE = Path(__file__).parent
GRADERS = Path(sys.executable).with_name("graders")
STEPS: Sequence[str] = (
    "data import {here}/export.jsonl -o rows.jsonl",
    "data check rows.jsonl --grader {here}/grader.json",
    "sample rows.jsonl --model {model} -n 8 --seed 0 --temperature 1 -o samples.jsonl",
    "run {here}/grader.json samples.jsonl --with-rows -o graded.jsonl",
    "calibrate {here}/grader.json graded.jsonl --threshold 0.9",
    "data select graded.jsonl --threshold 0.9 --pass-rate 0.05..0.95 -o train_rows.jsonl",
    "data export graded.jsonl --to sft --format openai --min-reward 0.9 -o sft.jsonl",
    "data export graded.jsonl --to dpo --format openai --min-gap 0.3 -o dpo.jsonl",
    "data export graded.jsonl --to rft --format openai -o rft.jsonl",
    "data convert sft.jsonl --to google -o sft_google.jsonl",
)


def main(folder: Path) -> int:
    """Run every step in a folder; gives the exit code of the first that fails."""
    folder.mkdir(parents=True, exist_ok=True)
    scripted = server()
    threading.Thread(target=scripted.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{scripted.server_port}/v1"
    environment = {**os.environ, "GRADERS_JUDGES": f'{{"{MODEL}": {{"base_url": "{address}"}}}}'}
    try:
        for step in STEPS:
            words = step.format(here=HERE, model=MODEL).split()
            print("$ graders", *words, flush=True)
            done = subprocess.run([GRADERS, *words], cwd=folder, env=environment, check=False)
            if done.returncode:
                return done.returncode
    finally:
        scripted.shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "data")))
