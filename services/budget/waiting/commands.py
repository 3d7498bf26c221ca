"""Writes about the waiting list: proposals enter it, money serves it, releases give back. The caller owns the transaction."""

import json
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from services.budget.entry.commands import lock_books
from services.budget.ledger import commands as ledger
from services.budget.ledger.rules import Act, CaseMoney, Kind, move
from services.budget.policy.catalogue import Catalogue, Fund, WaitingRule
from services.budget.waiting import rules
from services.budget.waiting.rules import Award, Judged, Known, Proposal, Release, ReservationState
from shared import outbox
from shared.db import AnyRow, Tx
from shared.errors import Conflict, Refusal
from shared.events import Event
from shared.events.budget import FundsReleased, FundsReserved, FundsWaiting, ReleaseRefused, ReservationRefused

PLACES_PER_PAGE = 1_000

_KNOWN = text("SELECT application_id, proposal_id, state FROM reservation WHERE application_id = ANY(CAST(:application_ids AS uuid[]))")
_ENTER = text("""
WITH entered AS (
    INSERT INTO reservation (application_id, proposal_id, state, case_number, applicant_uscc, fiscal_year, line_id, jurisdiction_id, amount_fen,
        policy_version, funding_source, expenditure_category, reason, proposed_on, changed_at)
    SELECT application_id, :proposal_id, state, case_number, applicant_uscc, :fiscal_year, line_id, jurisdiction_id, amount_fen,
        policy_version, funding_source, expenditure_category, reason, :on, :at
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS row (n int, application_id uuid, state text, case_number text, applicant_uscc text,
        line_id text, jurisdiction_id text, amount_fen bigint, policy_version text, funding_source text, expenditure_category text, reason text)
    ORDER BY n
    ON CONFLICT (application_id, proposal_id) DO UPDATE SET state = 'released', case_number = excluded.case_number,
        applicant_uscc = excluded.applicant_uscc, fiscal_year = excluded.fiscal_year, line_id = excluded.line_id,
        jurisdiction_id = excluded.jurisdiction_id, amount_fen = excluded.amount_fen, proposed_on = excluded.proposed_on,
        changed_at = excluded.changed_at
    WHERE reservation.state = 'released_early'
    RETURNING application_id, proposal_id, state, reason
)
INSERT INTO reservation_history (application_id, proposal_id, what, state, reason, happened_at, happened_on)
SELECT application_id, proposal_id, 'proposed', state, reason, :at, :on FROM entered
""")
_NEXT_PLACES = text("""
SELECT place, application_id, proposal_id, case_number, applicant_uscc, fiscal_year, line_id, jurisdiction_id, amount_fen,
    policy_version, funding_source, expenditure_category
FROM reservation
WHERE state = 'waiting' AND fiscal_year = :fiscal_year AND place > :after_place AND (:strict OR amount_fen <= :available_fen)
ORDER BY place LIMIT :most
""")
_AHEAD = text("""
SELECT coalesce(sum(amount_fen), 0)::bigint FROM reservation
WHERE state = 'waiting' AND fiscal_year = :fiscal_year AND proposal_id <> :proposal_id
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
_FIND = text("SELECT * FROM reservation WHERE application_id = :application_id AND proposal_id = :proposal_id")
_TOMBSTONE = text("""
INSERT INTO reservation (application_id, proposal_id, state, reason, changed_at)
VALUES (:application_id, :proposal_id, 'released_early', :reason, :at)
""")
# An order that was not approved yet ends with the money it was for.
_CANCEL_ORDERS = text("""
UPDATE payment_order SET state = 'cancelled', reason = :reason, version = version + 1
WHERE application_id = :application_id AND proposal_id = :proposal_id AND state IN ('made', 'checked')
""")


async def take_proposal(tx: Tx, proposal: Proposal, *, act: Act, catalogue: Catalogue) -> None:
    """Put the awards into the list in their order, serve the list, and answer each award once."""
    fund = catalogue.fund(proposal.policy_id)
    available_fen = 0
    if fund is not None and fund.covers(proposal.fiscal_year):
        available_fen = await ledger.lock_fund(tx, fiscal_year=proposal.fiscal_year, policy_id=fund.id)
    else:
        await lock_books(tx)
    judged = rules.judge_proposal(proposal, fund=fund, known=await _known(tx, proposal.awards))
    await _enter(tx, judged, proposal=proposal, act=act)
    events: list[Event] = [_refused(award, refusal, proposal=proposal, act=act) for award, refusal in judged.refused]
    events += [_released_early(award, proposal=proposal, act=act) for award in judged.released_early]
    if judged.listed:
        assert fund is not None, "nothing is listed without a fund"
        served, available_fen = await serve_list(tx, fund=fund, fiscal_year=proposal.fiscal_year, available_fen=available_fen, act=act)
        events += served
        events += await _waiting(tx, judged.listed, served=served, fund=fund, available_fen=available_fen, act=act)
    await announce(tx, events)


async def serve_list(tx: Tx, *, fund: Fund, fiscal_year: int, available_fen: int, act: Act) -> tuple[list[Event], int]:
    """Reserve for everybody in the year's list whom the money suffices for. The caller holds the fund; returns what to announce and what is left."""
    rule = fund.waiting.waiting_rule
    events: list[Event] = []
    after_place = 0
    while True:
        page = await _next_places(tx, fiscal_year=fiscal_year, after_place=after_place, available_fen=available_fen, rule=rule)
        served = rules.choose_served([case_money(row) for row in page], available_fen=available_fen, rule=rule)
        vouchers = await ledger.post_entries(
            tx, [move(money, kind=Kind.RESERVE, document=money.case_number, effective_on=act.on) for money in served], act=act
        )
        await mark(tx, served, state=ReservationState.RESERVED, what="reserved", act=act)
        events += [FundsReserved(**_facts(money, act), voucher=voucher) for money, voucher in zip(served, vouchers, strict=True)]
        available_fen -= sum(money.amount_fen for money in served)
        if len(page) < PLACES_PER_PAGE or (rule is WaitingRule.STRICT and len(served) < len(page)):
            return events, available_fen
        after_place = page[-1].place


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
        found = rules.judge_release(state, money_fen=held.amount_fen)
    except Conflict as refusal:
        await _note(tx, [(application_id, state)], proposal_id=proposal_id, what="release_refused", reason=reason, act=act)
        await announce(tx, [ReleaseRefused(**_facts(held, act), reason_code=refusal.code, reason=refusal.detail_zh)])
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


async def announce(tx: Tx, events: Sequence[Event]) -> None:
    """The outbox takes a bounded number at a time; money for a very long list may need more."""
    for start in range(0, len(events), outbox.EVENTS_PER_APPEND_MAX):
        await outbox.append(tx, *events[start : start + outbox.EVENTS_PER_APPEND_MAX])


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


async def _known(tx: Tx, awards: Iterable[Award]) -> dict[UUID, list[Known]]:
    known: dict[UUID, list[Known]] = {}
    for row in await tx.execute(_KNOWN, {"application_ids": [award.application_id for award in awards]}):
        known.setdefault(row.application_id, []).append(Known(proposal_id=row.proposal_id, state=ReservationState(row.state)))
    return known


async def _enter(tx: Tx, judged: Judged, *, proposal: Proposal, act: Act) -> None:
    """Write down every award of the proposal, also those refused, released before, or repeated."""
    rows = [_listed_row(money) for money in judged.listed]
    rows += [_award_row(award, state=ReservationState.REFUSED, reason=refusal.detail_zh) for award, refusal in judged.refused]
    rows += [_award_row(award, state=ReservationState.RELEASED, reason=None) for award in judged.released_early]
    if rows:
        numbered = [{"n": n, **row} for n, row in enumerate(rows)]
        moment = {"at": act.at, "on": act.on}
        await tx.execute(_ENTER, {"rows": json.dumps(numbered), "proposal_id": proposal.proposal_id, "fiscal_year": proposal.fiscal_year, **moment})
    if judged.repeated:
        seen = [(award.application_id, state) for award, state in judged.repeated]
        await _note(tx, seen, proposal_id=proposal.proposal_id, what="repeated_proposal", reason=None, act=act)


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


def _listed_row(money: CaseMoney) -> dict[str, object]:
    return {
        "application_id": str(money.application_id),
        "state": ReservationState.WAITING,
        "case_number": money.case_number,
        "applicant_uscc": money.applicant_uscc,
        "line_id": money.line_id,
        "jurisdiction_id": money.jurisdiction_id,
        "amount_fen": money.amount_fen,
        "policy_version": money.policy_version,
        "funding_source": money.funding_source,
        "expenditure_category": money.expenditure_category,
    }


def _award_row(award: Award, *, state: ReservationState, reason: str | None) -> dict[str, object]:
    return {
        "application_id": str(award.application_id),
        "state": state,
        "case_number": award.case_number,
        "applicant_uscc": award.applicant_uscc,
        "line_id": award.line_id,
        "jurisdiction_id": award.jurisdiction_id,
        "amount_fen": award.amount_fen,
        "reason": reason,
    }


async def _next_places(tx: Tx, *, fiscal_year: int, after_place: int, available_fen: int, rule: WaitingRule) -> Sequence[AnyRow]:
    """The next of the list; under first_that_fits only those that could fit at all."""
    found = await tx.execute(
        _NEXT_PLACES,
        {
            "fiscal_year": fiscal_year,
            "after_place": after_place,
            "available_fen": available_fen,
            "strict": rule is WaitingRule.STRICT,
            "most": PLACES_PER_PAGE,
        },
    )
    return found.all()


async def _waiting(tx: Tx, listed: Sequence[CaseMoney], *, served: Sequence[Event], fund: Fund, available_fen: int, act: Act) -> list[Event]:
    """The answer to those of a proposal that the money did not suffice for."""
    funded = {event.key() for event in served}
    left = [money for money in listed if str(money.application_id) not in funded]
    if not left:
        return []
    ahead = await tx.execute(_AHEAD, {"fiscal_year": left[0].fiscal_year, "proposal_id": left[0].proposal_id})
    short = rules.short_by_fen(left, ahead_fen=ahead.scalar_one(), available_fen=available_fen, rule=fund.waiting.waiting_rule)
    return [FundsWaiting(**_facts(money, act), short_by_fen=by_fen) for money, by_fen in zip(left, short, strict=True)]


async def _let_go(tx: Tx, held: AnyRow, *, found: Release, reason: str, act: Act, catalogue: Catalogue) -> list[Event]:
    """Take a proposal out of the list, or its money back; then serve those behind it."""
    if found is Release.NEVER_HELD:
        await mark(tx, [held], state=ReservationState.RELEASED, what="released", reasons=[reason], act=act)
        return [FundsReleased(**_facts(held, act, amount_fen=0))]
    fund = catalogue.fund_of_year(held.fiscal_year)
    assert fund is not None, f"the fund of {held.fiscal_year} is gone from the policy"
    available_fen = await ledger.lock_fund(tx, fiscal_year=held.fiscal_year, policy_id=fund.id)
    # The row first: an order that is being made for it right now is committed before we go on, and then cancelled.
    await mark(tx, [held], state=ReservationState.RELEASED, what="released", reasons=[reason], act=act)
    released = FundsReleased(**_facts(held, act, amount_fen=0))
    if found is Release.FREE_MONEY:
        await tx.execute(_CANCEL_ORDERS, {"application_id": held.application_id, "proposal_id": held.proposal_id, "reason": reason})
        posting = move(case_money(held), kind=Kind.RELEASE, document=held.case_number, effective_on=act.on)
        (voucher,) = await ledger.post_entries(tx, [posting], act=act)
        released = FundsReleased(**_facts(held, act), voucher=voucher)
        available_fen += held.amount_fen
    served, _ = await serve_list(tx, fund=fund, fiscal_year=held.fiscal_year, available_fen=available_fen, act=act)
    return [released, *served]


def _refused(award: Award, refusal: Refusal, *, proposal: Proposal, act: Act) -> Event:
    return ReservationRefused(
        application_id=award.application_id,
        proposal_id=proposal.proposal_id,
        amount_fen=award.amount_fen,
        fiscal_year=proposal.fiscal_year,
        reason_code=refusal.code,
        reason=refusal.detail_zh,
        happened_at=act.at,
        happened_on=act.on,
    )


def _released_early(award: Award, *, proposal: Proposal, act: Act) -> Event:
    return FundsReleased(
        application_id=award.application_id,
        proposal_id=proposal.proposal_id,
        amount_fen=0,
        fiscal_year=proposal.fiscal_year,
        happened_at=act.at,
        happened_on=act.on,
    )


def _facts(money: CaseMoney | AnyRow, act: Act, *, amount_fen: int | None = None) -> dict[str, Any]:
    """What every event about money names; `amount_fen` where it is not the whole of the case."""
    return {
        "application_id": money.application_id,
        "proposal_id": money.proposal_id,
        "fiscal_year": money.fiscal_year,
        "amount_fen": money.amount_fen if amount_fen is None else amount_fen,
        "happened_at": act.at,
        "happened_on": act.on,
    }
