"""What a plugin reaches from its worker: nothing by default, and what it needs where the operator allows it.

Every act that a locked worker refuses succeeds in one that is not locked: the acts can succeed, and are harmless.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from hostile_graders.busy import busy
from hostile_graders.reaching import ReachAll, reach, reach_files, reach_network

from graders import ConfigurationError, GraderResult, PluginError, Registry, Sample
from graders.registry import Entry
from graders.testing import FakeContext
from runtime import Evaluator, Settings
from runtime.sandbox.host import reach as reach_level
from runtime.sandbox.layers import Level
from runtime.workers.pool import WorkerPool
from runtime.workers.spawn import Spawner
from tests.conftest import ROOT
from tests.processes import descendants, remaining

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are not locked")

REGISTRY = Registry.installed().including(reach, reach_files, reach_network, ReachAll, busy)
ALLOWED = {
    "reach_files": frozenset({"files"}),
    "reach_network": frozenset({"network"}),
    "reach_all": frozenset({"files", "network"}),
}


@pytest.fixture(scope="module")
def highest() -> Level:
    """The level that this machine reaches."""
    return asyncio.run(reach_level()).level


EVERY_LEVEL = pytest.mark.parametrize("level", [Level.FULL, Level.CONTAINER], indirect=True)


@pytest.fixture(params=[Level.FULL, pytest.param(Level.CONTAINER, marks=pytest.mark.slow)])
def level(request: pytest.FixtureRequest, highest: Level) -> Level:
    """Each level that locks, as far as this machine reaches it."""
    wanted: Level = request.param
    if wanted > highest:
        pytest.skip(f"this machine reaches level {highest.value} only")
    return wanted


@pytest.fixture
def settings(quick: Settings) -> Settings:
    """Settings that allow each type what it needs."""
    return quick.model_copy(update={"plugin_needs": ALLOWED})


@dataclass
class Surroundings:
    """What there is to reach: a secret, services of the host, another process."""

    directory: Path
    tcp: socket.socket
    udp: socket.socket
    unix: socket.socket
    other: "subprocess.Popen[bytes]"

    def fill_in(self, act: str) -> str:
        """An act with the names of what it reaches for."""
        return act.format(
            secret=self.directory / "secret",
            new=self.directory / "new",
            directory=self.directory,
            tcp=self.tcp.getsockname()[1],
            udp=self.udp.getsockname()[1],
            unix=self.unix.getsockname(),
            other=self.other.pid,
            root=ROOT,
        )

    def names(self) -> list[str]:
        """The files that are there."""
        return sorted(path.name for path in self.directory.iterdir())


@pytest.fixture
def surroundings(tmp_path: Path) -> Iterator[Surroundings]:
    """The surroundings of a worker: readable by everyone, so that permissions refuse nothing."""
    for directory in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        directory.chmod(0o755)
    (tmp_path / "secret").write_text("sesame")
    tcp = socket.create_server(("127.0.0.1", 0))
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", 0))
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "socket"))
    unix.listen()
    (tmp_path / "socket").chmod(0o777)
    for listener in (tcp, udp, unix):
        listener.setblocking(False)
    other = subprocess.Popen(["sleep", "60"], env={"SECRET": "sesame"})  # noqa: S607
    yield Surroundings(tmp_path, tcp, udp, unix, other)
    other.kill()
    other.wait()
    for listener in (tcp, udp, unix):
        listener.close()


Grade = Callable[[str, str], "asyncio.Future[GraderResult]"]


@asynccontextmanager
async def grading(settings: Settings, level: Level) -> AsyncIterator[Grade]:
    """Grades in workers of a level."""
    pool = WorkerPool(REGISTRY, settings, highest=level)

    async def grade(name: str, act: str) -> GraderResult:
        grader = REGISTRY.load({"type": name})
        (result,) = await pool.grade(grader, [Sample(act)], {}, deadline=None, context=FakeContext())
        return result

    try:
        yield lambda name, act: asyncio.ensure_future(grade(name, act))
    finally:
        await pool.aclose()


async def reached(
    settings: Settings, level: Level, name: str, acts: list[str], around: Surroundings
) -> list[str]:
    """What came of acts: what they found, or the type of error that they met."""
    found = []
    async with grading(settings, level) as grade:
        serving = [asyncio.create_task(_answer(listener)) for listener in (around.tcp, around.unix)]
        for act in acts:
            result = await grade(name, around.fill_in(act))
            found.append(
                str(result.explanation)
                if result.failure is None
                else result.failure.message.removeprefix(f"{name}: ").partition(":")[0]
            )
        for task in serving:
            task.cancel()
    return found


async def _answer(listener: socket.socket) -> None:
    while True:
        connection, _ = await asyncio.get_running_loop().sock_accept(listener)
        with connection:
            connection.send(b"open")


ACTS = {
    # act: (what it gives without a lock, what it meets at level 3, and at level 2)
    "read {secret}": ("sesame", "FileNotFoundError", "PermissionError"),
    "write {new}": ("6", "FileNotFoundError", "PermissionError"),
    "rename {secret}": ("{secret}~", "FileNotFoundError", "PermissionError"),
    "list {directory}": ("secret~ new socket", "FileNotFoundError", "PermissionError"),
    "read {root}/pyproject.toml": ("[build-system]", "FileNotFoundError", "PermissionError"),
    "environment_of {other}": ("SECRET=sesame\0", "FileNotFoundError", "PermissionError"),
    "connect {tcp}": ("open", "PermissionError", "PermissionError"),
    "connect_unix {unix}": ("open", "PermissionError", "PermissionError"),
    "send_datagram {udp}": ("6", "PermissionError", "PermissionError"),
    "fork": ("0", "PermissionError", "PermissionError"),
    "run /bin/pwd": ("/", "PermissionError", "PermissionError"),
    "kill {other}": ("killed", "PermissionError", "PermissionError"),
    "become /bin/true": ("the worker process exited with status 0", "PermissionError", "PermissionError"),
}


async def test_without_a_lock_every_act_succeeds(settings: Settings, surroundings: Surroundings) -> None:
    found = await reached(settings, Level.WEAK, "reach", [*ACTS], surroundings)
    for act, what, (expected, *_) in zip(ACTS, found, ACTS.values(), strict=True):
        wanted = set(surroundings.fill_in(expected).split())
        assert wanted <= set(what.split()) or what.startswith(expected), (act, what)
    assert surroundings.names() == ["new", "secret~", "socket"]
    assert surroundings.udp.recv(64) == b"sesame"
    assert surroundings.other.wait(5) == -9


@EVERY_LEVEL
async def test_a_plugin_that_needs_nothing_reaches_nothing(
    settings: Settings, surroundings: Surroundings, level: Level
) -> None:
    found = await reached(settings, level, "reach", [*ACTS], surroundings)
    assert dict(zip(ACTS, found, strict=True)) == {
        act: full if level == Level.FULL else container for act, (_, full, container) in ACTS.items()
    }
    assert surroundings.names() == ["secret", "socket"]
    assert surroundings.other.poll() is None
    with pytest.raises(BlockingIOError):
        surroundings.udp.recv(64)


async def test_a_plugin_that_needs_files_reaches_files_and_nothing_else(
    settings: Settings, surroundings: Surroundings, level: Level
) -> None:
    acts = ["read {secret}", "write {new}", "rename {secret}", "keep_in_database {directory}/base"]
    acts += ["environment_of {other}"]
    acts += ["connect {tcp}", "connect_unix {unix}", "send_datagram {udp}", "fork", "kill {other}"]
    found = await reached(settings, level, "reach_files", acts, surroundings)
    assert found == ["sesame", "6", f"{surroundings.directory}/secret~", "sesame", *["PermissionError"] * 6]
    assert surroundings.names() == ["base", "new", "secret~", "socket"]
    assert surroundings.other.poll() is None


@pytest.mark.full
async def test_a_plugin_that_needs_the_network_reaches_it_and_nothing_else(
    settings: Settings, surroundings: Surroundings, level: Level
) -> None:
    acts = ["connect {tcp}", "send_datagram {udp}", "resolve localhost"]
    acts += ["connect_unix {unix}", "fork", "run /bin/pwd", "kill {other}"]
    found = await reached(settings, level, "reach_network", [*acts, "read {secret}"], surroundings)
    hidden = "FileNotFoundError" if level == Level.FULL else "PermissionError"
    assert found == ["open", "6", "127.0.0.1", *["PermissionError"] * 4, hidden]
    assert surroundings.udp.recv(64) == b"sesame"


@pytest.mark.full
async def test_a_plugin_that_needs_both_reaches_both(
    settings: Settings, surroundings: Surroundings, level: Level
) -> None:
    acts = ["read {secret}", "connect {tcp}", "connect_unix {unix}", "environment_of {other}", "fork"]
    found = await reached(settings, level, "reach_all", acts, surroundings)
    assert found == ["sesame", "open", *["PermissionError"] * 3]


@pytest.mark.full
@pytest.mark.parametrize("level", [Level.FULL], indirect=True)
async def test_a_plugin_is_nobody_of_the_host_and_stays_it(
    settings: Settings, surroundings: Surroundings, level: Level
) -> None:
    found = await reached(settings, level, "reach", ["user", "become_root"], surroundings)
    assert found == ["1 1", "PermissionError"]


@pytest.mark.full
async def test_a_plugin_that_needs_what_is_not_allowed_is_refused_with_the_setting(quick: Settings) -> None:
    settings = quick.model_copy(
        update={"plugin_needs": {"tally": frozenset({"files"}), "reach_all": frozenset({"files"})}}
    )
    async with Evaluator(REGISTRY, settings) as evaluator:
        with pytest.raises(ConfigurationError) as refused:
            await evaluator.prepare({"type": "reach_all"})
        with pytest.raises(ConfigurationError, match="'reach_files' needs files, which"):
            await evaluator.grade({"type": "best_of", "graders": {"a": {"type": "reach_files"}}}, "a")
        started = descendants(os.getpid())
    assert started
    assert remaining(started) == set()
    assert str(refused.value) == (
        "grader type 'reach_all' needs network, which this machine's settings do not allow it; to allow it, set "
        """GRADERS_PLUGIN_NEEDS='{"reach_all": ["files", "network"], "tally": ["files"]}', or write """
        'plugin_needs = { "reach_all" = ["files", "network"], "tally" = ["files"] } in graders.toml'
    )


def test_the_setting_that_a_refusal_names_allows_it(tmp_path: Path) -> None:
    (tmp_path / "graders.toml").write_text(
        'plugin_needs = { "reach_all" = ["files", "network"], "tally" = ["files"] }'
    )
    from_file = Settings.load(tmp_path / "graders.toml").plugin_needs
    assert from_file == {"reach_all": {"files", "network"}, "tally": {"files"}}
    os.environ["GRADERS_PLUGIN_NEEDS"] = '{"reach_all": ["files", "network"], "tally": ["files"]}'
    try:
        assert Settings.load().plugin_needs == from_file
    finally:
        del os.environ["GRADERS_PLUGIN_NEEDS"]
    with pytest.raises(ConfigurationError, match=r"plugin_needs\.reach.*: expected 'files' or 'network'"):
        Settings.load(plugin_needs={"reach": ["internet"]})


async def test_no_way_leads_around_what_is_allowed(quick: Settings) -> None:
    async with grading(
        quick, Level.FULL
    ) as grade:  # as a worker asks for a grader inside its own: unprepared
        result = await grade("reach_network", "connect 1")
    assert result.reward is None
    assert result.failure is not None
    assert "needs network, which this machine's settings do not allow it" in result.failure.message


@pytest.mark.full
@pytest.mark.parametrize("level", [Level.FULL], indirect=True)
async def test_a_locked_worker_gives_what_graders_use(settings: Settings, level: Level) -> None:
    async with grading(settings, level) as grade:
        result = await grade("busy", "")
    assert result.failure is None
    assert json.loads(result.explanation or "") == {
        "numpy": 1.0,
        "threads": 9,
        "tempfile": "kept",
        "sqlite3": 3,
        "json": [1, 2],
        "re": ["cbt", "aa"],
        "time zones": 7200,
        "late imports": 1.0,
        "exit handlers": True,
        "random": True,
        "package data": True,
        "asyncio": [0, 1, 2, 7],
    }


@pytest.mark.full
@pytest.mark.parametrize(
    "level", [Level.FULL, pytest.param(Level.CONTAINER, marks=pytest.mark.slow), Level.WEAK], indirect=True
)
async def test_no_process_is_left_of_a_worker_however_it_ends(settings: Settings, level: Level) -> None:
    async with grading(settings, level) as grade:
        await grade("hostile", "good")
        started = descendants(os.getpid())
        for misdeed in ("exit", "segfault"):
            await grade("hostile", misdeed)
            started |= descendants(os.getpid())
        spinning = grade("hostile", "spin")
        await asyncio.sleep(0.2)
        started |= descendants(os.getpid())
    with pytest.raises(asyncio.CancelledError):
        await spinning
    assert len(started) >= 3
    assert remaining(started) == set()


@pytest.mark.full
def test_no_worker_outlives_a_service_that_is_killed() -> None:
    code = (
        "from runtime import Settings, SyncEvaluator\n"
        "evaluator = SyncEvaluator(settings=Settings(plugin_workers=1))\n"
        "evaluator.prepare({'type': 'hostile'})\n"
        "print('ready', flush=True)\n"
        "evaluator.grade({'type': 'hostile'}, 'spin')"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as service:
        assert service.stdout is not None
        assert service.stdout.readline() == b"ready\n"
        workers = descendants(service.pid)
        service.kill()
    assert workers
    assert remaining(workers) == set()


@pytest.mark.full
async def test_a_worker_that_is_stopped_runs_its_exit_handlers(settings: Settings, tmp_path: Path) -> None:
    grader = REGISTRY.load({"type": "reach_files"})
    worker = await Spawner(REGISTRY, settings).start(grader)
    session = await worker.begin("", grader)
    started = descendants(os.getpid())
    session.grade(json.dumps([[f"at_exit {tmp_path}/end"], {}, None, False]).encode())
    answer = await session.receive()
    await worker.stop()
    assert answer["results"][0]["explanation"] == "registered"
    assert (tmp_path / "end").read_text() == "sesame"
    assert remaining(started) == set()


@pytest.mark.full
async def test_a_type_of_the_callers_own_program_does_not_keep_others_from_their_workers(
    settings: Settings,
) -> None:
    registry = Registry([*Registry.installed().values(), Entry("mine", "__main__:mine"), Entry("bad", ":")])
    async with Evaluator(registry, settings) as evaluator:
        assert (await evaluator.grade({"type": "keyword", "words": ["red", "blue"]}, "red")).reward == 0.5


@pytest.mark.usefixtures("level")
@pytest.mark.parametrize("level", [Level.FULL], indirect=True)
async def test_a_plugin_that_reads_a_file_at_import_is_told_how_to_get_it(settings: Settings) -> None:
    registry = Registry([Entry("reads_at_import", "hostile_graders.reads_at_import:reads_at_import")])
    async with Evaluator(registry, settings) as evaluator:
        with pytest.raises(PluginError, match=r'does not load in a worker: .*needs=\{"files"\}'):
            await evaluator.prepare({"type": "reads_at_import"})


REFUSING = """
    import asyncio, logging, sys
    from pathlib import Path
    from runtime.sandbox.inside.layers import namespaces

    namespaces.enter({"user"}, 65_534)
    Path("/proc/sys/user/max_user_namespaces").write_text("0")  # in this namespace, and those below it
    logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stdout)

    from runtime import Evaluator, Settings
    from tests.runtime.test_worker_locks import ALLOWED, REGISTRY

    async def main():
        async with Evaluator(REGISTRY, Settings(plugin_workers=1, plugin_needs=ALLOWED)) as evaluator:
            honest = {"type": "keyword", "words": ["red", "blue"]}
            grades = [(honest, "a red cat"), ({"type": "reach"}, "read " + sys.argv[1])]
            for result in await asyncio.gather(*(evaluator.grade(*each) for each in grades)):
                print(result.reward, result.failure and result.failure.message)

    asyncio.run(main())
