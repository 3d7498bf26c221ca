"""Importing many organisations in one call."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.building import SignedBy, announced, fetch, holding, until_waiting
from tests.fixtures.uscc import make_synthetic
from tests.integration.registry.callers import (
    AUDITOR,
    HUANCUI,
    HUANCUI_USCC,
    PLAIN,
    REGISTRAR,
    RONGCHENG_USCC,
    WENDENG_USCC,
    permit,
    register,
    registration,
)
from tests.runtime import Database

PATH = "/v1/organisations:import"
CONTACT = {"contact_name": "测试", "mobile": "13900001234"}
WHOLE = registration(institution=permit(), contact=CONTACT)


async def take(registry: httpx.AsyncClient, rows: list[Any], *, auth: httpx.Auth = HUANCUI) -> list[tuple[str, str | None]]:
    """Status and problem code of each row."""
    answer = await registry.post(PATH, json={"rows": rows}, auth=auth)
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert [result["index"] for result in results] == list(range(len(rows)))
    return [(result["status"], result["problem"] and result["problem"]["code"]) for result in results]


async def counts(database: Database) -> tuple[int, ...]:
    """Rows of organisation, institution and contact, and of the outbox."""
    tables = ("organisation", "institution", "contact", "outbox")
    (row,) = await fetch(database, "SELECT " + ", ".join(f"(SELECT count(*) FROM {table})" for table in tables), service="registry")
    return tuple(row)


async def test_a_roster_twice_is_a_roster_once(registry: httpx.AsyncClient, database: Database) -> None:
    rows = [WHOLE, registration(uscc=RONGCHENG_USCC, name="另一家人力资源有限公司")]

    first = await take(registry, rows)
    told = await announced(database, service="registry")
    again = await take(registry, rows)

    assert (first, again) == ([("created", None)] * 2, [("unchanged", None)] * 2)
    assert await announced(database, service="registry") == told
    assert [(each.type, each.key, each.seq) for each in told] == [
        ("registry.organisation_registered.v1", HUANCUI_USCC, 1),
        ("registry.institution_recorded.v1", HUANCUI_USCC, 2),
        ("registry.organisation_registered.v1", RONGCHENG_USCC, 1),
        ("registry.contact_recorded.v1", HUANCUI_USCC, 1),
    ]
    assert await counts(database) == (2, 1, 1, 4)


async def test_each_part_of_a_row_that_is_new_is_a_change_and_is_announced(registry: httpx.AsyncClient, database: Database) -> None:
    await take(registry, [WHOLE])
    steps = [
        ("registry.organisation_changed.v1", {**WHOLE, "name": "新名人力资源有限公司"}),
        ("registry.institution_changed.v1", {**WHOLE, "name": "新名人力资源有限公司", "institution": permit(last_day="2033-02-28")}),
        ("registry.contact_recorded.v1", registration(name="新名人力资源有限公司", contact={**CONTACT, "mobile": "13900005678"})),
    ]

    results = [(await take(registry, [row]), (await announced(database, service="registry"))[-1].type) for _, row in steps]

    assert results == [([("changed", None)], announced_type) for announced_type, _ in steps]
    assert await counts(database) == (1, 1, 1, 6)


async def test_another_way_to_write_the_same_is_unchanged(registry: httpx.AsyncClient, database: Database) -> None:
    await take(registry, [WHOLE])
    same = {
        **WHOLE,
        "uscc": "９１３７１００２ma3d123476",
        "institution": permit(number="鲁人服证字[2023]0000000001号", scope=["job_placement", "job_placement"]),
        "contact": {**CONTACT, "mobile": "+86 139 0000 1234"},
    }

    assert await take(registry, [same]) == [("unchanged", None)]
    assert await counts(database) == (1, 1, 1, 3)


async def test_a_bad_row_is_refused_alone_and_whole(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry, uscc=WENDENG_USCC, jurisdiction_id="wendeng", name="文登测试有限公司")
    await registry.post("/v1/institutions", json={"uscc": WENDENG_USCC, **permit(number="371003230001")}, auth=REGISTRAR)
    before = await counts(database)
    codes = [make_synthetic(f"91371002MA3D{number:05d}") for number in range(20)]
    bad: list[tuple[Any, str]] = [
        (registration(uscc="91371002MA3D123475"), "invalid"),
        (registration(uscc=codes[1], colour="red"), "invalid"),
        ("not a row", "invalid"),
        (registration(uscc=codes[2], jurisdiction_id="atlantis"), "unknown-jurisdiction"),
        (registration(uscc=codes[3], jurisdiction_id="wendeng"), "not-your-jurisdiction"),
        (registration(uscc=WENDENG_USCC), "organisation-already-registered"),
        (registration(uscc=codes[4], institution=permit(scope=["training"])), "business-outside-basis"),
        (registration(uscc=codes[5], institution=permit(last_day=None)), "bad-term"),
        (registration(uscc=codes[6], institution=permit(number="371003230001"), contact=CONTACT), "number-already-recorded"),
        (registration(uscc=codes[7], contact={**CONTACT, "mobile": "12345"}), "bad-mobile"),
        (registration(), "row-repeated"),
    ]

    results = await take(registry, [WHOLE, *(row for row, _ in bad)])

    assert results == [("created", None), *(("refused", code) for _, code in bad)]
    assert tuple(now - then for now, then in zip(await counts(database), before, strict=True)) == (1, 1, 1, 3)


async def test_a_problem_of_a_part_points_into_the_row(registry: httpx.AsyncClient) -> None:
    rows = [
        registration(institution=permit(scope=["training"])),
        registration(uscc=RONGCHENG_USCC, contact={**CONTACT, "mobile": "1"}),
        registration(uscc=WENDENG_USCC, institution={**permit(), "basis": "lease"}),
    ]

    answer = await registry.post(PATH, json={"rows": rows}, auth=HUANCUI)

    pointers = [result["problem"]["errors"][0]["pointer"] for result in answer.json()["results"]]
    assert pointers == ["/institution/scope", "/contact/mobile", "/institution/basis"]


async def test_of_two_rows_with_one_permit_number_the_first_code_has_it(registry: httpx.AsyncClient, database: Database) -> None:
    rows = [registration(uscc=RONGCHENG_USCC, institution=permit()), registration(institution=permit())]

    assert await take(registry, rows) == [("refused", "number-already-recorded"), ("created", None)]
    assert await counts(database) == (1, 1, 0, 2)


async def test_what_has_ended_is_not_changed_by_a_roster(registry: httpx.AsyncClient, database: Database) -> None:
    await take(registry, [WHOLE, registration(uscc=RONGCHENG_USCC)])
    end = {"cause": "dissolved", "ended_on": "2025-09-15"}
    await registry.post(f"/v1/organisations/{RONGCHENG_USCC}:end", json=end, auth=HUANCUI, headers={"If-Match": '"1"'})
    (recorded,) = (await registry.get("/v1/institutions", auth=HUANCUI)).json()["rows"]
    revoked = {"cause": "revoked", "ended_on": "2025-09-15"}
    await registry.post(f"/v1/institutions/{recorded['id']}:end", json=revoked, auth=HUANCUI, headers={"If-Match": '"1"'})
    before = await counts(database)

    results = await take(registry, [{**WHOLE, "name": "新名人力资源有限公司"}, registration(uscc=RONGCHENG_USCC)])

    assert results == [("refused", "institution-ended"), ("refused", "organisation-ended")]
    assert await counts(database) == before


async def test_a_caller_without_the_scope_of_a_part_is_refused_that_row(registry: httpx.AsyncClient, database: Database) -> None:
    rows = [registration(institution=permit()), registration(uscc=RONGCHENG_USCC, contact=CONTACT), registration(uscc=WENDENG_USCC)]

    results = await take(registry, rows, auth=SignedBy(PLAIN, service="registry"))

    assert results == [("refused", "scope-missing"), ("refused", "scope-missing"), ("created", None)]
    assert await counts(database) == (1, 0, 0, 1)


async def test_a_caller_who_may_only_read_imports_nothing(registry: httpx.AsyncClient, database: Database) -> None:
    refused = await registry.post(PATH, json={"rows": [registration()]}, auth=AUDITOR)

    assert (refused.status_code, await counts(database)) == (403, (0, 0, 0, 0))


async def test_two_rosters_in_opposite_order_do_not_wait_for_each_other(registry: httpx.AsyncClient, database: Database) -> None:
    low, middle, high = sorted((HUANCUI_USCC, WENDENG_USCC, RONGCHENG_USCC))
    rows = [registration(uscc=low), registration(uscc=middle), registration(uscc=high)]
    insert = "INSERT INTO organisation SELECT $1, 'other', 'x', 'huancui', 'active', NULL, NULL, 1, now(), now(), 'x'"

    async with holding(database, insert, middle, service="registry"):
        rosters = [asyncio.create_task(take(registry, order)) for order in (rows, rows[::-1])]
        await until_waiting(database, sessions=2)
    results = await asyncio.gather(*rosters)

    assert sorted(status for result in results for status, _ in result) == ["created"] * 3 + ["unchanged"] * 3
    assert await counts(database) == (3, 0, 0, 3)


async def test_a_roster_is_compared_with_what_another_change_leaves(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    update = "UPDATE organisation SET name = '其他有限公司', version = 2 WHERE uscc = $1"

    async with holding(database, update, HUANCUI_USCC, service="registry") as other:
        roster = asyncio.create_task(take(registry, [registration()]))
        await until_waiting(database, sessions=1)
        await other.commit()

    assert await roster == [("changed", None)]
    (event,) = [each.body for each in await announced(database, service="registry") if each.type == "registry.organisation_changed.v1"]
    assert event is not None
    assert (event["name"], event["version"]) == (registration()["name"], 3)


async def test_nobody_changes_an_organisation_while_a_roster_is_at_it(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    await register(registry, uscc=WENDENG_USCC, jurisdiction_id="wendeng")
    change = {"kind": "other", "name": "新名人力资源有限公司", "jurisdiction_id": "huancui"}
    insert = """
        INSERT INTO institution (id, uscc, basis, number, number_as_written, scope, first_day, version, recorded_at, changed_at, changed_by)
        VALUES (gen_random_uuid(), $1, 'permit', '(鲁)人服证字〔2023〕第0000000001号', '', '{}', '2023-03-01', 1, now(), now(), 'x')
    """

    async with holding(database, insert, WENDENG_USCC, service="registry"):
        roster = asyncio.create_task(take(registry, [registration(institution=permit())]))
        await until_waiting(database, sessions=1)
        path, read = f"/v1/organisations/{HUANCUI_USCC}:change", {"If-Match": '"1"'}
        changing = asyncio.create_task(registry.post(path, json=change, auth=HUANCUI, headers=read))
        await until_waiting(database, sessions=2)

    assert (await roster, (await changing).status_code) == ([("changed", None)], 200)
    assert [(each.type, each.seq) for each in await announced(database, service="registry") if each.key == HUANCUI_USCC][1:] == [
        ("registry.institution_recorded.v1", 2),
        ("registry.organisation_changed.v1", 3),
    ]


async def test_four_rosters_at_once_make_each_organisation_once(registry: httpx.AsyncClient, database: Database) -> None:
    rows = [
        registration(uscc=make_synthetic(f"91371002MA3D{number:05d}"), institution=permit(number=f"3710022300{number:02d}"), contact=CONTACT)
        for number in range(60)
    ]
    orders = [rows, rows[::-1], rows[30:] + rows[:30], rows[::2]]

    answers = await asyncio.gather(*(take(registry, order) for order in orders))

    statuses = [status for answer in answers for status, _ in answer]
    assert (statuses.count("created"), statuses.count("unchanged"), len(statuses)) == (60, 150, 210)
    assert await counts(database) == (60, 60, 60, 180)


async def test_a_thousand_rows_are_taken_and_one_more_is_not(registry: httpx.AsyncClient, database: Database) -> None:
    rows = [
        registration(uscc=make_synthetic(f"91371002MA3D{number:05d}"), institution=permit(number=f"37100223{number:04d}"), contact=CONTACT)
        for number in range(1_001)
    ]

    too_many = await registry.post(PATH, json={"rows": rows}, auth=HUANCUI)
    none = await registry.post(PATH, json={"rows": []}, auth=HUANCUI)
    taken = await take(registry, rows[:1_000])

    assert (too_many.status_code, none.status_code) == (422, 422)
    assert taken == [("created", None)] * 1_000
    assert await counts(database) == (1_000, 1_000, 1_000, 3_000)


@pytest.mark.parametrize(("first_day", "last_day"), [("0001-01-01", "0001-01-15"), ("9996-01-01", "9999-12-31")])
async def test_a_term_outside_of_any_calendar_does_not_break_the_list_for_everybody(
    registry: httpx.AsyncClient, database: Database, first_day: str, last_day: str
) -> None:
    row = registration(institution=permit(first_day=first_day, last_day=last_day))

    outcome = await take(registry, [row])

    assert outcome == [("refused", "bad-term")]
    assert await counts(database) == (0, 0, 0, 0)
    listed = await registry.get("/v1/institutions", auth=AUDITOR)
    assert (listed.status_code, listed.json()["rows"]) == (200, [])
