"""Role `subject`: runs what a model wrote. It is given inputs, one at a time, and nothing that they are compared with.

The code shares this process with the harness, and may write to the channel itself: whatever is answered here is no more
than the code's own answer. Messages are plain data:

* `{"program": source, "stdin": text, "files": {path: base64}}`: run it as `python solution.py` would, with files that are
  written before (or without any), and end with its exit status;
* `{"candidate": text, "prelude": source}` → `{"compiles": bool, "acts": bool}`: is it a program; nothing is run;
* `{"load": source}` → `{"ok": True}` or `{"error": …}`: import it as the module `solution`;
* `{"number": n, "call": name, "args": […], "kwargs": {…}, "in_place": bool}` → `{"number": n, "value": …}` or
  `{"number": n, "error": …}`; where the code works in place, the value None stands for what became of the first argument;
  a value that is long is the reply's body instead;
* `{"number": n, "do": True}` and a body → `{"number": n}` and a body: one operation that a judge asks for, on the code's
  objects.
"""

import os
import sys
import types
from typing import Any

from .. import candidates
from ..layers import kernel
from ..rpc.channel import Channel
from ..rpc.codec import NotPlain, encode
from ..rpc.messages import SHORT, pack, read
from ..rpc.object_table import Objects
from ..source_code import compiled, described
from .program import run_program

FILE = "solution.py"
MODULE = "solution"


def serve(channel: Channel) -> None:
    """Answer until the channel closes; a program ends this process."""
    subject = _Subject()
    is_sealed = False
    while (frame := channel.receive()) is not None:
        message, body = read(frame)
        if "program" in message:
            run_program(message["program"], FILE, message["stdin"], message.get("files"))
        if not is_sealed:
            kernel.seal_whole(0)
            is_sealed = True
        channel.send(subject.answer(message, body))


class _Subject:
    """The loaded code."""

    def __init__(self) -> None:
        self._module = types.ModuleType(MODULE)
        self._module.__file__ = FILE
        self._objects = Objects(self._module)
        # bound now: the code may replace what stands in the modules
        self._encode, self._pack, self._described, self._seek = encode, pack, described, os.lseek

    def answer(self, message: dict[str, Any], body: bytes) -> bytes:
        if "candidate" in message:
            return self._pack(self._encode(candidates.judged(**message["candidate"])))
        if "load" in message:
            return self._load(message["load"])
        number = message["number"]
        if "do" in message:
            return self._pack(self._encode({"number": number}), self._objects.do(body))
        try:
            value = self._encode(self._call(message), as_json=True)
            if len(value) > SHORT - 100:  # some bytes are around it
                return self._pack(self._encode({"number": number}), value)
            return self._pack(b'{"o":{"number":%d,"value":%b}}' % (number, value))
        except NotPlain as error:
            told: dict[str, Any] = {"type": "NotPlain", "message": f"the result cannot travel: {error}"}
        except BaseException as error:  # noqa: BLE001  # a stranger's function may raise anything
            told = self._described(error, FILE)
        return self._pack(self._encode({"number": number, "error": told}))

    def _rewind(self) -> None:
        """Let what the next call prints take the place of what the last one printed: each has all the room."""
        for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
            try:
                stream.flush()
                self._seek(descriptor, 0, os.SEEK_SET)
            except BaseException:  # noqa: BLE001, S112  # a stranger's own stream, or a full one
                continue

    def _load(self, source: str) -> bytes:
        sys.modules[MODULE] = self._module
        sys.argv = [FILE]
        try:
            exec(compiled(source, FILE), self._module.__dict__)  # noqa: S102  # what this process is for
        except BaseException as error:  # noqa: BLE001  # a stranger's module may raise anything
            return self._pack(self._encode({"error": self._described(error, FILE)}))
        return self._pack(self._encode({"ok": True}))

    def _call(self, message: dict[str, Any]) -> object:
        function: Any = self._objects.named(message["call"])
        args = message["args"]
        self._rewind()
        value = function(*args, **message["kwargs"])
        return args[0] if message["in_place"] and value is None and args else value
