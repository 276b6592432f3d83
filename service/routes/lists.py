"""What lists have in common: the parameters of their pages, and how a page is shown."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from fastapi import Request

from service.errors import ApiError
from service.store.paging import Order

MOST = 1000
ORDERS: Mapping[str, Order] = {"asc": "asc", "desc": "desc"}

Value = TypeVar("Value")


class Identified(Protocol):
    """What a list may hold."""

    @property
    def id(self) -> str:
        """By which it is found, and after which a page begins."""
        ...


Row = TypeVar("Row", bound=Identified)


def page_parameters(most: int = MOST) -> list[dict[str, Any]]:
    """The parameters of pages, for the OpenAPI document.

    Args:
        most: How long a page may be.
    """
    return [
        {"name": "after", "in": "query", "schema": {"type": "string"}},
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": most}},
        one_of_parameter("order", ORDERS),
    ]


def one_of_parameter(name: str, values: Sequence[str] | Mapping[str, object]) -> dict[str, Any]:
    """A parameter that is one of some words, for the OpenAPI document."""
    return {"name": name, "in": "query", "schema": {"enum": list(values)}}


def paging(
    request: Request, *, limit: int = 20, most: int = MOST, order: Order = "asc"
) -> tuple[str | None, int, Order]:
    """After which id a page begins, how long it is, and in which order.

    Args:
        request: Whose parameters say so.
        limit: How long it is where they do not.
        most: How long it may be.
        order: In which order it is where they do not say.

    Raises:
        ApiError: 400, naming the parameter that is wrong.
    """
    length = number(request, "limit", least=1, most=most)
    chosen = one_of(request, "order", ORDERS)
    return request.query_params.get("after"), limit if length is None else length, chosen or order


def number(request: Request, name: str, *, least: int, most: int) -> int | None:
    """A query parameter that is a number; None if it is not given.

    Raises:
        ApiError: 400, if it is not a number, or is too small or too large.
    """
    text = request.query_params.get(name)
    if text is None:
        return None
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(most))
    if not (is_number and least <= int(text) <= most):
        raise invalid_query(name, f"expected a number from {least} to {most}")
    return int(text)


def one_of(request: Request, name: str, values: Mapping[str, Value]) -> Value | None:
    """The value of a query parameter that is one of several words; None if it is not given.

    Raises:
        ApiError: 400, if it is not one of them.
    """
    text = request.query_params.get(name)
    if text is not None and text not in values:
        raise invalid_query(name, f"expected one of {', '.join(values)}")
    return None if text is None else values[text]


def shown_page(found: tuple[Sequence[Row], bool], show: Callable[[Row], Mapping[str, Any]]) -> dict[str, Any]:
    """A page as it is answered.

    Args:
        found: Its rows, and whether there are more.
        show: Shows a row.
    """
    rows, has_more = found
    first, last = (rows[0].id, rows[-1].id) if rows else (None, None)
    data = [show(row) for row in rows]
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": has_more}


def invalid_query(param: str, message: str) -> ApiError:
    """A 400 for a parameter."""
    return ApiError(400, f"{param}: {message}", param=param, code="invalid_query")
