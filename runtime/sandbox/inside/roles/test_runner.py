"""Role `judge`: runs an author's tests. The code that they test is in another process, and only plain data comes from it.

What the tests use of the code (the entry point, what they import from its module, names that they do not define) are
stand-ins. Using one sends a numbered question, which the grader takes to the subject. Messages are plain data:

* `{"tests": source, "prelude": …, "entry_point": …, "module": …, "in_place": …}` → `{"cases": [name, …]}` or a verdict;
* `{"run": n}` → the verdict of one case;
* meanwhile, any number of times, `{"call": n, "uses": bool}` and a body → `{"number": n}` and a body. What is asked with
  `uses` may decide what the tests do next.

A verdict is `{"verdict": "passed" | "failed" | "broken", "message": …, "crashed": …}`. *Failed* is the code's doing,
*broken* that of the tests: an error before they used the code, or one that no answer of the code can bring about.
"""

import ast
import sys
import types
from typing import Any

from ..blame import Blame
from ..cases import SourceCase, check_case, named_cases, shape_of
from ..names import bound_names, complete_names, empty_methods, free_names, modules_meant, names_of_module
from ..rpc.channel import Channel
from ..rpc.client import Subject
from ..rpc.codec import encode
from ..rpc.messages import SHORT, pack, read, write
from ..source_code import compiled, described

FILE = "tests.py"
MODULE = "tests"
PRELUDE = "prelude.py"


def serve(channel: Channel) -> None:
    """Answer until the channel closes."""
    subject = Subject(channel)
    tests: _Tests | None = None
    while (frame := channel.receive()) is not None:
        message, _ = read(frame)
        if "tests" in message:
            tests = _Tests(subject, message)
            reply = tests.load()
        elif tests is not None:
            reply = tests.run(message["run"])
        channel.send(_written(reply))


def _written(reply: dict[str, Any]) -> bytes:
    """A reply as it travels; the names of very many cases are its body."""
    head = encode(reply)
    if len(head) <= SHORT:
        return pack(head)
    return write({"cases": []}, "\n".join(reply["cases"]).encode(errors="replace"))


class _Solution(types.ModuleType):
    """The module that `import solution` gives: its attributes are the code's."""

    def __init__(self, name: str, tests: "_Tests") -> None:
        super().__init__(name)
        self.__tests = tests

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.__tests.imported(name, self)


