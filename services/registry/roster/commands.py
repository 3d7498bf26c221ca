"""Takes a roster in: a handful of statements for up to a thousand rows, each of which is taken whole or not at all."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import delete, text
from sqlalchemy.sql.elements import TextClause

from services.registry import policy
from services.registry.contact.commands import recording_of as contact_recording_of
from services.registry.institution import commands as institutions
from services.registry.institution.rules import AlreadyRecorded, check_fact, check_is_not_ended
from services.registry.organisation import commands as organisations
from services.registry.organisation.rules import AlreadyRegistered, check_is_active, check_jurisdiction
from services.registry.organisation.tables import organisation
from services.registry.roster.rules import RosterRow, RowStatus, beneath
from shared import outbox
from shared.caller import Caller, require_creating_in, require_scope
from shared.city import City
from shared.clock import Moment
from shared.db import AnyRow, Tx
from shared.errors import Refusal
from shared.events import Event
from shared.ids import new_id

ROWS_PER_CALL_MAX = 1_000

# Every insert and lock goes by ascending key: two rosters in opposite order would wait for each other.
_INSERT_ORGANISATIONS = text("""
INSERT INTO organisation (uscc, kind, name, jurisdiction_id, status, version, registered_at, changed_at, changed_by)
SELECT uscc, kind, name, jurisdiction_id, 'active', 1, :at, :at, :by
FROM unnest(CAST(:usccs AS text[]), CAST(:kinds AS text[]), CAST(:names AS text[]), CAST(:jurisdiction_ids AS text[]))
    AS told (uscc, kind, name, jurisdiction_id)
ORDER BY uscc ON CONFLICT DO NOTHING RETURNING uscc
""")
_LOCK_ORGANISATIONS = text("SELECT * FROM organisation WHERE uscc = ANY(CAST(:usccs AS text[])) ORDER BY uscc FOR UPDATE")
_UPDATE_ORGANISATIONS = text("""
UPDATE organisation o SET kind = told.kind, name = told.name, jurisdiction_id = told.jurisdiction_id,
    version = o.version + 1, changed_at = :at, changed_by = :by
FROM unnest(CAST(:usccs AS text[]), CAST(:kinds AS text[]), CAST(:names AS text[]), CAST(:jurisdiction_ids AS text[]))
    AS told (uscc, kind, name, jurisdiction_id)
WHERE o.uscc = told.uscc RETURNING o.*
""")
# Ids of businesses have no comma; arrays of different lengths cannot stand in one array.
_TOLD_FACTS = """
FROM unnest(CAST(:ids AS uuid[]), CAST(:usccs AS text[]), CAST(:bases AS text[]), CAST(:numbers AS text[]), CAST(:as_written AS text[]),
    CAST(:scopes AS text[]), CAST(:first_days AS date[]), CAST(:last_days AS date[]))
    AS told (id, uscc, basis, number, number_as_written, scope, first_day, last_day)
