"""What the service logs: one object a line, who asked what, and nothing that was graded or kept secret."""

import json
import logging
import logging.config
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import Settings
from service.telemetry import logs
from service.telemetry.logs import JsonFormatter, TextFormatter
from tests.judge_server import JudgeServer, status
from tests.service.serving import CHECK, RUN, Served, serving

PRIVATE = "s3cr3t-never-logged"
REQUEST = {"x-request-id": "mine-1", "authorization": "Bearer letmein"}


def record(message: str = "said", error: BaseException | None = None, **fields: Any) -> logging.LogRecord:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    made = logging.LogRecord("service.x", logging.WARNING, __file__, 1, message, (), exc_info)
    made.fields = fields
    return made


def raised() -> BaseException:
    """An exception that quotes what it was given, raised from another that does too."""

    def look_up() -> None:
        raise KeyError(f"first {PRIVATE}")

    def grade() -> None:
        try:
            look_up()
        except KeyError as error:
            raise ValueError(f"second {PRIVATE}") from error

    with pytest.raises(ValueError, match="second") as caught:
        grade()
    return caught.value


def entries(served: Served) -> list[dict[str, Any]]:
    return [json.loads(line) for line in served.lines]


def ended(settings: dict[str, str], use: Callable[[str], None], *options: str) -> Served:
    """A service that was used and has ended."""
    with serving(settings, *options) as served:
        use(served.url)
    return served


def test_a_line_is_one_object_with_its_time_and_its_request() -> None:
    with logs.Request():
        logs.name_request("req_1")
        logs.name_trace("t" * 1000)
        said = json.loads(JsonFormatter().format(record("two\nlines", status=200)))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", said.pop("time"))
    assert said == {
        "level": "warning",
        "logger": "service.x",
        "message": "two\nlines",
        "x_request_id": "req_1",
        "trace_id": "t" * logs.TRACE_CHARACTERS,
        "status": 200,
    }
    assert "x_request_id" not in json.loads(JsonFormatter().format(record()))


@pytest.mark.parametrize("formatter", [JsonFormatter, TextFormatter])
def test_an_exception_is_shown_without_its_message_which_may_quote_a_sample(
    formatter: type[logging.Formatter],
) -> None:
    line = formatter().format(record(error=raised()))
    assert PRIVATE not in line
    assert "builtins.KeyError" in line
    assert "builtins.ValueError" in line
    assert line.index("KeyError") < line.index("builtins.ValueError")
    assert "in look_up" in line


@pytest.mark.parametrize("formatter", [JsonFormatter, TextFormatter])
def test_at_debug_the_message_is_shown(formatter: Callable[..., logging.Formatter]) -> None:
    assert f"second {PRIVATE}" in formatter(messages=True).format(record(error=raised()))


def test_the_failed_task_that_asyncio_tells_of_is_not_quoted() -> None:
    told = record(f"Task exception was never retrieved\nfuture: <Task exception=ValueError('{PRIVATE}')>")
    told.name = "asyncio"
    assert json.loads(JsonFormatter().format(told))["message"] == "Task exception was never retrieved"


@given(st.text(st.characters()), st.text(st.characters()))
def test_whatever_is_said_stays_on_its_line(message: str, trace: str) -> None:
    with logs.Request():
        logs.name_trace(trace)
        for formatter in (JsonFormatter(), TextFormatter()):
            line = formatter.format(record(message))
            assert line.encode().isascii() or line.isprintable()
            assert len(line.splitlines()) == 1


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Loggers are the interpreter's: what a test sets is set back."""
    names = (None, "graders", "runtime", "service", "uvicorn")
    before = [(logging.getLogger(name), logging.getLogger(name).level) for name in names]
    handlers = logging.getLogger().handlers[:]
    yield
    for logger, level in before:
        logger.setLevel(level)
    logging.getLogger().handlers[:] = handlers


@pytest.mark.parametrize(
    ("level", "ours", "uvicorn", "others"),
    [("debug", 10, 20, 30), ("info", 20, 20, 30), ("warning", 30, 30, 30), ("error", 40, 40, 40)],
)
def test_libraries_that_log_what_they_send_are_heard_only_when_something_is_wrong(
    level: Any, ours: int, uvicorn: int, others: int, logging_as_before: None
) -> None:
    logging.config.dictConfig(logs.configuration(Settings(log_level=level)))
    assert logging.getLogger("service.http.middleware").getEffectiveLevel() == ours
    assert logging.getLogger("runtime.sandbox").getEffectiveLevel() == ours
    assert logging.getLogger("uvicorn.error").getEffectiveLevel() == uvicorn
    assert logging.getLogger("openai").getEffectiveLevel() == others


