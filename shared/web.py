"""The HTTP edge of every service: routes that authenticate first, problem JSON, limits, health, metrics."""

import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from typing import Annotated, Any, Self, TypeAlias

import structlog
from fastapi import APIRouter, Depends, FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.telemetry import TelemetryConfig
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict
from sqlalchemy import text
from starlette.exceptions import HTTPException

from shared import observability
from shared.auth import Anyone, Authenticator, Permission, admit, anyone
from shared.body import BATCH_BYTES_MAX, BODY_BYTES_MAX, BodyUnreadable, read_body, read_json, refuse_odd_address, refuse_unread
from shared.db import is_transient
from shared.directory import Directory, methods_at
from shared.errors import FieldProblem, Invalid, Later, NotFound, Refusal, Stale, Unavailable, problem
from shared.live import Live as LiveState
from shared.openapi import PROBLEM_RESPONSES, describe, security_of
from shared.plain import GIVEN, Plain, plain_ones, without
from shared.query import names_of, refuse_odd_names
from shared.tracing import TraceMiddleware

log = structlog.get_logger()

# Verbs of routes that take many rows at once.
BATCH_VERBS = (":batch", ":import", ":validate")

# TraceMiddleware makes the one span of a request; the framework's own would double it and put exception texts into logs.
OUR_OWN: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}

PROBLEM_JSON = "application/problem+json"
QUERY_CANCELED = "57014"


class Wire(BaseModel):
    """Base of every request body: what is not known is refused, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    def __deepcopy__(self, _memo: dict[int, Any] | None = None) -> Self:
        """The framework copies a body that is a parameter's default at each call; nobody can change this one."""
        return self


class RouteUnknown(NotFound):
    code = "route-unknown"
    title_en = "There is nothing at this address"
    title_zh = "请求的地址不存在"


class MethodUnknown(Refusal):
    code = "method-unknown"
    status = 405
    title_en = "This address does not take that method"
    title_zh = "该地址不支持此请求方法"


class DatabaseAway(Unavailable):
    code = "database-away"
    title_en = "The service cannot reach its database"
    title_zh = "服务暂时无法访问数据库"


class DatabaseSlow(Unavailable):
    code = "database-slow"
    title_en = "The database took too long"
    title_zh = "数据库处理超时"


class IfMatchMissing(Refusal):
    code = "if-match-missing"
    status = 428
    title_en = "If-Match is missing"
    title_zh = "缺少 If-Match"
    remedy_en = "Read the record and send its ETag as If-Match."
    remedy_zh = "请先读取记录，并将其 ETag 作为 If-Match 提交。"


class VersionStale(Stale):
    code = "version-stale"
    title_en = "The record changed since you read it"
    title_zh = "记录在您读取后已被修改"
    remedy_en = "Read it again, look at the change, and send the new ETag."
    remedy_zh = "请重新读取记录，核对变化后用新的 ETag 提交。"


def permission_of(route: APIRoute) -> Permission | Anyone | None:
    """What the route declared with may() or anyone(); None is a fault that the build refuses."""
    for dependency in route.dependant.dependencies:
        if isinstance(dependency.call, (Permission, Anyone)):
            return dependency.call
    return None


class SecuredRoute(APIRoute):
    """Reads the body within its limit and authenticates before anything of it is parsed: 401 and 403 come before 400 and 422."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        plain = plain_ones(self.dependant)
        handle = self._framework_handler(plain)
        permission = permission_of(self)
        assert permission is not None, f"{self.path} declares neither may() nor anyone()"
        if isinstance(permission, Permission):
            self.openapi_extra = security_of(self, permission=permission)
        known = names_of(self.dependant)
        bytes_max = BATCH_BYTES_MAX if self.path.endswith(BATCH_VERBS) else BODY_BYTES_MAX

        async def secured(request: Request) -> Response:
            try:
                body = await read_body(request, bytes_max=bytes_max)
                if isinstance(permission, Permission):
                    await admit(request.app.state.authenticator, request, permission=permission, body=body)
                refuse_odd_address(request)
                if request.scope["query_string"]:
                    refuse_odd_names((name for name, _ in request.query_params.multi_items()), known=known)
                if self.body_field is None:
                    refuse_unread(body)
                elif body:
                    _require_json(request)
                    request._json = read_json(body)  # where Starlette itself keeps what it parsed
                request.scope[GIVEN] = {each.name: await each.give(request) for each in plain}
                return await handle(request)
            except Exception as error:  # the edge: answered here, inside the request's span, so that its trace id is the one logged
                return _answer_of(error)

        return secured

    def _framework_handler(self, plain: list[Plain]) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Reads what else the function asks for, calls it and writes its answer."""
        return APIRoute(**{**_told_of(self), "endpoint": without(self.endpoint, plain=plain)}).get_route_handler()


def _told_of(route: APIRoute) -> dict[str, Any]:
    """All that a route was made of."""
    return {name: getattr(route, name) for name in inspect.signature(APIRoute).parameters}


