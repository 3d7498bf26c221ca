"""Writes about the end of a fiscal year. The caller owns the transaction."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import insert, text

from services.budget.allotment.commands import serve
from services.budget.allotment.queries import held_parts, pools
from services.budget.allotment.rules import fund_spending_in
from services.budget.close import queries, rules
from services.budget.close.rules import CloseError, Held, Legs
from services.budget.close.tables import closed_year
from services.budget.entry.commands import BOOKS, append_vouchers, touch_books
from services.budget.entry.rules import Voucher
from services.budget.freeze.queries import in_force
from services.budget.ledger import commands as ledger
from services.budget.ledger.rules import Act, CaseMoney
from services.budget.policy.catalogue import Catalogue, Fund
from services.budget.waiting import commands as waiting
from services.budget.waiting.rules import Purse, ReservationState, short_by_fen
from shared.db import AnyRow, Tx
from shared.events.budget import FundsReleased, FundsWaiting

VOUCHERS_PER_CALL_MAX = 1_000

# Signs the books as they stand after the close, in the same transaction.
Checkpoint: TypeAlias = Callable[[Tx], Awaitable[None]]

_CLOSE = insert(closed_year).returning(closed_year)
# The purpose is kept: what a carried case gives back later stays with its line and jurisdiction.
_CARRY_PARTS = (
    text("""
    DELETE FROM held_part h USING reservation r
    WHERE r.application_id = h.application_id AND r.proposal_id = h.proposal_id AND r.state = 'reserved' AND r.fiscal_year = :fiscal_year
    """),
    text("""
    INSERT INTO held_part (application_id, proposal_id, place, fiscal_year, origin_year, line_id, jurisdiction_id, amount_fen)
    SELECT application_id, proposal_id, 1, fiscal_year + 1, fiscal_year, line_id, jurisdiction_id, amount_fen
    FROM reservation WHERE state = 'reserved' AND fiscal_year = :fiscal_year
    """),
)
_CARRY_CASES = text("""
WITH carried AS (
    UPDATE reservation SET fiscal_year = fiscal_year + 1, changed_at = :at WHERE state = :state AND fiscal_year = :fiscal_year
    RETURNING application_id, proposal_id
)
INSERT INTO reservation_history (application_id, proposal_id, what, state, happened_at, happened_on)
SELECT application_id, proposal_id, 'carried', :state, :at, :on FROM carried
""")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A year as it would be closed now."""

    fund: Fund
    legs: Legs
    waiting: Sequence[AnyRow]
    errors: Sequence[CloseError]


async def preview_close(tx: Tx, *, fiscal_year: int, document: str, act: Act, catalogue: Catalogue, checkpoint: Checkpoint | None) -> Picture:
    """What the close would write and what stands in its way; the caller then holds the books. Raises YearNotOver, YearClosed.

    Without a `checkpoint` nobody can sign, which stands in its way too.
    """
    fund = fund_spending_in(fiscal_year, catalogue=catalogue)
    rules.check_over(fiscal_year, on=act.on)
    await ledger.open_year(tx, fiscal_year=fiscal_year, policy_id=fund.id, effective_on=act.on)
    # Before the obstacles are looked for: an order to pay that waited behind this finds its case carried.
    held = await _held(tx, fiscal_year=fiscal_year)
    unsigned = [] if checkpoint is not None else [rules.unsigned(fiscal_year)]
    errors = [*unsigned, *await queries.obstacles(tx, fiscal_year=fiscal_year), *rules.carried_unspent(held)]
    fresh = [each for each in held if not rules.carried_unspent([each])]
    free = await queries.free_parts(tx, fiscal_year=fiscal_year)
    legs = rules.close_legs(fiscal_year, held=fresh, free=free, fund=fund, document=document, maker=act.caller)
    return Picture(fund=fund, legs=legs, waiting=await queries.waiting_rows(tx, fiscal_year=fiscal_year), errors=errors)


