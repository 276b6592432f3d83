"""Samples that attack the rewards of others, for graders that evaluate what they grade.

Each is one expression. They know the code that grades, and have all that a process has: its objects, frames, sockets, files and
memory. What each does to its own reward is its author's affair.
"""

import base64
import io
import json
import textwrap

import numpy as np

_PRELUDE = """
import builtins, gc, json, os, socket, sys, threading, time
import graders, runtime.workers.child as child
from graders.bound_grader import Grader
def everything():
    for frame in sys._current_frames().values():
        while frame is not None:
            yield from list(frame.f_locals.items())
            frame = frame.f_back
def channels():
    return [value for _, value in everything() if isinstance(value, child.WorkerChannel)]
def number():
    return next((value for name, value in everything() if name == "number" and type(value) is int), 0)
def raw(body, to):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    os.write(to, len(body).to_bytes(4, "big") + body)
def sockets():
    for descriptor in range(3, 256):
        try:
            found = socket.socket(fileno=os.dup(descriptor))
        except OSError:
            continue
        found.detach()
        yield descriptor
def forged(channel, number, grader, results, printed=""):
    channel.send({"done": number, "rewards": [1.0] * len(results), "seconds": 0.0})
"""

_ACTS = {
    "replace the function that answers": "child.answer = forged",
    "replace the answering method": """
        old = child.WorkerChannel.send
        child.WorkerChannel.send = lambda self, message: old(
            self, {**message, "rewards": [1.0]} if "rewards" in message else message)
    """,
    "answer before the grader does": """
        for to in sockets():
            raw({"done": number(), "rewards": [1.0], "seconds": 0.0}, to)
    """,
    "answer the next numbers": """
        for to in sockets():
            for ahead in range(100):
                raw({"done": number() + ahead, "rewards": [1.0], "seconds": 0.0}, to)
    """,
    "answer small numbers": """
        for to in sockets():
            for guess in range(300):
                raw({"done": guess, "rewards": [1.0], "seconds": 0.0}, to)
    """,
    "read what waits in the sockets, and answer it": """
        import re
        for to in sockets():
            taken = socket.socket(fileno=os.dup(to))
            taken.setblocking(False)
            try:
                waiting = taken.recv(1 << 20)
            except OSError:
                continue
            for each in re.findall(rb'"number":(\\d+)', waiting):
                raw({"done": int(each), "rewards": [1.0], "seconds": 0.0}, to)
    """,
    "read what Python has read ahead, and answer it": """
        import re
        for channel in channels():
            for each in re.findall(rb'"number":(\\d+)', channel._reader.peek()):
                raw({"done": int(each), "rewards": [1.0], "seconds": 0.0}, channel._socket.fileno())
    """,
    "answer from a thread, later": """
        def later():
            seen = number()
            end = time.time() + 3
            while time.time() < end:
                for channel in channels():
                    if number() != seen:
                        raw({"done": number(), "rewards": [1.0], "seconds": 0.0}, channel._socket.fileno())
        threading.Thread(target=later, daemon=True).start()
    """,
    "replace the checks of a result": """
        import graders.bound_grader, graders.contract
        graders.bound_grader.checked_number = graders.contract.checked_number = lambda value: 1.0
    """,
    "replace what completes results": """
        old = Grader.complete
        Grader.complete = lambda self, returned, **more: old(self, 1.0, **more)
    """,
    "replace what executes": """
        import runtime.evaluation.execute
        async def execute(grader, samples, item, context):
            return grader.complete_each([1.0] * len(samples))
        child.execute = runtime.evaluation.execute.execute = execute
    """,
    "replace built-in functions": "builtins.float = lambda *_: 1.0; builtins.eval = lambda *_: None",
    "replace the grading function": """
        for each in gc.get_objects():
            if isinstance(each, Grader):
                object.__setattr__(each, "function", lambda sample, item: 1.0)
    """,
    "replace the plugin's own function": """
        import hostile_graders.executing as plugin
        plugin._is_right = lambda sample, item: 1.0
        plugin._is_right.__globals__["_is_right"] = plugin._is_right
    """,
    "change the prepared state": """
        for each in gc.get_objects():
            if type(each).__name__ == "EvaluatesPrepared":
                each.bonus[""] = 1.0
    """,
    "replace the code of the plugin": """
        import hostile_graders.executing as plugin
        plugin._is_right.__code__ = (lambda sample, item: 1.0).__code__
    """,
    "replace the reading of JSON": """
        old = json.loads
        def loads(text, *more, **others):
            read = old(text, *more, **others)
            if isinstance(read, dict) and "row" in read:
                read["row"][0] = [{"output_text": "7"}]; read["row"][1] = {"answer": 7}
            return read
        json.loads = loads
    """,
    "replace the reading of samples": """
        from graders import Sample
        Sample.load = classmethod(lambda cls, *_: cls("None or type('A', (), {'__eq__': lambda *_: True})()"))
    """,
    "trace every call": """
        def trace(frame, event, argument):
            if "returned" in frame.f_locals:
                frame.f_locals["returned"] = 1.0
            return trace
        sys.settrace(trace); threading.settrace(trace); sys.setprofile(trace)
    """,
    "leave a module that is imported later": """
        import importlib.abc
        class Finder(importlib.abc.MetaPathFinder):
            def find_spec(self, *_):
                child.answer = forged
        sys.meta_path.insert(0, Finder())
    """,
    "leave a callback of the garbage collector": """
        def collected(*_):
            child.answer = forged
        gc.callbacks.append(collected); gc.unfreeze(); gc.set_threshold(1)
    """,
    "leave a callback on the event loop": """
        import asyncio
        asyncio.get_running_loop().call_soon(setattr, child, "answer", forged)
        asyncio.get_running_loop().call_later(0.01, setattr, child, "answer", forged)
    """,
    "leave an exit handler": """
        import atexit
        at = [*channels()]
        def last():
            for to in sockets():
                raw({"done": number(), "rewards": [1.0], "seconds": 0.0}, to)
                raw({"ended": 0, "used": False}, to)
        atexit.register(last); atexit.register(time.sleep, 30)
    """,
    "write over a constant in memory": """
        import ctypes
        for value in (0.0, next(iter([0 * 1.5]))):
            ctypes.c_double.from_address(id(value) + 16).value = 1.0
        import hostile_graders.executing as plugin
        for value in plugin._is_right.__code__.co_consts:
            if type(value) is float:
                ctypes.c_double.from_address(id(value) + 16).value = 1.0
    """,
    "change what the whole process goes by": """
        import decimal, random, warnings
        sys.setrecursionlimit(60); random.seed(1); decimal.getcontext().prec = 1
        warnings.simplefilter("error"); os.umask(0o777); os.environ.clear(); sys.path.clear()
    """,
    "empty the modules": "sys.modules.clear(); vars(json).clear()",
    "fill the scratch": """
        for name in range(2000):
            with open(f"/tmp/{name}", "wb") as file:
                file.write(b"x" * (1 << 20))
    """,
    "leave files in the scratch": """
        os.makedirs("/tmp/a/b"); open("/tmp/a/b/json.py", "w").write("raise SystemExit")
        open("/tmp/sitecustomize.py", "w").write("raise SystemExit")
    """,
    "end the process": "os._exit(0)",
    "end the process a little later": "threading.Timer(0.02, os._exit, [0]).start()",
    "crash": "import ctypes; ctypes.string_at(0)",
    "spin in a thread that never lets go": """
        import re
        threading.Thread(target=re.match, args=("(a+)+$", "a" * 60 + "b"), daemon=True).start()
    """,
    "spin": "while True: pass",
    "take the memory and keep it": """
        builtins.kept = []
        try:
            while True:
                builtins.kept.append(bytearray(8 << 20))
        except MemoryError:
            pass
    """,
    "take the descriptors and keep them": """
        try:
            while True:
                os.dup(0)
        except OSError:
            pass
    """,
    "take the threads and keep them": """
        try:
            while True:
                threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        except RuntimeError:
            pass
    """,
    "fork and stay": """
        for _ in range(3):
            try:
                if os.fork() == 0:
                    child.answer = forged
            except OSError:
                pass
    """,
    "close the sockets": """
        for to in sockets():
            os.close(to)
    """,
    "write over every descriptor": """
        for to in range(256):
            try:
                os.write(to, b"\\0\\0\\0\\2{}" * 100)
            except OSError:
                pass
    """,
    "announce a frame and never send it": """
        for to in sockets():
            os.write(to, b"\\1\\0\\0\\0")
    """,
    "ask for gradings": """
        for to in sockets():
            for _ in range(10):
                raw({"number": number(), "call": "grade_all", "graders": [], "sample": "", "item": {}}, to)
    """,
    "pretend that the session ended": """
        for to in sockets():
            raw({"ended": 0, "used": False}, to); raw({"ready": True}, to)
        os._exit(0)
    """,
    "pretend to be another worker": """
        for to in sockets():
            raw({"ready": True, "unlisted": None, "unforkable": None}, to)
        child.main = child.serve = None
    """,
}

