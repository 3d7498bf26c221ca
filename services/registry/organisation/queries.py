"""Reads of organisations; what lies outside the caller's jurisdictions is not there."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, func, literal, select
from sqlalchemy import text as keyword

from services.registry.organisation.tables import organisation
from shared.caller import Caller
from shared.db import AnyRow, Tx
from shared.errors import NotFound


@dataclass(frozen=True, kw_only=True)
class Filters:
    jurisdiction_id: str | None = None
    kind: str | None = None
    status: str | None = None
    text: str | None = None


async def organisation_of(tx: Tx, *, uscc: str, caller: Caller) -> AnyRow:
    return _found((await tx.execute(_one(uscc, caller=caller))).one_or_none())


async def locked_organisation(tx: Tx, *, uscc: str, caller: Caller) -> AnyRow:
    """The row that everything about this organisation locks first, so that its events keep the order of its changes."""
    return _found((await tx.execute(_one(uscc, caller=caller).with_for_update())).one_or_none())


async def organisations_after(tx: Tx, *, after_uscc: str, filters: Filters, caller: Caller, rows_max: int) -> Sequence[AnyRow]:
    """In the order of their codes; at most `rows_max`."""
    statement = select(organisation).where(organisation.c.uscc > after_uscc, *within(caller)).order_by(organisation.c.uscc).limit(rows_max)
    if filters.jurisdiction_id is not None:
        statement = statement.where(organisation.c.jurisdiction_id == filters.jurisdiction_id)
    if filters.kind is not None:
        statement = statement.where(organisation.c.kind == filters.kind)
    if filters.status is not None:
        statement = statement.where(organisation.c.status == filters.status)
    if filters.text is not None:
        statement = statement.where(contains(organisation.c.name, filters.text))
    return (await tx.execute(statement)).all()


def within(caller: Caller) -> tuple[ColumnElement[bool], ...]:
    """The caller's own jurisdictions, for the WHERE of whatever joins the organisation."""
    mine = caller.jurisdiction_list()
    return () if mine is None else (organisation.c.jurisdiction_id.in_(mine),)


def contains(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    """Full width and case do not matter: （海滨） is found by (海滨)."""
    return func.strpos(_folded(column), _folded(literal(text))) > 0


def _folded(value: ColumnElement[str]) -> ColumnElement[str]:
    return func.lower(func.normalize(value, keyword("NFKC")))


def _one(uscc: str, *, caller: Caller) -> Select[tuple[object]]:
    return select(organisation).where(organisation.c.uscc == uscc, *within(caller))


def _found(row: AnyRow | None) -> AnyRow:
    if row is None:
        raise NotFound("There is no such organisation.", detail_zh="未找到该组织。")
    return row
