"""Reward functions of trainers as grader types, each by one line, which an entry point can publish.

::

    accuracy_grader = graders.from_trl(accuracy)  # in my_package

    [project.entry - points.graders]
    accuracy_grader = "my_package:accuracy_grader"

The function is called as its trainer calls it, for one sample at a time, and runs where plugins run: in a locked process, with a
deadline. What it raises, and a reward that is None, leaves the sample ungraded. Numbers beside the reward become metrics.
"""

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any, TypeAlias

from graders.context import Context
from graders.contract import UNBOUNDED, FailureKind, GraderResult, Item, brief, checked_number
from graders.errors import GradingError, PluginError
from graders.grader_type import GraderType, Isolation, Need
from graders.samples.sample import Sample

RewardFunction: TypeAlias = Callable[..., Any]
_Read: TypeAlias = Callable[[Any], GraderResult]
_Call: TypeAlias = tuple[list[Any], dict[str, Any], _Read]
"""What a function is given: by position and by name; and how what it returns is read."""
_Ask: TypeAlias = Callable[[Sample, Item], _Call]
_KINDS = inspect.Parameter


def from_trl(
    function: RewardFunction,
    *,
    name: str | None = None,
    range: tuple[float, float] = UNBOUNDED,  # noqa: A002  # the published word for it
    needs: Iterable[Need] = (),
    isolation: Isolation | None = None,
) -> GraderType[..., Any]:
    """A reward function of TRL's: `f(prompts=, completions=, **columns)` → a list of rewards.

    `prompts` is the item's `prompt` (or `messages`); a completion is a list of messages where the prompt is one, and a text
    otherwise. Every field of the item is a column. `log_metric` gives metrics, `log_extra` metadata.

    Args:
        function: The function, sync or async.
        name: The grader type's name; by itself that of the function and `_grader`, which is then the variable to assign it to.
        range: Lowest and highest reward.
        needs: As `grader` takes it.
        isolation: As `grader` takes it.

    Raises:
        PluginError: When the function wants what only a training has, such as `completion_ids`.
    """

    def ask(sample: Sample, item: Item) -> _Call:
        prompt = _prompt(item)
        columns = {key: [value] for key, value in item.items() if key not in ("prompt", "completion")}
        metrics: dict[str, float] = {}
        extra: dict[str, Any] = {}
        said = {
            "log_metric": lambda name, value: metrics.update(_numbers({str(name): value})),
            "log_extra": lambda column, values: extra.update({str(column): _first(values)}),
            "trainer_state": None,
        }
        given = {**columns, "prompts": [prompt], "completions": [_completion(sample, prompt)], **said}
        return [], given, lambda returned: GraderResult(_only(returned), metrics=metrics, metadata=extra)

    lacks = ("completion_ids", "environments")
    return _grader_type(function, ask, name, lacks=lacks, range=range, needs=needs, isolation=isolation)


def from_verl(
    function: RewardFunction,
    *,
    name: str | None = None,
    range: tuple[float, float] = UNBOUNDED,  # noqa: A002  # the published word for it
    needs: Iterable[Need] = (),
    isolation: Isolation | None = None,
) -> GraderType[..., Any]:
    """A reward function of verl's: `f(data_source, solution_str, ground_truth, extra_info=None)` → a score.

    The item is a row of verl's: `data_source`, `reward_model.ground_truth` (or `ground_truth`) and `extra_info`. The other
    numbers of an object with `score` become metrics.

    Args and errors: as `from_trl`.
    """

    def ask(sample: Sample, item: Item) -> _Call:
        inner = item.get("reward_model")
        truth = inner.get("ground_truth") if isinstance(inner, Mapping) else item.get("ground_truth")
        given = {
            "data_source": item.get("data_source"),
            "solution_str": sample.output_text,
            "ground_truth": truth,
            "extra_info": copy.deepcopy(item.get("extra_info") or {}),
        }
        return [], given, lambda found: _scored(found, "score")

    return _grader_type(function, ask, name, range=range, needs=needs, isolation=isolation)


