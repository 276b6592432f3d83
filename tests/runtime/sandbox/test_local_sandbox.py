"""Python graders run as published in the real sandbox: their numbers, their mistakes, their limits, and their ends."""

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from typing import Any

import pytest

from graders import ConfigurationError, FailureKind, FailureType, GradingError, InvalidOptions
from graders.context import Isolation
from runtime import Evaluator, Settings
from runtime.sandbox.layers import Level
from runtime.sandbox.local_sandbox import LocalSandbox
from runtime.sandbox.processes.worker_group import WORKER_GRADINGS, Answer
from runtime.sandbox.processes.zygote import HOME
from tests.runtime.sandbox.isolation import ISOLATES

pytestmark = ISOLATES
EVERY: list[Isolation] = ["grading", "batch", "worker"]


@pytest.fixture(scope="module")
def small() -> Settings:
    return Settings(
        python_memory_mb=512, python_disk_mb=16, sandbox_output_mb=1, python_timeout_s=20, sandbox_processes=2
    )


@pytest.fixture(scope="module")
async def sandbox(small: Settings) -> AsyncIterator[LocalSandbox]:
    # any source may share processes here, so that what a shared process withstands is seen too
    box = LocalSandbox(small, without=frozenset({"fork"}))
    yield box
    await box.aclose()


async def graded(
    sandbox: LocalSandbox, body: str, rows: list[Any] | None = None, **options: Any
) -> list[Answer]:
    """What a grader says of each row; `body` is the inside of its `grade`, a row is its item."""
    source = f"def grade(sample, item):\n{textwrap.indent(textwrap.dedent(body), '    ')}\n"
    return await sandbox.grade(source, [("", row) for row in (rows or [{}])], **options)


async def failed(sandbox: LocalSandbox, body: str, **options: Any) -> GradingError:
    (answer,) = await graded(sandbox, body, **options)
    assert isinstance(answer, GradingError), answer
    return answer


@pytest.mark.parametrize("isolation", EVERY)
async def test_answers_come_in_the_order_of_the_rows(sandbox: LocalSandbox, isolation: Isolation) -> None:
    rows = [{"n": n} for n in range(150)]
    assert await graded(sandbox, "return item['n'] / 2", rows, isolation=isolation) == [
        n / 2 for n in range(150)
    ]


@pytest.mark.parametrize(
    ("returned", "reward"),
    [
        ("3", 3.0),
        ("-0.5", -0.5),
        ("True", 1.0),
        ("False", 0.0),
        ("__import__('numpy').float32(0.5)", 0.5),
        ("__import__('numpy').int64(7)", 7.0),
        ("__import__('numpy').bool_(True)", 1.0),
        ("__import__('numpy').array(2.5)", 2.5),
        ("type('Best', (float,), {'__float__': lambda self: 9.0})(0.25)", 0.25),
        ("type('Most', (int,), {'__int__': lambda self: 9, '__index__': lambda self: 9})(2)", 2.0),
    ],
)
async def test_a_number_is_the_reward(sandbox: LocalSandbox, returned: str, reward: float) -> None:
    assert await graded(sandbox, f"return {returned}") == [reward]


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        ("None", "grade returned None; a reward is a finite number"),
        ("'0.5'", "grade returned str '0.5'; a reward is a finite number"),
        ("float('nan')", "grade returned nan; a reward is a finite number"),
        ("float('-inf')", "grade returned -inf; a reward is a finite number"),
        ("[1.0]", "grade returned list [1.0]; a reward is a finite number"),
        ("10 ** 400", "grade returned an integer too large for a float; a reward is a finite number"),
        ("1j", "grade returned complex 1j; a reward is a finite number"),
        (
            "__import__('numpy').ones(2)",
            "grade returned ndarray array([1., 1.]); a reward is a finite number",
        ),
    ],
)
async def test_what_is_no_finite_number_is_ungraded_and_named(
    sandbox: LocalSandbox, returned: str, told: str
) -> None:
    error = await failed(sandbox, f"return {returned}")
    assert error.failure.kind is FailureKind.PYTHON_GRADER_RUNTIME
    assert error.failure.caused_by == "grader"
    assert error.failure.message == f"python: {told}"


