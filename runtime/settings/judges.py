"""What an operator says of the models that judge: where they are, what they may cost, how fast they may be asked.

::

    [judges."o3-mini*"]                    # a name that old graders have, sent to a server of one's own
    base_url = "http://127.0.0.1:8080/v1"
    model = "qwen3-32b"
    requests_per_minute = 600

    [judges."*"]                           # whatever is not named
    base_url = "https://api.openai.com/v1"
    api_key = "sk-…"

    [judge_budgets.day]
    tokens = 5_000_000
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

Api: TypeAlias = Literal["chat", "responses"]
Structure: TypeAlias = Literal["schema", "json", "text"]
Scope: TypeAlias = Literal["run", "key", "day"]


class JudgeModel(BaseModel):
    """One model: its server, its limits and its prices."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    base_url: str | None = None
    """Where the server is, `…/v1`; None for what the official client takes by itself: `OPENAI_BASE_URL`, or OpenAI."""
    api_key: SecretStr | None = None
    """Its key; None for `OPENAI_API_KEY` where there is no `base_url`, and for no key where there is one."""
    model: str | None = None
    """What the server calls the model; None for the name that graders use."""
    api: Api = "chat"
    """Chat completions, or the Responses API."""
    structure: Structure | Literal["auto"] = "auto"
    """How the server is made to answer in JSON: by a strict schema, in JSON mode, or by asking for it; `auto` finds out."""
    concurrency: int = Field(64, ge=1)
    """Requests in flight, over all processes of the service."""
    requests_per_minute: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Requests in a minute, over all processes of the service, spread evenly."""
    tokens_per_minute: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Tokens in a minute, prompt and answer together, over all processes of the service."""
    max_completion_tokens: int | None = Field(None, ge=1)
    """Tokens of an answer, where the grader does not say."""
    retries: int = Field(6, ge=0, le=100)
    """How often a request is sent again after status 408, 409, 429 or 5xx, or without an answer."""
    parse_retries: int = Field(1, ge=0, le=10)
    """How often a request is sent again after an answer that is not what was asked for."""
    attempt_timeout_s: float = Field(120.0, gt=0, le=3600)
    """Seconds of one request, from the first byte sent to the last one read."""
    deadline_s: float = Field(300.0, gt=0, le=7200)
    """Seconds of one judgement, from its first request: all its retries and the waits between them."""
    prompt_price: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Money for a million tokens of the prompt, in whatever currency the budgets are."""
    cached_price: float | None = Field(None, ge=0, allow_inf_nan=False)
    """Money for a million tokens of the prompt that the server had cached; None for `prompt_price`."""
    completion_price: float = Field(0.0, ge=0, allow_inf_nan=False)
    """Money for a million tokens of the answer."""

    @field_validator("base_url")
    @classmethod
    def _is_address(cls, url: str | None) -> str | None:
        """Refuse what no request can be sent to; what was written is not repeated, since it may hold a password."""
        try:
            split = None if url is None else urlsplit(url)
            is_address = split is None or (split.scheme in ("http", "https") and _is_host(split))
        except ValueError:
            is_address = False
        if not is_address:
            raise ValueError(
                "expected an address that begins with http:// or https://, such as http://127.0.0.1:8080/v1"
            )
        return url

    def cost(self, prompt_tokens: int, completion_tokens: int, cached_tokens: int = 0) -> float:
        """Money for one answer."""
        cached_price = self.prompt_price if self.cached_price is None else self.cached_price
        uncached = max(0, prompt_tokens - cached_tokens)
        paid = uncached * self.prompt_price + cached_tokens * cached_price
        return (paid + completion_tokens * self.completion_price) / 1e6


def _is_host(split: SplitResult) -> bool:
    """Whether an address has a host, and a port that is one; raises ValueError for some that have not."""
    host = split.hostname or ""
    is_bad = not host or any(character.isspace() for character in split.netloc)
    return not is_bad and split.port != 0


def find_judge(judges: Mapping[str, JudgeModel], name: str) -> JudgeModel | None:
    """What is said of a name: its own entry, or the first pattern that fits; None where nothing is."""
    if name in judges:
        return judges[name]
    return next((model for pattern, model in judges.items() if fnmatchcase(name, pattern)), None)


class Budget(BaseModel):
    """What may be spent; when either is used up, what remains is ungraded with that cause and nothing more is sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tokens: int | None = Field(None, ge=0)
    """Tokens, of prompts and answers together."""
    money: float | None = Field(None, ge=0, allow_inf_nan=False)
    """Money, in the currency of the models' prices."""

    @model_validator(mode="after")
    def _limits_something(self) -> "Budget":
        if self.tokens is None and self.money is None:
            raise ValueError("a budget limits tokens, money, or both")
        return self