def from_openrlhf(
    function: RewardFunction,
    *,
    name: str | None = None,
    range: tuple[float, float] = UNBOUNDED,  # noqa: A002  # the published word for it
    needs: Iterable[Need] = (),
    isolation: Isolation | None = None,
) -> GraderType[..., Any]:
    """A reward function of OpenRLHF's: `f(queries, prompts, labels)` → `{"rewards", "scores", "extra_logs"}`.

    A query is the item's `prompt` and the sample's text; the label is the item's `label`. Numbers of `extra_logs` become metrics.

    Args and errors: as `from_trl`.
    """

    def ask(sample: Sample, item: Item) -> _Call:
        prompt = str(_prompt(item) or "")
        return [[prompt + sample.output_text], [prompt], [item.get("label")]], {}, read

    def read(returned: Any) -> GraderResult:
        if not isinstance(returned, Mapping) or "rewards" not in returned:
            raise _wrong(f"expected an object with 'rewards', got {brief(returned)}")
        logs = returned.get("extra_logs")
        named = logs if isinstance(logs, Mapping) else {}
        return GraderResult(
            _only(returned["rewards"]), metrics=_numbers({k: _first(v) for k, v in named.items()})
        )

    return _grader_type(function, ask, name, range=range, needs=needs, isolation=isolation)


def from_slime(
    function: RewardFunction,
    *,
    name: str | None = None,
    reward_key: str = "score",
    range: tuple[float, float] = UNBOUNDED,  # noqa: A002  # the published word for it
    needs: Iterable[Need] = (),
    isolation: Isolation | None = None,
) -> GraderType[..., Any]:
    """A reward function of slime's: `async def f(args, sample)` → a number, or an object with it under `reward_key`.

    `sample` has `prompt`, `response`, `label` and `metadata` out of the item; `args` has `reward_key`.

    Args and errors: as `from_trl`.
    """

    def ask(sample: Sample, item: Item) -> _Call:
        metadata = item.get("metadata")
        given = SimpleNamespace(
            prompt=_prompt(item),
            response=sample.output_text,
            label=item.get("label"),
            metadata=copy.deepcopy(metadata) if isinstance(metadata, Mapping) else {},
        )
        return [SimpleNamespace(reward_key=reward_key), given], {}, lambda found: _scored(found, reward_key)

    return _grader_type(function, ask, name, range=range, needs=needs, isolation=isolation)


def from_verifiers(
    function: RewardFunction,
    *,
    name: str | None = None,
    parser: object = None,
    range: tuple[float, float] = UNBOUNDED,  # noqa: A002  # the published word for it
    needs: Iterable[Need] = (),
    isolation: Isolation | None = None,
) -> GraderType[..., Any]:
    """A reward function of verifiers' (up to 0.3): of `completion`, `answer`, `info`, `prompt`, `state`, `task` what it names.

    A completion is a list of messages where the item's `prompt` is one, and a text otherwise.

    Args and errors: as `from_trl`; `parser` is what the function is given under that name.
    """

    def ask(sample: Sample, item: Item) -> _Call:
        prompt = _prompt(item)
        completion = _completion(sample, prompt)
        answer, info, task = (
            item.get("answer", ""),
            copy.deepcopy(item.get("info") or {}),
            item.get("task", "default"),
        )
        state = {"prompt": prompt, "completion": completion, "answer": answer, "info": info, "task": task}
        given = {**state, "state": dict(state), "parser": parser}
        return [], given, lambda found: GraderResult(_number(found))

    return _grader_type(function, ask, name, range=range, needs=needs, isolation=isolation)


