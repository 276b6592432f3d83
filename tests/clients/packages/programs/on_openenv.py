"""OpenEnv calls our rubric, which is a module of its own, and awaits the asynchronous one."""

import asyncio
import json
import sys

from graders_client import GraderClient, UngradedSamples
from graders_client.trainers.openenv import rubric
from openenv.core.env_server.types import Action, Observation


class Say(Action):  # type: ignore[misc]  # OpenEnv is not installed where this is checked
    message: str


class Sum(Observation):  # type: ignore[misc]
    answer: str


found: list[object] = []
with GraderClient(sys.argv[1], "number") as client:
    plain, awaited = rubric(client), rubric(client, asynchronous=True)
    for said, answer in (("4", "4"), ("5", "4")):
        found.append(plain(Say(message=said), Sum(answer=answer)))
        found.append(plain.last_score)
        found.append(asyncio.run(awaited(Say(message=said), Sum(answer=answer))))
    try:
        plain(Say(message="4"), Sum(answer="no number"))
    except UngradedSamples:
        found.append("raised")
sys.stdout.write(json.dumps(found))
