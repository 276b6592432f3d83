"""What `graders serve` refuses before anything starts."""

import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from graders import ConfigurationError
from service.cli.listening import check_port
from tests.service import commands
from tests.service.serving import serving

LONG = "0123456789abcdef"


def refused(tmp_path: Path, keys: list[str], *options: str) -> "subprocess.CompletedProcess[str]":
    """What becomes of a service with these keys that should not start."""
    own = {"GRADERS_API_KEYS": json.dumps(keys), "GRADERS_DATABASE": str(tmp_path / "s.sqlite")}
    return commands.run("serve", "--port", "0", *options, env={**os.environ, **own}, cwd=tmp_path)


@pytest.mark.few(3)
@pytest.mark.parametrize(
    ("host", "keys", "places"),
    [
        ("0.0.0.0", ["secret"], "0"),
        ("::", [LONG, LONG[1:], "x"], "1, 2"),
        ("192.0.2.1", ["secret"], "0"),
        ("example.com", ["secret"], "0"),
    ],
)
def test_on_a_public_address_keys_of_fewer_than_16_characters_are_refused(
    tmp_path: Path, host: str, keys: list[str], places: str
) -> None:
    done = refused(tmp_path, keys, "--host", host)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: refusing to serve on {host}: api_keys[{places}] has fewer than 16")
    assert done.stderr.count("\n") == 1
    assert not any(key in done.stderr for key in keys if len(key) > 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.few(3)
@pytest.mark.parametrize("key", ["", " ", "with space ", "\ttab-before-it-here"])
def test_keys_that_no_header_carries_are_refused_everywhere(tmp_path: Path, key: str) -> None:
    done = refused(tmp_path, [LONG, key])
    assert done.returncode == 2
    assert "api_keys[1] is empty, or has white space around it" in done.stderr


@pytest.mark.full
@pytest.mark.parametrize(("host", "key"), [("127.0.0.1", "short"), ("0.0.0.0", LONG)])
def test_long_keys_are_taken_everywhere_and_short_ones_on_loopback(
    tmp_path: Path, host: str, key: str
) -> None:
    settings = {"GRADERS_API_KEYS": json.dumps([key]), "GRADERS_DATABASE": str(tmp_path / "s.sqlite")}
    with serving(settings, "--host", host) as served:
        assert served.url.startswith(f"http://{host}:")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken_is_one_line_and_nothing_is_started(tmp_path: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = refused(tmp_path, [LONG], "--port", str(port), "--workers", workers)
    expected = f"error: cannot serve on 127.0.0.1, port {port}: another program listens there; end it, or choose another"
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(expected)
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.1", "this machine does not have the address; choose another --host"),
        ("no-such-host.invalid", r"cannot serve on no-such-host\.invalid: the host is not known"),
        ("a" * 300, "the host is not known"),
    ],
)
def test_a_host_that_cannot_be_bound_is_named(host: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        check_port(host, 0)


def test_any_address_of_a_host_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for host in ("localhost", "127.0.0.1", "0.0.0.0"):
            with pytest.raises(ConfigurationError, match="another program listens there"):
                check_port(host, taken.getsockname()[1])


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "0.0.0.0"])
def test_a_free_port_is_left_free(host: str) -> None:
    check_port(host, 0)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    check_port(host, port)
    check_port(host, port)
