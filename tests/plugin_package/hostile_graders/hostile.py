"""A grader that does what the sample tells it to: every way to misbehave."""

import ctypes
import os
import stat
import sys
from types import FrameType
from typing import Any

from graders import FailureKind, GraderResult, GradingError, Item, Sample, grader


class Unpicklable(Exception):
    """An exception that cannot be pickled, nor shown."""

    def __init__(self, one: object, two: object) -> None:
        self.hold = lambda: (one, two)

    def __str__(self) -> str:
        raise RuntimeError("no text for you")


def _spin() -> None:
    while True:
        pass


def _allocate() -> int:
    return len(bytearray(10 << 30))


def _print_much() -> None:
    for _ in range(200):
        print("x" * 65_536)


def _number() -> int:
    """The number of the grading that this process is at, which its own frames know."""
    frame: FrameType | None = sys._getframe()  # what a hostile plugin finds
    while frame is not None:
        if "number" in frame.f_locals:
            return int(frame.f_locals["number"])
        frame = frame.f_back
    return 0


def _forge(text: str) -> None:
    text = text.replace("NUMBER", str(_number()))
    for descriptor in range(3, 1024):
        try:
            if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
                os.write(descriptor, len(text).to_bytes(4, "big") + text.encode())
        except OSError:
            continue


def _imitate() -> None:
    for descriptor in range(3, 1024):
        try:
            os.write(descriptor, b"\x00\x00\x00\x02{}")
        except OSError:
            continue


@grader("hostile", isolation="worker")
def hostile(sample: Sample, item: Item) -> Any:
    """Reward 1, unless the sample names a misdeed."""
    misdeed, _, argument = sample.output_text.partition(" ")
    match misdeed:
        case "spin":
            _spin()
        case "allocate":
            _allocate()
        case "exit":
            os._exit(3)
        case "sys_exit":
            sys.exit(4)
        case "segfault":
            ctypes.string_at(0)
        case "raise":
            raise Unpicklable(1, 2)
        case "half":
            raise ValueError("half \ud83d")
        case "print":
            _print_much()
        case "forge":
            _forge(argument)
        case "imitate":
            _imitate()
        case "unplain":
            return GraderResult(1.0, explanation=object())  # type: ignore[arg-type]
        case "environment":
            return GraderResult(1.0, explanation=str(os.environ.get(argument)))
        case "blame":
            raise GradingError("the answer is empty", kind=FailureKind.SAMPLE_PARSE, caused_by="model")
        case "recurse":
            return hostile(sample, item)
        case "return":
            returned = {
                "nan": float("nan"),
                "inf": float("inf"),
                "none": None,
                "text": "1.0",
                "two": 2,
                "huge": 10**400,
            }
            return returned[argument]
    return 1.0
