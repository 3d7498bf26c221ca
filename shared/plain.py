"""Dependencies of a route that ask for nothing but the request and headers as sent: called as plain functions.

The framework would resolve each by itself, with its parameters, its place in a cache and its kind looked up anew at every request.
"""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.dependencies.models import Dependant

# Where a request keeps what its plain dependencies gave until the route's function is called.
GIVEN = "given"


@dataclass(frozen=True)
class Plain:
    """One dependency: the parameter of the route that it is for, and the parameters of its own."""

    name: str
    call: Callable[..., Awaitable[Any]]
    request_name: str | None
    # Parameter, header and default.
    headers: tuple[tuple[str, str, str], ...]

    async def give(self, request: Request) -> Any:
        values: dict[str, Any] = {name: request.headers.get(header, default) for name, header, default in self.headers}
        if self.request_name is not None:
            values[self.request_name] = request
        # A test may give an app another dependency than its own.
        return await request.app.dependency_overrides.get(self.call, self.call)(**values)


def plain_ones(dependant: Dependant) -> list[Plain]:
    return [plain for each in dependant.dependencies if (plain := _plain(each)) is not None]


def _plain(each: Dependant) -> Plain | None:
    asks = (each.dependencies, each.path_params, each.query_params, each.cookie_params, each.body_params)
    names = (each.http_connection_param_name, each.response_param_name, each.background_tasks_param_name, each.security_scopes_param_name)
    call = each.call
    if each.name is None or call is None or any(asks) or any(names) or each.concurrency is not None or not _is_coroutine(call):
        return None
    headers = []
    for field in each.header_params:
        told = field.field_info
        # Anything but text as it was sent is the framework's to read.
        if told.annotation is not str or told.metadata or not isinstance(told.default, str):
            return None
        headers.append((field.name, field.alias, told.default))
    return Plain(name=each.name, call=call, request_name=each.request_param_name, headers=tuple(headers))


def _is_coroutine(call: Callable[..., Any]) -> bool:
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(type(call).__call__)


def without(function: Callable[..., Any], *, plain: list[Plain]) -> Callable[..., Any]:
    """The route's function as the framework is to see it: the parameters that it is given come from the request."""
    assert inspect.iscoroutinefunction(function), f"{function.__name__} is called without a thread"
    signature, names = inspect.signature(function), {each.name for each in plain}
    left = [parameter for parameter in signature.parameters.values() if parameter.name not in names]

    async def called(*, _request: Request, **values: Any) -> Any:
        return await function(**values, **_request.scope[GIVEN])

    request = inspect.Parameter("_request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)
    called.__signature__ = signature.replace(parameters=[*left, request])  # type: ignore[attr-defined]
    return called
