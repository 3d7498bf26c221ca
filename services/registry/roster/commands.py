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
from services.registry.roster.rules import RosterRow, RowStatus
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
""")  # noqa: S608 - constants of this module
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