"""


@pytest.mark.full
@pytest.mark.parametrize("level", [Level.FULL], indirect=True)
@pytest.mark.usefixtures("level")
def test_a_machine_without_namespaces_locks_workers_at_level_2_and_says_so_once(
    surroundings: Surroundings,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(REFUSING), str(surroundings.directory / "secret")],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        check=False,
    )
    assert done.stderr == ""
    warning, *results = done.stdout.splitlines()
    assert warning == (
        "WARNING plugins run at level 2 of isolation, not 3: namespaces: unshare: ENOSPC "
        "(sysctl user.max_user_namespaces is 0 or used up); `graders doctor` says what that leaves open"
    )
    assert results[0] == "0.5 None"
    assert results[1].startswith("None reach: PermissionError")


def test_of_a_source_tree_only_what_can_be_imported_is_shown(tmp_path: Path) -> None:
    for name in ("package", "package/data", ".git", "not-importable", "elsewhere/mapped", "thing.egg-info"):
        (tmp_path / "tree" / name).mkdir(parents=True)
    for name in ("module.py", ".env", "graders.toml", "package/__init__.py", "notes.txt"):
        (tmp_path / "tree" / name).touch()
    (tmp_path / "mapped").mkdir()
    (tmp_path / "mapped/__init__.py").touch()
    (tmp_path / "finder.py").write_text(
        f"MAPPING = {{'mapped': {str(tmp_path / 'mapped')!r}}}\n"
        "from importlib.util import spec_from_file_location\n"
        "class Finder:\n"
        f"    specs = {{'single': spec_from_file_location('single', {str(tmp_path / 'single.py')!r})}}\n"
        "    find_spec = staticmethod(lambda name, *_: Finder.specs.get(name))\n"
    )
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT / 'runtime/sandbox')!r}]; from inside.layers import root\n"
        f"sys.path[0] = {str(tmp_path)!r}; from finder import Finder; sys.meta_path.append(Finder)\n"
        f"sys.path[0] = {str(tmp_path / 'tree')!r}\n"
        "print(*root.sources(['package', 'json', 'nothing', '__main__', 'single']), sep='\\n')"
    )
    shown = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    ours = {Path(path).relative_to(tmp_path).as_posix() for path in shown if path.startswith(str(tmp_path))}
    assert ours == {
        "tree/package",
        "tree/elsewhere",
        "tree/module.py",
        "tree/thing.egg-info",
        "mapped",
        "mapped.py",
        "single.py",
    }
