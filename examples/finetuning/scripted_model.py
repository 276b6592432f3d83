"""A small OpenAI-compatible server whose model is a script: it decides some returns well and others badly, by its seed."""

import json
import re
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODEL = "small-1"
_CASE = re.compile(r"(\d+) days ago, order (W-\d+)\. It is (\w+)\.")


def decide(question: str, seed: int) -> str:
    """The answer to a customer: the careful clerk's for some seeds, the careless one's for others."""
    days, order, state = _CASE.findall(question)[-1]
    is_careful = (int(order[2:]) + 3 * seed) % 5 < 2
    limit = {"unopened": 30, "faulty": 60}.get(state, 0) if is_careful else 90
    rule = "C" if int(days) > limit else "B" if state == "faulty" else "A"
    decision = "refuse" if rule == "C" else "accept"
    return f"Bought {days} days ago ({seed}).\nOrder: {order}\nRule: {rule}\nDecision: {decision}"


class Handler(BaseHTTPRequestHandler):
    """Answers chat completions."""

    def do_POST(self) -> None:  # the name that http.server calls
        """Answer one request."""
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text = decide(asked["messages"][-1]["content"], asked.get("seed", 0))
        message = {"role": "assistant", "content": text}
        body = {
            "id": "chatcmpl-0",
            "object": "chat.completion",
            "model": MODEL,
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 90, "completion_tokens": 20, "total_tokens": 110},
        }
        content = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the parameter's name in http.server
        """Print nothing."""


def server() -> ThreadingHTTPServer:
    """The server, on a free port of this machine."""
    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)
