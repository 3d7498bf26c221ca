"""Writes about orders to stop. The caller owns the transaction; nothing that moves money runs beside them."""

from datetime import date
from uuid import UUID

from sqlalchemy import insert, select, text

from services.budget.allotment.commands import serve
from services.budget.allotment.rules import check_dated
from services.budget.entry.commands import lock_books, touch_books
from services.budget.freeze import rules
from services.budget.freeze.rules import Scope
from services.budget.freeze.tables import freeze_order
from services.budget.ledger import commands as ledger
from services.budget.ledger.rules import Act
from services.budget.policy.catalogue import Catalogue
from shared.db import AnyRow, Tx
from shared.ids import new_id

_ORDER = insert(freeze_order).returning(freeze_order)
_LIFT = text("""
UPDATE freeze_order SET lifting_document = :document, lifted_by = :lifted_by, lifted_at = :at, version = version + 1 WHERE id = :id RETURNING *
""")
_WAITING_YEARS = text("SELECT DISTINCT fiscal_year FROM reservation WHERE state = 'waiting' ORDER BY fiscal_year")
_OPEN_MISUSE = text("SELECT EXISTS (SELECT FROM misuse_case WHERE freeze_id = :id AND state = 'open')")


async def order_freeze(
    tx: Tx,
    *,
    scope: Scope,
    document: str,
    authority: str,
    reason: str,
    ordered_on: date,
    act: Act,
    application_id: UUID | None = None,
    line_id: str | None = None,
    uscc: str | None = None,
    jurisdiction_id: str | None = None,
) -> AnyRow:
    """From the commit on nothing of it is reserved, ordered or released; what is on its way at the bank is not stopped by this."""
    check_dated(ordered_on, on=act.on, pointer="/ordered_on")
    await lock_books(tx)
    await touch_books(tx)
    row = {"id": new_id(), "scope": scope, "application_id": application_id, "line_id": line_id, "uscc": uscc, "jurisdiction_id": jurisdiction_id}
    row |= {"document": document, "authority": authority, "reason": reason, "ordered_on": ordered_on}
    ordered: AnyRow = (await tx.execute(_ORDER, {**row, "ordered_by": act.caller, "ordered_at": act.at, "version": 1})).one()
    return ordered


async def lift_freeze(tx: Tx, freeze_id: UUID, *, version: int, document: str, act: Act, catalogue: Catalogue) -> AnyRow:
    await lock_books(tx)
    found = (await tx.execute(select(freeze_order).where(freeze_order.c.id == freeze_id))).one_or_none()
    if found is None:
        raise rules.NoSuchFreeze("There is no order to stop with this id.", detail_zh="没有该标识的暂停通知。")
    of_open_misuse_case = (await tx.execute(_OPEN_MISUSE, {"id": freeze_id})).scalar_one()
    rules.check_lifting(
        is_lifted=found.lifted_at is not None, of_open_misuse_case=of_open_misuse_case, current_version=found.version, version=version
    )
    return await lift(tx, freeze_id, document=document, act=act, catalogue=catalogue)


async def lift(tx: Tx, freeze_id: UUID, *, document: str, act: Act, catalogue: Catalogue) -> AnyRow:
    """Who waited behind the order is served at once, in every year that has a list. The caller holds the books."""
    await touch_books(tx)
    lifted: AnyRow = (await tx.execute(_LIFT, {"id": freeze_id, "document": document, "lifted_by": act.caller, "at": act.at})).one()
    for fiscal_year in (await tx.execute(_WAITING_YEARS)).scalars():
        fund = catalogue.fund_spending_in(fiscal_year)
        assert fund is not None, "who waits was listed under a fund, or came over with its list"
        await ledger.lock_fund(tx, fiscal_year=fiscal_year, policy_id=fund.id)
        await serve(tx, fund=fund, fiscal_year=fiscal_year, act=act)
    return lifted
