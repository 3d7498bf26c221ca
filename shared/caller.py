"""Who is calling: a signed system or a member of staff, with scopes and jurisdictions."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from shared.errors import Forbidden, NotFound

CallerKind: TypeAlias = Literal["system", "staff"]


class NotYourJurisdiction(Forbidden):
    code = "not-your-jurisdiction"
    title_en = "Outside your jurisdiction"
    title_zh = "不在您的管辖范围内"


class ScopeMissing(Forbidden):
    code = "scope-missing"
    title_en = "You may not do this"
    title_zh = "您没有办理此事项的权限"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """`id` is what idempotency and history keep; four eyes compare `id`, which for staff is issuer and subject together."""

    id: str
    kind: CallerKind
    channel: str
    scopes: frozenset[str]
    # None: the whole city.
    jurisdictions: frozenset[str] | None

    def covers(self, jurisdiction_id: str) -> bool:
        return self.jurisdictions is None or jurisdiction_id in self.jurisdictions

    def jurisdiction_list(self) -> list[str] | None:
        """For `= ANY(:jurisdictions)` in queries; None means no restriction."""
        return None if self.jurisdictions is None else sorted(self.jurisdictions)


def require_scope(caller: Caller, scope: str) -> None:
    """For rights that depend on the content of the request; a route's own scope is declared with may()."""
    if scope not in caller.scopes:
        raise ScopeMissing(f"Scope {scope} is needed.", detail_zh=f"需要权限 {scope}。")


def require_creating_in(caller: Caller, jurisdiction_id: str, *, pointer: str | None = None) -> None:
    """403: creating outside one's jurisdiction tells nothing that the caller does not know."""
    if not caller.covers(jurisdiction_id):
        raise NotYourJurisdiction(
            f"You may not create anything in {jurisdiction_id}.", detail_zh=f"您不能在辖区 {jurisdiction_id} 办理此事项。", pointer=pointer
        )


def require_reading_in(caller: Caller, jurisdiction_id: str, *, what: str) -> None:
    """404: what is not yours is not there."""
    if not caller.covers(jurisdiction_id):
        raise NotFound(f"There is no such {what}.", detail_zh="未找到该记录。")
