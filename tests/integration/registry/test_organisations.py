"""Organisations from HTTP to the outbox."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.building import Announced, SignedBy, Staff, announced, fetch, staff_token
from tests.integration.registry.conftest import DISTRICT
from tests.runtime import Database

USCC = "91371002MA3D123476"
REGISTRAR = Staff(staff_token("registrar-1", roles=["registrar"]))
HUANCUI = Staff(staff_token("registrar-2", roles=["registrar"], jurisdictions=["huancui"]))
WENDENG = Staff(staff_token("registrar-3", roles=["registrar"], jurisdictions=["wendeng"]))


def registration(**other: object) -> dict[str, object]:
    return {"uscc": USCC, "kind": "enterprise", "name": "环翠测试人力资源有限公司", "jurisdiction_id": "huancui", **other}


async def rows(database: Database) -> list[dict[str, Any]]:
    found = await fetch(database, "SELECT uscc, kind, name, jurisdiction_id, status, version, changed_by FROM organisation", service="registry")
    return [dict(row) for row in found]


async def test_a_registered_organisation_is_kept_announced_and_read_back(registry: httpx.AsyncClient, database: Database) -> None:
    answer = await registry.post("/v1/organisations", json=registration(), auth=REGISTRAR)
    read = await registry.get(f"/v1/organisations/{USCC}", auth=REGISTRAR)

    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    assert (read.status_code, read.headers["ETag"], read.json()) == (200, '"1"', answer.json())
    kept = {**registration(), "status": "active", "version": 1}
    assert await rows(database) == [{**kept, "changed_by": "staff:https://staff.example.invalid|registrar-1"}]
    assert await announced(database, service="registry") == [
        Announced(
            type="registry.organisation_registered.v1",
            topic="registry.events",
            key=USCC,
            seq=1,
            body={**kept, "happened_at": answer.json()["registered_at"], "happened_on": "2025-09-15"},
        )
    ]
