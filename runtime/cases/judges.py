"""Whom the graders of cases ask: scripted answers, or, only where that was said, real judges; `recordings` has the rest."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from graders import (
    Embedder,
    FailureKind,
    FailureType,
    GradingError,
    HttpClient,
    HttpReply,
    Judge,
    Registry,
    Verdict,
)
from graders.contract import brief
from runtime.cases.model import Answers
from runtime.embeddings import Embeddings
from runtime.evaluator import Evaluator
from runtime.judge.answers import NotAnAnswer, required
from runtime.judge.failures import NoVerdict
from runtime.schemas.json_schema import CheckFailed, SchemaError, check_once
from runtime.settings.settings import Settings

REMEDY = "script the answers in the case file (judge: [{answer}]), or --record them once, or ask with --live"
FIXTURE_REMEDY = (
    "use the fixture fake_judge and append {answer} to fake_judge.answers, or run with --graders-live"
)

Tell = Callable[[str], None]
"""Hears of what a case must not do, or lacks; the case is then an error, whatever its grading came to."""

JudgeOf = Callable[[int], Judge]
"""The judge that a vote of a grading asks."""


class CaseEvaluator(Evaluator):
    """Grades cases; sends no request to a model or service that a case does not permit.

    Attributes:
        fallback: The judge of gradings that have no judge of their own; None for no such judge.
        live: Whether requests to real judges, embedding servers and endpoints are permitted.
    """

    def __init__(
        self, registry: Registry | None = None, settings: Settings | None = None, *, live: bool = False
    ) -> None:
        super().__init__(registry, settings)
        self.live = live
        self.fallback: Judge | None = None
        self._asked: dict[str, tuple[JudgeOf, Tell]] = {}
        self._numbers = itertools.count(1)
        self._local: Embeddings | None = None

    @contextmanager
    def asking(self, judge_of: JudgeOf, tell: Tell) -> Iterator[str]:
        """Give the gradings of one client their judge while this lasts.

        Args:
            judge_of: Gives the judge of a vote.
            tell: Hears of what is asked that must not be.

        Yields:
            The `client` to grade for.
        """
        client = f"case {next(self._numbers)}"
        self._asked[client] = judge_of, tell
        try:
            yield client
        finally:
            del self._asked[client]

    def judge(self, *, vote: int, client: str) -> Judge:
        """The judge that the gradings of this client were given."""
        if client in self._asked:
            return self._asked[client][0](vote)
        if self.fallback is not None:
            return self.fallback
        return self.real_judge(vote) if self.live else NoJudge(remedy=FIXTURE_REMEDY)

    def real_judge(self, vote: int) -> Judge:
        """The models of the settings."""
        return super().judge(vote=vote, client="")

    @property
    def embedder(self) -> Embedder:
        """The models that embed; without leave only the one in this process."""
        if self.live:
            return super().embedder
        if self._local is None:
            self._local = Embeddings(_NoEmbedder, default=self.settings.embedding_model)
        return self._local

    @property
    def http(self) -> HttpClient:
        """The network, where it may be used."""
        return super().http if self.live else _NoHttp()

    async def aclose(self) -> None:
        """Stop everything that was started."""
        if self._local is not None:
            await self._local.aclose()
        await super().aclose()


class NoJudge:
    """A judge that must not be asked."""

    def __init__(
        self, tell: Tell = lambda problem: None, *, recorded: Path | None = None, remedy: str = REMEDY
    ) -> None:
        """A judge.

        Args:
            tell: Hears of each question.
            recorded: Where the answer was looked for, where answers are recorded.
            remedy: What can be done, where none are; `{answer}` stands for an answer as it may be written.
        """
        self._tell, self._recorded, self._remedy = tell, recorded, remedy

    async def ask(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        schema: Mapping[str, Any],
        sampling: Mapping[str, Any],
        name: str = "verdict",
    ) -> Verdict:
        """Say how the question can be answered."""
        if self._recorded is None:
            remedy = self._remedy.replace("{answer}", _example(schema))
            reason = f"it asks the judge {model!r}, and a test asks no model by accident: {remedy}"
        else:
            reason = (
                f"it asks the judge {model!r} what {self._recorded.name} has no answer to: the case is new, or the "
                "grader or the case has changed since; --record asks for what is missing"
            )
        _refuse(self._tell, reason)


class _NoHttp:
    async def post(
        self,
        url: str,
        *,
        body: Any,
        headers: Mapping[str, str],
        timeout_s: float,
        retries: int = 0,
        rate_limit: float | None = None,
    ) -> HttpReply:
        raise not_asked("it asks an endpoint, and a test asks no service by accident: ask with --live")


class _NoEmbedder:
    def __init__(self, model: str) -> None:
        self._model = model

    async def embed(self, texts: Sequence[str], *, model: str | None = None) -> Sequence[Sequence[float]]:
        raise not_asked(
            f"it asks a server to embed with {self._model!r}, and a test asks no model by accident: ask with --live"
        )


class ScriptedJudge:
    """Answers in the order in which it is asked; belongs to one grading.

    An answer may be short: what the asked schema has besides (a reason, steps) is filled in empty, and one value stands for
    the object whose only other field it is: `0.5` for `{"steps": [], "result": 0.5}`.
    """

    def __init__(self, answers: Answers, tell: Tell) -> None:
        """A judge.

        Args:
            answers: In their order, for all models or for each by its name. `{"failure": KIND}` is a failure of the judge.
            tell: Hears of a question without an answer, and of answers that nobody asked for.
        """
        self._tell = tell
        self._left: dict[str | None, list[Any]] = (
            {model: list(given) for model, given in answers.items()}
            if isinstance(answers, Mapping)
            else {None: list(answers)}
        )
        self._asked = 0

    async def ask(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        schema: Mapping[str, Any],
        sampling: Mapping[str, Any],
        name: str = "verdict",
    ) -> Verdict:
        """Give the next answer."""
        self._asked += 1
        left = self._left.get(model, self._left.get(None))
        if left is None:
            known = ", ".join(map(repr, self._left))
            _refuse(
                self._tell, f"it asks the judge {model!r}, and there are scripted answers of {known} only"
            )
        if not left:
            example = _example(schema)
            _refuse(
                self._tell,
                f"it asks the judge {model!r} for an answer more than is scripted (its question {self._asked}); add "
                f"another to 'judge', such as {example}",
            )
        answer = left.pop(0)
        if isinstance(answer, Mapping) and isinstance(answer.get("failure"), str) and len(answer) == 1:
            raise self._failure(model, answer["failure"])
        output = completed(answer, schema)
        try:
            required(await check_once(schema, output))
        except (NotAnAnswer, SchemaError, CheckFailed) as error:
            _refuse(
                self._tell,
                f"the scripted answer {brief(answer)} is not what the judge {model!r} is asked for: {error}; expected "
                f"{_example(schema)}",
            )
        return Verdict(output, model)

    def _failure(self, model: str, kind: str) -> NoVerdict:
        kinds = [flag.value for flag in FailureKind if flag.value.startswith("model_grader_")]
        if kind not in kinds:
            _refuse(
                self._tell, f"unknown scripted failure {kind!r}; a judge can fail with {', '.join(kinds)}"
            )
        return NoVerdict(
            f"the judge {model!r} failed, as scripted",
            FailureKind(kind),
            FailureType.SCRIPTED,
            retryable=False,
        )

    def finish(self) -> None:
        """See that every answer was asked for."""
        unused = sum(map(len, self._left.values()))
        if unused:
            self._tell(
                f"{unused} of its scripted answers {'was' if unused == 1 else 'were'} not asked for: the grader asked "
                f"{self._asked} times; remove what is too much from 'judge'"
            )


def completed(answer: Any, schema: Mapping[str, Any]) -> Any:
    """A scripted answer with what its author left out: empty reasons and steps, and the object around one value.

    Args:
        answer: As it stands in the case file.
        schema: What the judge was asked for.
    """
    properties = schema.get("properties")
    if schema.get("type") != "object" or not isinstance(properties, Mapping):
        return answer
    empty = {name: empty for name, of in properties.items() if (empty := _empty(of)) is not None}
    if not isinstance(answer, Mapping):
        (main, *others) = [name for name in properties if name not in empty] or [None]
        if main is None or others:
            return answer
        answer = {main: answer}
    full = {**empty, **{name: completed(value, properties.get(name, {})) for name, value in answer.items()}}
    return {name: full[name] for name in (*properties, *full) if name in full}


def _empty(schema: Mapping[str, Any]) -> Any:
    """What stands for a field that says nothing about the verdict; None for one that does."""
    if schema.get("type") == "array":
        return []
    return "" if schema.get("type") == "string" and "enum" not in schema else None


def _example(schema: Mapping[str, Any]) -> str:
    """An answer as one may write it for a schema."""
    fields = {
        name: _example_of(of) for name, of in schema.get("properties", {}).items() if _empty(of) is None
    }
    return "{" + ", ".join(f"{name}: {value}" for name, value in fields.items()) + "}"


def _example_of(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return str(schema["enum"][-1])
    return _example(schema) if schema.get("type") == "object" else "1"


def not_asked(reason: str) -> GradingError:
    """The failure of a grading that must not ask what it asks."""
    return GradingError(reason, caused_by="infrastructure", details={"type": FailureType.NOT_ASKED})


def _refuse(tell: Tell, reason: str) -> NoReturn:
    tell(reason)
    raise not_asked(reason)
