"""Whether the configured judges are there: their servers are asked for their models, which costs nothing."""

import asyncio
from dataclasses import dataclass
from typing import Any

from openai import APIConnectionError, APIStatusError

from runtime.judge.client import Judges
from runtime.judge.failures import NoVerdict
from runtime.settings.judges import JudgeModel
from runtime.settings.settings import Settings

TIMEOUT_S = 5.0
GLOB = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class JudgeProbe:
    """What became of asking one server.

    Attributes:
        name: The name, or the pattern, that graders use.
        where: The server.
        answers: Whether it can be asked.
        how: What it said.
    """

    name: str
    where: str
    answers: bool
    how: str


async def probe_judges(settings: Settings) -> list[JudgeProbe]:
    """Ask the server of each configured judge."""
    judges = Judges(settings)
    try:
        return await asyncio.gather(*(_probe(judges, *entry) for entry in settings.judges.items()))
    finally:
        await judges.aclose()


async def _probe(judges: Judges, name: str, configuration: JudgeModel) -> JudgeProbe:
    try:
        client = judges.client(name, configuration).with_options(timeout=TIMEOUT_S, max_retries=0)
    except NoVerdict as error:
        return JudgeProbe(name, "nowhere", answers=False, how=str(error))
    where = str(client.base_url)
    try:
        listed = await client.get("/models", cast_to=object)
    except APIStatusError as error:
        # a server need not list its models
        answers = error.status_code in (404, 405, 501)
        return JudgeProbe(name, where, answers, f"status {error.status_code}: {error.message[:200]}")
    except APIConnectionError as error:
        return JudgeProbe(name, where, answers=False, how=f"no answer: {error.__cause__ or error}")
    except ValueError as error:
        return JudgeProbe(name, where, answers=True, how=f"its list of models is not valid: {error}")
    model = configuration.model or name
    known = _names(listed)
    if known and model not in known and not GLOB & set(model):
        return JudgeProbe(
            name, where, answers=True, how=f"it does not list {model!r} among {len(known)} models"
        )
    return JudgeProbe(name, where, answers=True, how=f"it has {len(known)} models")


def _names(listed: Any) -> list[str]:
    rows = listed.get("data") if isinstance(listed, dict) else None
    return [str(row.get("id")) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
