"""What one grading runs, and how."""

from dataclasses import dataclass

from graders.kinds.code_testing.candidate import Candidate
from graders.kinds.code_testing.purpose import Purpose


@dataclass(frozen=True, slots=True)
class Plan:
    """What is run, and how.

    Attributes:
        candidates: What may be the code under test, most likely first: the first that is a program is.
        purpose: What the tests use of it.
        prelude: What stands before it.
        setup: Source that stands before every test source.
        entry_point: The function under test; None when each test names what it uses.
        module: The name by which tests import the code.
        in_place: Whether the code changes its arguments instead of returning something.
        tolerance: How far floats may differ.
        image: The packages that code and tests can import.
        memory_mb: What a process may use.
        timeout_s: Seconds for one test.
        total_timeout_s: Seconds for all.
    """

    candidates: tuple[Candidate, ...]
    purpose: Purpose
    prelude: str
    setup: str
    entry_point: str | None
    module: str
    in_place: bool
    tolerance: float
    image: str | None
    memory_mb: int
    timeout_s: float
    total_timeout_s: float