async def test_a_traceback_has_the_sources_own_lines_and_no_path_of_this_machine(
    sandbox: LocalSandbox,
) -> None:
    source = "def half(n):\n    return n / 0\n\ndef grade(sample, item):\n    print('before')\n    return half(item['n'])\n"
    (answer,) = await sandbox.grade(source, [("", {"n": 1})])
    assert isinstance(answer, GradingError)
    assert answer.failure.message == "python: ZeroDivisionError: division by zero"
    assert answer.failure.details == {
        "type": "ZeroDivisionError",
        "traceback": "grader.py, line 6, in grade\n    return half(item['n'])\ngrader.py, line 2, in half\n    return n / 0",
        "stdout": "before\n",
    }


@pytest.mark.full
@pytest.mark.parametrize("isolation", EVERY)
async def test_the_longest_exceptions_are_told_of_every_row(
    sandbox: LocalSandbox, isolation: Isolation
) -> None:
    wide = "\N{SLICE OF PIZZA}" * 300
    source = (
        f"def deep(n):\n    return deep(n - 1) if n else int('{wide}')  # {wide}\n"
        f"def grade(sample, item):\n    try:\n        return deep(50)\n    except ValueError:\n        raise ValueError('{wide}' * 9)\n"
    )
    rows = [("", {"n": n}) for n in range(80)]
    for answer in await sandbox.grade(source, rows, isolation=isolation):
        assert isinstance(answer, GradingError)
        assert answer.failure.details["type"] == "ValueError"


async def test_an_answer_that_is_longer_than_any_exception_is_not_read(sandbox: LocalSandbox) -> None:
    forged = """
        import os, sys
        frame = sys._getframe()
        while "number" not in frame.f_locals:
            frame = frame.f_back
        head = b'{"number":%d,"answers":[[' % frame.f_locals["number"]
        body = head + b'[],' * 2000000 + b'1]]}'
        rest = memoryview(len(body).to_bytes(4, "big") + body)
        while rest:
            rest = rest[os.write(3, rest):]
        return 1
    """
    answer = await failed(sandbox, forged)
    assert answer.failure.details["type"] == "protocol"