class _Tests:
    """One test source and its cases."""

    def __init__(self, subject: Subject, message: dict[str, Any]) -> None:
        self._subject = subject
        self._subject.in_place = message["in_place"]
        self._missing: set[str] = set()
        self._source: str = message["tests"]
        self._prelude: str = message["prelude"]
        self._stubs = empty_methods(self._prelude)
        self._entry_point: str | None = message["entry_point"]
        self._module = types.ModuleType(MODULE)
        self._module.__file__ = FILE
        sys.modules[MODULE] = self._module
        self._name: str = message["module"]
        self._authors: dict[str, Any] = {}
        sys.modules[self._name] = _Solution(self._name, self)
        self._cases: list[SourceCase] = []
        self._blame: Blame | None = None

    def load(self) -> dict[str, Any]:
        """Say which cases there are; a source with named ones is run for that."""
        self._subject.begin()
        names = self._module.__dict__
        try:
            code = compiled(self._source, FILE)
            self._blame = Blame(self._source, FILE)
            self._define(names)
            shape = shape_of(self._source, self._entry_point)
            if shape == "whole":
                self._cases = [SourceCase("", lambda: exec(code, names))]  # noqa: S102  # what this process is for
            else:
                exec(code, names)  # noqa: S102  # likewise
                check = shape == "check" and self._entry_point
                # marks that may depend on the code do not leave a case out
                free = not (self._subject.asked or self._missing)
                found = (
                    [check_case(names, check)]
                    if check
                    else named_cases(self._source, names, obeys_marks=free)
                )
                self._cases = list(found)
        except BaseException as error:  # noqa: BLE001  # an author's tests may raise anything
            return self._verdict(error)
        return {"cases": [case.name for case in self._cases]}

    def run(self, number: int) -> dict[str, Any]:
        """Run one case."""
        asked = self._subject.asked
        self._subject.begin()
        self._subject.asked = asked
        try:
            self._cases[number].run()
        except BaseException as error:  # noqa: BLE001  # likewise
            if self._blame is None or not self._blame.is_regular_end(error, self._subject.errors):
                return self._verdict(error)
        if not self._subject.asked:
            return {"verdict": "broken", "message": "it passes without using the code", "crashed": False}
        return {"verdict": "passed", "message": "", "crashed": False}

    def imported(self, name: str, module: types.ModuleType) -> Any:
        """What the tests import from the code's module."""
        if name in self._authors:
            return self._authors[name]
        found = self._subject.named([name])
        if name not in found:
            self._missing.add(name)
            raise AttributeError(f"the code defines no {name!r}", name=name, obj=module)
        return found[name]

    def _define(self, names: dict[str, Any]) -> None:
        """Give the tests what they use and do not define.

        With an entry point that is all that the code is asked for, besides the prelude's classes, whose instances cannot
        travel. The prelude's functions are the author's own, run here: the code cannot put others in their place.
        """
        free = free_names(self._source, FILE)
        modules = modules_meant(self._source, free)
        wanted = free - set(modules)
        root = (self._entry_point or "").partition(".")[0]
        authors = self._of_author(wanted | names_of_module(self._source, self._name), root)
        classes = {name: value for name, value in authors.items() if _is_class_of_prelude(value)}
        self._authors = {
            name: self._subject.made.wrapped(value) for name, value in authors.items() if name not in classes
        }
        names.update(self._authors)
        wanted = (wanted & {root}) | {self._entry_point} if self._entry_point else wanted - set(authors)
        found = self._subject.named(sorted(wanted | set(classes)))
        for name, kind in classes.items():
            if name in found:
                self._subject.made.learn(found[name], kind, self._stubs)
                self._authors[name] = found[name]
        self._missing |= (wanted | set(classes)) - set(found)
        names.update(found)
        for name, module in modules.items():
            __import__(module)
            names[name] = sys.modules[module]

    def _of_author(self, used: set[str], root: str) -> dict[str, Any]:
        """What the prelude defines of the names that the tests use, and its classes, as far as the code does not complete it.

        Without an entry point a function of the prelude's may be the one under test, if the tests use no other name.
        """
        try:
            bound = bound_names(self._prelude, PRELUDE)
        except SyntaxError:  # the beginning of something that only the code completes
            return {}
        chosen = bound - {root}
        if not self._entry_point:
            functions = complete_names(self._prelude, ast.FunctionDef) if used - bound else set()
            chosen = complete_names(self._prelude, ast.ClassDef) | functions
        if not chosen & used and self._name not in self._source:  # they may look names up in the module
            return {}
        module = types.ModuleType("prelude")
        try:
            exec(compiled(self._prelude, PRELUDE), module.__dict__)  # noqa: S102  # the author's
        except Exception:
            if self._entry_point:
                raise
            return {}  # it may need the code to run
        return {
            name: value
            for name, value in vars(module).items()
            if name in chosen and (name in used or _is_class_of_prelude(value))
        }

    def _verdict(self, error: BaseException) -> dict[str, Any]:
        told = described(error, FILE)
        at = f", at line {told['line']} of the tests: {told['text']}" if told["line"] else ""
        if (name := self._missing_name(error)) is not None:
            return {"verdict": "failed", "message": f"the code defines no {name!r}", "crashed": True}
        if any(error is one for one in self._subject.errors):
            return {"verdict": "failed", "message": f"{self._subject.last}{at}", "crashed": True}
        text = f"{told['type']}{': ' if told['message'] else ''}{told['message'][:500]}{at}"
        blame = self._blame if self._subject.asked else None
        if blame is None or not blame.is_the_codes(error, self._subject.errors):
            return {"verdict": "broken", "message": text, "crashed": False}
        seen = f" ({self._subject.last})" if self._subject.last else ""
        return {"verdict": "failed", "message": f"{text}{seen}", "crashed": False}

    def _missing_name(self, error: BaseException) -> str | None:
        """The name that an error is about, if the code should have defined it."""
        if isinstance(error, ImportError):
            said = str(error)
            return next((name for name in self._missing if f"import name {name!r} from" in said), None)
        if isinstance(error, AttributeError):
            return error.name if type(error.obj) is _Solution and error.name in self._missing else None
        return error.name if isinstance(error, NameError) and error.name in self._missing else None


def _is_class_of_prelude(value: object) -> bool:
    return isinstance(value, type) and value.__module__ == "prelude"
