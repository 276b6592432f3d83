"""`graders doctor`: what it says of this machine, of a container on it, and of attacks."""

import asyncio
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from graders import Registry
from runtime import Settings
from runtime.attacks import by_name
from runtime.sandbox.host import reach
from runtime.sandbox.inside.layers import landlock, seccomp
from runtime.sandbox.layers import Level
from service.cli import attack, doctor_sandbox
from service.cli.doctor import examine, show
from tests import container
from tests.service import commands

GRADERS = str(Path(sys.executable).with_name("graders"))

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or seccomp.detect() is not None or landlock.detect() is not None,
    reason="this system cannot isolate code of others",
)


def doctor(
    *arguments: str, inside: tuple[str, ...] = (), **environment: str
) -> "subprocess.CompletedProcess[str]":
    if not inside:
        root = Path(__file__).parents[2]
        return commands.run("doctor", *arguments, env={**os.environ, **environment}, cwd=root)
    return subprocess.run(
        [*inside, GRADERS, "doctor", *arguments],
        env={**os.environ, **environment},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def printed(found: dict[str, Any]) -> str:
    file = io.StringIO()
    show(found, Console(file=file, width=200))
    return file.getvalue()


def test_each_layer_is_described() -> None:
    assert doctor_sandbox.GIVES.keys() == Level.FULL.layers
    assert set(doctor_sandbox.LAYERS) == Level.FULL.layers


@pytest.mark.full
def test_a_machine_that_reaches_every_level_is_well() -> None:
    if asyncio.run(reach()).level < Level.FULL:
        pytest.skip("namespaces are refused here")
    done = doctor("--json", GRADERS_SANDBOX_LEVEL="3")
    found = json.loads(done.stdout)
    assert (done.returncode, found["problems"], found["well"]) == (0, [], True)
    assert (found["sandbox"]["level"], found["sandbox"]["configured_level"]) == (3, 3)
    assert {layer["state"] for layer in found["sandbox"]["layers"]} <= {"active", "unshown", "degraded"}
    costs = [(cost["isolation"], cost["at_once"]) for cost in found["sandbox"]["costs"]]
    assert costs == [("grading", 1), ("batch", 64), ("worker", 1), ("worker", 64)]
    assert found["sandbox"]["images"][0]["name"] == "default"
    assert all(probe["active"] for probe in found["workers"])


@pytest.mark.full
@pytest.mark.parametrize(("configured", "status"), [("2", 0), pytest.param("3", 1, marks=pytest.mark.slow)])
def test_in_a_container_that_refuses_namespaces_it_says_what_is_left_and_the_remedy(
    configured: str, status: int
) -> None:
    inside = (sys.executable, str(container.__file__))
    done = doctor("--json", inside=inside, GRADERS_SANDBOX_LEVEL=configured)
    found = json.loads(done.stdout)
    assert (done.returncode, found["sandbox"]["level"]) == (status, 2)
    assert found["sandbox"]["runs_code_of_others"] is (configured == "2")
    problem = "the sandbox reaches level 2, and level 3 is configured"
    assert found["problems"] == ([problem] if status else [])
    missing = [layer for layer in found["sandbox"]["layers"] if layer["state"] == "missing"]
    assert [layer["layer"] for layer in missing] == ["user", "mount", "pid", "net", "ipc", "uts", "cgroup"]
    (cause,), (remedy,) = {layer["cause"] for layer in missing}, {layer["remedy"] for layer in missing}
    assert cause == "unshare: EPERM (a container's seccomp profile or AppArmor forbids it)"
    assert "--security-opt seccomp=" in remedy
    text = printed(found)
    assert "level 3 is not reached: unshare: EPERM" in text
    assert "  missing   mount         own file system           –\n" in text
    assert "  active    seccomp       only calls Python needs   hide a program in memory\n" in text
    assert "- the host's name\n" in text


@pytest.mark.full
def test_below_level_2_code_of_others_is_refused_and_nothing_is_measured(quick: Settings) -> None:
    found = examine(quick, Registry([]), highest=Level.WEAK)
    assert found["problems"] == ["the sandbox reaches level 1, and level 2 is configured"]
    assert (found["sandbox"]["runs_code_of_others"], found["sandbox"]["costs"]) == (False, [])
    states = {layer["layer"]: layer["state"] for layer in found["sandbox"]["layers"]}
    assert {layer for layer, state in states.items() if state == "active"} == {
        *("rlimits", "environment", "descriptors")
    }
    text = printed(found)
    assert "is refused here" in text
    assert "not well: the sandbox reaches level 1, and level 2 is configured" in text


@pytest.mark.full
def test_an_image_that_is_not_there_is_a_problem(quick: Settings, tmp_path: Path) -> None:
    settings = quick.model_copy(update={"images": {"2025-05-08": tmp_path / "none"}})
    found = examine(settings, Registry([]), highest=Level.CONTAINER)
    assert found["problems"] == ["image 2025-05-08 cannot be used"]
    broken = next(image for image in found["sandbox"]["images"] if image["error"])
    assert f"{tmp_path / 'none'} is no virtual environment" in broken["error"]
    assert "2025-05-08: image '2025-05-08': " in printed(found)


@pytest.mark.full
def test_attacks_are_carried_out_and_counted_by_group() -> None:
    names = ("read-the-password-file", "learn-the-host-name", "connect-to-loopback")
    found = attack.carry_out(Level.CONTAINER, Console(file=io.StringIO()), [by_name[name] for name in names])
    assert found["problems"] == []
    tried = {group["group"]: group["tried"] for group in found["groups"] if group["tried"]}
    assert tried == {"reading": 1, "network": 1, by_name["learn-the-host-name"].group: 1}
    assert [leak["attack"] for leak in found["leaked"]] == ["learn-the-host-name"]
    file = io.StringIO()
    attack.show(found, Console(file=file, width=200))
    assert "leaked, as level 2 is documented to:\n  - Asks for the host's name." in file.getvalue()


def test_an_attack_that_gets_through_or_is_not_carried_out_is_a_problem() -> None:
    through = {"attack": "learn-the-host-name", "came": "through", "ended": "Evidence", "evidence": "vm"}
    found = attack.summarize(Level.FULL, [through], meant=2, last_words="GradingError: it broke")
    assert found["problems"] == [
        "attack learn-the-host-name got through",
        "1 attacks were not carried out: GradingError: it broke",
    ]
    file = io.StringIO()
    attack.show(found, Console(file=file, width=200))
    assert "learn-the-host-name got through: Asks for the host's name.\n    vm" in file.getvalue()


def test_an_attack_that_showed_nothing_is_counted_apart_and_is_no_problem() -> None:
    nothing = {
        "attack": "learn-the-host-name",
        "came": "inconclusive",
        "ended": "timeout",
        "evidence": "no answer within 60 s",
    }
    found = attack.summarize(Level.FULL, [nothing], meant=1, last_words="")
    assert found["problems"] == []
    (group,) = (group for group in found["groups"] if group["tried"])
    counts = {key: value for key, value in group.items() if key != "group"}
    assert counts == {"tried": 1, "stopped": 0, "leaked": 0, "inconclusive": 1, "through": 0}
    assert [each["attack"] for each in found["inconclusive"]] == ["learn-the-host-name"]
    file = io.StringIO()
    attack.show(found, Console(file=file, width=200))
    assert "learn-the-host-name is inconclusive: Asks for the host's name." in file.getvalue()
    assert "no answer within 60 s, twice, the second time alone" in file.getvalue()
