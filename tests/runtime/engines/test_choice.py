"""Which engine settings give, and what is refused before anything is started."""

import subprocess
import sys
from typing import Any

import pytest

from graders import ConfigurationError
from runtime import Settings
from runtime.engines.choice import engine_of
from runtime.engines.local import LocalEngine
from service.cli.common_options import EngineName
from service.cli.serve import serve

WITHOUT_RAY = """
import sys
sys.modules["ray"] = None  # as where it is not installed
from graders import ConfigurationError
from runtime.engines.ray import RayEngine
for arguments in ({}, {"actors": 0}, {"cpus": 0.0}, {"cpus": float("nan")}, {"address": "ray://head:10001"}):
    try:
        RayEngine(**arguments)
    except ConfigurationError as error:
        print(error)
"""


def test_rows_are_graded_in_this_process_unless_settings_say_otherwise() -> None:
    assert isinstance(engine_of(Settings()), LocalEngine)


@pytest.mark.parametrize("given", [EngineName.RAY, "ray"])
def test_the_engine_is_a_setting(given: Any) -> None:
    assert Settings.load(engine=given).engine == "ray"
    with pytest.raises(ConfigurationError, match="engine"):
        Settings.load(engine="dask")


def test_what_is_wrong_with_the_engine_is_said_before_ray_is_started() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", WITHOUT_RAY], capture_output=True, text=True, check=True, timeout=300
    )
    missing, actors, cpus, not_a_number, client = ran.stdout.splitlines()
    assert "Ray is not installed" in missing
    assert "[ray]" in missing
    assert actors.startswith("actors: expected 1 or more, got 0")
    assert cpus.startswith("cpus: expected more than 0")
    assert not_a_number.startswith("cpus: expected more than 0")
    assert "of a Ray Client" in client


def test_several_processes_of_a_service_need_a_cluster_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(ConfigurationError, match="ray_address"):
        serve(Settings(engine="ray", workers=2), None)