"""
_INSERT_FACTS = text(f"""
INSERT INTO institution (id, uscc, basis, number, number_as_written, scope, first_day, last_day, version, recorded_at, changed_at, changed_by)
SELECT id, uscc, basis, number, number_as_written, string_to_array(scope, ','), first_day, last_day, 1, :at, :at, :by
{_TOLD_FACTS} ORDER BY basis, number, uscc ON CONFLICT DO NOTHING RETURNING uscc
""")
_READ_FACTS = text("""
SELECT i.* FROM institution i JOIN unnest(CAST(:bases AS text[]), CAST(:numbers AS text[])) AS told (basis, number) USING (basis, number)
""")
# The organisation's lock, held by now, guards its permits and filings too.
_UPDATE_FACTS = text(f"""
UPDATE institution i SET number_as_written = told.number_as_written, scope = string_to_array(told.scope, ','),
    first_day = told.first_day, last_day = told.last_day, version = i.version + 1, changed_at = :at, changed_by = :by
{_TOLD_FACTS} WHERE i.basis = told.basis AND i.number = told.number RETURNING i.*
""")  # noqa: S608 - constants of this module
_WRITE_CONTACTS = text("""
INSERT INTO contact AS c (uscc, contact_name, mobile, recorded_at, recorded_by)
SELECT uscc, contact_name, mobile, :at, :by
FROM unnest(CAST(:usccs AS text[]), CAST(:contact_names AS text[]), CAST(:mobiles AS text[])) AS told (uscc, contact_name, mobile)
ORDER BY uscc ON CONFLICT (uscc) DO UPDATE
SET contact_name = excluded.contact_name, mobile = excluded.mobile, recorded_at = excluded.recorded_at, recorded_by = excluded.recorded_by
WHERE (c.contact_name, c.mobile) IS DISTINCT FROM (excluded.contact_name, excluded.mobile)
RETURNING *
""")


@dataclass(frozen=True)
class Outcome:
    status: RowStatus
    refusal: Refusal | None = None


@dataclass(frozen=True, kw_only=True)
class Organisations:
    """Those of the roster, locked; `fresh` are the ones that it made."""

    by_uscc: Mapping[str, AnyRow]
    fresh: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Recorded permits and filings with a number of the roster; `fresh` are the organisations whose fact it recorded."""

    by_number: Mapping[tuple[str, str], AnyRow]
    fresh: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What is now different from what was recorded before, by uscc."""

    organisations: Mapping[str, AnyRow]
    facts: Mapping[str, AnyRow]
    contacts: Mapping[str, AnyRow]


async def take_roster(tx: Tx, rows: Sequence[RosterRow], *, city: City, caller: Caller, moment: Moment) -> list[Outcome]:
    """One outcome a row, in their order; no two rows have the same uscc. Rows that say nothing new write and announce nothing."""
    assert len(rows) <= ROWS_PER_CALL_MAX, f"{len(rows)} rows in one roster"
    by = {"at": moment.at, "by": caller.id}
    rest, refusals = _judge(rows, check=lambda row: _check_content(row, city=city, caller=caller, moment=moment))
    found = await _make_and_lock_organisations(tx, rest, by=by)
    rest, refused = _judge(rest, check=lambda row: _check_organisation(found.by_uscc[row.uscc], caller=caller))
    refusals |= refused
    facts = await _make_and_read_facts(tx, rest, by=by)
    rest, refused = _judge(rest, check=lambda row: _check_fact_is_its_own(row, facts=facts))
    refusals |= refused
    # A row is taken whole or not at all: what was made for one that is refused now goes again, and nobody saw it.
    await tx.execute(delete(organisation).where(organisation.c.uscc.in_(sorted(found.fresh & refusals.keys()))))
    changes = await _write_changes(tx, rest, found=found, facts=facts, by=by)
    await _announce(tx, rest, found=found, facts=facts, changes=changes, moment=moment)
    touched = {*facts.fresh, *changes.organisations, *changes.facts, *changes.contacts}
    return [_outcome(row.uscc, refusals=refusals, fresh=found.fresh, touched=touched) for row in rows]


def _outcome(uscc: str, *, refusals: Mapping[str, Refusal], fresh: Iterable[str], touched: Iterable[str]) -> Outcome:
    if uscc in refusals:
        return Outcome(RowStatus.REFUSED, refusals[uscc])
    if uscc in fresh:
        return Outcome(RowStatus.CREATED)
    return Outcome(RowStatus.CHANGED if uscc in touched else RowStatus.UNCHANGED)


def _judge(rows: Sequence[RosterRow], *, check: Callable[[RosterRow], None]) -> tuple[list[RosterRow], dict[str, Refusal]]:
    """Those that pass, and why the others do not."""
    refusals: dict[str, Refusal] = {}
    for row in rows:
        try:
            check(row)
        except Refusal as refusal:
            refusals[row.uscc] = refusal
    return [row for row in rows if row.uscc not in refusals], refusals


def _check_content(row: RosterRow, *, city: City, caller: Caller, moment: Moment) -> None:
    check_jurisdiction(row.particulars.jurisdiction_id, city=city, on=moment.on)
    require_creating_in(caller, row.particulars.jurisdiction_id, pointer="/jurisdiction_id")
    if row.fact is not None:
        require_scope(caller, "institutions:write")
        with beneath("/institution"):
            check_fact(row.fact, policy=policy.current(), on=moment.on)
    if row.contact is not None:
        require_scope(caller, "contacts:write")


def _check_organisation(known: AnyRow, *, caller: Caller) -> None:
    if not caller.covers(known.jurisdiction_id):
        raise AlreadyRegistered(f"{known.uscc} is registered already.", detail_zh=f"{known.uscc}已登记。", pointer="/uscc")
    check_is_active(status=known.status, ended_on=known.ended_on)


def _check_fact_is_its_own(row: RosterRow, *, facts: Facts) -> None:
    if row.fact is None:
        return
    known = facts.by_number[row.fact.basis, row.fact.number]
    if known.uscc != row.uscc:
        raise AlreadyRecorded(
            f"The number {row.fact.number} is recorded already.", detail_zh=f"编号{row.fact.number}已登记。", pointer="/institution/number"
        )
    check_is_not_ended(ended_on=known.ended_on)


async def _make_and_lock_organisations(tx: Tx, rows: Sequence[RosterRow], *, by: Mapping[str, object]) -> Organisations:
    fresh = (await tx.execute(_INSERT_ORGANISATIONS, {**_organisation_columns(rows), **by})).scalars().all()
    locked = await tx.execute(_LOCK_ORGANISATIONS, {"usccs": [row.uscc for row in rows]})
    return Organisations(by_uscc={row.uscc: row for row in locked}, fresh=frozenset(fresh))


async def _make_and_read_facts(tx: Tx, rows: Sequence[RosterRow], *, by: Mapping[str, object]) -> Facts:
    told = [row for row in rows if row.fact is not None]
    if not told:
        return Facts(by_number={}, fresh=frozenset())
    columns = _fact_columns(told)
    fresh = (await tx.execute(_INSERT_FACTS, {**columns, **by})).scalars().all()
    read = await tx.execute(_READ_FACTS, {"bases": columns["bases"], "numbers": columns["numbers"]})
    return Facts(by_number={(row.basis, row.number): row for row in read}, fresh=frozenset(fresh))


async def _write_changes(tx: Tx, rows: Sequence[RosterRow], *, found: Organisations, facts: Facts, by: Mapping[str, object]) -> Changes:
    moved = [row for row in rows if row.particulars != organisations.particulars_of(found.by_uscc[row.uscc])]
    restated = [row for row in rows if row.fact is not None and row.fact != institutions.fact_of(facts.by_number[row.fact.basis, row.fact.number])]
    reachable = [row for row in rows if row.contact is not None]
    return Changes(
        organisations=await _write(tx, _UPDATE_ORGANISATIONS, _organisation_columns(moved), by=by),
        facts=await _write(tx, _UPDATE_FACTS, _fact_columns(restated), by=by),
        contacts=await _write(tx, _WRITE_CONTACTS, _contact_columns(reachable), by=by),
    )


async def _write(tx: Tx, statement: TextClause, columns: Mapping[str, list[object]], *, by: Mapping[str, object]) -> dict[str, AnyRow]:
    """The rows as they are now, by uscc."""
    if not columns["usccs"]:
        return {}
    return {row.uscc: row for row in await tx.execute(statement, {**columns, **by})}


async def _announce(tx: Tx, rows: Sequence[RosterRow], *, found: Organisations, facts: Facts, changes: Changes, moment: Moment) -> None:
    events: list[Event] = []
    for row in rows:
        if row.uscc in found.fresh:
            events.append(organisations.registration_of(found.by_uscc[row.uscc], moment=moment))
        elif row.uscc in changes.organisations:
            events.append(organisations.change_of(changes.organisations[row.uscc], moment=moment))
        if row.fact is not None and row.uscc in facts.fresh:
            events.append(institutions.recording_of(facts.by_number[row.fact.basis, row.fact.number], moment=moment))
        elif row.uscc in changes.facts:
            events.append(institutions.change_of(changes.facts[row.uscc], moment=moment))
    await outbox.append(tx, *events)
    # A call of its own, because three events a row are more than one call takes; its topic is another one, so the order of locks holds.
    await outbox.append(tx, *(contact_recording_of(row, moment=moment) for row in changes.contacts.values()))


def _organisation_columns(rows: Sequence[RosterRow]) -> dict[str, list[object]]:
    return {
        "usccs": [row.uscc for row in rows],
        "kinds": [row.particulars.kind.value for row in rows],
        "names": [row.particulars.name for row in rows],
        "jurisdiction_ids": [row.particulars.jurisdiction_id for row in rows],
    }


def _fact_columns(rows: Sequence[RosterRow]) -> dict[str, list[object]]:
    told = [(row.uscc, row.fact) for row in rows if row.fact is not None]
    return {
        "ids": [new_id() for _ in told],
        "usccs": [uscc for uscc, _ in told],
        "bases": [fact.basis.value for _, fact in told],
        "numbers": [fact.number for _, fact in told],
        "as_written": [fact.number_as_written for _, fact in told],
        "scopes": [",".join(fact.scope) for _, fact in told],
        "first_days": [fact.first_day for _, fact in told],
        "last_days": [fact.last_day for _, fact in told],
    }


def _contact_columns(rows: Sequence[RosterRow]) -> dict[str, list[object]]:
    told = [(row.uscc, row.contact) for row in rows if row.contact is not None]
    return {
        "usccs": [uscc for uscc, _ in told],
        "contact_names": [contact.contact_name for _, contact in told],
        "mobiles": [contact.mobile for _, contact in told],
    }
