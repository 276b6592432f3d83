"""Which tests are in every run, and in which order: what takes longest begins first, so that all processes end together.

`make test` gives each module to one process of pytest (`--dist loadfile`), in this order.
"""

from collections.abc import Sequence

import pytest

SECONDS = {
    "tests/attacks/test_attacks.py": 35,
    "tests/attacks/test_forging.py": 35,
    "tests/runtime/test_workers.py": 35,
    "tests/runtime/sandbox/test_code_testing.py": 30,
    "tests/runtime/judge/test_misbehaving.py": 20,
    "tests/runtime/sandbox/test_images.py": 20,
    "tests/runtime/test_executed_samples.py": 20,
    "tests/runtime/sandbox/test_clock.py": 18,
    "tests/runtime/test_worker_locks.py": 18,
    "tests/attacks/test_human_eval.py": 15,
    "tests/runtime/sandbox/test_local_sandbox.py": 15,
    "tests/runtime/test_escape.py": 15,
    "tests/runtime/test_row_batches.py": 15,
    "tests/runtime/sandbox/test_kills.py": 12,
    "tests/runtime/test_evaluator.py": 12,
    "tests/runtime/sandbox/test_fair_share.py": 10,
    "tests/runtime/sandbox/test_shortage.py": 10,
    "tests/runtime/test_canaries.py": 10,
    "tests/runtime/test_explain.py": 10,
    "tests/runtime/test_json_schema.py": 10,
    "tests/runtime/test_worker_processes.py": 8,
    "tests/runtime/sandbox/test_codec.py": 15,
    "tests/service/evals/test_interrupted.py": 15,
    "tests/service/test_judges.py": 12,
    "tests/service/test_chaos.py": 8,
    "tests/service/test_full_disk.py": 10,
    "tests/examples/test_evals_countdown.py": 12,
    "tests/examples/test_examples.py": 6,
    "tests/service/test_keys.py": 12,
    "tests/service/test_openapi.py": 40,
    "tests/service/evals/test_what_runs_read.py": 10,
    "tests/service/test_cli.py": 15,
    "tests/service/test_trainer_routes.py": 20,
    "tests/runtime/test_convert.py": 40,
    "tests/service/test_victims.py": 16,
    "tests/service/test_metrics.py": 8,
    "tests/test_package.py": 6,
    "tests/service/test_logs.py": 15,
    "tests/service/test_grader_statistics.py": 4,
    "tests/service/test_malformed.py": 15,
    "tests/test_small_model.py": 14,
    "tests/service/test_shutdown.py": 5,
    "tests/service/test_stopping.py": 12,
    "tests/service/test_tracing.py": 12,
    "tests/service/test_processes.py": 20,
    "tests/service/test_doctor.py": 14,
    "tests/service/test_data_commands.py": 15,
    "tests/service/test_files.py": 12,
    "tests/test_documents.py": 10,
    "tests/examples/test_finetuning.py": 10,
    "tests/service/evals/test_flow.py": 9,
    "tests/service/evals/test_claims.py": 6,
    "tests/service/test_bad_rows.py": 6,
    "tests/service/test_idempotency.py": 6,
    "tests/graders/test_assertions.py": 45,
    "tests/graders/test_invalid_grade.py": 12,
    "tests/graders/test_pytest_plugin.py": 12,
    "tests/graders/numeric/test_phrases.py": 12,
    "tests/graders/numeric/test_scanner.py": 10,
    "tests/graders/test_lint.py": 10,
    "tests/graders/test_registry.py": 10,
    "tests/graders/test_shown.py": 10,
}
"""The modules of `make test` that take longer than others, and about how many seconds on a processor of their own."""

FIRST = ("tests/attacks/", "tests/runtime/")
"""Tests that count the descriptors, the mounts and the children of their process go before those that keep services there."""


def place(module: str) -> tuple[bool, int]:
    """Where a module stands in the order, by its path from the root."""
    return not module.startswith(FIRST), -SECONDS.get(module, 1)


def mark_but_a_few(items: Sequence[pytest.Item]) -> None:
    """Mark as `full` all parameter sets of a test that is marked `few(n)` but n of them, evenly chosen.

    Args:
        items: What was collected.
    """
    sets: dict[str, list[pytest.Item]] = {}
    for item in items:
        if item.get_closest_marker("few") is not None and item.get_closest_marker("slow") is None:
            sets.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for of_one_test in sets.values():
        marker = of_one_test[0].get_closest_marker("few")
        assert marker is not None
        last, most = len(of_one_test) - 1, int(marker.args[0])
        kept = {round(last * number / max(1, most - 1)) for number in range(most)}
        for index, item in enumerate(of_one_test):
            if index not in kept:
                item.add_marker(pytest.mark.full)