async def close_year(tx: Tx, *, fiscal_year: int, document: str, act: Act, catalogue: Catalogue, checkpoint: Checkpoint | None) -> AnyRow:
    """Carry, lapse, shut and sign. A year that is closed already is answered as it was closed. Raises CloseRefused with every obstacle."""
    await ledger.lock_fund(tx, fiscal_year=fiscal_year, policy_id=fund_spending_in(fiscal_year, catalogue=catalogue).id)
    before = await queries.year_close_of(tx, fiscal_year)
    if before is not None:
        return before
    picture = await preview_close(tx, fiscal_year=fiscal_year, document=document, act=act, catalogue=catalogue, checkpoint=checkpoint)
    rules.check_errors(fiscal_year, errors=picture.errors)
    assert checkpoint is not None, "a close that nobody can sign is refused"
    await ledger.lock_fund(tx, fiscal_year=fiscal_year + 1, policy_id=picture.fund.id)
    await _write(tx, picture.legs, act=act)
    moment = {"fiscal_year": fiscal_year, "at": act.at, "on": act.on}
    for statement in _CARRY_PARTS:
        await tx.execute(statement, {"fiscal_year": fiscal_year})
    await tx.execute(_CARRY_CASES, {**moment, "state": ReservationState.RESERVED})
    await _end_waiting(tx, picture, fiscal_year=fiscal_year, act=act, next_fund=catalogue.fund_spending_in(fiscal_year + 1))
    row = {"fiscal_year": fiscal_year, "document": document, "carried_cases": len(picture.legs.carried_cases), "waiting_cases": len(picture.waiting)}
    row |= {"carried_fen": picture.legs.carried_fen, "lapsed_fen": picture.legs.lapsed_fen, "last_seq": tx.info[BOOKS].seq}
    await touch_books(tx)
    closed: AnyRow = (await tx.execute(_CLOSE, {**row, "closed_on": act.on, "closed_by": act.caller, "closed_at": act.at})).one()
    await checkpoint(tx)
    return closed


async def _held(tx: Tx, *, fiscal_year: int) -> list[Held]:
    rows = await queries.lock_held_rows(tx, fiscal_year=fiscal_year)
    parts = await held_parts(tx, [row.application_id for row in rows])
    return [Held(money=waiting.case_money(row), parts=parts.get((row.application_id, row.proposal_id), ())) for row in rows]


async def _write(tx: Tx, legs: Legs, *, act: Act) -> None:
    vouchers = [Voucher(legs=voucher, act=act) for voucher in (*legs.carried_cases, *legs.carried_free, *legs.lapsed)]
    for start in range(0, len(vouchers), VOUCHERS_PER_CALL_MAX):
        await append_vouchers(tx, vouchers[start : start + VOUCHERS_PER_CALL_MAX], books=tx.info[BOOKS])


async def _end_waiting(tx: Tx, picture: Picture, *, fiscal_year: int, act: Act, next_fund: Fund | None) -> None:
    """Who waits ends with the year and is told, or goes on waiting in the next; then the next year's list is served with what there is."""
    goes_on = rules.list_goes_on(picture.fund, next_fund=next_fund)
    cases = [waiting.case_money(row) for row in picture.waiting]
    if goes_on:
        await tx.execute(_CARRY_CASES, {"state": ReservationState.WAITING, "fiscal_year": fiscal_year, "at": act.at, "on": act.on})
    else:
        reason = f"{fiscal_year}年度已结账，等待名单随年度终止"
        await waiting.mark(tx, cases, state=ReservationState.RELEASED, what="lapsed", act=act, reasons=[reason] * len(cases))
        await waiting.announce(tx, [FundsReleased(**waiting.event_facts(money, act=act, amount_fen=0)) for money in cases])
    if next_fund is None:
        return
    # Free money may have been carried there, and money of its own may wait for nobody but who came over.
    await serve(tx, fund=next_fund, fiscal_year=fiscal_year + 1, act=act)
    if goes_on:
        await _tell_waiting(tx, cases, fund=next_fund, fiscal_year=fiscal_year + 1, act=act)


async def _tell_waiting(tx: Tx, came: Sequence[CaseMoney], *, fund: Fund, fiscal_year: int, act: Act) -> None:
    """Those who came over and were not served: in which year they wait now, and how much is missing there."""
    listed = [waiting.case_money(row) for row in await queries.waiting_rows(tx, fiscal_year=fiscal_year)]
    purse = Purse(fund=fund, pools=await pools(tx, fiscal_year=fiscal_year), freezes=await in_force(tx))
    short = zip(listed, short_by_fen(listed, ahead_fen=0, purse=purse), strict=True)
    ids = {money.application_id for money in came}
    told = [FundsWaiting(**waiting.event_facts(money, act=act), short_by_fen=fen) for money, fen in short if money.application_id in ids]
    await waiting.announce(tx, told)
