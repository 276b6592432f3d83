"""What pages of lists have in common: their parameters."""

from typing import Any

from fastapi import Request

from service.errors import ApiError
from service.store.paging import Order

MOST = 1000
PAGE: list[dict[str, Any]] = [
    {"name": "after", "in": "query", "schema": {"type": "string"}},
    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": MOST}},
    {"name": "order", "in": "query", "schema": {"enum": ["asc", "desc"]}},
]
"""For the OpenAPI document."""


def paging(request: Request) -> tuple[str | None, int, Order]:
    """After which id a page begins, how long it is, and in which order.

    Raises:
        ApiError: 400, naming the parameter that is wrong.
    """
    query = request.query_params
    order = query.get("order", "asc")
    if order not in {"asc", "desc"}:
        raise invalid_query("order", "expected one of asc, desc")
    limit = number(request, "limit", least=1, most=MOST)
    return query.get("after"), 20 if limit is None else limit, "desc" if order == "desc" else "asc"


def number(request: Request, name: str, *, least: int, most: int) -> int | None:
    """A parameter that is a number; None where it is not given.

    Raises:
        ApiError: 400, when it is none, or is too small or too large.
    """
    text = request.query_params.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and least <= int(text) <= most):
        raise invalid_query(name, f"expected a number from {least} to {most}")
    return int(text)


def invalid_query(param: str, message: str) -> ApiError:
    """A 400 for a parameter."""
    return ApiError(400, f"{param}: {message}", param=param, code="invalid_query")
