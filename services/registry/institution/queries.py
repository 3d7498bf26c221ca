"""Reads of permits and filings; they are the caller's to know when their organisation is."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import or_, select, tuple_

from services.registry.institution.rules import Basis
from services.registry.institution.tables import institution
from services.registry.organisation.queries import contains, within
from services.registry.organisation.tables import organisation
from shared.caller import Caller
from shared.db import AnyRow, Tx
from shared.errors import NotFound


@dataclass(frozen=True, kw_only=True)
class Filters:
    jurisdiction_id: str | None = None
    basis: Basis | None = None
    uscc: str | None = None
    text: str | None = None


async def institution_of(tx: Tx, *, institution_id: UUID, caller: Caller) -> AnyRow:
    statement = select(institution).join(organisation).where(institution.c.id == institution_id, *within(caller))
    return _found((await tx.execute(statement)).one_or_none())


async def locked_institution(tx: Tx, *, institution_id: UUID, caller: Caller) -> AnyRow:
    """Lock its organisation, then read it: whoever changes a permit or filing holds that lock."""
    holder = select(institution.c.uscc).where(institution.c.id == institution_id).scalar_subquery()
    locked = await tx.execute(select(organisation.c.uscc).where(organisation.c.uscc == holder, *within(caller)).with_for_update())
    _found(locked.one_or_none())
    return (await tx.execute(select(institution).where(institution.c.id == institution_id))).one()


async def institutions_after(tx: Tx, *, after: tuple[str, str], filters: Filters, caller: Caller, rows_max: int) -> Sequence[AnyRow]:
    """In the order of basis and number; at most `rows_max`."""
    place = tuple_(institution.c.basis, institution.c.number)
    statement = select(institution).join(organisation).where(place > after, *within(caller))
    if filters.jurisdiction_id is not None:
        statement = statement.where(organisation.c.jurisdiction_id == filters.jurisdiction_id)
    if filters.basis is not None:
        statement = statement.where(institution.c.basis == filters.basis)
    if filters.uscc is not None:
        statement = statement.where(institution.c.uscc == filters.uscc)
    if filters.text is not None:
        statement = statement.where(or_(contains(organisation.c.name, filters.text), contains(institution.c.number, filters.text)))
    return (await tx.execute(statement.order_by(institution.c.basis, institution.c.number).limit(rows_max))).all()


async def permit_of(tx: Tx, *, number: str) -> AnyRow:
    """For everyone: the permit with this canonical number and its holder's name."""
    statement = (
        select(institution, organisation.c.name.label("holder_name"))
        .join(organisation)
        .where(institution.c.basis == Basis.PERMIT, institution.c.number == number)
    )
    row = (await tx.execute(statement)).one_or_none()
    if row is None:
        raise NotFound(
            f"No permit with the number {number} is recorded here. Compare it with the document.",
            detail_zh=f"未查询到编号为{number}的人力资源服务许可证，请与证书核对。",
        )
    return row


def _found(row: AnyRow | None) -> AnyRow:
    if row is None:
        raise NotFound("There is no such permit or filing.", detail_zh="未找到该许可或备案。")
    return row
