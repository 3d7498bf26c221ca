"""Writes about the waiting list: money serves it, releases give back. The caller owns the transaction."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import text

from services.budget.allotment.queries import pools
from services.budget.allotment.rules import is_plain
from services.budget.close.queries import closed_years
from services.budget.close.rules import entry_day
from services.budget.entry.commands import lock_books
from services.budget.freeze.queries import in_force
from services.budget.freeze.rules import check_case_free
from services.budget.ledger import commands as ledger
from services.budget.ledger.rules import Act, CaseMoney, Kind, Part, move
from services.budget.policy.catalogue import Catalogue, Fund, WaitingRule
from services.budget.waiting import rules
from services.budget.waiting.rules import Purse, Release, ReservationState
from shared import outbox
from shared.db import AnyRow, Tx, fetch
from shared.errors import Conflict
from shared.events import Event
from shared.events.budget import FundsReleased, FundsReserved, ReleaseRefused

PLACES_PER_PAGE = 1_000

_NEXT_PLACES = text("""
SELECT place, application_id, proposal_id, case_number, applicant_uscc, fiscal_year, line_id, jurisdiction_id, amount_fen,
    policy_version, funding_source, expenditure_category
FROM reservation
WHERE state = 'waiting' AND fiscal_year = :fiscal_year AND place > :after_place AND (:strict OR amount_fen <= :available_fen)
ORDER BY place LIMIT :most
""")
_MARK = text("""
WITH changed AS (
    UPDATE reservation r SET state = :state, reason = c.reason, changed_at = :at
    FROM unnest(CAST(:application_ids AS uuid[]), CAST(:proposal_ids AS uuid[]), CAST(:reasons AS text[]))
        AS c (application_id, proposal_id, reason)
    WHERE r.application_id = c.application_id AND r.proposal_id = c.proposal_id
    RETURNING r.application_id, r.proposal_id, r.reason
)
INSERT INTO reservation_history (application_id, proposal_id, what, state, reason, happened_at, happened_on)
SELECT application_id, proposal_id, :what, :state, reason, :at, :on FROM changed
""")
_NOTE = text("""
INSERT INTO reservation_history (application_id, proposal_id, what, state, reason, happened_at, happened_on)
SELECT application_id, :proposal_id, :what, state, :reason, :at, :on
FROM unnest(CAST(:application_ids AS uuid[]), CAST(:states AS text[])) AS seen (application_id, state)
""")
_FIND = text("""
SELECT r.*, EXISTS (SELECT FROM late_payment l WHERE l.application_id = r.application_id AND l.outcome IS NULL) AS has_late_payment
FROM reservation r WHERE application_id = :application_id AND proposal_id = :proposal_id
""")
_TOMBSTONE = text("""
INSERT INTO reservation (application_id, proposal_id, state, reason, changed_at, place)
VALUES (:application_id, :proposal_id, 'released_early', :reason, :at, (SELECT last_seq FROM head))
""")
_KEEP_PARTS = """
INSERT INTO held_part (application_id, proposal_id, place, fiscal_year, origin_year, line_id, jurisdiction_id, amount_fen)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::int[], $5::int[], $6::text[], $7::text[], $8::bigint[])
"""
# An order that was not approved yet ends with the money it was for.
_CANCEL_ORDERS = text("""
UPDATE payment_order SET state = 'cancelled', reason = :reason, version = version + 1
WHERE application_id = :application_id AND proposal_id = :proposal_id AND state IN ('made', 'checked')
""")


async def serve_list(tx: Tx, *, fund: Fund, fiscal_year: int, act: Act) -> list[Event]:
    """Reserve for everybody in the year's list whom the money suffices for. The caller holds the books; returns what to announce."""
    purse = Purse(fund=fund, pools=await pools(tx, fiscal_year=fiscal_year), freezes=await in_force(tx))
    events: list[Event] = []
    after_place = 0
    while True:
        page = await _next_places(tx, fiscal_year=fiscal_year, after_place=after_place, purse=purse)
        waiting = [case_money(row) for row in page]
        served = rules.choose_served(waiting, purse=purse)
        events += await _reserve(tx, served, act=act)
        free_of_orders = sum(purse.freeze_of(money) is None for money in waiting)
        if len(page) < PLACES_PER_PAGE or (fund.waiting.waiting_rule is WaitingRule.STRICT and len(served) < free_of_orders):
            return events
        after_place = page[-1].place


