"""Writes about proposals: many are answered at once, in one transaction. The caller owns it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from services.budget.allotment.rules import is_plain, pool_account
from services.budget.close.queries import closed_years
from services.budget.entry.commands import append_vouchers, first_legs, lock_books
from services.budget.entry.rules import Books, Written
from services.budget.freeze.queries import in_force
from services.budget.freeze.rules import Freeze
from services.budget.ledger.rules import Part
from services.budget.policy.catalogue import Catalogue, WaitingRule
from services.budget.proposal.rules import Answer, Asked, Decisions, Known, Picture, Repeated, decide, in_open_year
from services.budget.waiting.commands import announce, keep_parts
from services.budget.waiting.rules import Purse, ReservationState
from shared.db import ByName, Tx, fetch
from shared.events import Event
from shared.events.budget import FundsReleased, FundsReserved, FundsWaiting, ReservationRefused

AWARDS_PER_CALL_MAX = 4_000

_PICTURE = "SELECT * FROM read_picture($1, $2, $3, $4, $5)"
_ENTER = """
INSERT INTO reservation (application_id, proposal_id, state, case_number, applicant_uscc, fiscal_year, line_id, jurisdiction_id, amount_fen,
    policy_version, funding_source, expenditure_category, reason, proposed_on, changed_at, place)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::text[], $9::bigint[],
    $10::text[], $11::text[], $12::text[], $13::text[], $14::date[], $15::timestamptz[], $16::bigint[])
"""
_RELEASE_EARLY = """
UPDATE reservation r SET state = 'released', case_number = c.case_number, applicant_uscc = c.applicant_uscc, fiscal_year = c.fiscal_year,
    line_id = c.line_id, jurisdiction_id = c.jurisdiction_id, amount_fen = c.amount_fen, proposed_on = c.proposed_on, changed_at = c.changed_at
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[], $8::text[], $9::bigint[],
    $10::text[], $11::text[], $12::text[], $13::text[], $14::date[], $15::timestamptz[], $16::bigint[])
    AS c (application_id, proposal_id, state, case_number, applicant_uscc, fiscal_year, line_id, jurisdiction_id, amount_fen,
    policy_version, funding_source, expenditure_category, reason, proposed_on, changed_at, place)
