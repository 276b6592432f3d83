"""Settings of the runtime and the service: arguments, then `GRADERS_*` environment variables, then `graders.toml`."""

import logging
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from graders.errors import ConfigurationError
from graders.grader_type import Need
from runtime.settings import messages
from runtime.settings.judges import Budget, JudgeModel, Scope
from runtime.settings.variables import PREFIX

logger = logging.getLogger(__name__)

Cache = Literal["graders", "programs", "worker_groups", "named", "schemas", "shapes"]
CACHE_SHARES: Mapping[Cache, float] = {
    "graders": 1 / 2,
    "programs": 1 / 4,
    "worker_groups": 1 / 8,
    "named": 1 / 16,
    "schemas": 1 / 32,
    "shapes": 1 / 32,
}
"""What each cache has of `cache_mb`: loaded graders; compiled sources; those of shared sandbox processes; stored graders by
name; judges' schemas; what sandbox processes are to be like."""


class Settings(BaseSettings):
    """Everything an operator can set; each field is also `GRADERS_<FIELD>` and a key of `graders.toml`."""

    model_config = SettingsConfigDict(
        env_prefix="GRADERS_", toml_file="graders.toml", extra="forbid", frozen=True
    )

    plugin_workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=1024)
    """Worker processes for each plugin type."""
    grading_timeout_s: float = Field(default=60.0, gt=0, le=600)
    """Seconds that one grading in a worker may take before its worker is killed."""
    worker_start_timeout_s: float = Field(default=60.0, gt=0)
    """Seconds that a worker may take to import its plugin."""
    worker_memory_mb: int = Field(default=2048, ge=256)
    """Address space of one worker, in MiB."""
    worker_environment: dict[str, str] = Field(default_factory=dict)
    """Environment variables that workers get; nothing else of the operator's environment reaches them."""
    plugin_needs: dict[str, frozenset[Need]] = Field(default_factory=dict)
    """What plugins may reach outside their locked workers, by grader type; one that needs more is refused."""
    concurrency: int = Field(default=256, ge=1)
    """Gradings of one batch that may be in flight at once; with Ray, in each actor."""
    engine: Literal["local", "ray"] = "local"
    """What `graders run` and `graders serve` grade the rows of batches with: this process, or actors of a Ray cluster."""
    ray_address: str | None = None
    """The Ray cluster, `host:port` or `auto`; None: what `RAY_ADDRESS` says, or one of this machine alone."""
    ray_actors: int | None = Field(default=None, ge=1)
    """Actors of one process; None: as many as the cluster has processors for, divided among `workers`."""
    ray_cpus: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    """Processors that Ray sets aside for each actor."""

    sandbox_level: int = Field(default=2, ge=2, le=3)
    """The least level of isolation for code of others: 2 (Landlock and seccomp) or 3 (namespaces besides)."""
    sandbox_processes: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=1024)
    """Sandboxed gradings that may work at once."""
    python_isolation: Literal["grading", "batch", "worker"] | None = None
    """What a Python grader's process does before it is thrown away, where the grader does not say; None: by who wrote it,
    one grading where the source came over HTTP, many where it stands in a file of the operator's."""
    python_timeout_s: float = Field(default=120.0, gt=0, le=600)
    """Seconds that one grading by a Python grader may take; a grader may ask for less."""
    python_memory_mb: int = Field(default=2048, ge=128)
    """Address space of one sandboxed process, in MiB; a grader may ask for less."""
    python_disk_mb: int = Field(default=1024, ge=1)
    """Size of one sandboxed process's scratch, in MiB; it is held in memory."""
    sandbox_output_mb: int = Field(default=16, ge=1, le=1024)
    """What one sandboxed process may write to its standard output, and to its standard error, in MiB."""
    cache_mb: int = Field(default=256, ge=1)
    """Memory of one process for what it keeps of graders that were used lately: loaded graders, compiled Python sources,
    stored graders by name, judges' schemas; in MiB. Each cache has its share."""
    images: dict[str, Path] = Field(default_factory=dict)
    """Virtual environments that graders may name as `image_tag`, by name."""
    images_dir: Path = Field(default_factory=lambda: _data_directory() / "images")
    """Where `graders images build` puts images, and where they are found."""

    judges: dict[str, JudgeModel] = Field(default_factory=dict)
    """Models that grade, by the names that graders use, or by patterns such as `gpt-*`; a name comes before a pattern, and
    patterns are tried in their order."""
    judge_budgets: dict[Scope, Budget] = Field(default_factory=dict)
    """What may be spent on judges: `run`, until the process ends; `key`, by each API key in a day; `day`, by everybody in a
    day (of UTC)."""
    judge_store: str = Field(default_factory=lambda: str(_data_directory().expanduser() / "judges.sqlite"))
    """Where all processes keep the judges' rates and spending: a SQLite file, or a `postgresql://` URL."""
    judge_cache: Path = Field(default_factory=lambda: _cache_directory().expanduser() / "verdicts.sqlite")
    """Where verdicts are remembered."""
    judge_cache_mb: int = Field(default=1024, ge=0)
    """Size of the verdicts that are remembered, in MiB; 0 remembers none."""
    judge_cache_days: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    """Days after which a verdict is not used any more."""

    endpoint_hosts: tuple[str, ...] = ()
    """Hosts, or `host:port`, that `endpoint` graders may ask although they have addresses of private networks or of this
    machine, and without TLS; all others are asked by https:// at public addresses."""
    trace_hosts: tuple[str, ...] = ()
    """Hosts, or `host:port`, of judges and endpoints that are sent the W3C header `traceparent` where requests are traced;
    all others are not told which request of theirs belongs to which."""
    embedding_model: str | None = None
    """The model that embeds where a grader names none; None is the one in this machine."""

    host: str = "127.0.0.1"
    """Address that the service binds."""
    port: int = Field(default=8000, ge=0, le=65535)
    """Port that the service binds; 0 lets the system choose."""
    host_names: tuple[str, ...] = ()
    """Names besides those of this machine, such as a proxy's, to which a service without API keys answers: values of the header
    `Host`, without a port."""
    workers: int = Field(default=1, ge=1, le=1024)
    """Processes of the service that share the port."""
    connections: int | None = Field(default=None, ge=1)
    """Connections that one process of the service has at once; None: as many as file descriptors leave, at most 16,384."""
    connections_per_address: int | None = Field(default=None, ge=1)
    """Connections of one address of clients, or of one IPv6 network of 64 bits; None: half of `connections`."""
    head_timeout_s: float = Field(default=10.0, gt=0, le=600)
    """Seconds that the head of a request may take to arrive, and a new connection to send one."""
    idle_timeout_s: float = Field(default=120.0, gt=0, le=3600)
    """Seconds that a connection is kept for its next request: longer than most training steps, after which the same connection is
    used again. Where there are too many connections, those that wait longest are closed first."""
    api_keys: tuple[SecretStr, ...] = ()
    """Keys that clients must send and that allow everything, besides those of `graders keys`; without any of either,
    everyone who reaches the port may grade."""
    drain_timeout_s: float = Field(default=30.0, gt=0, le=3600)
    """Seconds that running requests have to finish when the service is told to end."""
    body_limit: int = Field(default=1_000_000, ge=1)
    """Bytes of a request's body."""
    body_timeout_s: float = Field(default=60.0, gt=0, le=3600)
    """Seconds that a request's body may take to arrive."""
    database: str = Field(default_factory=lambda: str(_data_directory().expanduser() / "service.sqlite"))
    """What the service remembers: a SQLite file, or a `postgresql://` URL; all its processes share it."""
    database_wait_s: float = Field(default=10.0, gt=0, le=600, allow_inf_nan=False)
    """Seconds that a request waits for others who keep the database, before it is answered with 503."""
    database_statement_s: float = Field(default=30.0, gt=0, le=3600, allow_inf_nan=False)
    """Seconds that a statement may take in PostgreSQL."""
    files_dir: Path = Field(default_factory=lambda: _data_directory().expanduser() / "files")
    """Where the contents of uploaded files are; all processes of the service share it."""
    file_limit: int = Field(default=512_000_000, ge=1)
    """Bytes of an uploaded file."""
    request_timeout_s: float = Field(default=150.0, gt=0, le=600)
    """Seconds after which a request's grading is ungraded; more than `python_timeout_s`, or a sample that makes a source hang
    meets this limit first, which is infrastructure's and gives no `invalid_grade`."""
    log_format: Literal["json", "text"] | None = None
    """How `graders serve` logs; None: as text on a terminal, otherwise one JSON object a line."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level that `graders serve` logs; only at `debug` the messages of exceptions, which may quote samples."""
    batch_rows: int = Field(default=10_000, ge=1)
    """Rows of one batch, and of one group that a criterion of an eval compares."""
    batch_body_limit: int = Field(default=64_000_000, ge=1)
    """Bytes of a batch's body, in place of `body_limit`; of a compressed one, once it is decompressed."""
    batch_timeout_s: float = Field(default=600.0, gt=0, le=86_400)
    """Seconds after which the rows of a batch that are not done are ungraded."""
    queue_inline: int = Field(default=20_000, ge=1)
    """Gradings by built-in types that may wait in one process of the service, or be worked at, before requests are refused."""
    queue_worker: int = Field(default=20_000, ge=1)
    """The same of plugins."""
    queue_sandbox: int = Field(default=20_000, ge=1)
    """The same of code in the sandbox: `python` and `code_tests`."""
    queue_judge: int = Field(default=20_000, ge=1)
    """The same of models that grade or embed, and of endpoints."""
    eval_runs: int = Field(default=4, ge=1, le=256)
    """Runs of evals that one process of the service grades at once; further ones are queued, and graded in turn by key."""
    eval_concurrency: int = Field(default=64, ge=1, le=4096)
    """Rows of one run that are graded at once; groups of rows where a criterion compares samples."""
    eval_lease_s: float = Field(default=15.0, ge=1, le=3600)
    """Seconds without a sign of life after which another process goes on with a run."""
    eval_runs_queued: int = Field(default=1_000, ge=1)
    """Runs of one API key that may be queued or in progress; a further one is refused until one has ended."""
    evals_kept: int = Field(default=10_000, ge=1)
    """Evals that there may be; a further one is refused until one is deleted."""
    files_kept: int = Field(default=10_000, ge=1)
    """Uploaded files that there may be; a further one is refused until one is deleted, or has expired."""

    @field_validator("api_keys")
    @classmethod
    def _keys_that_can_be_sent(cls, keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        """Refuse keys that everyone has sent who sends none, or that no header can carry as they are."""
        for place, key in enumerate(keys):
            text = key.get_secret_value()
            if not text or text != text.strip():
                why = (
                    f"api_keys[{place}] is empty, or has white space around it; leave it out, or write a key"
                )
                raise ValueError(why)
        return keys

    def cache_bytes(self, cache: Cache) -> int:
        """Bytes that one cache of this process may hold."""
        return int(CACHE_SHARES[cache] * (self.cache_mb << 20))

    @classmethod
    def load(cls, config: Path | None = None, **arguments: Any) -> "Settings":
        """Read the settings.

        Args:
            config: A TOML file to read instead of `graders.toml`.
            arguments: Values that come before the environment; None means: not given.

        Raises:
            ConfigurationError: When a value is wrong or unknown; one line each, with its file, variable or argument and the
                nearest name.
        """
        if config is not None and not config.is_file():
            raise ConfigurationError(f"there is no configuration file {config}")
        file = config or Path(str(cls.model_config["toml_file"]))
        source = cls if config is None else _reading(config)
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            return source(**given)
        except ValidationError as error:
            content = TomlConfigSettingsSource(source)()
            origins = messages.Origins(given, _own_variables(), file, content)
            found = messages.messages(error, cls.model_fields, origins)
            raise ConfigurationError("\n".join(found)) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{file} is not TOML: {error}") from None
        except SettingsError as error:
            raise ConfigurationError(messages.unreadable(error, cls.model_fields)) from None
        except OSError as error:
            raise ConfigurationError(f"cannot read {file}: {error.strerror or error}") from None

    @classmethod
    def of_environment(cls) -> "Settings":
        """Read the settings, and log a warning for each environment variable `GRADERS_…` that is not one.

        Raises:
            ConfigurationError: As `load`.
        """
        for message in cls.unread_variables():
            logger.warning("%s", message)
        return cls.load()

    @classmethod
    def unread_variables(cls) -> list[str]:
        """A line for each environment variable `GRADERS_…` that is not a setting, with the nearest name."""
        return list(messages.unread_variables(cls.model_fields))

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments before environment before file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def _data_directory() -> Path:
    """Where this user keeps our data, after the XDG base directory specification."""
    return Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share") / "graders"


def _cache_directory() -> Path:
    """Where this user keeps what can be made again, after the XDG base directory specification."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "graders"


def _own_variables() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if name.upper().startswith(PREFIX)}


def _reading(config: Path) -> type[Settings]:
    """The settings class with another file behind it."""

    class SettingsFrom(Settings):
        model_config = SettingsConfigDict(toml_file=config)

    return SettingsFrom
