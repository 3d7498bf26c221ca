"""Organisations from HTTP to the outbox."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.building import Announced, announced, fetch, holding, until_waiting
from tests.fixtures.uscc import make_synthetic
from tests.integration.registry.callers import (
    AUDITOR,
    HUANCUI,
    HUANCUI_USCC,
    REGISTRAR,
    RONGCHENG_USCC,
    SIGNED,
    WENDENG,
    WENDENG_USCC,
    permit,
    register,
    registration,
)
from tests.runtime import Database

CHANGE = {"kind": "enterprise", "name": "环翠新名人力资源有限公司", "jurisdiction_id": "huancui"}


async def rows(database: Database) -> list[dict[str, Any]]:
    found = await fetch(database, "SELECT uscc, kind, name, jurisdiction_id, status, version FROM organisation ORDER BY uscc", service="registry")
    return [dict(row) for row in found]


async def test_a_registered_organisation_is_kept_announced_and_read_back(registry: httpx.AsyncClient, database: Database) -> None:
    answer = await registry.post("/v1/organisations", json=registration(), auth=REGISTRAR)
    read = await registry.get(f"/v1/organisations/{HUANCUI_USCC}", auth=REGISTRAR)

    assert (answer.status_code, answer.headers["ETag"]) == (201, '"1"')
    assert (read.status_code, read.headers["ETag"], read.json()) == (200, '"1"', answer.json())
    kept = {**registration(), "status": "active", "version": 1}
    assert await rows(database) == [kept]
    assert await announced(database, service="registry") == [
        Announced(
            type="registry.organisation_registered.v1",
            topic="registry.events",
            key=HUANCUI_USCC,
            seq=1,
            body={**kept, "happened_at": answer.json()["registered_at"], "happened_on": "2025-09-15"},
        )
    ]


async def test_the_same_key_again_gets_the_first_answer_byte_for_byte(registry: httpx.AsyncClient, database: Database) -> None:
    key = {"Idempotency-Key": "a-key"}

    first = await registry.post("/v1/organisations", json=registration(), auth=SIGNED, headers=key)
    again = await registry.post("/v1/organisations", json=registration(), auth=SIGNED, headers=key)

    assert (first.status_code, again.status_code, again.content, again.headers["ETag"]) == (201, 201, first.content, first.headers["ETag"])
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")
    assert (len(await rows(database)), len(await announced(database, service="registry"))) == (1, 1)


async def test_the_same_key_with_other_content_is_refused(registry: httpx.AsyncClient, database: Database) -> None:
    key = {"Idempotency-Key": "a-key"}
    await registry.post("/v1/organisations", json=registration(), auth=SIGNED, headers=key)

    other = await registry.post("/v1/organisations", json=registration(name="另一家公司"), auth=SIGNED, headers=key)

    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert len(await announced(database, service="registry")) == 1


@pytest.mark.parametrize("name", ["\u200b\u200b\u200b", "\u3164\u3164", "环\u2060\u2060"])
async def test_an_organisation_has_a_name_that_can_be_seen(registry: httpx.AsyncClient, database: Database, name: str) -> None:
    refused = await registry.post("/v1/organisations", json={**registration(), "name": name}, auth=REGISTRAR)

    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/name")
    assert await rows(database) == []


async def test_two_registrations_at_once_make_one_organisation(registry: httpx.AsyncClient, database: Database) -> None:
    answers = await asyncio.gather(*(registry.post("/v1/organisations", json=registration(), auth=REGISTRAR) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert {answer.json().get("code") for answer in answers} == {None, "organisation-already-registered"}
    assert (len(await rows(database)), len(await announced(database, service="registry"))) == (1, 1)


@pytest.mark.parametrize("written", ["91371002ma3d123476", "９１３７１００２ＭＡ３Ｄ１２３４７６", " 91371002MA3D123476 "])
async def test_lower_case_and_full_width_codes_are_normalised(registry: httpx.AsyncClient, database: Database, written: str) -> None:
    answer = await registry.post("/v1/organisations", json=registration(uscc=written), auth=REGISTRAR)
    read = await registry.get(f"/v1/organisations/{written.strip()}", auth=REGISTRAR)

    assert (answer.status_code, answer.json()["uscc"]) == (201, HUANCUI_USCC)
    assert (read.status_code, [row["uscc"] for row in await rows(database)]) == (200, [HUANCUI_USCC])


@pytest.mark.parametrize(
    ("uscc", "kind", "warnings"),
    [
        (make_synthetic("91990000MA0000011"), "industry_association", ["uscc-unusual-for-kind", "organisation-code-inside-wrong"]),
        ("91371000MA3N6WYW1J", "enterprise", []),
    ],
)
async def test_what_is_only_unusual_is_recorded_with_a_warning(registry: httpx.AsyncClient, uscc: str, kind: str, warnings: list[str]) -> None:
    answer = await registry.post("/v1/organisations", json=registration(uscc=uscc, kind=kind), auth=REGISTRAR)

    assert answer.status_code == 201
    assert [warning["code"] for warning in answer.json()["warnings"]] == warnings


async def test_a_change_is_a_new_version_and_carries_the_whole_state(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)

    answer = await registry.post(f"/v1/organisations/{HUANCUI_USCC}:change", json=CHANGE, auth=HUANCUI, headers={"If-Match": '"1"'})

    kept = {"uscc": HUANCUI_USCC, **CHANGE, "status": "active", "version": 2}
    assert (answer.status_code, answer.headers["ETag"], answer.json()["name"]) == (200, '"2"', CHANGE["name"])
    assert await rows(database) == [kept]
    last = (await announced(database, service="registry"))[-1]
    assert (last.type, last.seq, last.body) == (
        "registry.organisation_changed.v1",
        2,
        {**kept, "happened_at": answer.json()["changed_at"], "happened_on": "2025-09-15"},
    )


async def test_a_change_that_says_nothing_new_changes_and_announces_nothing(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    same = {name: value for name, value in registration().items() if name != "uscc"}

    answer = await registry.post(f"/v1/organisations/{HUANCUI_USCC}:change", json=same, auth=HUANCUI, headers={"If-Match": '"1"'})

    assert (answer.status_code, answer.headers["ETag"]) == (200, '"1"')
    assert len(await announced(database, service="registry")) == 1


@pytest.mark.parametrize(("headers", "status"), [({"If-Match": '"2"'}, 412), ({}, 428), ({"If-Match": "*"}, 428)])
async def test_a_change_of_another_version_than_the_present_one_is_refused(
    registry: httpx.AsyncClient, database: Database, headers: dict[str, str], status: int
) -> None:
    await register(registry)

    answer = await registry.post(f"/v1/organisations/{HUANCUI_USCC}:change", json=CHANGE, auth=HUANCUI, headers=headers)

    assert answer.status_code == status
    assert ([row["version"] for row in await rows(database)], len(await announced(database, service="registry"))) == ([1], 1)


async def test_of_two_changes_of_one_version_at_once_one_is_stale(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    path, read = f"/v1/organisations/{HUANCUI_USCC}:change", {"If-Match": '"1"'}

    async with holding(database, "SELECT FROM organisation WHERE uscc = $1 FOR UPDATE", HUANCUI_USCC, service="registry"):
        names = ("甲人力资源有限公司", "乙人力资源有限公司")
        changes = [asyncio.create_task(registry.post(path, json={**CHANGE, "name": name}, auth=HUANCUI, headers=read)) for name in names]
        await until_waiting(database, sessions=2)
    answers = await asyncio.gather(*changes)

    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert ([row["version"] for row in await rows(database)], len(await announced(database, service="registry"))) == ([2], 2)


async def test_the_end_of_an_organisation_ends_its_permits_with_it(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    await registry.post("/v1/institutions", json={"uscc": HUANCUI_USCC, **permit()}, auth=HUANCUI)

    answer = await registry.post(
        f"/v1/organisations/{HUANCUI_USCC}:end",
        json={"cause": "dissolved", "ended_on": "2025-09-15"},
        auth=HUANCUI,
        headers={"If-Match": '"1"'},
    )
    later = await registry.post(f"/v1/organisations/{HUANCUI_USCC}:change", json=CHANGE, auth=HUANCUI, headers={"If-Match": '"2"'})

    assert (answer.status_code, answer.json()["status"], answer.json()["ending_cause"]) == (200, "ended", "dissolved")
    names = ("cause", "cause_title_zh", "ended_on")
    told = [(each.type, *((each.body or {}).get(name) for name in names)) for each in (await announced(database, service="registry"))[2:]]
    assert told == [
        ("registry.institution_ended.v1", "subject_ended", "主体终止", "2025-09-15"),
        ("registry.organisation_ended.v1", "dissolved", "解散", "2025-09-15"),
    ]
    assert (later.status_code, later.json()["code"]) == (409, "organisation-ended")


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ({"cause": "dissolved", "ended_on": "2025-09-16"}, "ending-day-wrong"),
        ({"cause": "revoked", "ended_on": "2025-09-15"}, "ending-cause-does-not-fit"),
        ({"cause": "closed", "ended_on": "2025-09-15"}, "not-in-policy"),
    ],
)
async def test_an_end_tomorrow_or_for_a_cause_of_something_else_is_refused(
    registry: httpx.AsyncClient, database: Database, end: dict[str, str], code: str
) -> None:
    await register(registry)

    answer = await registry.post(f"/v1/organisations/{HUANCUI_USCC}:end", json=end, auth=HUANCUI, headers={"If-Match": '"1"'})

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert ([row["status"] for row in await rows(database)], len(await announced(database, service="registry"))) == (["active"], 1)


async def test_a_registrar_registers_only_at_home(registry: httpx.AsyncClient, database: Database) -> None:
    abroad = await registry.post("/v1/organisations", json=registration(), auth=WENDENG)
    at_home = await registry.post("/v1/organisations", json=registration(), auth=HUANCUI)

    assert (abroad.status_code, abroad.json()["code"]) == (403, "not-your-jurisdiction")
    assert (at_home.status_code, len(await announced(database, service="registry"))) == (201, 1)


async def test_an_organisation_of_another_district_is_not_there(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)

    read = await registry.get(f"/v1/organisations/{HUANCUI_USCC}", auth=WENDENG)
    change = await registry.post(f"/v1/organisations/{HUANCUI_USCC}:change", json=CHANGE, auth=WENDENG, headers={"If-Match": '"1"'})
    unknown = await registry.get(f"/v1/organisations/{RONGCHENG_USCC}", auth=WENDENG)

    assert (read.status_code, change.status_code) == (404, 404)
    assert {**read.json(), "trace_id": ""} == {**unknown.json(), "trace_id": ""}
    assert len(await announced(database, service="registry")) == 1


async def test_a_district_cannot_give_an_organisation_away(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    moved = {**CHANGE, "jurisdiction_id": "wendeng"}

    by_district = await registry.post(f"/v1/organisations/{HUANCUI_USCC}:change", json=moved, auth=HUANCUI, headers={"If-Match": '"1"'})
    by_city = await registry.post(f"/v1/organisations/{HUANCUI_USCC}:change", json=moved, auth=REGISTRAR, headers={"If-Match": '"1"'})

    assert (by_district.status_code, by_city.status_code) == (403, 200)
    assert [row["jurisdiction_id"] for row in await rows(database)] == ["wendeng"]


async def test_a_list_is_paged_filtered_and_keeps_to_the_callers_district(registry: httpx.AsyncClient) -> None:
    await register(registry)
    await register(registry, uscc=WENDENG_USCC, jurisdiction_id="wendeng", name="文登（海滨）人才服务协会", kind="industry_association")
    await register(registry, uscc=RONGCHENG_USCC, jurisdiction_id="rongcheng", name="Rongcheng Talent Co")

    async def listed(auth: httpx.Auth = AUDITOR, **filters: str | int) -> tuple[list[str], str | None]:
        page = (await registry.get("/v1/organisations", params=filters, auth=auth)).json()
        return [row["uscc"] for row in page["rows"]], page["next_cursor"]

    first, cursor = await listed(limit=2)
    assert cursor is not None
    assert (first, await listed(limit=2, cursor=cursor)) == ([HUANCUI_USCC, WENDENG_USCC], ([RONGCHENG_USCC], None))
    assert await listed(limit=3) == ([HUANCUI_USCC, WENDENG_USCC, RONGCHENG_USCC], None)
    assert await listed(jurisdiction_id="wendeng") == ([WENDENG_USCC], None)
    assert await listed(kind="industry_association") == ([WENDENG_USCC], None)
    assert await listed(status="ended") == ([], None)
    assert await listed(text="(海滨)") == ([WENDENG_USCC], None)
    assert await listed(text="ｔａｌｅｎｔ") == ([RONGCHENG_USCC], None)
    assert await listed(text="%") == ([], None)
    assert await listed(auth=HUANCUI) == ([HUANCUI_USCC], None)
    assert await listed(auth=HUANCUI, jurisdiction_id="wendeng") == ([], None)
