"""What the budget's tests act with: orders of applications, people with their roles, and the books re-added from the journal."""

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from services.budget import policy
from services.budget.entry.rules import Entry
from services.budget.evidence.rules import HEADER, line_of, policy_of
from services.budget.known import consumers as known
from services.budget.payment import consumers as payment
from services.budget.proposal import consumers as proposal
from services.budget.verify import add_up, verify
from services.budget.waiting import consumers as waiting
from shared.events import Event
from shared.events.applications import AwardConfirmed, AwardsProposed, ProposedAward, ReleaseRequested
from shared.live import Live, open_live
from tests.building import BUSINESS_NOW, Staff, announced, fetch, settings_of, staff_token
from tests.runtime import Database

YEAR = 2025
LINE = "2023-15/7n"  # the line with the highest cap: 200,000,000 fen
USCC = "91990000MA0000015Q"
ACCOUNT_NUMBER = "6200000000000000001"

FINANCE = Staff(staff_token("finance-1", roles=["city-finance"]))
MAKER = Staff(staff_token("maker-1", roles=["money-maker"]))
CHECKER = Staff(staff_token("checker-1", roles=["money-checker"]))
APPROVER = Staff(staff_token("approver-1", roles=["money-approver"]))
AUDITOR = Staff(staff_token("auditor-1", roles=["auditor"]))
# One person with every role, as a careless administrator might make.
EVERYBODY = Staff(staff_token("everybody", roles=["city-finance", "money-maker", "money-checker", "money-approver"]))

_HANDLERS = {handler.event: handler.handle for handler in (*known.HANDLERS, *proposal.HANDLERS, *waiting.HANDLERS, *payment.HANDLERS)}


@dataclass(frozen=True)
class Case:
    """One award of one proposal."""

    application_id: UUID
    proposal_id: UUID
    amount_fen: int


def award(
    amount_fen: int,
    *,
    line_id: str = LINE,
    application_id: UUID | None = None,
    jurisdiction_id: str = "huancui",
    uscc: str = USCC,
) -> ProposedAward:
    application_id = application_id or uuid.uuid4()
    return ProposedAward(
        application_id=application_id,
        case_number=f"C-{application_id.hex[:8]}",
        applicant_uscc=uscc,
        line_id=line_id,
        jurisdiction_id=jurisdiction_id,
        amount_fen=amount_fen,
    )


def proposed(*awards: ProposedAward, proposal_id: UUID | None = None, fiscal_year: int = YEAR, policy_id: str = "2023-15") -> AwardsProposed:
    return AwardsProposed(
        happened_at=BUSINESS_NOW,
        happened_on=BUSINESS_NOW.date(),
        proposal_id=proposal_id or uuid.uuid4(),
        fiscal_year=fiscal_year,
        policy_id=policy_id,
        awards=awards,
    )


def cases_of(proposal: AwardsProposed) -> list[Case]:
    return [Case(each.application_id, proposal.proposal_id, each.amount_fen) for each in proposal.awards]


def release_of(case: Case, *, reason: str = "申请人撤回") -> ReleaseRequested:
    return ReleaseRequested(**_case_facts(case, state="releasing"), proposal_id=case.proposal_id, target="withdrawn", reason=reason)


def confirmation_of(case: Case, *, amount_fen: int | None = None) -> AwardConfirmed:
    return AwardConfirmed(
        **_case_facts(case, state="confirmed"),
        proposal_id=case.proposal_id,
        amount_fen=case.amount_fen if amount_fen is None else amount_fen,
        confirmed_on=BUSINESS_NOW.date(),
        notice_number="公示〔2025〕1号",
    )


def _case_facts(case: Case, *, state: str) -> dict[str, Any]:
    return {
        "happened_at": BUSINESS_NOW,
        "happened_on": BUSINESS_NOW.date(),
        "application_id": case.application_id,
        "case_number": f"C-{case.application_id.hex[:8]}",
        "case_version": 1,
        "applicant_uscc": USCC,
        "item_id": LINE,
        "jurisdiction_id": "huancui",
        "state": state,
    }


