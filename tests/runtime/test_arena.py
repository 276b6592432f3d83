"""What an attack has done to its target is seen at once, however busy the machine is."""

import os
import signal

import pytest

from runtime.attacks.arena import Arena


def test_a_victim_that_has_just_been_killed_is_never_taken_for_an_unharmed_one() -> None:
    with Arena() as arena:
        for _ in range(20):
            assert arena.harm("victim-alive") is None
            os.kill(arena.target(control=False)["victim_pid"], signal.SIGKILL)
            assert arena.harm("victim-alive") == "the victim ended with status -9"


@pytest.mark.full
def test_a_victim_that_was_stopped_is_not_waited_for_for_ever() -> None:
    with Arena() as arena:
        os.kill(arena.target(control=False)["victim_pid"], signal.SIGSTOP)
        assert arena.harm("victim-alive") in {None, "the victim was changed"}
