"""Which route an address means: looked up by its noun, where a framework would try one pattern after the other."""

from collections.abc import Iterable
from typing import Any

from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.routing import BaseRoute, Match, Route


class Directory:
    """Plain ASGI. What it does not find (no such address, another method) goes the framework's way and is answered there."""

    def __init__(self, app: Any, *, routes: Iterable[BaseRoute]) -> None:
        self.app = app
        # In the order given: of two routes that fit the first is meant, as everywhere.
        self._by_noun: dict[tuple[str, str], list[tuple[Route, Any]]] = {}
        for route in routes:
            if isinstance(route, Route):
                for method in route.methods or ():
                    self._by_noun.setdefault((method, noun_of(route.path)), []).append((route, AsyncExitStackMiddleware(route.handle)))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            for route, handle in self._by_noun.get((scope["method"], noun_of(scope["path"])), ()):
                match, found = route.matches(scope)
                if match is Match.FULL:
                    scope.update(found)
                    await handle(scope, receive, send)
                    return
        await self.app(scope, receive, send)


def methods_at(scope: Any, *, routes: Iterable[BaseRoute]) -> list[str]:
    """All that an address takes."""
    fitting = [route for route in routes if isinstance(route, Route) and route.matches(scope)[0] is not Match.NONE]
    return sorted({method for route in fitting for method in route.methods or ()})


def noun_of(path: str) -> str:
    """The second part of an address: payment-orders of /v1/payment-orders/{id}:approve; where there is one part, that."""
    parts = path.split("/", 3)
    return parts[min(2, len(parts) - 1)]
