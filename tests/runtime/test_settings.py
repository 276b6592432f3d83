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
        ("prot = 1", r"bad\.toml: unknown setting 'prot'; did you mean 'port'\?"),
        ("port = 'x'", r"bad\.toml: port: expected a whole number"),
        ("grading_timeout_s = 0", r"bad\.toml: grading_timeout_s: expected greater than 0"),
        ("port = ", r"bad\.toml is not TOML"),
        ("request-timeout-s = 1", "unknown setting 'request-timeout-s'; did you mean 'request_timeout_s'"),
        ("GRADERS_PORT = 1", "unknown setting 'GRADERS_PORT'; did you mean 'port'"),
        ("[server]\nport = 1", "unknown setting 'server'; write its keys at the beginning of the file"),
        ("zzz = 1", "unknown setting 'zzz'$"),
        (
            "[judges.'*']\nbase_url = 'not a url'",
            r"bad\.toml: judges\.\*\.base_url: expected an address that begins with http://",
        ),
        (
            "[judges.'*']\nbase_url = 'http://[::1'",
            r"bad\.toml: judges\.\*\.base_url: expected an address that begins with http",
        ),
        (
            "[judges.'*']\nbase_url = '127.0.0.1:80/v1'",
            r"bad\.toml: judges\.\*\.base_url: expected an address that begins with http",
        ),
        ("[judges.x]\nmodle = 'y'", r"bad\.toml: unknown setting 'judges\.x\.modle'; did you mean 'model'"),
        ("[judge_budgets.day]\nx = 1", r"unknown setting 'judge_budgets\.day\.x'; known are tokens, money"),
        (
            "[plugin_needs]\nx = ['net']",
            r"bad\.toml: plugin_needs\.x\.0: expected 'files' or 'network'",
        ),
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
    with pytest.raises(ConfigurationError, match=r"^GRADERS_API_KEYS: expected a JSON list for api_keys"):
        Settings.load()


def test_each_mistake_is_named_by_the_source_whose_value_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        "port = 'secret'\nhots = 'secret'\nworkers = 'secret'\n[judges.a]\nretries = 'secret'\n"
    )
    monkeypatch.setenv("graders_port", "secret")
    monkeypatch.setenv("GRADERS_JUDGES", '{"b": {"retries": "secret"}}')
    with pytest.raises(ConfigurationError) as raised:
        Settings.load(config, workers="secret")
    lines = str(raised.value).splitlines()
    assert {line.split(": expected")[0].split("; did")[0] for line in lines} == {
        "graders_port",
        "argument workers",
        f"{config}: judges.a.retries",
        "GRADERS_JUDGES: judges.b.retries",
        f"{config}: unknown setting 'hots'",
    }
    assert "secret" not in str(raised.value)


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_bytes(b"port = 1 # \xff")
    with pytest.raises(ConfigurationError, match=r"c\.toml is not TOML"):
        Settings.load(config)


def test_variables_that_are_no_settings_are_named_with_the_nearest_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("GRADERS_PROT", "GRADERS_JUDGE_CACH_MB", "GRADERS_CONFIG", "graders_x", "GRADERS_QQQ"):
        monkeypatch.setenv(name, "1")
    for known in ("GRADERS_WORKERS", "graders_host", "GRADERS_CONFIG_FILE", "GRADERS_TEST_EXAMPLES"):
        monkeypatch.setenv(known, "1")
    ending = "is not a setting and has no effect"
    expected = [
        f"the environment variable GRADERS_CONFIG {ending}; did you mean GRADERS_CONFIG_FILE?",
        f"the environment variable GRADERS_JUDGE_CACH_MB {ending}; did you mean GRADERS_JUDGE_CACHE_MB?",
        f"the environment variable GRADERS_PROT {ending}; did you mean GRADERS_PORT?",
        f"the environment variable GRADERS_QQQ {ending}",
        f"the environment variable graders_x {ending}",
    ]
    assert Settings.unread_variables() == expected
    Settings.of_environment()
    assert [record.message for record in caplog.records] == expected


@pytest.mark.parametrize("name", ["gpt-6.1-sol", "gpt-4.1", "o3.2025.04", "a.b-c.d"])
def test_a_judge_whose_name_has_dots_is_to_be_quoted(name: str, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f"[judges.{name}]\nmodel = 'x'\n")
    with pytest.raises(ConfigurationError, match=r"a name with dots is written in quotes") as raised:
        Settings.load(config)
    assert str(raised.value).endswith(f'[judges."{name}"]')
    config.write_text(f"[judges.'{name}']\nmodel = 'x'\n")
    assert list(Settings.load(config).judges) == [name]


def test_an_unknown_field_of_a_judge_is_no_name_with_dots(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("[judges.m]\nmodle = 'x'\n[judges.n.more]\nx = {y = 1}\n")
    with pytest.raises(ConfigurationError) as raised:
        Settings.load(config)
    lines = str(raised.value).splitlines()
    assert lines[0] == f"{config}: unknown setting 'judges.m.modle'; did you mean 'model'?"


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8000",
        "not a url",
        "",
        "http://",
        "http:///v1",
        "http://a b/v1",
        "//host/v1",
        "ftp://host/v1",
        "http://host:port/v1",
        "http://[::1",
        "http://:8000/v1",
        "file:///etc/passwd",
    ],
)
def test_an_address_of_a_judge_to_which_nothing_can_be_sent_is_refused(url: str, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f'[judges."*"]\nbase_url = "{url}"\n')
    with pytest.raises(ConfigurationError) as raised:
        Settings.load(config)
    assert str(raised.value) == (
        f"{config}: judges.*.base_url: expected an address that begins with http:// or https://, such as http://127.0.0.1:8080/v1"
    )


@pytest.mark.parametrize("url", ["http://localhost:8000", "https://user:pw@host/v1", "HTTP://[::1]:80/v1"])
def test_an_address_of_a_judge_is_taken(url: str, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f'[judges."*"]\nbase_url = "{url}"\n')
    assert Settings.load(config).judges["*"].base_url == url


def test_a_setting_that_is_no_list_says_so_in_words_of_toml(tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text("api_keys = 'k'\njudges = 3\n")
    with pytest.raises(ConfigurationError) as raised:
        Settings.load(config)
    assert str(raised.value).splitlines() == [
        f"{config}: judges: expected an object",
        f"{config}: api_keys: expected a list",
    ]