def _require_json(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (media_type.startswith("application/") and media_type.endswith("+json")):
        said = "Send the body as JSON, with the header Content-Type: application/json."
        raise Invalid([FieldProblem(pointer="", detail_en=said, detail_zh="请以JSON提交，并设置请求头 Content-Type: application/json。")])


def router(tag: str) -> APIRouter:
    """A noun's router: create_app secures its routes; the operation id is the function's name in camelCase."""
    return APIRouter(tags=[tag], generate_unique_id_function=lambda route: _camel(route.name))


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


async def live(request: Request) -> LiveState:
    state: LiveState = request.app.state.live
    return state


Live: TypeAlias = Annotated[LiveState, Depends(live)]


async def if_match(
    request: Request, *, if_match: Annotated[str, Header(description='ETag of the version you read, as in "3" | 所依据版本的ETag')] = ""
) -> int:
    """The version named by If-Match: a quoted whole number, as ETags here are."""
    value = if_match.removeprefix("W/").strip('"')
    # Two lines are the list that one line with a comma is (RFC 9110 5.3).
    if not value.isascii() or not value.isdigit() or len(value) > 18 or len(request.headers.getlist("If-Match")) > 1:
        raise IfMatchMissing(
            'If-Match must name the version you read, as in If-Match: "3".', detail_zh='请用 If-Match 指明所依据的版本，如 If-Match: "3"。'
        )
    return int(value)


IfMatch: TypeAlias = Annotated[int, Depends(if_match)]


def etag(version: int) -> dict[str, str]:
    return {"ETag": f'"{version}"'}


def require_version(*, current: int, expected: int) -> None:
    if current != expected:
        raise VersionStale(
            f"You sent version {expected}; the record is at version {current}.", detail_zh=f"您提交的版本为{expected},当前版本为{current}。"
        )


def create_app(
    live_state: LiveState,
    *,
    authenticator: Authenticator,
    routers: Sequence[APIRouter],
    title: str,
    summary: str,
) -> FastAPI:
    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with live_state.running():
            yield

    app = FastAPI(
        title=title, summary=summary, version="1", lifespan=lifespan, redirect_slashes=False, responses=PROBLEM_RESPONSES, telemetry=OUR_OWN
    )
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]  # FastAPI's own way to extend the description
    app.state.live = live_state
    app.state.authenticator = authenticator
    for each in (*routers, health_router()):
        for route in each.routes:
            assert isinstance(route, APIRoute)
            _secure(app, route)
    app.add_exception_handler(Exception, _outside)
    app.add_exception_handler(HTTPException, _outside)
    app.add_middleware(Directory, routes=[route for route in app.routes if isinstance(route, SecuredRoute)])
    app.add_middleware(TraceMiddleware)
    return app


def _secure(app: FastAPI, route: APIRoute) -> None:
    """A noun's route becomes one of the app's own: included routers would be searched one by one at each request, twice."""
    told = _told_of(route)
    del told["dependency_overrides_provider"]  # the app's own
    app.router.add_api_route(**told, route_class_override=SecuredRoute)


def _answer(refusal: Refusal, *, more_headers: Mapping[str, str] | None = None) -> Response:
    headers = dict(more_headers or {})
    if isinstance(refusal, Later):
        headers["Retry-After"] = str(refusal.retry_after_s)
    if refusal.status == 401:
        headers["WWW-Authenticate"] = 'Bearer, HMAC-SHA256 realm="system"'
    body = problem(refusal, trace_id=observability.current_trace_id())
    return JSONResponse(body, status_code=refusal.status, headers=headers, media_type=PROBLEM_JSON)


def invalid(found: Sequence[Any]) -> Invalid:
    """Pydantic's findings (`error.errors()`) as one refusal; the first hundred are told."""
    return Invalid([_field_problem(each) for each in found[:100]])


def problem_of_row(refusal: Refusal, *, place: str) -> dict[str, Any]:
    """The problem of one row among many; its pointers lead into the request from the row's `place`, for instance /rows/3."""
    told = problem(refusal, trace_id=observability.current_trace_id())
    told["errors"] = [{**each, "pointer": place + each["pointer"].removesuffix("/")} for each in told.get("errors", [])]  # type: ignore[attr-defined]
    return {name: value for name, value in told.items() if name != "errors" or value}


def _field_problem(found: Any) -> FieldProblem:
    """Pydantic's finding in both languages; a type of our own brings its own Chinese in `ctx`."""
    context = found.get("ctx", {})
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in found["loc"] if part != "body")
    detail_zh = context.get("detail_zh") or FIELD_PROBLEMS_ZH.get(found["type"], "填写有误").format(
        **{k: v for k, v in context.items() if k != "error"}
    )
    return FieldProblem(pointer=pointer, detail_en=found["msg"], detail_zh=detail_zh)


