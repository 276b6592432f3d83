"""The zygote: holds an interpreter with its modules loaded, and forks a locked child for each session.

It reads records of a fixed length from its supervisor and nothing else: no sample, no source and no answer passes through
it. Its children talk to the supervisor over sockets that the supervisor has made.
"""

import os
import select
import socket

from . import child
from .rpc.records import DESCRIPTORS, ENDED, FORK, KILL, RECORD, REFUSED


class ZygoteServer:
    """The zygote's end of the control socket, and its children."""

    def __init__(self, control: socket.socket, lock: "child.Lock") -> None:
        self._control, self._lock = control, lock
        self._pids: dict[int, int] = {}
        self._watched: dict[int, tuple[int, int]] = {}
        self._poll = select.poll()
        self._poll.register(control.fileno(), select.POLLIN)

    def serve(self) -> None:
        """Fork and reap until the supervisor is gone."""
        while True:
            ready = self._poll.poll()
            for descriptor, _ in ready:
                if descriptor == self._control.fileno():
                    if not self._obey():
                        return
                else:
                    self._reap(descriptor)

    def _obey(self) -> bool:
        received, descriptors, *_ = socket.recv_fds(self._control, RECORD.size, DESCRIPTORS)
        if len(received) < RECORD.size:
            return False
        letter, number, *_ = RECORD.unpack(received)
        if letter == FORK:
            try:
                self._fork(number, descriptors)
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
        elif letter == KILL and number in self._pids:
            os.kill(self._pids[number], 9)
        return True

    def _fork(self, number: int, descriptors: list[int]) -> None:
        if len(descriptors) < DESCRIPTORS:  # this process had no room for them
            self._say_ended(number, REFUSED)
            return
        try:
            pid = os.fork()
        except OSError:
            self._say_ended(number, REFUSED)
            return
        if pid == 0:
            child.run(self._lock, *descriptors)  # never returns
        try:
            watched = os.pidfd_open(pid)
        except OSError:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            self._say_ended(number, REFUSED)
            return
        self._pids[number], self._watched[watched] = pid, (number, pid)
        self._poll.register(watched, select.POLLIN)

    def _reap(self, watched: int) -> None:
        self._poll.unregister(watched)
        os.close(watched)
        number, pid = self._watched.pop(watched)
        _, status, used = os.wait4(pid, 0)
        del self._pids[number]
        self._say_ended(number, status, int(1000 * (used.ru_utime + used.ru_stime)), used.ru_maxrss)

    def _say_ended(self, number: int, status: int, milliseconds: int = 0, kibibytes: int = 0) -> None:
        most = 0xFFFF_FFFF
        self._control.sendall(
            RECORD.pack(ENDED, number, status, min(milliseconds, most), min(kibibytes, most))
        )