WHERE r.application_id = c.application_id AND r.proposal_id = c.proposal_id
"""
_NOTE = """
INSERT INTO reservation_history (application_id, proposal_id, what, state, happened_at, happened_on)
SELECT application_id, proposal_id, 'repeated_proposal', state, at, day
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::date[]) AS seen (application_id, proposal_id, state, at, day)
"""


async def take_proposals(tx: Tx, batch: Sequence[Asked], *, catalogue: Catalogue) -> tuple[Decisions, list[Written]]:
    """Answer every award once: reserve for it, let it wait, or refuse it. Returns with each answer that the journal keeps its first row there."""
    await lock_books(tx)
    closed = await closed_years(tx)
    batch = [in_open_year(asked, closed=closed, catalogue=catalogue) for asked in batch]
    books, picture = await read_picture(tx, batch, catalogue=catalogue)
    decisions = decide(batch, picture=picture, catalogue=catalogue)
    written = first_legs(await append_vouchers(tx, decisions.vouchers, books=books))
    await _enter(tx, decisions, written=written)
    await announce(tx, events_of(decisions, written=written), traceparents=traceparents_of(decisions))
    return decisions, written


async def read_picture(tx: Tx, batch: Sequence[Asked], *, catalogue: Catalogue) -> tuple[Books, Picture]:
    """In one snapshot, or behind the lock of the books."""
    years = sorted({asked.proposal.fiscal_year for asked in batch})
    acts = list({(asked.act.caller, asked.act.key) for asked in batch})
    (row,) = await fetch(
        tx,
        _PICTURE,
        years,
        [award.application_id for asked in batch for award in asked.proposal.awards],
        [caller for caller, _ in acts],
        [key for _, key in acts],
        [year for year in years if _is_strict(year, catalogue=catalogue)],
    )
    used = {(caller, key): item for caller, key, item in _rows(row, "item_callers", "item_keys", "next_items")}
    books = Books(
        seq=row["last_seq"],
        chain=row["chain"],
        booked_at=row["booked_at"],
        epoch=row["epoch"],
        numbers={(kind, year): number for kind, year, number in _rows(row, "numbered_kinds", "numbered_years", "numbers")},
        items=dict.fromkeys(acts, 0) | used,
    )
    picture = Picture(
        purses=_purses(row, years=years, freezes=await in_force(tx), catalogue=catalogue),
        known=_known(row),
        waiting_fen=dict(_rows(row, "waiting_years", "waiting_fen")),
        used_keys=set(used),
        closed=await closed_years(tx),
    )
    return books, picture


def _known(row: ByName) -> dict[UUID, list[Known]]:
    known: dict[UUID, list[Known]] = {}
    for application_id, proposal_id, state in _rows(row, "known_applications", "known_proposals", "known_states"):
        known.setdefault(application_id, []).append(Known(proposal_id, ReservationState(state)))
    return known


def _purses(row: ByName, *, years: Sequence[int], freezes: Sequence[Freeze], catalogue: Catalogue) -> dict[int, Purse]:
    purses = {year: Purse(fund=fund, pools=[], freezes=freezes) for year in years if (fund := catalogue.fund_spending_in(year)) is not None}
    for year, origin, line_id, jurisdiction_id, free_fen in _rows(row, "pool_years", "pool_origins", "pool_lines", "pool_jurisdictions", "pools_fen"):
        if year in purses:
            pool = pool_account(year, origin_year=origin, line_id=line_id, jurisdiction_id=jurisdiction_id)
            purses[year].pools.append(Part(pool=pool, amount_fen=free_fen))
    return purses


def _rows(row: ByName, *columns: str) -> Iterator[tuple[Any, ...]]:
    """Of columns that the database returns as lists; none is an empty one."""
    return zip(*(row[column] or () for column in columns), strict=True)


def events_of(decisions: Decisions, *, written: Sequence[Written]) -> list[Event]:
    vouchers = {id(answer): each.entry.voucher for answer, each in zip(decisions.journaled, written, strict=True)}
    return [_event(answer, voucher=vouchers.get(id(answer))) for answer in decisions.answers]


def traceparents_of(decisions: Decisions) -> list[str | None]:
    return [answer.asked.traceparent for answer in decisions.answers]


def _is_strict(year: int, *, catalogue: Catalogue) -> bool:
    fund = catalogue.fund_spending_in(year)
    return fund is not None and fund.waiting.waiting_rule is WaitingRule.STRICT


async def _enter(tx: Tx, decisions: Decisions, *, written: Sequence[Written]) -> None:
    new = decisions.journaled
    early = [answer for answer in decisions.answers if answer.state is ReservationState.RELEASED]
    if new:
        await fetch(tx, _ENTER, *reservation_columns(new, places=[each.entry.seq for each in written]))
    if early:
        await fetch(tx, _RELEASE_EARLY, *reservation_columns(early, places=[None] * len(early)))
    if drawn := [answer for answer in new if answer.money and answer.parts and not is_plain(answer.parts, fiscal_year=answer.money.fiscal_year)]:
        await keep_parts(tx, [(answer.money, answer.parts) for answer in drawn if answer.money])
    if decisions.repeated:
        await fetch(tx, _NOTE, *_note_columns(decisions.repeated))


def reservation_columns(answers: Sequence[Answer], *, places: Sequence[int | None]) -> list[list[Any]]:
    rows = []
    for answer, place in zip(answers, places, strict=True):
        proposal, act, award, money = answer.asked.proposal, answer.asked.act, answer.award, answer.money
        rows.append(
            (
                award.application_id,
                proposal.proposal_id,
                answer.state.value,
                award.case_number,
                award.applicant_uscc,
                proposal.fiscal_year,
                award.line_id,
                award.jurisdiction_id,
                award.amount_fen,
                money.policy_version if money else None,
                money.funding_source if money else None,
                money.expenditure_category if money else None,
                answer.refusal.detail_zh if answer.refusal else None,
                act.on,
                act.at,
                place,
            )
        )
    return [list(column) for column in zip(*rows, strict=True)]


def _note_columns(repeated: Sequence[Repeated]) -> list[list[Any]]:
    rows = [(each.award.application_id, each.asked.proposal.proposal_id, each.state.value, each.asked.act.at, each.asked.act.on) for each in repeated]
    return [list(column) for column in zip(*rows, strict=True)]


def _event(answer: Answer, *, voucher: str | None) -> Event:
    act, award = answer.asked.act, answer.award
    facts: Mapping[str, Any] = {
        "application_id": award.application_id,
        "proposal_id": answer.asked.proposal.proposal_id,
        "fiscal_year": answer.asked.proposal.fiscal_year,
        "amount_fen": award.amount_fen,
        "happened_at": act.at,
        "happened_on": act.on,
    }
    if answer.state is ReservationState.RESERVED:
        return FundsReserved(**facts, voucher=str(voucher))
    if answer.state is ReservationState.WAITING:
        return FundsWaiting(**facts, short_by_fen=answer.short_by_fen)
    if answer.refusal is not None:
        return ReservationRefused(**facts, reason_code=answer.refusal.code, reason=answer.refusal.detail_zh)
    return FundsReleased(**{**facts, "amount_fen": 0})
