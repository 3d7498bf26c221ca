"""Who calls the registry in these tests, and what they send."""

import httpx

from tests.building import SignedBy, Staff, System, staff_token

HUANCUI_USCC = "91371002MA3D123476"
WENDENG_USCC = "91371003MA3E567894"
RONGCHENG_USCC = "91371082MA94KXYTXJ"

DISTRICT = System(
    id="district-huancui",
    jurisdictions=("huancui",),
    scopes=("organisations:read", "organisations:write", "contacts:write", "institutions:write", "parks:write"),
)
# May tell of organisations and of nothing that they hold.
PLAIN = System(id="district-plain", jurisdictions=("huancui",), scopes=("organisations:write",))
SIGNED = SignedBy(DISTRICT, service="registry")

REGISTRAR = Staff(staff_token("registrar-1", roles=["registrar"]))
HUANCUI = Staff(staff_token("registrar-2", roles=["registrar"], jurisdictions=["huancui"]))
WENDENG = Staff(staff_token("registrar-3", roles=["registrar"], jurisdictions=["wendeng"]))
AUDITOR = Staff(staff_token("auditor-1", roles=["auditor"]))


def registration(**other: object) -> dict[str, object]:
    return {"uscc": HUANCUI_USCC, "kind": "enterprise", "name": "环翠测试人力资源有限公司", "jurisdiction_id": "huancui", **other}


def permit(**other: object) -> dict[str, object]:
    return {
        "basis": "permit",
        "number": "(鲁)人服证字〔2023〕第0000000001号",
        "scope": ["job_placement"],
        "first_day": "2023-03-01",
        "last_day": "2028-02-29",
        **other,
    }


async def register(registry: httpx.AsyncClient, **other: object) -> dict[str, object]:
    answer = await registry.post("/v1/organisations", json=registration(**other), auth=REGISTRAR)
    assert answer.status_code == 201, answer.text
    registered: dict[str, object] = answer.json()
    return registered
