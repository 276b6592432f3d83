"""`endpoint`: somebody's HTTP service gives the reward.

Its request and response are published. The URL and the headers are checked here, when a grader is loaded; the address is
checked at run time against what the operator allows, by `runtime.net.http_client`.
"""

import ipaddress
import json
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr

from graders.bound_grader import MASK
from graders.context import Context, HttpReply
from graders.contract import (
    UNBOUNDED,
    CausedBy,
    FailureKind,
    FailureType,
    GraderResult,
    Item,
    brief,
    checked_number,
)
from graders.errors import GradingError, InvalidOptions, Problem
from graders.options import Also, carry
from graders.pattern import encodable
from graders.plugin import grader
from graders.samples.sample import Sample

MAX_BODY = 1_000_000
"""Longest request body, in bytes of JSON."""
TIMEOUT_S = 600.0
RETRIES = 3
MAX_URL = 2_048
MAX_METADATA = 10_000
"""Longest metadata of an answer, its fields besides `score`: characters of JSON."""
SHORTEST_SECRET = 8
"""Characters; shorter values are not masked, since they occur in answers by chance."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"([\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?)?")
_OF_THE_CONNECTION = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "expect",
    }
)
_PASSING = frozenset({408, 409, 429})
"""Statuses below 500 after which the same request may be answered later."""


def _headers(value: Any) -> Any:
    """Check headers without ever showing the value of one."""
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise carry(InvalidOptions([Problem((), "expected a map from header names to their values")]))
    seen: set[str] = set()
    problems = []
    for name, text in value.items():
        lower = str(name).lower()
        if not _TOKEN.fullmatch(str(name)):
            problems.append(
                Problem((name,), "not a header name; expected letters, digits and !#$%&'*+-.^_`|~")
            )
        elif lower in _OF_THE_CONNECTION:
            problems.append(Problem((name,), "the HTTP client sets this header itself; remove it"))
        elif lower in seen:
            problems.append(Problem((name,), "duplicate header; names are compared without case"))
        elif not _is_value(text):
            message = "expected a text of printable ASCII, without spaces around it (the value is not shown)"
            problems.append(Problem((name,), message))
        seen.add(lower)
    if problems:
        raise carry(InvalidOptions(problems))
    return value


def _is_value(value: object) -> bool:
    """Whether a header may have this value."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    return isinstance(text, str) and _VALUE.fullmatch(text) is not None


Headers = Annotated[dict[str, SecretStr] | None, BeforeValidator(_headers)]


@grader("endpoint", range=UNBOUNDED, needs={"network"})
class Endpoint:
    """Reward: the finite number `score` that an HTTP service answers with.

    It is sent `{"sample": …, "item": …, "trace_id": …}` by POST, at most 1,000,000 bytes of it, and answers with a JSON
    object; what else stands in there becomes metadata, when it is 10,000 characters at most. An answer of 408, 409, 429
    or 5xx, or none, is asked for 3 times more within 10 minutes in all. Whatever goes wrong, the sample is ungraded.

    `rate_limit` (or `max_rps`) is in requests a second. The values of `headers` are shown to nobody; the signature knows
    their names only, so a changed credential leaves it as it is. Source: the published `endpoint` grader.
    """

    def __init__(
        self,
        *,
        url: str,
        headers: Headers = None,
        rate_limit: Annotated[Annotated[float, Field(gt=0)] | None, Also("max_rps")] = None,
    ) -> None:
        wrong = wrong_url(url)
        if wrong:
            raise InvalidOptions([Problem(("url",), wrong)])
        self._url, self._rate_limit = url, rate_limit
        self._headers = {name: value.get_secret_value() for name, value in (headers or {}).items()}

    async def __call__(self, sample: Sample, item: Item, context: Context) -> GraderResult:
        """Grade one sample."""
        body = {"sample": sample.to_dict(), "item": dict(item), "trace_id": context.trace_id}
        reply = await ask_service(
            context,
            self._url,
            body,
            of_model="sample",
            headers=self._headers,
            timeout_s=TIMEOUT_S,
            retries=RETRIES,
            rate_limit=self._rate_limit,
        )
        if "score" not in reply.body:
            raise invalid_answer(reply, f"its answer has no 'score': {brief(reply.body)}")
        score = reply.body["score"]
        if isinstance(score, bool):
            raise invalid_answer(reply, f"its 'score' is not valid: a reward is a number, not {score}")
        try:
            reward = checked_number(score)
        except ValueError as error:
            raise invalid_answer(reply, f"its 'score' is not valid: {error}") from None
        return GraderResult(reward, metadata=_metadata(reply.body))


