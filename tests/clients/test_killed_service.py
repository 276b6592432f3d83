"""A real service that is killed, or ends in order, while it grades, and is started again: no reward is lost or misplaced."""

import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from graders_client import GraderClient

from tests.clients.conftest import EXACT
from tests.service.serving import serving

ROWS = 4000


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_service_that_ends_while_it_grades_and_comes_again_loses_no_reward(
    how: signal.Signals, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
    settings = {"GRADERS_DATABASE": str(tmp_path / "service.sqlite")}
    samples = [str(n % 5) for n in range(ROWS)]
    items = [{"answer": str(n % 3), "n": n} for n in range(ROWS)]
    found: list[list[float | None]] = []
    with GraderClient(f"http://127.0.0.1:{port}", EXACT, batch_rows=8, deadline_s=240.0) as client:
        grading = threading.Thread(
            target=lambda: found.append([graded.reward for graded in client.grade(samples, items)])
        )
        with serving(settings, "--port", port) as first:
            grading.start()
            time.sleep(0.5)
            first.process.send_signal(how)
            first.process.wait(60)
        assert grading.is_alive()
        with serving(settings, "--port", port):
            grading.join()
    assert found == [[float(n % 5 == n % 3) for n in range(ROWS)]]
