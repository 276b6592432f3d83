"""`python` asks a sandbox for what the source's `grade(sample, item)` returns, and finds mistakes before that."""

from typing import Any

import pytest

from graders import (
    ConfigurationError,
    FailureKind,
    GraderResult,
    GradingError,
    InvalidOptions,
    Item,
    Problem,
    Registry,
    Sample,
)
from graders.errors import UnknownImage
from graders.kinds.python import PythonSource
from graders.testing import FakeContext, FakeSandbox

REGISTRY = Registry.installed()
SOURCE = "def grade(sample, item):\n    return 3.5\n"


class Refusing(FakeSandbox):
    """A sandbox that finds fault with every source."""

    def __init__(self, error: Exception) -> None:
        super().__init__([])
        self.error = error

    async def check(self, source: str | None = None, *, image: str | None = None) -> None:
        raise self.error


async def grade(sandbox: FakeSandbox, sample: Sample, item: Item, **options: Any) -> GraderResult:
    grader = REGISTRY.load({"type": "python", "source": SOURCE, **options})
    return await FakeContext(sandbox=sandbox).grade(grader, sample, item)


async def test_the_reward_is_what_the_sandbox_says() -> None:
    sandbox = FakeSandbox([3.5])
    assert (await grade(sandbox, Sample("x"), {"a": 1})).reward == 3.5
    assert sandbox.calls[0]["message"] == {
        "source": SOURCE,
        "sample": {
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "x", "tool_calls": []},
                    "finish_reason": "stop",
                }
            ],
            "output_text": "x",
            "output_json": None,
            "output_tools": [],
            "output_reasoning_summary": None,
        },
        "item": {"a": 1},
    }


async def test_its_limits_are_passed_on() -> None:
    sandbox = FakeSandbox([1.0])
    await grade(sandbox, Sample(), {}, image_tag="2025-05-08", timeout_s=3, memory_mb=256)
    call = sandbox.calls[0]
    assert (call["image"], call["timeout_s"], call["memory_mb"]) == ("2025-05-08", 3, 256)


async def test_a_failure_of_the_sandbox_is_ungraded_with_its_cause() -> None:
    error = GradingError("boom", kind=FailureKind.PYTHON_GRADER_RUNTIME)
    result = await grade(FakeSandbox([error]), Sample(), {})
    assert result.reward is None
    assert result.failure is not None
    assert (result.failure.kind, result.failure.caused_by) == (FailureKind.PYTHON_GRADER_RUNTIME, "grader")


async def test_many_rows_are_sent_at_once() -> None:
    late = GradingError("late")
    sandbox = FakeSandbox([0.5, late])
    grader = PythonSource(source=SOURCE)
    answers = await grader.grade_rows([Sample("a"), Sample("b")], [{}, {}], FakeContext(sandbox=sandbox))
    assert answers == [0.5, late]


@pytest.mark.parametrize(
    ("error", "field"),
    [(UnknownImage("there is no image 'x'"), "image_tag"), (ConfigurationError("line 1: oh"), "source")],
)
async def test_a_fault_is_found_before_anything_is_graded_and_names_its_field(
    error: ConfigurationError, field: str
) -> None:
    grader = PythonSource(source=SOURCE, image_tag="x")
    with pytest.raises(InvalidOptions) as caught:
        await grader.prepare(FakeContext(sandbox=Refusing(error)))
    assert caught.value.problems == (Problem((field,), str(error)),)


async def test_a_good_source_is_checked_with_its_image() -> None:
    sandbox = FakeSandbox([])
    await PythonSource(source=SOURCE, image_tag="x").prepare(FakeContext(sandbox=sandbox))
    assert sandbox.checked == [(SOURCE, "x")]


@pytest.mark.parametrize("extra", [256_000 - len(SOURCE) - 1, 256_000 - len(SOURCE)])
def test_a_source_has_fewer_than_256_kb(extra: int) -> None:
    config = {"type": "python", "source": SOURCE + "#" * extra}
    if len(SOURCE) + extra < 256_000:
        assert REGISTRY.load(config).info.type == "python"
        return
    with pytest.raises(
        InvalidOptions, match=r"source: a source has fewer than 256000 bytes, this one has 256000"
    ):
        REGISTRY.load(config)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"isolation": "worker"}, "isolation"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"memory_mb": 1}, "memory_mb"),
        ({"image": "x"}, "image"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOptions, match=message):
        REGISTRY.load({"type": "python", "source": SOURCE, **options})
