"""How officers are shown that two cases may be for the same."""

from uuid import UUID

from pydantic import BaseModel

from services.applications.matter.rules import MatterKind, SameMatter, told


class SameMatterView(BaseModel):
    """A standing case of a compared line that shares a project, a park and year, or a document with this one: to be looked at, never a refusal."""

    application_id: UUID
    case_number: str
    item_id: str
    state: str
    by: list[MatterKind]
    detail_zh: str
    detail: str

    @classmethod
    def of(cls, same: SameMatter, *, clause: str) -> "SameMatterView":
        detail_zh, detail = told(same, clause=clause)
        return cls(
            application_id=same.application_id,
            case_number=same.case_number,
            item_id=same.item_id,
            state=same.state,
            by=list(same.by),
            detail_zh=detail_zh,
            detail=detail,
        )
