"""To the published grader JSON, which OpenAI and Microsoft Foundry share."""

from collections.abc import Mapping
from typing import Any

from pydantic import AliasChoices

from graders import ConfigurationError, Grader
from graders.errors import InvalidOptions, Problem
from graders.kinds.python import MAX_SOURCE
from runtime.convert.bundle import bundled, is_pure

FIELDS: Mapping[str, tuple[str, ...]] = {
    "string_check": ("input", "reference", "operation"),
    "text_similarity": ("input", "reference", "evaluation_metric"),
    "score_model": ("model", "input", "range", "sampling_params"),
    "label_model": ("model", "input", "labels", "passing_labels", "sampling_params"),
    "python": ("source", "image_tag"),
    "endpoint": ("url", "headers", "rate_limit"),
    "multi": ("graders", "calculate_output"),
}
"""The published types with their published fields."""
_LIMITS = ("isolation", "timeout_s", "memory_mb")
"""Options of `python` that do not change a reward."""
_INVALID_GRADE = "invalid_grade: OpenAI's graders do not have it; Foundry's multi does"


def to_published(grader: Grader, host: str, notes: list[str], *, inside: bool = False) -> dict[str, Any]:
    """A grader in published JSON that gives the same rewards.

    Args:
        grader: The grader.
        host: `openai` or `foundry`.
        notes: Takes what a user should know of the result.
        inside: Whether it is inside a `multi`.

    Raises:
        ConfigurationError: When the host has no such grader; with one problem for each part.
    """
    kind = grader.info.type
    if _is_published(grader):
        _check_common(grader, host)
        common = {"type": kind, "name": grader.info.name}
        threshold = grader.config.get("pass_threshold")
        written = {**common, **({} if threshold is None else {"pass_threshold": threshold})}
        if kind == "multi":
            return {**written, **_multi(grader, host, notes)}
        given = _given(grader)
        options = {name: given[name] for name in FIELDS[kind] if given.get(name) is not None}
        if kind == "python":
            notes += [
                f"python: {name} is left out; the host has limits of its own"
                for name in _LIMITS
                if name in given
            ]
        return {**written, **options}
    return _as_python(grader, host, notes)


def _is_published(grader: Grader) -> bool:
    """Whether the type and all of its options are published."""
    kind = grader.info.type
    if kind not in FIELDS or not grader.built_in:
        return False
    known = (*FIELDS[kind], *(_LIMITS if kind == "python" else ()))
    for name, field in type(grader.options).model_fields.items():
        is_default = getattr(grader.options, name) == field.get_default(call_default_factory=True)
        if str(field.alias) not in known and not is_default:
            return False
    return kind != "python" or not _names_our_parts(grader)


def _given(grader: Grader) -> dict[str, Any]:
    """The options as the author gave them, by their published names."""
    given: dict[str, Any] = {}
    for field in type(grader.options).model_fields.values():
        choices = field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else []
        for name in (field.alias, *choices):
            if name in grader.config:
                given[str(field.alias)] = grader.config[str(name)]
    return given


def _names_our_parts(grader: Grader) -> bool:
    source = str(grader.config.get("source", ""))
    return "answer_text" in source or "reasoning_text" in source


def _check_common(grader: Grader, host: str) -> None:
    if grader.votes is not None:
        raise InvalidOptions([Problem(("votes",), f"{host} grades each sample once: remove 'votes'")])
    if grader.invalid_grade is not None and not (host == "foundry" and grader.info.type == "multi"):
        raise InvalidOptions([Problem(("invalid_grade",), _INVALID_GRADE)])


def _multi(grader: Grader, host: str, notes: list[str]) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    problems: list[Problem] = []
    for path, part in grader.inner():
        try:
            parts[str(path[-1])] = to_published(part, host, notes, inside=True)
        except ConfigurationError as error:
            problems += [problem.under(*path) for problem in error.problems]
    if problems:
        raise InvalidOptions(problems)
    extra = {} if grader.invalid_grade is None else {"invalid_grade": grader.invalid_grade}
    return {"graders": parts, "calculate_output": grader.config["calculate_output"], **extra}


def _as_python(grader: Grader, host: str, notes: list[str]) -> dict[str, Any]:
    """A grader as a source; its name and its threshold stay."""
    source = source_of(grader, host)
    if len(source.encode()) >= MAX_SOURCE:
        raise ConfigurationError(
            f"its source has {len(source.encode()):,} bytes; {host} takes fewer than {MAX_SOURCE:,}"
        )
    notes.append(
        f"{grader.info.name}: {grader.info.type} is a python source there, which carries its modules; a sample that cannot be "
        "read has the lowest reward, and where google-re2 is missing, expressions run on Python's re, without a bound on time"
    )
    written: dict[str, Any] = {"type": "python", "name": grader.info.name, "source": source}
    if (threshold := grader.pass_threshold) is not None:
        written["pass_threshold"] = threshold
    return written


def source_of(grader: Grader, host: str) -> str:
    """The source of a `python` grader that gives the same rewards.

    Raises:
        ConfigurationError: If there is no such source.
    """
    if (
        grader.info.type == "python"
        and grader.config.get("thoughts", "keep") == "keep"
        and not _names_our_parts(grader)
    ):
        return str(grader.config["source"])
    if not is_pure(grader):
        asks = "votes" if grader.votes is not None else f"the type {grader.info.type!r}"
        raise ConfigurationError(
            f"{host} cannot be given {asks}: it calls judges, services or the sandbox of this package, or reads what only this "
            "package finds in a sample; serve it, and give that host an 'endpoint' grader of /v1/graders/{name}/for/endpoint"
        )
    return bundled(grader)