def budget_live(database: Database, folder: Path, *, connections: int = 10) -> Live:
    return open_live(settings_of("budget", database=database, folder=folder).model_copy(update={"database_connections_max": connections}))


async def hear(live: Live, *events: Event) -> None:
    """Take the events into effect in one transaction, as one poll of the consumer does."""
    async with live.transaction() as tx:
        for event in events:
            await _HANDLERS[type(event)](tx, event)


async def appropriate(client: httpx.AsyncClient, amount_fen: int, *, document: str | None = None, fiscal_year: int = YEAR) -> httpx.Response:
    body = {"fiscal_year": fiscal_year, "amount_fen": amount_fen, "document": document or f"财预指〔2025〕{uuid.uuid4().hex[:6]}号"}
    return await client.post("/v1/appropriations", json={**body, "approved_on": "2025-01-20"}, auth=FINANCE)


async def payable_case(client: httpx.AsyncClient, live: Live, *, amount_fen: int = 1_000_000) -> Case:
    """A case with money reserved, its award confirmed and its account entered."""
    proposal = proposed(award(amount_fen))
    await hear(live, proposal)
    (case,) = cases_of(proposal)
    await hear(live, confirmation_of(case))
    await enter_account(client, case)
    return case


async def enter_account(client: httpx.AsyncClient, case: Case, *, number: str = ACCOUNT_NUMBER, auth: Staff = MAKER) -> dict[str, Any]:
    body = {"application_id": str(case.application_id), "account_name": "示例人力资源有限公司", "account_number": number, "bank_name": "示例银行"}
    entered = await client.post("/v1/payee-accounts", json=body, auth=auth)
    assert entered.status_code == 201, entered.text
    return dict(entered.json())


async def make(client: httpx.AsyncClient, case: Case, *, auth: Staff = MAKER) -> httpx.Response:
    return await client.post("/v1/payment-orders", json={"application_id": str(case.application_id)}, auth=auth)


async def check(client: httpx.AsyncClient, order: dict[str, Any], *, number: str = ACCOUNT_NUMBER, auth: Staff = CHECKER) -> httpx.Response:
    return await client.post(
        f"/v1/payment-orders/{order['id']}:check", json={"account_number": number}, headers={"If-Match": f'"{order["version"]}"'}, auth=auth
    )


async def approve(client: httpx.AsyncClient, order: dict[str, Any], *, auth: Staff = APPROVER) -> httpx.Response:
    return await client.post(f"/v1/payment-orders/{order['id']}:approve", headers={"If-Match": f'"{order["version"]}"'}, auth=auth)


async def checked_order(client: httpx.AsyncClient, case: Case, *, number: str = ACCOUNT_NUMBER) -> dict[str, Any]:
    made = await make(client, case)
    assert made.status_code == 201, made.text
    checked = await check(client, made.json(), number=number)
    assert checked.status_code == 200, checked.text
    return dict(checked.json())


async def approved_order(client: httpx.AsyncClient, case: Case, *, number: str = ACCOUNT_NUMBER) -> dict[str, Any]:
    approved = await approve(client, await checked_order(client, case, number=number))
    assert approved.status_code == 200, approved.text
    return dict(approved.json())


def paid_row(order: dict[str, Any], *, settled_on: str = "2025-09-15", **more: object) -> dict[str, object]:
    return {"bank_reference": order["bank_reference"], "outcome": "paid", "settled_on": settled_on, **more}


def returned_row(order: dict[str, Any], *, settled_on: str = "2025-09-15", reason: str = "户名不符") -> dict[str, object]:
    return {"bank_reference": order["bank_reference"], "outcome": "returned", "settled_on": settled_on, "reason": reason}


async def bank_says(client: httpx.AsyncClient, *rows: dict[str, object]) -> list[dict[str, Any]]:
    answered = await client.post("/v1/bank-confirmations", json={"document": "回单文件1", "rows": list(rows)}, auth=FINANCE)
    assert answered.status_code == 200, answered.text
    return list(answered.json()["results"])


