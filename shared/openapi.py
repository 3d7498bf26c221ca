"""The API's description of itself: how callers prove who they are, the scope of each route, and problems as they are answered."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict

from shared.auth import Permission

SCHEMES = {
    "staff": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Token of a member of staff | 工作人员令牌"},
    "system": {
        "type": "apiKey",
        "in": "header",
        "name": "X-App-Key",
        "description": "With X-Timestamp and X-Signature, see deploy/clients/SIGNATURE.md | 须同时提供 X-Timestamp 与 X-Signature",
    },
}


REQUIRED_HEADERS = ("idempotency-key", "if-match")


class ProblemField(BaseModel):
    """`pointer` is a JSON pointer into the request."""

    pointer: str
    detail: str
    detail_zh: str


class Problem(BaseModel):
    """RFC 9457 in Chinese and English: what, which number, which clause, what to do next. Further members are facts of the code."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    title_zh: str
    status: int
    code: str
    detail: str
    detail_zh: str
    remedy: str | None = None
    remedy_zh: str | None = None
    errors: list[ProblemField] = []
    trace_id: str


PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {"description": "Refused | 不予办理", "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for code in ("4XX", "5XX")
}


def describe(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1 of the service, made once."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        components = schema.setdefault("components", {})
        components["securitySchemes"] = SCHEMES
        template = "#/components/schemas/{model}"
        components.setdefault("schemas", {})["ProblemField"] = ProblemField.model_json_schema(ref_template=template)
        problem = Problem.model_json_schema(ref_template=template)
        problem.pop("$defs")
        components["schemas"]["Problem"] = problem
        for operation in (operation for path in schema["paths"].values() for operation in path.values()):
            _require_headers(operation)
        app.openapi_schema = schema
    return app.openapi_schema


def _require_headers(operation: dict[str, Any]) -> None:
    """FastAPI takes a header with a default for optional; without these a call gets a refusal that says what each is for."""
    for parameter in operation.get("parameters", []):
        if parameter["name"].casefold() in REQUIRED_HEADERS:
            parameter["required"] = True
            del parameter["schema"]["default"]


def security_of(route: APIRoute, *, permission: Permission) -> dict[str, Any]:
    """What the description says of a route that needs a caller."""
    return {"security": [{"staff": []}, {"system": []}], "x-scope": permission.scope, **(route.openapi_extra or {})}
