"""The operations of all services as their descriptions tell them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from deploy.docs.product import app_of, routes_of
from deploy.postgres.roles import SERVICES


@dataclass(frozen=True)
class Operation:
    service: str
    method: str
    path: str
    told: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.told["operationId"])

    def route(self) -> APIRoute:
        (route,) = (each for each in routes_of(self.service) if each.path_format == self.path and self.method.upper() in each.methods)
        return route

    def __str__(self) -> str:
        return f"{self.service} {self.method.upper()} {self.path}"


def operations() -> Iterator[Operation]:
    for service in SERVICES:
        for path, methods in app_of(service).openapi()["paths"].items():
            for method, told in methods.items():
                yield Operation(service=service, method=method, path=path, told=told)


def examples_of(operation: Operation) -> list[Any]:
    """The examples of the body, on the media type or on the schema that it refers to."""
    media = operation.told["requestBody"]["content"]["application/json"]
    schema = media["schema"]
    if "$ref" in schema:
        schema = app_of(operation.service).openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    beside = [each["value"] for each in media.get("examples", {}).values()] + ([media["example"]] if "example" in media else [])
    return [*beside, *schema.get("examples", [])]


def called_by(dependant: Dependant) -> Iterator[Callable[..., Any] | None]:
    """What FastAPI runs for a route besides its function, at any depth."""
    for each in dependant.dependencies:
        yield each.call
        yield from called_by(each)
