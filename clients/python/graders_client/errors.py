"""The errors of graders_client.

::

    ClientError
    ├── RequestRefused  (ValueError)    the service refuses the request itself: a wrong key, name, grader or address
    ├── UngradedSamples (RuntimeError)  samples are ungraded, and the policy for them is `raise`
    └── WrongProcess    (RuntimeError)  an evaluator is used in another process than the one that made it

Every one of them survives pickling. What the machine, the network or a grader does to a sample is no error: that sample is
ungraded, and its `failure` says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from graders_client.graded import Failure

_NAMED = 3
"""Samples that a message names; it says how many more there are."""


class ClientError(Exception):
    """Any error that graders_client raises on purpose."""


class RequestRefused(ClientError, ValueError):
    """The service refuses the request itself, so that no sample of it can be graded until it is changed.

    Attributes:
        status: HTTP status, such as 401 or 404.
        code: The service's word for programs, such as `invalid_api_key`; None where it gave none.
        param: The field of the request that is wrong; None where none is named.
    """

    def __init__(
        self, message: str, status: int, *, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param

    def __reduce__(self) -> tuple[Any, ...]:
        return _refused, (str(self), self.status, self.code, self.param)


class UngradedSamples(ClientError, RuntimeError):
    """Samples are ungraded, and the policy for them is `raise`.

    Attributes:
        failures: The failure of each ungraded sample, by its position in the call.
    """

    def __init__(self, failures: Mapping[int, Failure]) -> None:
        named = [f"sample {index}: {failure.message}" for index, failure in list(failures.items())[:_NAMED]]
        more = f"; and {len(failures) - _NAMED:,} more" if len(failures) > _NAMED else ""
        super().__init__(f"{len(failures):,} ungraded: {'; '.join(named)}{more}")
        self.failures = dict(failures)

    def __reduce__(self) -> tuple[Any, ...]:
        return UngradedSamples, (self.failures,)


class WrongProcess(ClientError, RuntimeError):
    """An evaluator is used in another process than the one that made it; its threads are not there."""


def _refused(message: str, status: int, code: str | None, param: str | None) -> RequestRefused:
    """A `RequestRefused` as it was before it was pickled."""
    return RequestRefused(message, status, code=code, param=param)
