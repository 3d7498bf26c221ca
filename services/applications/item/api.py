"""Support items over HTTP: what may be applied for on a day, and where else to ask."""

from datetime import date
from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, ConfigDict

from services.applications.policy.catalogue import Item, Referral
from services.applications.policy.in_use import catalogue
from shared.auth import anyone
from shared.day import Day
from shared.web import Live, router

items = router("items")


class ItemView(BaseModel):
    """`cap_fen` is a ceiling (最高), never an entitlement; the amount is what the reviewers set."""

    id: str
    version: str
    title_zh: str
    title_en: str
    short_name_zh: str
    cap_fen: int
    first_day: date
    last_day: date
    clause: str
    quote: str
    applicant_kinds: list[str]
    levels: list[str]
    once_per: list[str]
    evidence: list[str]

    @classmethod
    def of(cls, item: Item, *, common_evidence: tuple[str, ...]) -> "ItemView":
        return cls(
            id=item.id,
            version=item.version,
            title_zh=item.title_zh,
            title_en=item.title_en,
            short_name_zh=item.short_name_zh,
            cap_fen=item.cap_fen,
            first_day=item.first_day,
            last_day=item.last_day,
            clause=item.clause,
            quote=item.quote,
            applicant_kinds=list(item.applicants.kinds),
            levels=list(item.levels),
            once_per=[str(what) for what in item.once.per] if item.once else [],
            evidence=[*common_evidence, *item.evidence.required],
        )


class ReferralView(BaseModel):
    """A line of the policy without an amount: other rules, other funds; shown here, never payable here."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    title_zh: str
    title_en: str
    clause: str
    quote: str
    ask_at_zh: str
    ask_at_en: str

    @classmethod
    def of(cls, referral: Referral) -> "ReferralView":
        return cls.model_validate(referral)


class ItemsView(BaseModel):
    on: date
    items: list[ItemView]
    referrals: list[ReferralView]


@items.get("/v1/items", summary="Support items in force on a day | 某日有效的扶持项目")
async def list_items(
    _: Annotated[None, anyone()],
    live: Live,
    on: Annotated[Day | None, Query(description="Day of filing; today when left out | 申报日期，缺省为当日")] = None,
) -> ItemsView:
    policies = catalogue()
    day = on or live.now().on
    return ItemsView(
        on=day,
        items=[ItemView.of(item, common_evidence=policies.policy(item.policy_id).evidence_on(day).common) for item in policies.items_in_force(day)],
        referrals=[ReferralView.of(referral) for referral in policies.referrals_in_force(day)],
    )