async def test_a_failure_in_the_library_shows_no_path_of_this_machine(sandbox: LocalSandbox) -> None:
    error = await failed(sandbox, "import json\nreturn json.loads('{')")
    assert "decoder.py, line" in error.failure.details["traceback"]
    assert "/" not in error.failure.details["traceback"]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("def grade(sample, item)\n    return 1", "line 1: expected ':'"),
        (
            "def score(sample, item):\n    return 1",
            "it defines no function grade; write: def grade(sample, item)",
        ),
        (
            "def grade(sample):\n    return 1",
            "line 1: grade takes exactly two arguments; write: def grade(sample, item)",
        ),
        ("def grade(sample, item, x=1):\n    return 1", "line 1: grade takes exactly two arguments"),
        ("async def grade(sample, item):\n    return 1", "line 1: grade is async"),
        ("x = 1\ny = '\0'", "line 2: it has a null character"),
        ("(" * 5000, "too many nested parentheses"),
        ("-" * 90_000 + "1", "nested too deeply"),
        ("\udcff", "surrogates not allowed|utf-8|invalid"),
    ],
)
async def test_a_source_that_is_no_grader_is_refused_before_anything_is_graded(
    sandbox: LocalSandbox, source: str, told: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await sandbox.check(source)
    assert any(part in str(caught.value) for part in told.split("|")), str(caught.value)
    (answer,) = await sandbox.grade(source, [("", {})])
    assert isinstance(answer, GradingError)
    assert answer.failure.kind is FailureKind.PYTHON_GRADER_RUNTIME


async def test_checking_a_source_runs_nothing_of_it(sandbox: LocalSandbox) -> None:
    await sandbox.check("while True:\n    pass\ndef grade(sample, item):\n    return 1")


async def test_a_source_that_fails_as_it_loads_says_so_for_every_row(sandbox: LocalSandbox) -> None:
    source = "1 / 0\ndef grade(sample, item):\n    return 1"
    answers = await sandbox.grade(source, [("", {"n": 1}), ("", {"n": 2})], isolation="batch")
    for answer in answers:
        assert isinstance(answer, GradingError)
        assert answer.failure.message == "python: ZeroDivisionError: division by zero"
        assert answer.failure.details["traceback"] == "grader.py, line 1, in <module>\n    1 / 0"


MISDEEDS = [
    ("while True: pass", FailureKind.UNRESPONSIVE_REWARD, "timeout"),
    ("9 ** 9 ** 9", FailureKind.UNRESPONSIVE_REWARD, "timeout"),
    ("__import__('time').sleep(100)", FailureKind.UNRESPONSIVE_REWARD, "timeout"),
    ("x = bytearray(1 << 40)", FailureKind.PYTHON_GRADER_SERVER, "memory_limit"),
    ("__import__('os')._exit(3)", FailureKind.PYTHON_GRADER_SERVER, "exit"),
    ("raise SystemExit", FailureKind.PYTHON_GRADER_RUNTIME, "SystemExit"),
    ("__import__('ctypes').string_at(1)", FailureKind.PYTHON_GRADER_SERVER, "signal"),
    (
        "__import__('os').write(3, b'\\x00\\x00\\x00\\x02hi')",
        FailureKind.PYTHON_GRADER_SERVER,
        "protocol",
    ),
    ("__import__('os').write(3, b'\\xff' * 9)", FailureKind.PYTHON_GRADER_SERVER, "protocol"),
    ("__import__('os').close(3)", FailureKind.PYTHON_GRADER_SERVER, "exit"),
    ("__import__('os').fork()", FailureKind.PYTHON_GRADER_RUNTIME, "PermissionError"),
]


@pytest.mark.few(6)
@pytest.mark.parametrize(
    ("isolation", "misdeed", "kind", "type_"),
    [
        # every misdeed, and every isolation with misdeeds of several kinds
        pytest.param(isolation, *misdeed, marks=[] if place == number % len(EVERY) else [pytest.mark.slow])
        for place, isolation in enumerate(EVERY)
        for number, misdeed in enumerate(MISDEEDS)
    ],
)
async def test_a_misdeed_costs_its_own_row_alone(
    sandbox: LocalSandbox, isolation: Isolation, misdeed: str, kind: FailureKind, type_: str
) -> None:
    body = f"if item['n'] == 5:\n    {misdeed}\nreturn item['n']"
    rows = [{"n": n} for n in range(12)]
    answers = await graded(sandbox, body, rows, isolation=isolation, timeout_s=1)
    assert [answer for n, answer in enumerate(answers) if n != 5] == [float(n) for n in range(12) if n != 5]
    bad = answers[5]
    assert isinstance(bad, GradingError), bad
    assert (bad.failure.kind, bad.failure.caused_by, bad.failure.details["type"]) == (kind, "grader", type_)


async def test_what_was_printed_is_in_the_details_its_end_and_no_more(sandbox: LocalSandbox) -> None:
    error = await failed(
        sandbox,
        "import sys\nprint('a' * 20_000 + 'the end')\nprint('oh', file=sys.stderr)\nraise KeyError('k')",
    )
    assert error.failure.details["stdout"] == ("a" * 8_184 + "the end\n")
    assert error.failure.details["stderr"] == "oh\n"


@pytest.mark.parametrize("isolation", EVERY)
async def test_output_without_end_is_no_timeout(sandbox: LocalSandbox, isolation: Isolation) -> None:
    body = "for _ in range(1_000): print('x' * 1_000_000)\nreturn 1.0"
    error = await failed(sandbox, body, isolation=isolation)
    assert error.failure.details["type"] == "output_limit"


async def test_output_that_fits_harms_nobody(sandbox: LocalSandbox) -> None:
    assert await graded(sandbox, "print('x' * 900_000)\nreturn 1.0", isolation="worker") == [1.0]


async def test_a_grader_asks_for_less_than_the_operator_allows_and_never_for_more(
    sandbox: LocalSandbox,
) -> None:
    body = "import resource\nreturn resource.getrlimit(resource.RLIMIT_AS)[0] >> 20"
    assert await graded(sandbox, body, memory_mb=256) == [256.0]
    assert await graded(sandbox, body, memory_mb=4096) == [512.0]


async def test_standard_input_can_hold_nothing(sandbox: LocalSandbox) -> None:
    body = """
        import os
        refused = 0
        for act in (lambda: os.write(0, b"x"), lambda: os.truncate(0, 1 << 20), lambda: os.ftruncate(0, 1),
                    lambda: os.pwrite(0, b"x", 1 << 20), lambda: os.posix_fallocate(0, 0, 1 << 20)):
            try:
                act()
            except OSError:
                refused += 1
        return refused + os.fstat(0).st_size
        """
    assert await graded(sandbox, body) == [5.0]


WRITES = "import os\ntry:\n    os.write(0, b'x' * 100)\nexcept OSError:\n    print('refused', os.pread(0, 100, 0))\n"


async def test_a_program_reads_its_standard_input_and_cannot_write_to_it(sandbox: LocalSandbox) -> None:
    async with sandbox.process("subject") as process:
        program = {"program": f"print(input())\n{WRITES}", "stdin": "given"}
        ended = await process.finish(program, timeout_s=20)
    assert (ended.status, ended.stdout) == (0, "given\nrefused b'given'\n")


async def test_a_subject_that_is_loaded_cannot_write_to_its_standard_input(sandbox: LocalSandbox) -> None:
    async with sandbox.process("subject") as process:
        answer = await process.ask({"load": f"{WRITES}raise ValueError(os.fstat(0).st_size)"}, timeout_s=20)
    assert (answer["error"]["type"], answer["error"]["message"]) == ("ValueError", "0")


async def test_scratch_is_private_and_of_limited_size(sandbox: LocalSandbox) -> None:
    body = """
        import os, tempfile
        found = len(os.listdir(tempfile.gettempdir()))
        written = 0
        try:
            for n in range(4):
                file, _ = tempfile.mkstemp()
                for _ in range(8):
                    written += os.write(file, b"x" * (1 << 20))
        except OSError:
            return found if written >> 20 in (15, 16) else -1
        return -1
        """
    assert await graded(sandbox, body, [{"n": 1}, {"n": 2}]) == [0.0, 0.0]


@pytest.mark.parametrize("isolation", EVERY)
async def test_libraries_work(sandbox: LocalSandbox, isolation: Isolation) -> None:
    body = """
        import asyncio, sqlite3, statistics, threading, zoneinfo
        import numpy
        from concurrent.futures import ThreadPoolExecutor

        async def later():
            await asyncio.sleep(0)
            return 1

        with ThreadPoolExecutor(2) as pool:
            total = sum(pool.map(abs, [-1, 2]))
        (one,) = sqlite3.connect(":memory:").execute("select 1").fetchone()
        zone = zoneinfo.ZoneInfo("Europe/Berlin")
        return float(numpy.linalg.norm([3, 4])) + total + one + asyncio.run(later()) + (zone is not None)
        """
    assert await graded(sandbox, body, isolation=isolation) == [11.0]


async def test_equal_rows_are_graded_once(sandbox: LocalSandbox) -> None:
    answers = await graded(sandbox, "import os\nreturn int.from_bytes(os.urandom(6), 'big')", [{"n": 1}] * 50)
    assert len(set(answers)) == 1


async def test_each_grading_has_a_fresh_process_and_a_worker_keeps_its_own(sandbox: LocalSandbox) -> None:
    source = "seen = []\ndef grade(sample, item):\n    seen.append(item['n'])\n    return len(seen)"
    rows = [("", {"n": n}) for n in range(6)]
    assert await sandbox.grade(source, rows, isolation="grading") == [1.0] * 6
    assert await sandbox.grade(source, rows, isolation="batch") == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


async def test_a_worker_that_keeps_state_is_found_out_and_loses_its_trust(sandbox: LocalSandbox) -> None:
    source = "seen = []\ndef grade(sample, item):\n    seen.append(item['n'])\n    return len(seen)"
    for start in range(0, 40_000, 400):
        rows = [("", {"n": n}) for n in range(start, start + 400)]
        answers = await sandbox.grade(source, rows, isolation="worker")
        if answers == [1.0] * 400:
            return
    raise AssertionError("forty thousand gradings, and nobody looked")


async def test_a_worker_is_replaced_after_many_gradings(sandbox: LocalSandbox) -> None:
    source = (
        "import os\nfirst = int.from_bytes(os.urandom(6), 'big')\ndef grade(sample, item):\n    return first"
    )
    rows = [("", {"n": n}) for n in range(3 * WORKER_GRADINGS)]
    assert len(set(await sandbox.grade(source, rows, isolation="worker"))) >= 2


@pytest.mark.full
async def test_a_process_that_has_used_up_its_processor_time_is_replaced_and_its_rows_are_right(
    small: Settings,
) -> None:
    box = LocalSandbox(small.model_copy(update={"python_timeout_s": 1.0}))  # two seconds of processor time
    source = (
        "import time\nused = []\ndef grade(sample, item):\n    until = time.process_time() + 0.1\n"
        "    while time.process_time() < until:\n        pass\n    used.append(1)\n    return item['n'] + (len(used) > 20)"
    )
    try:
        answers = await box.grade(source, [("", {"n": n}) for n in range(28)], isolation="batch")
    finally:
        await box.aclose()
    assert answers == [float(n) for n in range(28)]


async def test_two_graders_share_no_process(sandbox: LocalSandbox) -> None:
    leave = "import builtins\nbuiltins.left = 1\ndef grade(sample, item):\n    return 1"
    find = "import builtins\ndef grade(sample, item):\n    return hasattr(builtins, 'left')"
    for isolation in EVERY:
        assert await sandbox.grade(leave, [("", {})], isolation=isolation) == [1.0]
        assert await sandbox.grade(find, [("", {})], isolation=isolation) == [0.0]


async def test_a_row_that_cannot_travel_is_ungraded_alone(sandbox: LocalSandbox) -> None:
    answers = await graded(sandbox, "return 1", [{"a": object()}, {"a": "\ud800"}, {"a": 2}])
    assert isinstance(answers[0], GradingError)
    assert "item.a: it cannot be sent to the sandbox: expected a text, a number" in str(answers[0])
    assert answers[1:] == [1.0, 1.0]


async def test_a_row_with_a_number_that_python_does_not_read_is_ungraded_alone(sandbox: LocalSandbox) -> None:
    items = [{"a": [{"b": 10**5000}]}, {"a": "9" * 5000, "b": {1}}, {"a": 10**4000}]
    answers = await graded(sandbox, "return 1", items)
    assert isinstance(answers[0], GradingError)
    assert "item.a.0.b: it cannot be sent to the sandbox: expected a whole number of at most 4,300" in str(
        answers[0]
    )
    assert answers[0].failure.caused_by == "infrastructure"
    assert answers[0].failure.details["type"] == FailureType.UNREADABLE_ROW
    assert answers[1:] == [1.0, 1.0]


async def test_a_missing_module_says_that_no_image_has_it(sandbox: LocalSandbox) -> None:
    error = await failed(sandbox, "import nowhere_to_be_found\nreturn 1")
    assert error.failure.kind is FailureKind.PYTHON_GRADER_RUNTIME
    assert "No module named 'nowhere_to_be_found'; no image of this machine has it" in str(error)


async def test_an_unknown_image_is_found_before_anything_is_graded(small: Settings) -> None:
    async with Evaluator(settings=small) as evaluator:
        config = {
            "type": "python",
            "source": "def grade(sample, item):\n    return 1",
            "image_tag": "2031-01-01",
        }
        with pytest.raises(
            InvalidOptions, match=r"image_tag: image '2031-01-01' is not on this machine, which has"
        ):
            await evaluator.prepare(config)


@pytest.mark.parametrize("highest", [Level.NONE, Level.WEAK])
async def test_below_level_2_code_of_others_is_refused_with_what_is_missing(
    small: Settings, highest: Level
) -> None:
    box = LocalSandbox(small, highest=highest)
    try:
        error = await failed(box, "return 1")
    finally:
        await box.aclose()
    assert error.failure.kind is FailureKind.PYTHON_GRADER_SERVER
    assert (error.failure.caused_by, error.failure.details["type"]) == (
        "infrastructure",
        "sandbox_unavailable",
    )
    assert "code of others needs isolation of level 2" in str(error)


async def test_a_machine_below_the_level_that_is_asked_for_is_refused(small: Settings) -> None:
    box = LocalSandbox(small.model_copy(update={"sandbox_level": 3}), highest=Level.CONTAINER)
    try:
        error = await failed(box, "return 1")
    finally:
        await box.aclose()
    assert error.failure.details["type"] == "sandbox_unavailable"


async def test_a_level_that_is_there_is_found_by_trying(small: Settings) -> None:
    box = LocalSandbox(small, highest=Level.CONTAINER)
    try:
        assert await graded(box, "return 1") == [1.0]
        assert box.host.reached is not None
        assert box.host.reached.level is Level.CONTAINER
    finally:
        await box.aclose()


async def test_a_cancelled_grading_ends_its_process(sandbox: LocalSandbox) -> None:
    await graded(sandbox, "return 1")
    task = asyncio.create_task(graded(sandbox, "while True: pass"))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await graded(sandbox, "return 2") == [2.0]


async def test_an_operators_variables_are_not_there(sandbox: LocalSandbox) -> None:
    os.environ["OPENAI_API_KEY"] = "sk-canary"
    try:
        body = "import os\nreturn len([name for name in os.environ if 'KEY' in name])"
        assert await graded(sandbox, body) == [0.0]
    finally:
        del os.environ["OPENAI_API_KEY"]


def test_what_every_fork_would_pay_for_is_not_imported_in_a_zygote() -> None:
    costly = {"threading", "subprocess", "multiprocessing", "random", "logging", "concurrent.futures"}
    code = "import sys; sys.path.insert(0, sys.argv[1]); import inside.launch; print(*sys.modules)"
    command = [sys.executable, "-I", "-c", code, HOME]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={})
    assert "inside.child" in done.stdout.split()
    assert not costly & set(done.stdout.split())