async def balances(client: httpx.AsyncClient, *, fiscal_year: int = YEAR) -> dict[str, Any]:
    return dict((await client.get("/v1/ledger/balances", params={"fiscal_year": fiscal_year}, auth=AUDITOR)).json())


@dataclass(frozen=True)
class Told:
    """An event as it waits to be sent; `kind` is its type without service and version."""

    kind: str
    body: dict[str, Any]


async def told(database: Database, *cases: Case) -> list[Told]:
    """What was announced about these cases, in order; about all when none is named."""
    keys = {str(case.application_id) for case in cases}
    return [
        Told(kind=each.type.removeprefix("budget.").removesuffix(".v1"), body=each.body or {})
        for each in await announced(database, service="budget")
        if not keys or each.key in keys
    ]


def kinds(events: Sequence[Told]) -> list[str]:
    return [each.kind for each in events]


async def states(database: Database) -> dict[UUID, str]:
    rows = await fetch(database, "SELECT application_id, state FROM reservation ORDER BY place", service="budget")
    return {row["application_id"]: row["state"] for row in rows}


async def written(database: Database) -> dict[str, int]:
    """Rows in every table: a refusal leaves this as it was."""
    tables = ["journal", "reservation", "reservation_history", "appropriation", "payable", "payee_account", "payment_order", "bank_confirmation"]
    tables += ["reconciliation", "allotment", "transfer", "reversal", "freeze_order", "misuse_case", "clawback", "clawback_receipt", "closed_year"]
    counted = " UNION ALL ".join(f"SELECT '{table}' AS name, count(*) AS rows FROM {table}" for table in [*tables, "outbox", "answer"])
    return {row["name"]: row["rows"] for row in await fetch(database, counted, service="budget")}


async def assert_books_add_up(database: Database) -> None:
    """The journal re-adds to the balances, and all money that the books show as held is held by a case."""
    balance = await assert_journal_readds(database)
    held = await fetch(database, "SELECT state, sum(amount_fen)::bigint AS fen FROM reservation GROUP BY state", service="budget")
    by_state = {row["state"]: row["fen"] for row in held}
    for state, name in (("reserved", "指标:已预留"), ("in_transit", "支付申请:在途"), ("paid", "支付:已支付")):
        assert sum(fen for account, fen in balance.items() if _name(account) == name) == by_state.get(state, 0), state


async def assert_journal_readds(database: Database) -> dict[str, int]:
    """The balances, once the journal has been added up to them, and the verifier that outsiders get has found nothing wrong with it."""
    connection = await asyncpg.connect(database.urls["auditor"])
    try:
        journal = await connection.fetch("SELECT * FROM journal ORDER BY seq")
        balance = {row["account"]: row["balance_fen"] for row in await connection.fetch("SELECT account, balance_fen FROM balance")}
        sides = {row["name"]: row["side"] for row in await connection.fetch("SELECT name, side FROM account_name")}
        head = await connection.fetchval("SELECT last_seq FROM head")
    finally:
        await connection.close()
    # What was refused or waits stands in the journal too and moves nothing.
    posted = [row for row in journal if row["outcome"] == "posted"]
    assert _readded(posted, sides=sides) == {account: fen for account, fen in balance.items() if fen != 0}
    rows = [line_of(Entry(*(row[name] for name in Entry._fields)), chain=row["chain"]) for row in journal]
    lines = [line.encode() for line in (HEADER, *rows)]
    verified_seq, _, _ = verify(iter(lines))
    add_up(iter(lines), policy=policy_of(policy.current()))
    assert verified_seq == head
    return balance


def _readded(journal: Sequence[asyncpg.Record], *, sides: dict[str, str]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for row in journal:
        for account, side in ((row["dr"], "dr"), (row["cr"], "cr")):
            total[account] += row["amount_fen"] if sides[_name(account)] == side else -row["amount_fen"]
    return {account: fen for account, fen in total.items() if fen != 0}


def _name(account: str) -> str:
    return account.partition("/")[2].partition("[")[0]
