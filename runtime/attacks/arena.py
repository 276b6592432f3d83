"""What is attacked: files, listeners and a process, made for the purpose and looked at afterwards."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import runtime.evaluator
from runtime.attacks.attack import Target, Verify

ENV_NAME = "OPENAI_API_KEY"
CANARY = "sk-canary-"
"""What its value begins with when nobody is hurt by its loss; 32 hexadecimal digits follow."""
EARNEST_BYTES, EARNEST_COUNT = 1 << 40, 1 << 20
CONTROL_BYTES, CONTROL_COUNT = 96 << 20, 12
"""What bombs ask for: far above the limits, or a little more than the small limits of the runner's sandbox."""

_HOME = {
    ".netrc": "machine x password {}",
    ".aws/credentials": "{}",
    ".config/pip/pip.conf": "{}",
    ".ssh/id_ed25519": "{}",
}
_VICTIM = "import time; print(1, flush=True); time.sleep(3600)"


class Arena:
    """Targets on this machine, for as long as the context lasts.

    Attributes:
        secret: What must not be learnt.
    """

    def __init__(self) -> None:
        self.secret = f"secret-{secrets.token_hex(16)}"
        self._directory = Path(tempfile.mkdtemp(prefix="arena-", dir="/var/tmp"))
        self._sockets: list[socket.socket] = []
        self._victim: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._directory.chmod(0o755)
        self._file("secret", 0o644)
        self._file("private", 0o600)
        for name, text in _HOME.items():
            self._file(f"home/{name}", 0o644, text.format(self.secret))
        (self._directory / "open").mkdir()
        (self._directory / "open").chmod(0o777)
        self._file("open/file", 0o666, "untouched")
        self._before = self._facts_of_file()
        tcp = self._listener(socket.AF_INET, ("127.0.0.1", 0))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        self._sockets.append(udp)
        unix, abstract = str(self._directory / "socket"), f"arena-{secrets.token_hex(8)}"
        self._listener(socket.AF_UNIX, unix)
        Path(unix).chmod(0o777)
        self._listener(socket.AF_UNIX, f"\0{abstract}")
        self._start_victim()
        self._target: Target = {
            "secret_file": str(self._directory / "secret"),
            "private_file": str(self._directory / "private"),
            "home_dir": str(self._directory / "home"),
            "harness_file": str(runtime.evaluator.__file__),
            "writable_dir": str(self._directory / "open"),
            "writable_file": str(self._directory / "open/file"),
            "tcp_port": tcp.getsockname()[1],
            "udp_port": udp.getsockname()[1],
            "unix_path": unix,
            "abstract_name": abstract,
            "victim_pid": self._victim.pid if self._victim else 0,
            "supervisor_pid": os.getpid(),
            "env_name": ENV_NAME,
            "host_name": socket.gethostname(),
            "marker": f"marker-{secrets.token_hex(8)}",
            "bytes": EARNEST_BYTES,
            "count": EARNEST_COUNT,
        }
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for listener in self._sockets:
            listener.close()
        self._end_victim()
        shutil.rmtree(self._directory, ignore_errors=True)

    def target(self, *, control: bool) -> Target:
        """What an attack is told: modest sizes in a positive control, so that its success harms nothing."""
        sizes = (CONTROL_BYTES, CONTROL_COUNT) if control else (EARNEST_BYTES, EARNEST_COUNT)
        return {**self._target, "bytes": sizes[0], "count": sizes[1]}

    def harm(self, verify: Verify | None) -> str | None:
        """What an attack has done to a target, as seen from outside; what was harmed is made whole again."""
        if verify == "listener-untouched":
            return self._heard()
        if verify == "file-unchanged":
            return self._changed()
        if verify == "victim-alive":
            return self._hurt()
        return None

    def _file(self, name: str, mode: int, text: str | None = None) -> None:
        path = self._directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.secret if text is None else text)
        path.chmod(mode)

    def _listener(self, family: socket.AddressFamily, address: str | tuple[str, int]) -> socket.socket:
        listener = socket.socket(family)
        listener.bind(address)
        listener.listen()
        self._sockets.append(listener)
        return listener

    def _heard(self) -> str | None:
        for listener in self._sockets:
            listener.setblocking(False)  # noqa: FBT003
            try:
                if listener.type == socket.SOCK_DGRAM:
                    return f"the listener was sent {listener.recv(100)!r}"
                connection, _ = listener.accept()
            except BlockingIOError:
                continue
            connection.close()
            return "the listener was connected to"
        return None

    def _facts_of_file(self) -> object:
        path = self._directory / "open/file"
        try:
            found = path.stat()
            attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
            return (
                found.st_ino,
                found.st_mode,
                found.st_mtime_ns,
                found.st_nlink,
                path.read_text(),
                attributes,
            )
        except OSError as error:
            return str(error)

    def _changed(self) -> str | None:
        now = self._facts_of_file()
        if now == self._before:
            return None
        (self._directory / "open/file").unlink(missing_ok=True)
        self._file("open/file", 0o666, "untouched")
        self._before, before = self._facts_of_file(), self._before
        return f"the file was changed from {before} to {now}"

    def _start_victim(self) -> None:
        self._victim = subprocess.Popen([sys.executable, "-I", "-c", _VICTIM], stdout=subprocess.PIPE)  # noqa: S603
        if self._victim.stdout:
            self._victim.stdout.readline()
        self._state = self._state_of_victim()

    def _end_victim(self) -> None:
        if self._victim is not None:
            self._victim.kill()
            self._victim.wait()
            if self._victim.stdout:
                self._victim.stdout.close()

    def _state_of_victim(self) -> object:
        pid = self._victim.pid if self._victim else 0
        try:
            limits = Path(f"/proc/{pid}/limits").read_text(encoding="utf-8")
            return limits, os.getpriority(os.PRIO_PROCESS, pid), os.sched_getaffinity(pid), os.getpgid(pid)
        except OSError as error:
            return str(error)

    def _is_dying(self) -> bool:
        """Whether the victim has a signal, or its memory no more: it is killed before it has ended."""
        pid = self._victim.pid if self._victim else 0
        try:
            status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        except OSError:
            return False
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        pending = int(facts.get("SigPnd", "0"), 16) | int(facts.get("ShdPnd", "0"), 16)
        return bool(pending) or "VmSize" not in facts

    def _hurt(self) -> str | None:
        if self._victim is not None and self._is_dying():
            with suppress(subprocess.TimeoutExpired):  # not every signal kills
                self._victim.wait(1)
        status = self._victim.poll() if self._victim else None
        now = self._state_of_victim()
        if status is None and now == self._state:
            return None
        self._end_victim()
        self._start_victim()
        self._target["victim_pid"] = self._victim.pid if self._victim else 0
        return f"the victim ended with status {status}" if status is not None else "the victim was changed"
