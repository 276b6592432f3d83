"""A grading endpoint that counts how often it is asked about each row, and holds what it is told to hold."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HOLDS_S = 600.0


class Tally:
    """What was asked so far.

    Args:
        holds_after: Questions that are answered at once; the others wait for `go`.
        takes_s: Seconds after which each of those is answered.
    """

    def __init__(self, holds_after: int, takes_s: float = 0.0) -> None:
        self.asked: Counter[int] = Counter()
        self.go = threading.Event()
        self.held = threading.Event()
        self._holds_after, self._takes_s = holds_after, takes_s
        self._lock = threading.Lock()
        self.address = ""

    @property
    def criterion(self) -> dict[str, Any]:
        """A criterion that asks here, with a secret, and that everything passes."""
        return {
            "type": "endpoint",
            "name": "tally",
            "url": f"http://{self.address}/grade",
            "headers": {"x-key": "hidden"},
            "pass_threshold": 1,
        }

    def hold_again(self) -> None:
        """Let the questions from now on wait for `go`, all of them."""
        self.go.clear()
        self.held.clear()
        self._holds_after = 0

    def ask(self, number: int) -> None:
        """Count a question about a row; returns when it is to be answered."""
        with self._lock:
            self.asked[number] += 1
            holds = self.asked.total() > self._holds_after
        time.sleep(self._takes_s)
        if holds:
            self.held.set()
            self.go.wait(HOLDS_S)


@contextmanager
def tallying(holds_after: int, takes_s: float = 0.0) -> Iterator[Tally]:
    """Serve on a free port."""
    tally = Tally(holds_after, takes_s)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            tally.ask(body["item"]["n"])
            with suppress(ConnectionError):  # who asked may be dead
                answer = b'{"score": 1.0}'
                self.send_response(200 if self.headers["x-key"] == "hidden" else 403)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # its name
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = (
            1024  # of five, a service that asks about 64 rows at once would be kept waiting or fail
        )

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    tally.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield tally
    finally:
        tally.go.set()
        server.shutdown()
        thread.join()
        server.server_close()
