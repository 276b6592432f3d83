"""What the service logs, and what it never does: one JSON object a line, or a line of text for a person.

Headers, keys, prompts, samples and bodies are never logged. The message of an exception may quote them, so of an
exception only its type and where it was raised are logged, and its message just at the level `debug`. For the same
reason libraries are heard from `warning` on: at lower levels some log the addresses and bodies of what they send.
"""

import json
import logging
import sys
import time
import traceback
from collections.abc import Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from pydantic_core import to_json

from runtime import Settings
from runtime.data.printable import printable

TRACE_CHARACTERS = 128
"""Of a caller's `trace_id` that are logged."""

_OURS = ("graders", "runtime", "service")

_identity: ContextVar[dict[str, str]] = ContextVar("identity")
"""What the request that is being answered is called, by the names that lines have for it."""


class Request:
    """What is logged inside belongs to one request, which has yet to be named."""

    def __enter__(self) -> Mapping[str, str]:
        """Begin; gives what the request is called, once it is named."""
        identity: dict[str, str] = {}
        self._token = _identity.set(identity)
        return identity

    def __exit__(self, *error: object) -> None:
        """End."""
        _identity.reset(self._token)


class RequestRecord(logging.LogRecord):
    """That a request was answered.

    The base class finds out where it was made, which takes longer than most gradings, and nobody needs.
    """

    levelno, levelname = logging.INFO, "INFO"
    args = exc_info = exc_text = stack_info = taskName = None  # noqa: N815  # the library's names, here and below
    pathname = filename = module = funcName = processName = threadName = ""  # noqa: N815
    lineno = process = thread = 0

    def __init__(self, name: str, identity: Mapping[str, str], fields: Mapping[str, Any]) -> None:
        """A record; the base class's own beginning is left out.

        Args:
            name: The logger's.
            identity: What the request is called.
            fields: What there is to say.
        """
        self.name, self.msg, self.identity, self.fields = name, "request", identity, fields
        self.created = time.time()
        self.msecs = self.relativeCreated = 0.0


def name_request(request_id: str) -> None:
    """Say which request is being answered."""
    _identity.get({})["x_request_id"] = request_id


def name_trace(trace_id: str | None) -> None:
    """Say what the caller calls what is being graded."""
    if trace_id:
        _identity.get({})["trace_id"] = trace_id[:TRACE_CHARACTERS]


def configuration(settings: Settings) -> dict[str, Any]:
    """How `graders serve` logs, as `logging.config.dictConfig` takes it; plain data, for processes to be given."""
    level = settings.log_level.upper()
    shape = settings.log_format or ("text" if sys.stderr.isatty() else "json")
    formatter = {"()": f"{__name__}.{_FORMATTERS[shape]}", "messages": level == "DEBUG"}
    loggers: dict[str, Any] = {name: {"level": level} for name in _OURS}
    # at `debug` it logs headers
    loggers["uvicorn"] = {"level": "INFO" if level == "DEBUG" else level}
    # it calls it an error that whatever was cancelled let its connection go; what really fails there is raised as well
    loggers["sqlalchemy.pool"] = {"level": "CRITICAL"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"default": formatter},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "default"}},
        "root": {"level": "WARNING" if level != "ERROR" else "ERROR", "handlers": ["stderr"]},
        "loggers": loggers,
    }


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def __init__(self, *, messages: bool = False) -> None:
        """Choose what of exceptions is shown.

        Args:
            messages: Whether their messages are, besides their types and where they were raised.
        """
        super().__init__()
        self._messages = messages

    def format(self, record: logging.LogRecord) -> str:
        """A record as a line."""
        entry: dict[str, Any] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record, whole=self._messages),
            **_called(record),
            **_fields(record),
        }
        if record.exc_info and record.exc_info[1] is not None:
            entry["exception"] = _traceback(record.exc_info[1], messages=self._messages)
        try:
            return to_json(entry, ensure_ascii=True, fallback=str).decode()
        except ValueError:  # a lone surrogate
            return json.dumps(entry, default=str)


class TextFormatter(JsonFormatter):
    """One line for a person, and an exception's traceback under it."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as a line."""
        fields = {**_fields(record), **_called(record)}
        said = "".join(f" {name}={printable(str(value))}" for name, value in fields.items())
        message = printable(_message(record, whole=self._messages))
        line = f"{_time(record)} {record.levelname:<7} {record.name}: {message}{said}"
        if record.exc_info and record.exc_info[1] is not None:
            shown = _traceback(record.exc_info[1], messages=self._messages).rstrip()
            line += "\n" + printable(shown, keep="\n")
        return line


_FORMATTERS = {"json": JsonFormatter.__name__, "text": TextFormatter.__name__}


def _time(record: logging.LogRecord) -> str:
    seconds, part = divmod(int(record.created * 1000), 1000)
    return f"{_second(seconds)}.{part:03d}Z"


@lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _message(record: logging.LogRecord, *, whole: bool) -> str:
    message = record.getMessage()
    # asyncio shows a failed task, with its exception, from the second line on
    return message.partition("\n")[0] if record.name == "asyncio" and not whole else message


def _called(record: logging.LogRecord) -> Mapping[str, str]:
    """What the request is called that a line belongs to."""
    identity: Mapping[str, str] | None = getattr(record, "identity", None)
    return _identity.get({}) if identity is None else identity


def _fields(record: logging.LogRecord) -> Mapping[str, Any]:
    fields: Mapping[str, Any] = getattr(record, "fields", {})
    return fields


def _traceback(error: BaseException, *, messages: bool) -> str:
    if messages:
        return "".join(traceback.format_exception(error))
    chain: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = "".join(traceback.format_tb(current.__traceback__))
        kind = type(current)
        chain.append(f"Traceback (most recent call last):\n{frames}{kind.__module__}.{kind.__qualname__}\n")
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return "\n".join(reversed(chain))
