"""Contacts: kept apart, masked on every read, announced on a topic of their own, erased for good."""

import httpx
import pytest

from tests.building import Announced, announced, fetch
from tests.integration.registry.callers import AUDITOR, HUANCUI, HUANCUI_USCC, WENDENG, register
from tests.runtime import Database

CONTACT = {"contact_name": "欧阳测试", "mobile": "13900001234"}
PATH = f"/v1/organisations/{HUANCUI_USCC}/contact"


async def kept(database: Database) -> list[tuple[str, str]]:
    return [tuple(row) for row in await fetch(database, "SELECT contact_name, mobile FROM contact", service="registry")]


async def contact_events(database: Database) -> list[Announced]:
    return [each for each in await announced(database, service="registry") if each.topic == "registry.contacts"]


async def test_a_contact_is_kept_whole_answered_masked_and_announced_on_its_own_topic(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)

    recorded = await registry.post(PATH, json=CONTACT, auth=HUANCUI)
    read = await registry.get(PATH, auth=HUANCUI)

    masked = {"uscc": HUANCUI_USCC, "contact_name": "欧***", "mobile": "139****1234", "recorded_at": recorded.json()["recorded_at"]}
    assert (recorded.status_code, recorded.json(), read.status_code, read.json()) == (200, masked, 200, masked)
    assert await kept(database) == [("欧阳测试", "13900001234")]
    assert await contact_events(database) == [
        Announced(
            type="registry.contact_recorded.v1",
            topic="registry.contacts",
            key=HUANCUI_USCC,
            seq=1,
            body={"uscc": HUANCUI_USCC, **CONTACT, "happened_at": recorded.json()["recorded_at"], "happened_on": "2025-09-15"},
        )
    ]
    others = [each.body for each in await announced(database, service="registry") if each.topic == "registry.events"]
    assert "13900001234" not in str(others)


async def test_the_same_contact_again_is_not_announced_and_another_one_is(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    await registry.post(PATH, json=CONTACT, auth=HUANCUI)

    same = await registry.post(PATH, json={**CONTACT, "mobile": "+86 139-0000-1234"}, auth=HUANCUI)
    other = await registry.post(PATH, json={**CONTACT, "mobile": "13900005678"}, auth=HUANCUI)

    assert (same.status_code, other.status_code, other.json()["mobile"]) == (200, 200, "139****5678")
    assert [each.body and each.body["mobile"] for each in await contact_events(database)] == ["13900001234", "13900005678"]


async def test_an_erased_contact_leaves_a_tombstone_and_nothing_else(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    await registry.post(PATH, json=CONTACT, auth=HUANCUI)

    erased = await registry.post(f"{PATH}:erase", auth=HUANCUI)
    read = await registry.get(PATH, auth=HUANCUI)
    again = await registry.post(f"{PATH}:erase", auth=HUANCUI)

    assert (erased.status_code, read.status_code, read.json()["code"], again.status_code) == (200, 404, "no-contact", 404)
    assert await kept(database) == []
    assert (await contact_events(database))[1:] == [
        Announced(type="registry.contact_erased.v1", topic="registry.contacts", key=HUANCUI_USCC, seq=2, body=None)
    ]


@pytest.mark.parametrize("mobile", ["1390000123", "139000012345", "12900001234", "١٣٩٠٠٠٠١٢٣٤", "0631-5200000"])
async def test_a_number_that_is_no_mobile_is_refused_without_repeating_it(registry: httpx.AsyncClient, database: Database, mobile: str) -> None:
    await register(registry)

    answer = await registry.post(PATH, json={**CONTACT, "mobile": mobile}, auth=HUANCUI)

    assert (answer.status_code, answer.json()["code"], answer.json()["errors"][0]["pointer"]) == (422, "bad-mobile", "/mobile")
    assert mobile not in answer.text
    assert (await kept(database), await contact_events(database)) == ([], [])


async def test_a_contact_is_neither_read_nor_written_from_another_district_or_without_the_scope(
    registry: httpx.AsyncClient, database: Database
) -> None:
    await register(registry)
    await registry.post(PATH, json=CONTACT, auth=HUANCUI)

    abroad = [await registry.get(PATH, auth=WENDENG), await registry.post(PATH, json=CONTACT, auth=WENDENG)]
    abroad.append(await registry.post(f"{PATH}:erase", auth=WENDENG))
    audited = await registry.get(PATH, auth=AUDITOR)

    assert ([answer.status_code for answer in abroad], audited.status_code) == ([404, 404, 404], 403)
    assert len(await contact_events(database)) == 1
