"""Keeping the fingerprints of the policy's versions, so that none is changed under the cases that use it."""

import json

from sqlalchemy import text

from services.applications.policy import UsedVersion, check_used_versions
from services.applications.policy.catalogue import Catalogue
from services.applications.policy.tables import policy_version
from shared.db import Tx

# The HTTP process and the worker of a service start together.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('applications policy versions', 0))")

# A case uses its own item, and of everything else what was in force on its first filing day.
_USED = text("""
SELECT v.version, v.fingerprint, max(a.filed_on) AS last_used_on
FROM policy_version v
JOIN (SELECT DISTINCT policy_id, item_version, filed_on FROM application) a
    ON a.policy_id = v.policy_id AND a.filed_on BETWEEN v.first_day AND v.last_day AND (v.section <> 'items' OR v.version = a.item_version)
GROUP BY v.version, v.fingerprint ORDER BY v.version
""")
_KEEP = text("""
WITH present AS (
    SELECT * FROM jsonb_populate_recordset(NULL::policy_version, CAST(:versions AS jsonb))
), gone AS (
    DELETE FROM policy_version WHERE version NOT IN (SELECT version FROM present)
)
INSERT INTO policy_version AS v SELECT * FROM present
ON CONFLICT (version) DO UPDATE SET last_day = excluded.last_day, fingerprint = excluded.fingerprint
""")


async def keep_versions(tx: Tx, *, catalogue: Catalogue) -> None:
    """Raises PolicyWrong when a version that cases use was edited, removed or cut short; then keeps what is in the files now."""
    await tx.execute(_ONE_AT_A_TIME)
    used = [UsedVersion(row.version, row.fingerprint, row.last_used_on) for row in await tx.execute(_USED)]
    check_used_versions(catalogue, used=used)
    # Referrals are shown and decide nothing, so nothing is pinned to them.
    entries = [entry for policy in catalogue.policies for entry in policy.entries() if entry.section != "referrals"]
    versions = [{column.name: getattr(entry, column.name) for column in policy_version.c} for entry in entries]
    await tx.execute(_KEEP, {"versions": json.dumps(versions, default=str)})
