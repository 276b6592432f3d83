"""The files that verl, OpenRLHF and slime load: a function at the top of a module, which is all that they can find."""

from __future__ import annotations

from collections.abc import Mapping

from graders_client.address import Address
from graders_client.on_failure import OnFailure, chosen

_HEAD = '''\
"""The reward of {title}, given by a grader of a service. Written by `python -m graders_client {trainer}`."""

import os

from graders_client import GraderClient
from graders_client.trainers.{trainer} import Reward

client = GraderClient({url!r}, {grader!r}, api_key=os.environ.get({key_variable!r}) or None)
_reward = Reward(client{on_failure})

'''
_VERL = '''
async def compute_score(data_source, solution_str, ground_truth, extra_info=None, **reward_kwargs):
    """verl calls this for each sample, on an event loop."""
    return await _reward.acompute_score(data_source, solution_str, ground_truth, extra_info, **reward_kwargs)


def compute_score_sync(data_source, solution_str, ground_truth, extra_info=None, **reward_kwargs):
    """For verl's `remote` reward manager, which takes no `async` function."""
    return _reward.compute_score(data_source, solution_str, ground_truth, extra_info, **reward_kwargs)
'''
_OPENRLHF = '''
def reward_func(queries, prompts, labels, **kwargs):
    """OpenRLHF calls this for each sample, in a thread."""
    return _reward(queries, prompts, labels, **kwargs)
'''
_SLIME = '''
async def reward(args, samples, **kwargs):
    """slime calls this for a sample, or with `--group-rm` for the samples of a prompt."""
    return await _reward(args, samples, **kwargs)
'''
FILES: Mapping[str, tuple[str, str]] = {
    "openrlhf": ("OpenRLHF", _OPENRLHF),
    "slime": ("slime", _SLIME),
    "verl": ("verl", _VERL),
}
"""The title of each trainer that loads a file, and the functions that it looks for."""


def reward_file(
    trainer: str,
    url: str,
    grader: str,
    *,
    on_failure: OnFailure | None = None,
    key_variable: str = "GRADERS_API_KEY",
) -> str:
    """The text of the file that a trainer loads.

    Args:
        trainer: `verl`, `openrlhf` or `slime`.
        url: Of the service.
        grader: The name of a grader that is stored there.
        on_failure: What the trainer is given for an ungraded sample, a number also as a text; None takes its default.
        key_variable: The environment variable that has the service's key; the key itself is not written.

    Raises:
        ValueError: When an argument is wrong.
    """
    if trainer not in FILES:
        raise ValueError(f"trainer: expected one of {', '.join(FILES)}, got {trainer!r}")
    if not grader.strip():
        raise ValueError(
            f"grader: expected the name of a grader that is stored at the service, got {grader!r}"
        )
    if not key_variable.isidentifier():
        raise ValueError(f"key_variable: expected the name of an environment variable, got {key_variable!r}")
    Address.of(url)
    policy = "" if on_failure is None else f", on_failure={chosen(trainer, _number_or_word(on_failure))!r}"
    title, functions = FILES[trainer]
    head = _HEAD.format(
        title=title, trainer=trainer, url=url, grader=grader, key_variable=key_variable, on_failure=policy
    )
    return head + functions


def _number_or_word(given: OnFailure) -> OnFailure:
    """What a command line gives as a text."""
    try:
        return float(given) if isinstance(given, str) else given
    except ValueError:
        return given
