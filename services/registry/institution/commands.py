"""Writes about permits and filings. The caller owns the transaction; nothing here commits."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from services.registry import policy
from services.registry.institution import rules
from services.registry.institution.rules import Fact
from services.registry.institution.tables import institution
from services.registry.organisation.rules import check_is_active
from services.registry.policy.catalogue import EndingCause
from shared import outbox
from shared.caller import Caller
from shared.clock import Moment
from shared.db import AnyRow, Tx
from shared.events.registry import InstitutionChanged, InstitutionEnded, InstitutionRecorded
from shared.ids import new_id


async def record_institution(tx: Tx, organisation: AnyRow, *, fact: Fact, caller: Caller, moment: Moment) -> AnyRow:
    """`organisation` is locked."""
    check_is_active(status=organisation.status, ended_on=organisation.ended_on)
    rules.check_fact(fact, policy=policy.current(), on=moment.on)
    values = {"id": new_id(), "uscc": organisation.uscc, "version": 1, "recorded_at": moment.at, **columns(fact), **_by(caller, moment=moment)}
    recorded: AnyRow | None = (await tx.execute(insert(institution).values(values).on_conflict_do_nothing().returning(institution))).one_or_none()
    if recorded is None:
        raise _already_recorded(fact)
    await outbox.append(tx, recording_of(recorded, moment=moment))
    return recorded


async def change_institution(tx: Tx, current: AnyRow, *, fact: Fact, caller: Caller, moment: Moment) -> AnyRow:
    """`current` is locked by its organisation. What says nothing new changes nothing and announces nothing."""
    rules.check_is_not_ended(ended_on=current.ended_on)
    if fact == fact_of(current):
        return current
    rules.check_fact(fact, policy=policy.current(), on=moment.on)
    statement = (
        update(institution)
        .where(institution.c.id == current.id)
        .values(**columns(fact), version=current.version + 1, **_by(caller, moment=moment))
        .returning(institution)
    )
    try:
        changed: AnyRow = (await tx.execute(statement)).one()
    except IntegrityError as error:
        raise _already_recorded(fact) from error
    await outbox.append(tx, change_of(changed, moment=moment))
    return changed


async def end_institution(tx: Tx, current: AnyRow, *, cause_id: str, ended_on: date, caller: Caller, moment: Moment) -> AnyRow:
    """`current` is locked by its organisation."""
    rules.check_is_not_ended(ended_on=current.ended_on)
    cause = policy.current().ending_cause(cause_id, on=ended_on)
    rules.check_ending(cause, basis=current.basis, first_day=current.first_day, last_day=current.last_day, ended_on=ended_on, today=moment.on)
    statement = (
        update(institution)
        .where(institution.c.id == current.id)
        .values(ended_on=ended_on, ending_cause=cause.id, version=current.version + 1, **_by(caller, moment=moment))
        .returning(institution)
    )
    ended: AnyRow = (await tx.execute(statement)).one()
    await outbox.append(tx, _ending_of(ended, cause=cause, moment=moment))
    return ended


async def end_institutions_of(tx: Tx, *, uscc: str, ended_on: date, caller: Caller, moment: Moment) -> Sequence[InstitutionEnded]:
    """End all that the organisation still holds, because it came to its end; the caller announces what is returned."""
    cause = policy.current().ending_cause("subject_ended", on=ended_on)
    statement = (
        update(institution)
        .where(institution.c.uscc == uscc, institution.c.ended_on.is_(None))
        .values(ended_on=ended_on, ending_cause=cause.id, version=institution.c.version + 1, **_by(caller, moment=moment))
        .returning(institution)
    )
    rows = (await tx.execute(statement)).all()
    return [_ending_of(row, cause=cause, moment=moment) for row in sorted(rows, key=lambda row: row.id)]


def columns(fact: Fact) -> dict[str, Any]:
    return {
        "basis": fact.basis,
        "number": fact.number,
        "number_as_written": fact.number_as_written,
        "scope": list(fact.scope),
        "first_day": fact.first_day,
        "last_day": fact.last_day,
    }


def fact_of(row: AnyRow) -> Fact:
    return Fact(
        basis=rules.Basis(row.basis),
        number=row.number,
        number_as_written=row.number_as_written,
        scope=tuple(row.scope),
        first_day=row.first_day,
        last_day=row.last_day,
    )


def recording_of(row: AnyRow, *, moment: Moment) -> InstitutionRecorded:
    return InstitutionRecorded(**_state(row, moment=moment))


def change_of(row: AnyRow, *, moment: Moment) -> InstitutionChanged:
    return InstitutionChanged(**_state(row, moment=moment))


def _ending_of(row: AnyRow, *, cause: EndingCause, moment: Moment) -> InstitutionEnded:
    return InstitutionEnded(**_state(row, moment=moment), ended_on=row.ended_on, cause=cause.id, cause_title_zh=cause.title_zh)


def _state(row: AnyRow, *, moment: Moment) -> dict[str, Any]:
    """The whole state after the change, so that a copy needs no history."""
    return {
        "happened_at": moment.at,
        "happened_on": moment.on,
        "institution_id": row.id,
        "uscc": row.uscc,
        "basis": row.basis,
        "number": row.number,
        "scope": tuple(row.scope),
        "first_day": row.first_day,
        "last_day": row.last_day,
    }


def _by(caller: Caller, *, moment: Moment) -> dict[str, Any]:
    return {"changed_at": moment.at, "changed_by": caller.id}


def _already_recorded(fact: Fact) -> rules.AlreadyRecorded:
    return rules.AlreadyRecorded(f"The number {fact.number} is recorded already.", detail_zh=f"编号{fact.number}已登记。", pointer="/number")