async def _reserve(tx: Tx, served: Sequence[tuple[CaseMoney, tuple[Part, ...]]], *, act: Act) -> list[Event]:
    cases = [money for money, _ in served]
    await keep_parts(tx, [(money, parts) for money, parts in served if not is_plain(parts, fiscal_year=money.fiscal_year)])
    vouchers = await ledger.post_entries(
        tx, [move(money, kind=Kind.RESERVE, document=money.case_number, effective_on=act.on) for money in cases], act=act
    )
    await mark(tx, cases, state=ReservationState.RESERVED, what="reserved", act=act)
    return [FundsReserved(**event_facts(money, act=act), voucher=voucher) for money, voucher in zip(cases, vouchers, strict=True)]


async def keep_parts(tx: Tx, drawn: Sequence[tuple[CaseMoney, tuple[Part, ...]]]) -> None:
    """From which pools these cases have their money: a release gives it back there."""
    rows = [_part_row(money, part, place=place) for money, parts in drawn for place, part in enumerate(parts, start=1)]
    if rows:
        await fetch(tx, _KEEP_PARTS, *(list(column) for column in zip(*rows, strict=True)))


def _part_row(money: CaseMoney, part: Part, *, place: int) -> tuple[object, ...]:
    pool = part.pool
    case = (money.application_id, money.proposal_id, place)
    return *case, pool.fiscal_year, pool.origin_year, pool.line_id, pool.jurisdiction_id, part.amount_fen


async def release(tx: Tx, *, application_id: UUID, proposal_id: UUID, reason: str, act: Act, catalogue: Catalogue) -> None:
    """Give back what a proposal holds and serve the list with it; answered once, or by a tombstone when the proposal is still to come."""
    await lock_books(tx)
    held = (await tx.execute(_FIND, {"application_id": application_id, "proposal_id": proposal_id})).one_or_none()
    if held is None:
        await tx.execute(_TOMBSTONE, {"application_id": application_id, "proposal_id": proposal_id, "reason": reason, "at": act.at})
        seen = [(application_id, ReservationState.RELEASED_EARLY)]
        await _note(tx, seen, proposal_id=proposal_id, what="released_early", reason=reason, act=act)
        return
    state = ReservationState(held.state)
    try:
        found = rules.judge_release(state, money_fen=held.amount_fen, has_late_payment=held.has_late_payment)
        if found is Release.FREE_MONEY:
            check_case_free(case_money(held), freezes=await in_force(tx))
    except Conflict as refusal:
        await _note(tx, [(application_id, state)], proposal_id=proposal_id, what="release_refused", reason=reason, act=act)
        await announce(tx, [ReleaseRefused(**event_facts(held, act=act), reason_code=refusal.code, reason=refusal.detail_zh)])
        return
    if found is Release.REPEATED:
        await _note(tx, [(application_id, state)], proposal_id=proposal_id, what="repeated_release", reason=reason, act=act)
        return
    await announce(tx, await _let_go(tx, held, found=found, reason=reason, act=act, catalogue=catalogue))


async def mark(
    tx: Tx, cases: Sequence[CaseMoney | AnyRow], *, state: ReservationState, what: str, act: Act, reasons: Sequence[str | None] | None = None
) -> None:
    """Move the reservations of these cases into one state and write it into their history."""
    if not cases:
        return
    await tx.execute(
        _MARK,
        {
            "application_ids": [money.application_id for money in cases],
            "proposal_ids": [money.proposal_id for money in cases],
            "reasons": list(reasons) if reasons is not None else [None] * len(cases),
            "state": state,
            "what": what,
            "at": act.at,
            "on": act.on,
        },
    )


