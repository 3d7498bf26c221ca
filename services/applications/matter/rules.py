"""Decisions about double support: which lines are compared, and by what two cases are for the same. Shown to the officers, never a refusal."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from services.applications.claim.rules import Claim
from services.applications.policy.catalogue import ComparedLines


class MatterKind(StrEnum):
    PROJECT = "project"
    PARK_YEAR = "park_year"
    DOCUMENT = "document"


_KIND_TITLES = {
    MatterKind.PROJECT: ("项目编号", "project code"),
    MatterKind.PARK_YEAR: ("产业园及年度", "park and year"),
    MatterKind.DOCUMENT: ("证明材料", "evidence"),
}


@dataclass(frozen=True, kw_only=True)
class Document:
    """A piece of evidence by its kind and its SHA-256."""

    kind: str
    sha256: str


@dataclass(frozen=True, order=True)
class Matter:
    kind: MatterKind
    value: str


@dataclass(frozen=True, kw_only=True)
class SameMatter:
    """Another standing case that shares something with this one."""

    application_id: UUID
    case_number: str
    item_id: str
    state: str
    by: tuple[MatterKind, ...]


def lines_to_compare(rule: ComparedLines, *, item_id: str) -> frozenset[str]:
    """Other lines under which the same project, park or hire may have been claimed."""
    return frozenset(line for group in rule.groups if item_id in group for line in group if line != item_id)


def matters_of(claim: Claim, *, documents: Iterable[Document], common: Collection[str], filed_on: date) -> frozenset[Matter]:
    """What the case is for. `common` documents are of the applicant and not of a matter: everybody hands the same in again."""
    matters = {Matter(MatterKind.DOCUMENT, each.sha256) for each in documents if each.kind not in common}
    if claim.project_code is not None:
        matters.add(Matter(MatterKind.PROJECT, claim.project_code))
    if claim.park_code is not None:
        matters.add(Matter(MatterKind.PARK_YEAR, f"{claim.park_code}|{claim.support_year or filed_on.year}"))
    return frozenset(matters)


def told(same: SameMatter, *, clause: str) -> tuple[str, str]:
    """The warning in Chinese and English."""
    by_zh, by_en = ("、".join(_KIND_TITLES[kind][0] for kind in same.by), ", ".join(_KIND_TITLES[kind][1] for kind in same.by))
    return (
        f"与案件{same.case_number}（{same.item_id}）的{by_zh}相同，请核对是否就同一事项重复享受支持（{clause}）。",
        f"Shares its {by_en} with case {same.case_number} ({same.item_id}): see whether both ask for the same ({clause}).",
    )