HOSTILE = {name: f"exec({_PRELUDE + textwrap.dedent(act)!r}, {{}})" for name, act in _ACTS.items()}
"""The samples, by what they do."""
OF_EACH_KIND = (
    "replace the function that answers",
    "answer before the grader does",
    "answer the next numbers",
    "read what Python has read ahead, and answer it",
    "answer from a thread, later",
    "replace what completes results",
    "replace the plugin's own function",
    "replace the reading of JSON",
    "trace every call",
    "leave a callback of the garbage collector",
    "write over a constant in memory",
    "change what the whole process goes by",
    "leave files in the scratch",
    "end the process a little later",
    "spin in a thread that never lets go",
    "take the descriptors and keep them",
    "fork and stay",
    "announce a frame and never send it",
    "ask for gradings",
    "pretend that the session ended",
)
"""Samples that every run of the tests grades: one or two for each thing of a process that a sample can change or use up."""

_FORGES = "import hostile_graders.loading as plugin; plugin._is_right = lambda sample, item: True"
_EXPRESSION = f"exec({_FORGES!r}, {{}})"


class _Pickled:
    def __reduce__(self) -> tuple[object, ...]:
        return exec, (_FORGES,)


def _array_file() -> str:
    file = io.BytesIO()
    np.save(file, np.array([_Pickled()], dtype=object), allow_pickle=True)
    return base64.b64encode(file.getvalue()).decode()


_YAML = f"!!python/object/apply:builtins.exec [{json.dumps(_FORGES)}]"
LOADED = {
    "yaml.Loader": _YAML,
    "yaml.UnsafeLoader": _YAML,
    "ruamel.yaml": _YAML,
    "numpy.load": _array_file(),
    "ctypes": _FORGES,
    "get_type_hints": _EXPRESSION,
    "get_annotations": _EXPRESSION,
    "create_model": _EXPRESSION,
}
"""Samples that make right whatever `hostile_graders.loading` grades after them, by the way in which each is read."""
