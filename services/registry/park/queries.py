"""Reads of parks; what lies outside the caller's jurisdictions is not there."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, select

from services.registry.organisation.queries import contains
from services.registry.park.rules import ParkUnknown
from services.registry.park.tables import assessment, park, recognition
from shared.caller import Caller
from shared.db import AnyRow, Tx


@dataclass(frozen=True, kw_only=True)
class Filters:
    jurisdiction_id: str | None = None
    operator_uscc: str | None = None
    text: str | None = None


@dataclass(frozen=True, kw_only=True)
class ParkWithHistory:
    park: AnyRow
    recognitions: Sequence[AnyRow]
    assessments: Sequence[AnyRow]


async def park_of(tx: Tx, *, code: str, caller: Caller) -> AnyRow:
    return _found((await tx.execute(select(park).where(park.c.code == code, *_within(caller)))).one_or_none())


async def locked_park(tx: Tx, *, code: str, caller: Caller) -> AnyRow:
    return _found((await tx.execute(select(park).where(park.c.code == code, *_within(caller)).with_for_update())).one_or_none())


async def parks_after(tx: Tx, *, after_code: str, filters: Filters, caller: Caller, rows_max: int) -> Sequence[AnyRow]:
    """In the order of their codes; at most `rows_max`."""
    statement = select(park).where(park.c.code > after_code, *_within(caller)).order_by(park.c.code).limit(rows_max)
    if filters.jurisdiction_id is not None:
        statement = statement.where(park.c.jurisdiction_id == filters.jurisdiction_id)
    if filters.operator_uscc is not None:
        statement = statement.where(park.c.operator_uscc == filters.operator_uscc)
    if filters.text is not None:
        statement = statement.where(contains(park.c.name, filters.text))
    return (await tx.execute(statement)).all()


async def with_history(tx: Tx, parks: Sequence[AnyRow]) -> list[ParkWithHistory]:
    """Each park with its recognitions by day and its assessments by year."""
    codes = [row.code for row in parks]
    recognised = select(recognition).where(recognition.c.park_code.in_(codes)).order_by(recognition.c.approved_on)
    assessed = select(assessment).where(assessment.c.park_code.in_(codes)).order_by(assessment.c.year)
    recognitions, assessments = (await tx.execute(recognised)).all(), (await tx.execute(assessed)).all()
    return [
        ParkWithHistory(
            park=row,
            recognitions=[each for each in recognitions if each.park_code == row.code],
            assessments=[each for each in assessments if each.park_code == row.code],
        )
        for row in parks
    ]


def _within(caller: Caller) -> tuple[ColumnElement[bool], ...]:
    mine = caller.jurisdiction_list()
    return () if mine is None else (park.c.jurisdiction_id.in_(mine),)


def _found(row: AnyRow | None) -> AnyRow:
    if row is None:
        raise ParkUnknown("There is no such park.", detail_zh="未找到该产业园。")
    return row
