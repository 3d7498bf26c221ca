"""Who calls applications in these tests, and what they send."""

from typing import Any

from tests.building import SignedBy, Staff, System, staff_token

USCC = "91371002MA3D123476"
OTHER_USCC = "91371003MA3E567894"

DISTRICT_SCOPES = ("applications:file", "applications:read", "reviews:decide", "reviews:decide-district_hr")
HUANCUI_SYSTEM = System(id="district-huancui", jurisdictions=("huancui",), scopes=DISTRICT_SCOPES)
# A second system of the same district: another caller with rows of its own.
HUANCUI_SECOND_SYSTEM = System(id="district-huancui-2", jurisdictions=("huancui",), scopes=DISTRICT_SCOPES)
WENDENG_SYSTEM = System(id="district-wendeng", jurisdictions=("wendeng",), scopes=DISTRICT_SCOPES)
PORTAL_SYSTEM = System(id="portal", kind="portal", scopes=("applications:file", "applications:read"))
# Scopes that a mistaken entry of the callers' file might give.
BOLD_DISTRICT_SYSTEM = System(id="district-bold", scopes=(*DISTRICT_SCOPES, "reviews:decide-city_hr", "reviews:decide-city_finance"))
BOLD_PORTAL_SYSTEM = System(id="portal-bold", kind="portal", scopes=DISTRICT_SCOPES)
SYSTEMS = (HUANCUI_SYSTEM, HUANCUI_SECOND_SYSTEM, WENDENG_SYSTEM, PORTAL_SYSTEM, BOLD_DISTRICT_SYSTEM, BOLD_PORTAL_SYSTEM)


def signed(system: System) -> SignedBy:
    return SignedBy(system, service="applications")


HUANCUI = signed(HUANCUI_SYSTEM)
HUANCUI_SECOND = signed(HUANCUI_SECOND_SYSTEM)
WENDENG = signed(WENDENG_SYSTEM)
PORTAL = signed(PORTAL_SYSTEM)
BOLD_DISTRICT = signed(BOLD_DISTRICT_SYSTEM)
BOLD_PORTAL = signed(BOLD_PORTAL_SYSTEM)

HUANCUI_REVIEWER = Staff(staff_token("hc-reviewer", roles=["district-reviewer"], jurisdictions=["huancui"]))
WENDENG_REVIEWER = Staff(staff_token("wd-reviewer", roles=["district-reviewer"], jurisdictions=["wendeng"]))
CITY_REVIEWER = Staff(staff_token("city-1", roles=["city-reviewer"]))
JOINT_REVIEWER = Staff(staff_token("city-2", roles=["city-reviewer"]))
FINANCE = Staff(staff_token("finance-1", roles=["city-finance"]))
OFFICER = Staff(staff_token("officer-1", roles=["city-officer"]))
HUANCUI_OFFICER = Staff(staff_token("officer-2", roles=["city-officer"], jurisdictions=["huancui"]))
WENDENG_OFFICER = Staff(staff_token("officer-3", roles=["city-officer"], jurisdictions=["wendeng"]))
AUDITOR = Staff(staff_token("auditor-1", roles=["auditor"]))

COMMON_EVIDENCE = ("application_form", "bank_account_proof", "credit_commitment", "no_double_claim_statement")


def documents(*kinds: str) -> list[dict[str, Any]]:
    return [{"kind": kind, "name": f"{kind}.pdf", "sha256": "0" * 64, "size_bytes": 1_024} for kind in (*COMMON_EVIDENCE, *kinds)]


def filing(reference: str = "row-1", **other: object) -> dict[str, Any]:
    """Of item 4a (once per project, cap 5 万元), each reference with a project of its own and every document there; None takes a field out."""
    row: dict[str, Any] = {
        "row_reference": reference,
        "item_id": "2023-15/4a",
        "applicant_uscc": USCC,
        "jurisdiction_id": "huancui",
        "filed_on": "2025-09-10",
        "requested_fen": 4_500_000,
        "project_name": "高校毕业生稳岗扩岗专项",
        "project_code": f"KP-{reference.upper()}",
        "evidence": documents("key_project_listing", "achievement_proof"),
        **other,
    }
    return {name: value for name, value in row.items() if value is not None}


def award_filing(reference: str = "row-1", **other: object) -> dict[str, Any]:
    """Of item 2 (cap 3 万元), which an applicant of whatever kind may have once."""
    fields = {"item_id": "2023-15/2", "requested_fen": 3_000_000, "project_code": None, "evidence": documents("recognition_document"), **other}
    return filing(reference, **fields)
