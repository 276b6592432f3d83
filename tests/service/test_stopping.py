"""SIGINT and SIGTERM end every command, whatever started it and however."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.processes import Disposition, inheriting
from tests.service.test_cli import command, environment, write

PATIENCE_S = 120
SLOW = "import time\ndef grade(sample, item):\n    time.sleep(0.2)\n    return 1.0\n"


@pytest.mark.full
@pytest.mark.parametrize(
    ("how", "inherited"),
    [(signal.SIGINT, "ignored"), (signal.SIGTERM, "ignored"), (signal.SIGTERM, "blocked")],
)
def test_a_run_in_the_background_ends_in_a_line_and_keeps_its_results(
    how: signal.Signals, inherited: Disposition, tmp_path: Path
) -> None:
    write(tmp_path / "g.json", {"type": "python", "source": SLOW})
    write(tmp_path / "rows.jsonl", *({"item": {"n": n}, "sample": "a"} for n in range(1_000)))
    run = subprocess.Popen(
        inheriting(inherited, command("run", "g.json", "rows.jsonl", "-o", "out")),
        cwd=tmp_path,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    journal = tmp_path / "out.journal"
    until = time.monotonic() + PATIENCE_S
    while not journal.exists() or not journal.stat().st_size:
        assert time.monotonic() < until
        time.sleep(0.05)
    run.send_signal(how)
    said, _ = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == (130 if how is signal.SIGINT else -signal.SIGTERM)
    assert said.startswith("interrupted")
    assert "Traceback" not in said
    assert journal.stat().st_size


@pytest.mark.full
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_service_in_the_background_stops(how: signal.Signals) -> None:
    with subprocess.Popen(
        inheriting("ignored", command("serve", "--port", "0")),
        env=environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as service:
        assert service.stderr is not None
        lines = []
        for line in service.stderr:
            lines.append(line)
            if "running on http://" in line:
                break
        service.send_signal(how)
        _, rest = service.communicate(timeout=PATIENCE_S)
    assert service.returncode in (0, -how), json.dumps([*lines, rest])
    assert "Traceback" not in rest
