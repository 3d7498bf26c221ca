"""One key is good for one content at one address, on every route that writes: any other call with it is told so and writes nothing."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from deploy.docs.product import routes_of
from deploy.postgres.roles import SERVICES
from shared.auth import Permission
from shared.web import permission_of
from tests.building import SignedBy, System, announced, client_for
from tests.contract.operations import Operation, examples_of, operations
from tests.integration.applications.callers import filing
from tests.integration.registry.callers import registration
from tests.runtime import Database

KEY = "used once already"
ID = "01994e6e-7c1a-7000-8000-000000000001"
# An act that goes well in a service that is new.
FIRST: dict[str, tuple[str, dict[str, Any]]] = {
    "registry": ("/v1/organisations", registration()),
    "applications": ("/v1/applications", filing()),
    "budget": ("/v1/appropriations", {"fiscal_year": 2025, "amount_fen": 100, "document": "财预指〔2025〕8号", "approved_on": "2025-01-20"}),
}
NAMED = {"uscc": "91990000MA0000015Q", "code": "PARK-01"}


def caller_of(service: str) -> System:
    """With every scope of the service, in the whole city."""
    permissions = [permission_of(route) for route in routes_of(service)]
    return System(id="everything", scopes=sorted({each.scope for each in permissions if isinstance(each, Permission)}))


def written_once(service: str) -> list[Operation]:
    of_service = [each for each in operations() if each.service == service]
    return [each for each in of_service if "Idempotency-Key" in {told["name"] for told in each.told.get("parameters", [])}]


def content_of(operation: Operation) -> bytes:
    if "requestBody" not in operation.told:
        return b""
    return re.sub("example-district|district-a", "huancui", json.dumps(examples_of(operation)[0], ensure_ascii=False)).encode()


def address_of(operation: Operation) -> str:
    named = {told["name"]: NAMED.get(told["name"], ID) for told in operation.told["parameters"] if told["in"] == "path"}
    return operation.path.format(**named)


@pytest.mark.parametrize("service", FIRST)
async def test_a_key_that_was_used_is_refused_on_every_other_route_that_writes(service: str, database: Database, tmp_path: Path) -> None:
    system = caller_of(service)
    path, body = FIRST[service]
    async with client_for(service, database=database, folder=tmp_path, systems=(system,)) as client:
        auth = SignedBy(system, service=service)
        first = await client.post(path, json=body, headers={"Idempotency-Key": KEY}, auth=auth)

        before = await announced(database, service=service)
        told: dict[str, tuple[int, str | None]] = {}
        for operation in written_once(service):
            headers = {"Idempotency-Key": KEY, "If-Match": '"1"', "Content-Type": "application/json"}
            answer = await client.post(address_of(operation), content=content_of(operation), headers=headers, auth=auth)
            told[str(operation)] = answer.status_code, answer.json().get("code")
        again = await client.post(path, json=body, headers={"Idempotency-Key": KEY}, auth=auth)

    assert first.status_code == 201, first.text
    assert len(told) >= 9
    assert {name: each for name, each in told.items() if each != (422, "idempotency-key-reused")} == {}
    assert again.content == first.content
    assert await announced(database, service=service) == before


def test_every_service_with_more_than_one_act_is_tried() -> None:
    assert {service for service in SERVICES if len(written_once(service)) > 1} == FIRST.keys()
