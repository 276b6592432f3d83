"""The answers of a sandboxed process are what it was asked for, or the end of that process."""

import json

import pytest

from runtime.sandbox.processes.worker_group import answers_of


def frame(*answers: object) -> bytes:
    return json.dumps({"number": 7, "answers": answers}).encode()


def test_answers_are_numbers_and_errors() -> None:
    error = {"error": "E" * 10_000, "traceback": "[{,:" * 10_000, "details": {"a": [1, 2]}}
    assert answers_of(frame(1.0, error), 7, 2) == [1.0, error]
    assert answers_of(frame(*[0.5] * 64), 7, 64) == [0.5] * 64


@pytest.mark.parametrize(
    "body",
    [
        frame(*[1.0] * 3),
        json.dumps({"number": 8, "answers": [1.0]}).encode(),
        b"[1.0]",
        b"nothing",
        b"[" * 100_000,
        b'{"number":7,"answers":[' + b"[]," * 300_000 + b"1]}",
        b'{"number":7,"answers":[1.0],"more":[' + b"{}," * 300_000 + b"1]}",
    ],
)
def test_anything_else_is_none(body: bytes) -> None:
    assert answers_of(body, 7, 2) is None
