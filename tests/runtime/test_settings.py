"""Settings: arguments before environment before file, and mistakes named."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from graders import ConfigurationError
from runtime import Settings


def test_arguments_come_before_the_environment_and_that_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "other.toml"
    config.write_text('port = 1000\nhost = "127.0.0.2"\nbody_limit = 5\n')
    monkeypatch.setenv("GRADERS_PORT", "2000")
    monkeypatch.setenv("GRADERS_HOST", "127.0.0.3")
    settings = Settings.load(config, port=3000, host=None)
    assert (settings.port, settings.host, settings.body_limit) == (3000, "127.0.0.3", 5)


def test_graders_toml_of_the_working_directory_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "graders.toml").write_text('api_keys = ["one", "two"]')
    monkeypatch.chdir(tmp_path)
    assert [key.get_secret_value() for key in Settings.load().api_keys] == ["one", "two"]


def test_keys_are_not_shown() -> None:
    assert "sesame" not in repr(Settings(api_keys=(SecretStr("sesame"),)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "prot: Extra inputs are not permitted"),
        ("port = 'x'", "port: Input should be a valid integer"),
        ("grading_timeout_s = 0", "grading_timeout_s: Input should be greater than 0"),
        ("port = ", r"bad\.toml is not TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    config = tmp_path / "bad.toml"
    config.write_text(text)
    with pytest.raises(ConfigurationError, match=message):
        Settings.load(config)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no configuration file"):
        Settings.load(tmp_path / "none.toml")


def test_a_mistake_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADERS_API_KEYS", "not a list")
    with pytest.raises(ConfigurationError, match="api_keys"):
        Settings.load()