@pytest.mark.full
def test_each_request_is_a_line_and_the_servers_own_words_are_lines_too() -> None:
    def use(url: str) -> None:
        body = {"grader": CHECK, "model_sample": PRIVATE, "trace_id": "step-7"}
        assert httpx2.post(f"{url}{RUN}", json=body, headers=REQUEST).status_code == 200
        assert httpx2.get(f"{url}/v1/{PRIVATE}?{PRIVATE}", headers=REQUEST).status_code == 404
        assert httpx2.get(f"{url}/readyz").status_code == 200

    said = entries(ended({"GRADERS_API_KEYS": '["letmein"]'}, use))
    assert any("startup complete" in entry["message"] for entry in said)
    assert all(entry["time"].endswith("Z") and entry["level"] == "info" for entry in said)
    first, second = (entry for entry in said if entry.get("x_request_id") == "mine-1")
    assert first["route"] == RUN
    assert first["method"] == "POST"
    assert first["status"] == 200
    assert first["trace_id"] == "step-7"
    assert first["bytes"] > 100
    assert first["seconds"] > 0
    assert re.fullmatch("[0-9a-f]{24}", first["client"])
    assert second["route"] == "other"
    assert second["status"] == 404
    assert second["client"] == first["client"]
    assert "trace_id" not in second
    (ready,) = (entry for entry in said if entry.get("route") == "/readyz" and entry["status"] == 200)
    assert ready["x_request_id"].startswith("req_")


@pytest.mark.full
@pytest.mark.parametrize("level", [pytest.param("info", marks=pytest.mark.slow), "debug"])
def test_no_secret_is_in_any_line(level: str, tmp_path: Path) -> None:
    """Headers, an endpoint's headers, a judge's key, samples, items and templates; each with and without success."""
    rubric = [{"role": "user", "content": PRIVATE + " {{sample.output_text}} {{item.a}}"}]
    with (
        JudgeServer([status(401, body=f"wrong key {PRIVATE}")]) as judge,
        JudgeServer([status(500)]) as endpoint,
    ):
        place = endpoint.url.removesuffix("/v1")
        graders: list[dict[str, Any]] = [
            {**CHECK, "reference": PRIVATE},
            {"type": "score_model", "model": "judge", "input": rubric},
            {"type": "endpoint", "url": f"{place}/grade?token={PRIVATE}", "headers": {"x-token": PRIVATE}},
            {"type": "python", "source": f"def grade(sample, item):\n    raise ValueError('{PRIVATE}')"},
            {"type": "nothing", "name": PRIVATE},
        ]

        def use(url: str) -> None:
            headers = {**REQUEST, "cookie": PRIVATE, "x-secret": PRIVATE}
            for grader in graders:
                body = {"grader": grader, "model_sample": PRIVATE, "item": {"a": PRIVATE}}
                httpx2.post(f"{url}{RUN}?q={PRIVATE}", json=body, headers=headers, timeout=60)
            httpx2.post(f"{url}{RUN}", content=PRIVATE, headers=headers)
            httpx2.post(f"{url}{RUN}", json={}, headers={"authorization": f"Bearer {PRIVATE}"})

        settings = {
            "GRADERS_API_KEYS": json.dumps(["letmein", PRIVATE + "2"]),
            "GRADERS_JUDGES": json.dumps(
                {"judge": {"base_url": judge.url, "api_key": PRIVATE, "retries": 0}}
            ),
            "GRADERS_ENDPOINT_HOSTS": json.dumps([place.removeprefix("http://")]),
            "GRADERS_JUDGE_CACHE_MB": "0",
            "GRADERS_LOG_LEVEL": level,
        }
        served = ended(settings, use)
        asked = [len(server.requests) for server in (judge, endpoint)]
    assert all(asked), "the judge or the endpoint was not asked at all"
    requests = [entry for entry in entries(served) if entry.get("method") == "POST"]
    assert [entry["status"] for entry in requests] == [200, 200, 200, 200, 400, 400, 401]
    assert not [line for line in served.lines if PRIVATE in line or "letmein" in line]


@pytest.mark.full
def test_text_can_be_asked_for() -> None:
    def use(url: str) -> None:
        httpx2.get(f"{url}/readyz", headers=REQUEST)

    served = ended({"GRADERS_LOG_FORMAT": "text"}, use)
    (line,) = (line for line in served.lines if "x_request_id=mine-1" in line)
    assert re.match(
        r"\S+Z INFO    service\.http\.middleware: request method=GET route=/readyz status=200 ", line
    )