FIELD_PROBLEMS_ZH = {
    "missing": "必填项未填写",
    "extra_forbidden": "不认识的字段，请删除或核对字段名",
    "int_type": "必须是整数(不加引号，不带小数)",
    "int_parsing": "必须是整数",
    "string_type": "必须是文本",
    "string_too_short": "至少需要{min_length}个字符",
    "string_too_long": "最多{max_length}个字符",
    "string_pattern_mismatch": "格式不符合要求",
    "greater_than": "必须大于{gt}",
    "greater_than_equal": "不得小于{ge}",
    "less_than": "必须小于{lt}",
    "less_than_equal": "不得大于{le}",
    "too_short": "至少需要{min_length}项",
    "too_long": "最多{max_length}项",
    "enum": "只能填写：{expected}",
    "literal_error": "只能填写：{expected}",
    "date_from_datetime_parsing": "日期格式应为YYYY-MM-DD",
    "date_from_datetime_inexact": "日期格式应为YYYY-MM-DD",
    "date_parsing": "日期格式应为YYYY-MM-DD",
    "date_type": "日期格式应为YYYY-MM-DD",
    "datetime_parsing": "时间格式应为YYYY-MM-DDThh:mm:ss+08:00",
    "timezone_aware": "时间须注明时区，如 2025-09-15T10:00:00+08:00",
    "uuid_parsing": "标识格式不正确",
    "bool_type": "必须是true或false",
    "model_attributes_type": "必须是JSON对象",
    "list_type": "必须是列表",
}


def _answer_of(error: Exception) -> Response:
    """What a caller is told of anything that ended a call."""
    match error:
        case Refusal():
            return _answer(error)
        case RequestValidationError():
            return _answer(invalid(error.errors()))
        case HTTPException():
            return _answer_http(error)
        case _:
            return _answer_fault(error)


def _answer_http(error: HTTPException) -> Response:
    """Starlette's own answers (no such route, method not allowed, bad body encoding) in our form."""
    if error.status_code == 404:
        return _answer(RouteUnknown("There is nothing at this address; see /docs.", detail_zh="请求的地址不存在，请查阅 /docs。"))
    if error.status_code == 405:
        allowed = dict(error.headers or {})
        detail_en, detail_zh = f"Allowed here: {allowed.get('Allow', 'nothing')}.", f"此处允许的方法：{allowed.get('Allow', '无')}。"
        return _answer(MethodUnknown(detail_en, detail_zh=detail_zh), more_headers=allowed)
    if error.status_code == 400:
        return _answer(BodyUnreadable(f"The request could not be read: {error.detail}", detail_zh="请求内容无法解析。"))
    body = {"type": "about:blank", "title": error.detail, "status": error.status_code, "trace_id": observability.current_trace_id()}
    return JSONResponse(body, status_code=error.status_code, headers=error.headers, media_type=PROBLEM_JSON)


async def _outside(request: Request, error: Exception) -> Response:
    """For what ends a call outside of a route."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        # Starlette's own answer names the methods of the first route of an address alone.
        error = HTTPException(405, headers={"Allow": ", ".join(methods_at(request.scope, routes=request.app.routes))})
    return _answer_of(error)


def _answer_fault(error: Exception) -> Response:
    """A fault is logged once, with its trace; the caller is told the trace id and nothing else."""
    if is_transient(error):
        log.warning("database_away", error=type(error).__name__)
        return _answer(
            DatabaseAway(
                "Repeat the call with the same key: it takes effect once, whether or not this one did.",
                detail_zh="请稍后用同一幂等键重试：无论本次是否写入，同一请求只生效一次。",
                retry_after_s=2,
            )
        )
    if _was_cut_short(error):
        log.warning("database_slow", error=type(error).__name__)
        return _answer(
            DatabaseSlow(
                "Nothing of it was written; repeat the call with the same key, or ask for less.",
                detail_zh="本次未写入任何内容；请稍后用同一幂等键重试，或缩小查询范围。",
                retry_after_s=2,
            )
        )
    log.error("request_failed", exc_info=error)
    body = {
        "type": "urn:problem:fault",
        "title": "A fault on our side",
        "title_zh": "系统故障",
        "status": 500,
        "code": "fault",
        "detail": "Quote the trace id to the operators. A write may be repeated with the same key.",
        "detail_zh": "请将 trace_id 提供给运维人员；办理请求可用同一幂等键重试。",
        "trace_id": observability.current_trace_id(),
    }
    return JSONResponse(body, status_code=500, media_type=PROBLEM_JSON)


def _was_cut_short(error: BaseException) -> bool:
    """statement_timeout ended a statement. A caller may come again; for an event it is no passing fault, or it would be tried for ever."""
    return QUERY_CANCELED in (getattr(each, "sqlstate", None) for each in (error, getattr(error, "orig", None)))


def health_router() -> APIRouter:
    health = router("health")

    @health.get("/health/live", summary="The process runs | 进程存活")
    async def get_liveness(_: Annotated[None, anyone()]) -> dict[str, str]:
        return {"status": "live"}

    @health.get("/health/ready", summary="The database answers | 数据库可用")
    async def get_readiness(_: Annotated[None, anyone()], live: Live) -> dict[str, str]:
        async with live.transaction() as tx:
            await tx.execute(text("SELECT 1"))
        return {"status": "ready"}

    @health.get("/metrics", summary="Prometheus metrics | 监控指标", response_class=Response)
    async def get_metrics(_: Annotated[None, anyone()]) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return health
