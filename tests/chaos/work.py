"""Five hundred cases from their filing to the budget's answer, by clients that repeat what was not answered."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from deploy.clients.client import SignedClient, StaffClient
from deploy.local.stack import Stack
from services.applications.policy import load
from tests.fixtures.uscc import make_synthetic

ITEM = "2023-15/4a"
DISTRICT = "huancui"
CASES = 500
ORGANISATIONS = 25
# 200 万元 for 500 cases of 1 万元: 200 are funded, 300 wait.
APPROPRIATION_FEN = 200_000_000
AWARD_FEN = 1_000_000
AT_ONCE = 6
DECISIONS_A_CALL = 100
# Under faults a call may have to be repeated for as long as a frozen process stays frozen.
TUNING: dict[str, Any] = {"tries_max": 40, "timeout_s": 15.0}


@dataclass(frozen=True)
class Clients:
    registry: StaffClient
    budget: StaffClient
    district: SignedClient
    city: StaffClient
    hr: StaffClient
    finance: StaffClient


async def open_clients(stack: Stack, exits: AsyncExitStack) -> Clients:
    entry = next(each for each in stack.callers.values() if each["kind"] == "district" and DISTRICT in each["jurisdictions"])

    async def staff(service: str, subject: str, *roles: str) -> StaffClient:
        token = stack.issuer.token(subject, name=subject, roles=roles, jurisdictions=["*"], valid_s=3600)
        return await exits.enter_async_context(StaffClient(stack.urls[service], token=token, **TUNING))

    signed = SignedClient(stack.urls["applications"], audience="applications", app_key=entry["app_key"], secret=entry["secrets"][0], **TUNING)
    return Clients(
        registry=await staff("registry", "registrar", "registrar"),
        budget=await staff("budget", "finance-maker", "money-maker", "city-finance"),
        district=await exits.enter_async_context(signed),
        city=await staff("applications", "city-1", "city-reviewer"),
        hr=await staff("applications", "city-2", "city-reviewer"),
        finance=await staff("applications", "finance-1", "city-finance"),
    )


def organisations() -> list[dict[str, Any]]:
    return [
        {
            "uscc": make_synthetic(f"91371002MA{number:07d}"),
            "kind": "enterprise",
            "name": f"测试人力资源有限公司{number:02d}",
            "jurisdiction_id": DISTRICT,
            "institution": {
                "basis": "permit",
                "number": f"(鲁)人服证字〔2024〕第{number:010d}号",
                "scope": ["job_placement"],
                "first_day": "2024-01-01",
                "last_day": "2028-12-31",
            },
        }
        for number in range(1, ORGANISATIONS + 1)
    ]


def filings(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Complete filings, each with a project of its own."""
    policies = load()
    policy = policies.policies[0]
    item = next(each for each in policy.items if each.id == ITEM)
    kinds = [*policy.evidence_on(item.first_day).common, *item.evidence.required]
    evidence = [{"kind": kind, "name": f"{kind}.pdf", "sha256": f"{index:064x}", "size_bytes": 1000} for index, kind in enumerate(kinds)]
    return [
        {
            "row_reference": f"chaos-{number}",
            "item_id": ITEM,
            "applicant_uscc": rows[number % len(rows)]["uscc"],
            "jurisdiction_id": DISTRICT,
            "requested_fen": AWARD_FEN,
            "project_code": f"CHAOS-{number}",
            "evidence": evidence,
        }
        for number in range(CASES)
    ]


async def prepare(clients: Clients) -> list[dict[str, Any]]:
    """The organisations and the year's money, before any fault."""
    rows = organisations()
    imported = (await clients.registry.post("/v1/organisations:import", json={"rows": rows})).json()
    assert {row["status"] for row in imported["results"]} == {"created"}, imported["results"][0]
    await clients.budget.post(
        "/v1/appropriations",
        json={"fiscal_year": 2025, "amount_fen": APPROPRIATION_FEN, "document": "财预指〔2025〕8号", "approved_on": "2025-01-20"},
    )
    return rows


async def file_all(clients: Clients, rows: Sequence[dict[str, Any]]) -> list[str]:
    """One call a case; returns the ids that were acknowledged, in the order of the rows."""
    places = asyncio.Semaphore(AT_ONCE)

    async def file(row: dict[str, Any]) -> str:
        async with places:
            answer = (await clients.district.post("/v1/applications", json=row)).json()
            return str(answer["application_id"])

    return await asyncio.gather(*(file(row) for row in filings(rows)))


async def decide_all(clients: Clients, ids: Sequence[str]) -> None:
    """Acceptance and every stage, a hundred decisions a call; the joint stage sends each hundred to the budget as one proposal."""
    for start in range(0, len(ids), DECISIONS_A_CALL):
        portion = ids[start : start + DECISIONS_A_CALL]
        await _decide(clients.district, portion, stage="acceptance", officer="hc-1")
        await _decide(clients.district, portion, stage="district", officer="hc-1")
        await _decide(clients.city, portion, stage="city")
        await _decide(clients.hr, portion, stage="joint", amount_fen=AWARD_FEN)
        await _decide(clients.finance, portion, stage="joint", amount_fen=AWARD_FEN)


async def _decide(
    client: SignedClient | StaffClient, ids: Sequence[str], *, stage: str, officer: str | None = None, amount_fen: int | None = None
) -> None:
    decisions = [{"application_id": each, "stage": stage, "verdict": "approve", "amount_fen": amount_fen} for each in ids]
    answer = (await client.post("/v1/reviews", json={"decisions": decisions, "officer": officer})).json()
    refused = [result for result in answer["results"] if result["status"] != "decided"]
    assert not refused, refused[:2]
