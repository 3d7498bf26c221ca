"""Those who call notifications in its tests."""

from tests.building import SignedBy, Staff, System, staff_token

SCOPES = ("messages:read", "messages:mark", "portal-records:read")
HUANCUI_SYSTEM = System(id="district-huancui", jurisdictions=("huancui",), scopes=SCOPES)
PORTAL_SYSTEM = System(id="portal", kind="portal", scopes=("messages:read", "messages:mark"))
# Known to another service only: a key without a scope here is mounted nowhere here.
STRANGER = System(id="bank", kind="bank", scopes=("bank-confirmations:write",))
SYSTEMS = (HUANCUI_SYSTEM, PORTAL_SYSTEM, STRANGER)

CITY_OFFICER = Staff(staff_token("officer-1", roles=["city-officer"]))
AUDITOR = Staff(staff_token("auditor-1", roles=["auditor"]))
HUANCUI = Staff(staff_token("reviewer-1", roles=["district-reviewer"], jurisdictions=["huancui"]))
WENDENG = Staff(staff_token("reviewer-2", roles=["district-reviewer"], jurisdictions=["wendeng"]))
REGISTRAR = Staff(staff_token("registrar-1", roles=["registrar"]))
SIGNED = SignedBy(HUANCUI_SYSTEM, service="notifications")
SIGNED_BY_PORTAL = SignedBy(PORTAL_SYSTEM, service="notifications")
SIGNED_BY_STRANGER = SignedBy(STRANGER, service="notifications")
