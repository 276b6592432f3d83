"""A machine without descriptors makes a grading ungraded, worth another try, and nobody's fault; then all is as before."""

import asyncio
import errno
import json
import sys

import pytest

from runtime.processes.shortage import is_shortage
from tests.runtime.sandbox.isolation import ISOLATES

pytestmark = ISOLATES


@pytest.mark.full
@pytest.mark.parametrize(
    ("name", "state"),
    [
        *(("python", "cold"), ("tests", "warm"), ("plugin", "warm")),
        *(
            pytest.param(*way, marks=pytest.mark.slow)
            for way in (("python", "warm"), ("tests", "cold"), ("plugin", "cold"))
        ),
    ],
)
async def test_without_descriptors_a_grading_is_right_or_worth_another_try(name: str, state: str) -> None:
    """Each allocation on the way fails in turn; a process of its own, whose descriptors are its own."""
    most = 5
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.runtime.sandbox.short_of_descriptors", name, str(most), state),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await started.communicate()
    lines = [json.loads(line) for line in out.splitlines()]
    assert len(lines) == most, errors.decode()
    for free, _, first, again in lines:
        if first != "right":
            caused_by, retryable, reward, kind, message = first
            found = caused_by, retryable, reward, kind
            assert found == ("infrastructure", True, None, "python_grader_server_error"), (free, message)
        assert again == "right", (free, again)


@pytest.mark.full
async def test_what_cannot_be_forked_for_want_of_memory_is_worth_another_try() -> None:
    """A new zygote has no address space for itself."""
    code = (
        "import asyncio, resource\n"
        "from runtime import Settings\n"
        "from runtime.sandbox.local_sandbox import LocalSandbox\n"
        "async def main():\n"
        "    sandbox = LocalSandbox(Settings(python_memory_mb=256, python_disk_mb=16, sandbox_processes=1))\n"
        "    limit = resource.getrlimit(resource.RLIMIT_AS)\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (1 << 20, limit[1]))\n"
        "    source = 'def grade(sample, item): return 0.5'\n"
        "    (first,) = await sandbox.grade(source, [('', {})])\n"
        "    resource.setrlimit(resource.RLIMIT_AS, limit)\n"
        "    (again,) = await sandbox.grade(source, [('', {})])\n"
        "    await sandbox.aclose()\n"
        "    print(getattr(first, 'failure', first), again)\n"
        "asyncio.run(main())\n"
    )
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await started.communicate()
    assert b"caused_by='infrastructure'" in out, errors.decode()
    assert out.strip().endswith(b" 0.5"), out


@pytest.mark.parametrize(
    ("error", "so"),
    [
        (OSError(errno.EMFILE, ""), True),
        (OSError(errno.ENFILE, ""), True),
        (OSError(errno.ENOMEM, ""), True),
        (BlockingIOError(errno.EAGAIN, ""), True),
        (MemoryError(), True),
        (RuntimeError("can't start new thread"), True),
        (OSError(errno.EPERM, ""), False),
        (FileNotFoundError(errno.ENOENT, ""), False),
        (RuntimeError("something else"), False),
    ],
)
def test_a_shortage_is_told_from_other_errors(error: Exception, so: bool) -> None:
    assert is_shortage(error) is so
