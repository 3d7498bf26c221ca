"""Writes about parks. The caller owns the transaction; nothing here commits."""

from datetime import date
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert

from services.registry.organisation.rules import check_is_active, check_jurisdiction
from services.registry.organisation.tables import organisation
from services.registry.park import rules
from services.registry.park.rules import AssessmentResult, Level, Particulars
from services.registry.park.tables import assessment, park, recognition
from shared import outbox
from shared.caller import Caller, require_creating_in
from shared.city import City
from shared.clock import Moment
from shared.db import AnyRow, Tx
from shared.events.registry import ParkAssessed, ParkChanged, ParkRecognised, ParkRegistered


async def register_park(tx: Tx, *, code: str, particulars: Particulars, jurisdiction_id: str, city: City, caller: Caller, moment: Moment) -> AnyRow:
    check_jurisdiction(jurisdiction_id, city=city, on=moment.on)
    require_creating_in(caller, jurisdiction_id, pointer="/jurisdiction_id")
    await _check_operator(tx, uscc=particulars.operator_uscc)
    statement = insert(park).values(
        code=code,
        name=particulars.name,
        operator_uscc=particulars.operator_uscc,
        jurisdiction_id=jurisdiction_id,
        version=1,
        registered_at=moment.at,
        changed_at=moment.at,
        changed_by=caller.id,
    )
    registered: AnyRow | None = (await tx.execute(statement.on_conflict_do_nothing().returning(park))).one_or_none()
    if registered is None:
        raise rules.ParkAlreadyRegistered(f"{code} is registered already.", detail_zh=f"产业园{code}已登记。", pointer="/code")
    await outbox.append(tx, ParkRegistered(**_state(registered, moment=moment)))
    return registered


async def change_park(tx: Tx, current: AnyRow, *, particulars: Particulars, caller: Caller, moment: Moment) -> AnyRow:
    """`current` is locked. What says nothing new changes nothing and announces nothing.

    The event goes out under the new operator's key alone: a copy compares `version`, so it does not need the old key to keep order.
    """
    if particulars == Particulars(name=current.name, operator_uscc=current.operator_uscc):
        return current
    if particulars.operator_uscc != current.operator_uscc:
        await _check_operator(tx, uscc=particulars.operator_uscc)
    statement = (
        update(park)
        .where(park.c.code == current.code)
        .values(
            name=particulars.name,
            operator_uscc=particulars.operator_uscc,
            version=current.version + 1,
            changed_at=moment.at,
            changed_by=caller.id,
        )
        .returning(park)
    )
    changed: AnyRow = (await tx.execute(statement)).one()
    await outbox.append(tx, ParkChanged(**_state(changed, moment=moment)))
    return changed


async def record_recognition(tx: Tx, current: AnyRow, *, level: Level, approved_on: date, document: str, caller: Caller, moment: Moment) -> AnyRow:
    """`current` is locked."""
    rules.check_approved_on(approved_on, today=moment.on)
    fact: dict[str, Any] = {"level": level, "approved_on": approved_on, "document": document}
    statement = insert(recognition).values(park_code=current.code, **fact, recorded_at=moment.at, recorded_by=caller.id)
    recorded: AnyRow | None = (await tx.execute(statement.on_conflict_do_nothing().returning(recognition))).one_or_none()
    if recorded is None:
        raise rules.AlreadyRecognised(f"{current.code} has the level {level}.", detail_zh=f"产业园{current.code}已有此级别的认定。", pointer="/level")
    await outbox.append(tx, ParkRecognised(**_state(current, moment=moment), **fact))
    return recorded


async def record_assessment(tx: Tx, current: AnyRow, *, year: int, result: AssessmentResult, document: str, caller: Caller, moment: Moment) -> AnyRow:
    """`current` is locked."""
    rules.check_assessed_year(year, today=moment.on)
    fact: dict[str, Any] = {"year": year, "result": result, "document": document}
    statement = insert(assessment).values(park_code=current.code, **fact, recorded_at=moment.at, recorded_by=caller.id)
    recorded: AnyRow | None = (await tx.execute(statement.on_conflict_do_nothing().returning(assessment))).one_or_none()
    if recorded is None:
        raise rules.AlreadyAssessed(
            f"{current.code} was assessed for {year}.", detail_zh=f"产业园{current.code}已有{year}年度评估。", pointer="/year"
        )
    await outbox.append(tx, ParkAssessed(**_state(current, moment=moment), **fact))
    return recorded


async def _check_operator(tx: Tx, *, uscc: str) -> None:
    """Share its lock, so that it does not end meanwhile. An operator may be at home in another jurisdiction."""
    statement = select(organisation.c.status, organisation.c.ended_on).where(organisation.c.uscc == uscc).with_for_update(read=True)
    operator = (await tx.execute(statement)).one_or_none()
    if operator is None:
        raise rules.OperatorUnknown(f"{uscc} is not registered.", detail_zh=f"{uscc}未登记。", pointer="/operator_uscc")
    check_is_active(status=operator.status, ended_on=operator.ended_on)


def _state(row: AnyRow, *, moment: Moment) -> dict[str, Any]:
    """The whole state after the change, so that a copy needs no history."""
    return {
        "happened_at": moment.at,
        "happened_on": moment.on,
        "park_code": row.code,
        "name": row.name,
        "operator_uscc": row.operator_uscc,
        "jurisdiction_id": row.jurisdiction_id,
        "version": row.version,
    }