async def announce(tx: Tx, events: Sequence[Event], *, traceparents: Sequence[str | None] | None = None) -> None:
    """The outbox takes a bounded number at a time; money for a very long list may need more."""
    for start in range(0, len(events), outbox.EVENTS_PER_APPEND_MAX):
        part = slice(start, start + outbox.EVENTS_PER_APPEND_MAX)
        await outbox.append(tx, *events[part], traceparents=None if traceparents is None else traceparents[part])


def case_money(row: AnyRow) -> CaseMoney:
    """Of a row that has the columns of a live reservation."""
    return CaseMoney(
        application_id=row.application_id,
        proposal_id=row.proposal_id,
        case_number=row.case_number,
        applicant_uscc=row.applicant_uscc,
        fiscal_year=row.fiscal_year,
        line_id=row.line_id,
        jurisdiction_id=row.jurisdiction_id,
        amount_fen=row.amount_fen,
        policy_version=row.policy_version,
        funding_source=row.funding_source,
        expenditure_category=row.expenditure_category,
    )


async def _note(tx: Tx, seen: Sequence[tuple[UUID, ReservationState]], *, proposal_id: UUID, what: str, reason: str | None, act: Act) -> None:
    """Write down what came and left the reservations as they are."""
    await tx.execute(
        _NOTE,
        {
            "application_ids": [application_id for application_id, _ in seen],
            "states": [state for _, state in seen],
            "proposal_id": proposal_id,
            "what": what,
            "reason": reason,
            "at": act.at,
            "on": act.on,
        },
    )


async def _next_places(tx: Tx, *, fiscal_year: int, after_place: int, purse: Purse) -> Sequence[AnyRow]:
    """The next of the list; under first_that_fits only those that all that is free could suffice for."""
    found = await tx.execute(
        _NEXT_PLACES,
        {
            "fiscal_year": fiscal_year,
            "after_place": after_place,
            "available_fen": sum(pool.amount_fen for pool in purse.pools),
            "strict": purse.fund.waiting.waiting_rule is WaitingRule.STRICT,
            "most": PLACES_PER_PAGE,
        },
    )
    return found.all()


async def _let_go(tx: Tx, held: AnyRow, *, found: Release, reason: str, act: Act, catalogue: Catalogue) -> list[Event]:
    """Take a proposal out of the list, or its money back; then serve those behind it."""
    if found is Release.NEVER_HELD:
        await mark(tx, [held], state=ReservationState.RELEASED, what="released", reasons=[reason], act=act)
        return [FundsReleased(**event_facts(held, act=act, amount_fen=0))]
    fund = catalogue.fund_spending_in(held.fiscal_year)
    assert fund is not None, f"the fund of {held.fiscal_year} is gone from the policy"
    await ledger.lock_fund(tx, fiscal_year=held.fiscal_year, policy_id=fund.id)
    act = replace(act, on=entry_day(act.on, fiscal_year=held.fiscal_year, closed=await closed_years(tx)))
    # The row first: an order that is being made for it right now is committed before we go on, and then cancelled.
    await mark(tx, [held], state=ReservationState.RELEASED, what="released", reasons=[reason], act=act)
    released = FundsReleased(**event_facts(held, act=act, amount_fen=0))
    if found is Release.FREE_MONEY:
        await tx.execute(_CANCEL_ORDERS, {"application_id": held.application_id, "proposal_id": held.proposal_id, "reason": reason})
        posting = move(case_money(held), kind=Kind.RELEASE, document=held.case_number, effective_on=act.on)
        (voucher,) = await ledger.post_entries(tx, [posting], act=act)
        released = FundsReleased(**event_facts(held, act=act), voucher=voucher)
    return [released, *await serve_list(tx, fund=fund, fiscal_year=held.fiscal_year, act=act)]


def event_facts(money: CaseMoney | AnyRow, *, act: Act, amount_fen: int | None = None) -> dict[str, Any]:
    """What every event about money names; `amount_fen` where it is not the whole of the case."""
    return {
        "application_id": money.application_id,
        "proposal_id": money.proposal_id,
        "fiscal_year": money.fiscal_year,
        "amount_fen": money.amount_fen if amount_fen is None else amount_fen,
        "happened_at": act.at,
        "happened_on": act.on,
    }