def _grader_type(
    function: RewardFunction,
    ask: _Ask,
    name: str | None,
    *,
    lacks: Iterable[str] = (),
    **declared: Any,
) -> GraderType[..., Any]:
    called = name or f"{getattr(function, '__name__', type(function).__name__)}_grader"
    parameters = _parameters(called, function)
    for parameter in parameters.values():
        if parameter.name in lacks and parameter.default is _KINDS.empty:
            raise PluginError(
                f"grader {called!r}: {parameter.name!r} is known in a training only; give it a default"
            )

    def call_of(sample: Sample, item: Item) -> tuple[Any, _Read]:
        positional, given, read = ask(sample, item)
        return function(*positional, **_named(parameters, given, len(positional))), read

    def grade(sample: Sample, item: Item) -> GraderResult:
        returned, read = call_of(sample, item)
        return read(returned)

    async def grade_async(sample: Sample, item: Item, context: Context) -> GraderResult:
        returned, read = call_of(sample, item)
        return read(await returned)

    inner = getattr(function, "__call__", None)  # noqa: B004  # an object's, which may be a coroutine function
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(inner)
    target = grade_async if is_async else grade
    target.__doc__ = inspect.getdoc(function)
    target.__module__, target.__qualname__ = function.__module__, called
    return GraderType(called, target, **declared)


def _parameters(name: str, function: RewardFunction) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError) as error:
        raise PluginError(f"grader {name!r}: {brief(function)} is not a reward function: {error}") from error


def _named(
    parameters: Mapping[str, inspect.Parameter], given: Mapping[str, Any], positional: int
) -> dict[str, Any]:
    """What a function takes of what there is: all of it, where it has a `**`.

    Raises:
        GradingError: Of kind `invalid_variable_error`, when the item has no such field.
    """
    if any(each.kind is _KINDS.VAR_KEYWORD for each in parameters.values()):
        taken = dict(given)
    else:
        taken = {name: given[name] for name in parameters if name in given}
    for place, parameter in enumerate(parameters.values()):
        is_wanted = parameter.kind in (_KINDS.POSITIONAL_OR_KEYWORD, _KINDS.KEYWORD_ONLY)
        if (
            is_wanted
            and parameter.default is _KINDS.empty
            and parameter.name not in taken
            and place >= positional
        ):
            message = f"the reward function wants {parameter.name!r}, which the item does not have"
            raise GradingError(
                message, kind=FailureKind.INVALID_VARIABLE, details={"variable": parameter.name}
            )
    return taken


def _prompt(item: Item) -> Any:
    return item.get("prompt", item.get("messages"))


def _completion(sample: Sample, prompt: object) -> Any:
    """A sample as a completion: messages, where the prompt is messages."""
    if not isinstance(prompt, list):
        return sample.output_text
    message: dict[str, Any] = {"role": "assistant", "content": sample.output_text}
    return [{**message, "tool_calls": list(sample.output_tools)} if sample.output_tools else message]


def _only(values: Any) -> float:
    """The one reward in a list, an array or a tensor."""
    plain = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(plain, (list, tuple)):
        return _number(plain)
    if len(plain) != 1:
        raise _wrong(f"expected a reward for each of 1 samples, got {len(plain)}")
    return _number(plain[0])


def _first(values: Any) -> Any:
    plain = values.tolist() if hasattr(values, "tolist") else values
    return plain[0] if isinstance(plain, (list, tuple)) and plain else plain


def _scored(found: Any, key: str) -> GraderResult:
    """A number, or an object that has it beside others."""
    if not isinstance(found, Mapping):
        return GraderResult(_only(found))
    if key not in found:
        raise _wrong(f"expected an object with {key!r}, got {brief(found)}")
    return GraderResult(_number(found[key]), metrics=_numbers({k: v for k, v in found.items() if k != key}))


def _number(value: Any) -> float:
    if value is None:
        raise _wrong("it gave None, which is no reward")
    try:
        return checked_number(value)
    except ValueError as error:
        raise _wrong(str(error)) from None


def _numbers(named: Mapping[Any, Any]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name, value in named.items():
        try:
            found[str(name)] = checked_number(value)
        except ValueError:
            continue  # what is not a number is not a metric
    return found


def _wrong(message: str) -> GradingError:
    return GradingError(f"the reward function: {message}", kind=FailureKind.PYTHON_GRADER_RUNTIME)
