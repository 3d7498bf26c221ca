"""Refusals: answers that tell a person what is wrong, by which rule, and what to do next.

Refusal 422                 the content is refused; every rule has its own subclass with its own code
├── Invalid 422             several fields at once
├── Malformed 400           not readable as a request at all
├── Unauthenticated 401     who are you?
├── Forbidden 403           known, but may not
├── NotFound 404            absent, or not yours to know
├── Conflict 409            the present state refuses
├── Stale 412               changed since you read it
├── TooLarge 413
└── Later                   nothing wrong with the request; come back after retry_after_s
    ├── TooMany 429
    └── Unavailable 503
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

Fact: TypeAlias = "int | str | Sequence[Fact] | Mapping[str, Fact]"


@dataclass(frozen=True, kw_only=True)
class FieldProblem:
    """What is wrong with one field; `pointer` is an RFC 6901 JSON pointer into the request body."""

    pointer: str
    detail_en: str
    detail_zh: str


class Refusal(Exception):
    """The content is refused. A subclass sets a stable kebab-case `code` and its titles; facts go out as extension members."""

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 422
    title_en: ClassVar[str] = "The content is refused"
    title_zh: ClassVar[str] = "提交的内容不符合要求"
    remedy_en: ClassVar[str | None] = None
    remedy_zh: ClassVar[str | None] = None

    def __init__(self, detail_en: str, *, detail_zh: str, pointer: str | None = None, facts: Mapping[str, Fact] | None = None) -> None:
        super().__init__(detail_en)
        self.detail_en = detail_en
        self.detail_zh = detail_zh
        self.facts: Mapping[str, Fact] = facts or {}
        self.problems: tuple[FieldProblem, ...] = ()
        if pointer is not None:
            self.problems = (FieldProblem(pointer=pointer, detail_en=detail_en, detail_zh=detail_zh),)


class Invalid(Refusal):
    code = "invalid"
    title_en = "Some fields are not valid"
    title_zh = "部分字段填写有误"

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        assert problems, "an Invalid names at least one field"
        super().__init__(f"{len(problems)} field(s) must be corrected.", detail_zh=f"有{len(problems)}处需要更正。")
        self.problems = tuple(problems)


class Malformed(Refusal):
    code = "malformed"
    status = 400
    title_en = "The request cannot be read"
    title_zh = "请求无法解析"


class Unauthenticated(Refusal):
    code = "unauthenticated"
    status = 401
    title_en = "The caller is not known"
    title_zh = "未通过身份验证"


class Forbidden(Refusal):
    code = "forbidden"
    status = 403
    title_en = "The caller may not do this"
    title_zh = "无权进行此操作"


class NotFound(Refusal):
    code = "not-found"
    status = 404
    title_en = "Nothing is found here"
    title_zh = "未找到"


class Conflict(Refusal):
    code = "conflict"
    status = 409
    title_en = "The present state does not allow this"
    title_zh = "当前状态不允许此操作"


class Stale(Refusal):
    code = "stale"
    status = 412
    title_en = "It has changed since it was read"
    title_zh = "数据已被更新"
    remedy_en = "Read it again and repeat the change on the new version."
    remedy_zh = "请重新读取最新版本后再提交。"


class TooLarge(Refusal):
    code = "too-large"
    status = 413
    title_en = "The request is too large"
    title_zh = "请求内容过大"


class Later(Refusal):
    """Nothing is wrong with the request. `retry_after_s` >= 1 goes out as Retry-After."""

    code = "later"
    status = 503

    def __init__(self, detail_en: str, *, detail_zh: str, retry_after_s: int, facts: Mapping[str, Fact] | None = None) -> None:
        assert retry_after_s >= 1, "Retry-After of nothing invites a storm"
        super().__init__(detail_en, detail_zh=detail_zh, facts=facts)
        self.retry_after_s = retry_after_s


class TooMany(Later):
    code = "too-many"
    status = 429
    title_en = "Too many requests"
    title_zh = "请求过于频繁"


class Unavailable(Later):
    code = "unavailable"
    title_en = "Not available for the moment"
    title_zh = "服务暂时不可用"


def problem(refusal: Refusal, *, trace_id: str) -> dict[str, object]:
    """The RFC 9457 problem document of a refusal."""
    members: dict[str, object] = {
        "type": f"urn:problem:{refusal.code}",
        "title": refusal.title_en,
        "title_zh": refusal.title_zh,
        "status": refusal.status,
        "code": refusal.code,
        "detail": refusal.detail_en,
        "detail_zh": refusal.detail_zh,
        "trace_id": trace_id,
    }
    if refusal.problems:
        members["errors"] = [{"pointer": each.pointer, "detail": each.detail_en, "detail_zh": each.detail_zh} for each in refusal.problems]
    if refusal.remedy_en is not None:
        members["remedy"] = refusal.remedy_en
    if refusal.remedy_zh is not None:
        members["remedy_zh"] = refusal.remedy_zh
    hidden = members.keys() & refusal.facts.keys()
    assert not hidden, f"facts of {refusal.code} would overwrite {sorted(hidden)}"
    return members | dict(refusal.facts)