async def ask_service(
    context: Context,
    url: str,
    body: Mapping[str, Any],
    *,
    of_model: str,
    headers: Mapping[str, str],
    **limits: Any,
) -> HttpReply:
    """Ask a service that grades.

    Args:
        context: Whose network.
        url: Where it is.
        body: The request's JSON.
        of_model: The key of the body whose value the model wrote.
        headers: Sent with it; their values are masked in the answer.
        limits: The other arguments of `graders.HttpClient.post`.

    Returns:
        An answer of a successful status, whose body is a JSON object.

    Raises:
        GradingError: If there is no such answer; caused by the model where its sample cannot be sent.
    """
    _check_size(body, of_model)
    reply = await context.http.post(url, body=body, headers=headers, **limits)
    reply = HttpReply(reply.status, without_secrets(reply.body, secrets_in(headers)))
    if not 200 <= reply.status < 300:
        raise _refused(reply)
    if not isinstance(reply.body, dict):
        raise invalid_answer(reply, f"expected a JSON object, got {brief(reply.body)}")
    return reply


def without_secrets(value: Any, secrets: Sequence[str]) -> Any:
    """An answer without the credentials of the request, which some services echo.

    Args:
        value: JSON.
        secrets: As `secrets_in` gives them.
    """
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, MASK)
        return value
    if isinstance(value, dict):
        return {
            without_secrets(key, secrets): without_secrets(inner, secrets) for key, inner in value.items()
        }
    if isinstance(value, list):
        return [without_secrets(inner, secrets) for inner in value]
    return value


def wrong_url(url: str) -> str | None:
    """Why a text is not the URL of an endpoint, None if it is one. The text is not shown, since it may hold a password."""
    if len(url) > MAX_URL:
        return f"a URL has at most {MAX_URL:,} characters, this one has {len(url):,}"
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return "a URL is printable ASCII without spaces and backslashes; write other characters as %-escapes or punycode"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        return f"not a URL: {error}"
    if parts.scheme not in ("http", "https"):
        return "expected a URL that begins with https://"
    if not host or port == 0:
        return "this URL has no host, or port 0"
    if "@" in parts.netloc:
        return "a URL must not hold a user and password; send credentials in headers"
    if parts.scheme == "http" and not _is_loopback(host):
        return (
            "expected a URL that begins with https://; http is for this machine itself (localhost, 127.0.0.1)"
        )
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def secrets_in(headers: Mapping[str, str]) -> list[str]:
    """The credentials in headers, the longest first: whole values, and the words in them, such as the token of `Bearer`."""
    found = {part for value in headers.values() for part in (value, *value.split())}
    return sorted((part for part in found if len(part) >= SHORTEST_SECRET), key=len, reverse=True)


def _check_size(body: Mapping[str, Any], of_model: str) -> None:
    """Check that a body is plain JSON and within `MAX_BODY`.

    Raises:
        GradingError: If it is not; caused by the model if the body without its sample is.
    """
    error = _unsendable(body)
    if error is not None:
        without_sample = {name: value for name, value in body.items() if name != of_model}
        caused_by: CausedBy = "model" if _unsendable(without_sample) is None else "grader"
        raise GradingError(str(error), caused_by=caused_by, details=error.failure.details)


def _unsendable(body: Mapping[str, Any]) -> GradingError | None:
    """Why data cannot be sent; None when it can."""
    try:
        size = len(encodable(json.dumps(body, ensure_ascii=False, allow_nan=False)).encode())
    except (TypeError, ValueError, RecursionError) as error:
        return GradingError(
            f"the endpoint cannot be asked: sample and item are not plain JSON: {error}",
            details={"type": FailureType.NOT_PLAIN},
        )
    if size > MAX_BODY:
        return GradingError(
            f"the endpoint was not asked: sample and item are {size:,} bytes of JSON, more than {MAX_BODY:,}",
            details={"type": FailureType.TOO_LARGE},
        )
    return None


def _refused(reply: HttpReply) -> GradingError:
    """The failure of an answer whose status is not 2xx."""
    said = "" if reply.body is None else f": {brief(reply.body, 300)}"
    is_server = reply.status >= 500
    return GradingError(
        f"the endpoint answered with status {reply.status}{said}",
        kind=FailureKind.ENDPOINT_GRADER_SERVER if is_server else FailureKind.ENDPOINT_GRADER_INTERNAL,
        caused_by="infrastructure",
        details={"type": FailureType.STATUS, "status": reply.status},
        retryable=is_server or reply.status in _PASSING,
    )


def invalid_answer(reply: HttpReply, why: str) -> GradingError:
    """The failure of an answer with status 2xx and invalid content."""
    return GradingError(
        f"the endpoint answered with status {reply.status}, but {why}",
        kind=FailureKind.ENDPOINT_GRADER_INTERNAL,
        caused_by="infrastructure",
        details={"type": FailureType.MALFORMED_RESPONSE, "status": reply.status},
    )


def _metadata(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The other fields of an answer besides its score; empty if they are too long."""
    rest = {name: value for name, value in answer.items() if name != "score"}
    return rest if len(json.dumps(rest, ensure_ascii=False)) <= MAX_METADATA else {}
