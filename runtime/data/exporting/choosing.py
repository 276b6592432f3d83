"""Which samples of a graded file are exported, and in what roles.

A sample that is ungraded, whose reward is a stand-in, or that has no answer to show is never an example. A pair needs two
measured rewards that differ by a gap, and two answers that differ.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from graders import ConfigurationError
from graders.template import Template
from runtime.data.conversation import NoConversation, Prompt, answer_of, prompt_of
from runtime.data.graded.reading import GradedFile, GradedSample, digest_of

Kind = Literal["sft", "dpo", "rft"]
_SLACK = 1e-9
_MOST = 50
"""Best and worst samples of one prompt of which pairs are made."""


@dataclass(frozen=True)
class Wanted:
    """What is to be exported.

    Attributes:
        kind: Of training.
        min_reward: The lowest reward of an example of SFT; None for samples that pass.
        min_gap: How much better the preferred answer is.
        per_prompt: How many rows of SFT or DPO a prompt gives at most.
        template: The user's message, made from the item; None for the prompt in the row.
        taken: Digests of prompts that are in other exports.
    """

    kind: Kind
    min_reward: float | None = None
    min_gap: float = 0.1
    per_prompt: int = 1
    template: Template | None = None
    taken: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Candidate:
    position: int
    reward: float
    passed: bool | None
    is_flagged: bool
    answer: str


@dataclass(slots=True)
class _Group:
    prompt: str = ""
    why_not: str = ""
    first: int = 0
    ungraded: int = 0
    candidates: list[_Candidate] = field(default_factory=list)


@dataclass
class Choice:
    """What is exported.

    Attributes:
        units: Positions of samples in the graded file: one for a row of SFT or RFT, the preferred and the other for DPO.
        prompts: How many prompts there are.
        left_out: How many prompts, samples or pairs are not exported, by reason.
    """

    units: list[tuple[int, ...]]
    prompts: int
    left_out: Counter[str]


def choose(file: GradedFile, wanted: Wanted) -> Choice:
    """Choose what is exported; holds a few numbers of each sample in memory.

    Raises:
        ConfigurationError: When nothing says which samples are good enough for SFT.
    """
    left_out: Counter[str] = Counter()
    groups = _grouped(file, wanted, left_out)
    units: list[tuple[int, ...]] = []
    for group in groups.values():
        reason = _reason(group, wanted)
        if reason is not None:
            left_out[f"prompts: {reason}"] += 1
            continue
        found = _units(group, wanted)
        if not found:
            left_out[f"prompts: {_NOTHING[wanted.kind]}"] += 1
        units.extend(found)
    if wanted.kind == "sft" and wanted.min_reward is None and _nothing_says(groups):
        raise ConfigurationError(
            f"{file.path}: the grader has no pass_threshold, so nothing says which samples are good enough; give --min-reward"
        )
    return Choice(sorted(units), len(groups), left_out)


_NOTHING = {
    "sft": "no measured sample is good enough",
    "dpo": "no pair of measured samples with the gap",
    "rft": "no sample is graded",
}


def chosen_samples(file: GradedFile, choice: Choice) -> Iterator[tuple[GradedSample, ...]]:
    """The samples of each unit, read once more; each as soon as its last sample is read."""
    units_of: dict[int, list[int]] = {}
    for number, unit in enumerate(choice.units):
        for position in unit:
            units_of.setdefault(position, []).append(number)
    missing = [len(unit) for unit in choice.units]
    held: dict[int, GradedSample] = {}
    waiting = {position: len(numbers) for position, numbers in units_of.items()}
    for position, sample in enumerate(file.samples()):
        if position not in units_of:
            continue
        held[position] = sample
        for number in units_of[position]:
            missing[number] -= 1
            if not missing[number]:
                unit = choice.units[number]
                yield tuple(held[place] for place in unit)
                for place in unit:
                    waiting[place] -= 1
        for place in [place for place in held if not waiting[place]]:
            del held[place]


def prompt_digest(prompt: Prompt) -> str:
    """What two exports know a prompt by."""
    return digest_of([[each["role"], each.get("content")] for each in prompt.messages])


def _grouped(file: GradedFile, wanted: Wanted, left_out: Counter[str]) -> dict[str, _Group]:
    groups: dict[str, _Group] = {}
    for position, sample in enumerate(file.samples()):
        group = groups.get(sample.group)
        if group is None:
            group = groups[sample.group] = _Group(first=position)
            try:
                group.prompt = prompt_digest(prompt_of(sample.row, wanted.template))
            except NoConversation as error:
                group.why_not = str(error)
        candidate = _candidate(position, sample, wanted, left_out)
        if candidate is not None:
            group.candidates.append(candidate)
        elif sample.reward is None:
            group.ungraded += 1
    return groups


def _candidate(
    position: int, sample: GradedSample, wanted: Wanted, left_out: Counter[str]
) -> _Candidate | None:
    """A sample that may be exported, or None, with the reason counted."""
    if sample.reward is None:
        left_out["samples: ungraded"] += 1
        return None
    if wanted.kind == "rft":
        return _Candidate(position, sample.reward, sample.passed, is_flagged=False, answer="")
    if sample.substituted:
        left_out["samples: the reward is an invalid_grade"] += 1
        return None
    try:
        answer: Any = answer_of(sample.row.get("sample"))
    except NoConversation as error:
        left_out[f"samples: {error}"] += 1
        return None
    flagged = sample.failure is not None
    return _Candidate(position, sample.reward, sample.passed, flagged, digest_of(answer))


def _reason(group: _Group, wanted: Wanted) -> str | None:
    """Why nothing of a prompt is exported; None when something may be."""
    if group.why_not:
        return group.why_not
    if group.prompt in wanted.taken:
        return "in another export"
    return None


def _units(group: _Group, wanted: Wanted) -> list[tuple[int, ...]]:
    if wanted.kind == "rft":
        return [(group.first,)] if group.candidates else []
    best_first = sorted(group.candidates, key=lambda each: (-each.reward, each.position))
    if wanted.kind == "dpo":
        return _pairs(best_first, wanted)
    good = [each for each in best_first if not each.is_flagged and _is_good(each, wanted.min_reward)]
    different = list({each.answer: each for each in reversed(good)}.values())[::-1]
    return [(each.position,) for each in different[: wanted.per_prompt]]


def _is_good(candidate: _Candidate, min_reward: float | None) -> bool:
    return bool(candidate.passed) if min_reward is None else candidate.reward >= min_reward - _SLACK


def _pairs(best_first: Sequence[_Candidate], wanted: Wanted) -> list[tuple[int, ...]]:
    """The pairs with the largest gaps; of equal gaps, those whose answers are in fewer pairs."""
    if len(best_first) > 2 * _MOST:
        best_first = [*best_first[:_MOST], *best_first[-_MOST:]]
    found: list[tuple[int, ...]] = []
    used: Counter[int] = Counter()
    pairs = [
        (better, worse)
        for better, worse in itertools.combinations(best_first, 2)
        if _is_pair(better, worse, wanted.min_gap)
    ]
    while pairs and len(found) < wanted.per_prompt:
        better, worse = min(
            pairs,
            key=lambda pair: (
                pair[1].reward - pair[0].reward,
                used[pair[0].position] + used[pair[1].position],
            ),
        )
        pairs.remove((better, worse))
        used.update((better.position, worse.position))
        found.append((better.position, worse.position))
    return found


def _is_pair(better: _Candidate, worse: _Candidate, min_gap: float) -> bool:
    gap = better.reward - worse.reward
    return gap > 0 and gap >= min_gap - _SLACK and not better.is_flagged and better.answer != worse.answer


def _nothing_says(groups: dict[str, _Group]) -> bool:
    """Whether there are rewards and no sample passes or fails."""
    candidates = [each for group in groups.values() for each in group.candidates]
    return bool(candidates) and all(each.passed is None for each in candidates)
