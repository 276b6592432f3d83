"""Ray itself: one cluster of this machine, for all of these tests, in a process of its own each.

`ray.init` leaves threads, sockets and warnings behind, so each test is a program that is run. Ray gives its agents some 15
seconds to start: on a machine that is busy with other things it may not come up, and the tests are skipped with what it said.
"""

import importlib.util
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.runtime.sandbox.isolation import ISOLATES

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="Ray is not installed: make test-slow"
    ),
]

PROGRAM = """
import asyncio, os, signal, time
from pathlib import Path
import numpy as np
import ray
from graders import ConfigurationError, PluginError
from runtime import Evaluator, Settings, SyncEvaluator
from runtime.engines.ray import RayEngine

EXACT = {"type": "string_check", "input": "{{sample.output_text}}", "reference": "{{item.answer}}", "operation": "eq"}
SOURCE = {"type": "python", "source": "def grade(sample, item):\\n    return float(sample['output_text'] == item['answer'])"}

def actors(doing=b""):
    found = []
    for entry in Path("/proc").iterdir():
        try:
            title = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if title.startswith(b"ray::RayNode" + doing):
            found.append(int(entry.name))
    return found

def rows(count, of=7):
    return [str(n % of) for n in range(count)], [{"answer": str(n % 5)} for n in range(count)]

"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a program that finds a small cluster, started first and alone."""
    # the path of a socket below it has at most 107 characters
    directory = tmp_path_factory.mktemp("ray")
    short = Path(f"/tmp/graders-ray-{os.getpid()}")
    short.symlink_to(directory)
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "XDG_DATA_HOME": str(directory / "data"),
        "XDG_CACHE_HOME": str(directory / "cache"),
    }
    given = os.environ.get("GRADERS_TEST_RAY_ADDRESS")
    if given:
        yield {**environment, "RAY_ADDRESS": given}
        short.unlink()
        return
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(short)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert holder.stdout is not None
    said = []
    for line in holder.stdout:
        said.append(line)
        if line.startswith("address "):
            break
    try:
        if not said or not said[-1].startswith("address "):
            pytest.skip(f"Ray does not start here: {said[-1:]}")
        yield {**environment, "RAY_ADDRESS": said[-1].split()[1]}
    finally:
        holder.communicate()  # closes its standard input, at which it ends
        short.unlink()


HOLDER = """
import sys
import ray
ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 << 20, _temp_dir=sys.argv[1], log_to_driver=False)
print("address", ray.get_runtime_context().gcs_address, flush=True)
sys.stdin.read()
ray.shutdown()
"""


def run(cluster: dict[str, str], program: str) -> str:
    """What a program prints that ends well."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM + textwrap.dedent(program)],
        env=cluster,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3_000:]
    return ran.stdout


@pytest.mark.timeout(900)
@ISOLATES
def test_actors_give_the_results_of_one_process(cluster: dict[str, str]) -> None:
    run(
        cluster,
        """
        async def main():
            async with Evaluator(settings=Settings()) as here, Evaluator(settings=Settings(), engine=RayEngine()) as there:
                for grader, count in ((EXACT, 5_000), (SOURCE, 300)):
                    texts, items = rows(count)
                    texts[17], items[40] = None, {"answer": object()}
                    expected, graded = [await each.grade_many(grader, texts, items) for each in (here, there)]
                    assert [e.replace(execution_time=0.0) for e in expected] == [g.replace(execution_time=0.0) for g in graded]
                    streamed = [each async for each in there.stream(grader, zip(texts, items))]
                    assert [place for place, _ in streamed] == list(range(count))
                    assert [r.reward for _, r in streamed] == [r.reward for r in expected]
            assert not ray.is_initialized()

        asyncio.run(main())
        """,
    )


@pytest.mark.timeout(900)
def test_actors_that_are_killed_change_nothing_in_100_000_rows(cluster: dict[str, str]) -> None:
    printed = run(
        cluster,
        """
        async def kill(killed):
            while True:
                await asyncio.sleep(0.05)
                for pid in set(actors(b".grade")) - set(killed):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                    await asyncio.sleep(2)

        async def main():
            texts, items = rows(100_000, of=997)
            killed, places, rewards = [], [], []
            async with Evaluator(settings=Settings(), engine=RayEngine(actors=2)) as there:
                await there.engine.warm()
                killing = asyncio.create_task(kill(killed))
                while len(killed) < 3:
                    places.clear(), rewards.clear()
                    async for place, result in there.stream(EXACT, zip(texts, items)):
                        places.append(place)
                        rewards.append(result.reward)
                    assert places == list(range(100_000))
                    assert rewards == [float(t == i["answer"]) for t, i in zip(texts, items)]
                killing.cancel()
            print(len(killed))

        asyncio.run(main())
        """,
    )
    assert int(printed.splitlines()[-1]) >= 3


@pytest.mark.timeout(900)
@ISOLATES
def test_nothing_of_an_evaluator_survives_its_end(cluster: dict[str, str]) -> None:
    run(
        cluster,
        """
        from tests.processes import descendants, remaining

        with SyncEvaluator(evaluator=Evaluator(settings=Settings(), engine=RayEngine(actors=1))) as evaluator:
            assert evaluator.grade_many(SOURCE, *rows(100)).ungraded == 0
            (pid,) = actors()
            started = {pid} | descendants(pid)
            assert len(started) > 1
        for _ in range(6):
            if not remaining(started):
                break
        else:
            raise SystemExit(f"left: {remaining(started)}")
        """,
    )


@pytest.mark.timeout(900)
def test_the_command_line_grades_with_actors(cluster: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "grader.json").write_text(
        '{"type": "string_check", "name": "exact", "input": "{{sample.output_text}}", "reference": "{{item.a}}", "operation": "eq"}'
    )
    lines = [
        f'{{"item": {{"a": "{n % 2}"}}, "sample": {{"output_text": "{n % 3}"}}}}\n' for n in range(1_000)
    ]
    (tmp_path / "data.jsonl").write_text("".join(lines))
    for engine in ("local", "ray"):
        ran = subprocess.run(
            [
                sys.executable,
                "-c",
                "from service.start import main; main()",
                "run",
                "grader.json",
                "data.jsonl",
                "-o",
                f"{engine}.jsonl",
                "--engine",
                engine,
            ],
            env=cluster,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr[-3_000:]
    assert (tmp_path / "ray.jsonl").read_bytes() == (tmp_path / "local.jsonl").read_bytes()


@pytest.mark.timeout(900)
def test_a_cluster_that_is_not_there_is_named(cluster: dict[str, str]) -> None:
    run(
        cluster,
        """
        async def main():
            async with Evaluator(settings=Settings(), engine=RayEngine("127.0.0.1:1")) as evaluator:
                try:
                    await evaluator.grade_many(EXACT, *rows(10))
                except ConfigurationError as error:
                    assert "cannot reach 127.0.0.1:1" in str(error), error
                else:
                    raise SystemExit("it was reached")

        asyncio.run(main())
        """,
    )
