"""Permits and filings from HTTP to the outbox, and the public check of a permit's number."""

import asyncio

import httpx
import pytest

from tests.building import announced, fetch, holding, until_waiting
from tests.integration.registry.callers import HUANCUI, HUANCUI_USCC, REGISTRAR, WENDENG, WENDENG_USCC, permit, register
from tests.runtime import Database

PATH = "/v1/institutions"
FILING = {"basis": "filing", "number": "环人服备[2025]7号", "scope": ["training", "outsourcing"], "first_day": "2025-01-02"}


async def record(registry: httpx.AsyncClient, *, uscc: str = HUANCUI_USCC, **other: object) -> httpx.Response:
    return await registry.post(PATH, json={"uscc": uscc, **permit(**other)}, auth=REGISTRAR)


async def institution_events(database: Database) -> list[str]:
    return [each.type for each in await announced(database, service="registry") if "institution" in each.type]


async def test_a_permit_is_recorded_under_its_canonical_number_and_announced_whole(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)

    answer = await record(registry, number="（鲁）人服证字[2023]第0000000001号", scope=["online_recruitment", "job_placement"])
    read = await registry.get(f"{PATH}/{answer.json()['id']}", auth=HUANCUI)

    assert (answer.status_code, answer.headers["ETag"], read.json()) == (201, '"1"', answer.json())
    recorded = answer.json()
    assert (recorded["number"], recorded["number_as_written"]) == ("(鲁)人服证字〔2023〕第0000000001号", "（鲁）人服证字[2023]第0000000001号")
    assert (recorded["standing"], recorded["extend_by"], recorded["warnings"]) == ("valid", "2028-01-30", [])
    event = (await announced(database, service="registry"))[-1]
    assert (event.type, event.key, event.seq) == ("registry.institution_recorded.v1", HUANCUI_USCC, 2)
    assert event.body == {
        "happened_at": recorded["recorded_at"],
        "happened_on": "2025-09-15",
        "institution_id": recorded["id"],
        "uscc": HUANCUI_USCC,
        "basis": "permit",
        "number": "(鲁)人服证字〔2023〕第0000000001号",
        "scope": ["job_placement", "online_recruitment"],
        "first_day": "2023-03-01",
        "last_day": "2028-02-29",
    }


async def test_a_filing_needs_no_last_day_and_a_permit_of_another_length_is_warned_about(registry: httpx.AsyncClient) -> None:
    await register(registry)

    filing = await registry.post(PATH, json={"uscc": HUANCUI_USCC, **FILING}, auth=HUANCUI)
    short = await record(registry, last_day="2026-03-01")

    assert (filing.status_code, filing.json()["last_day"], filing.json()["extend_by"], filing.json()["warnings"]) == (201, None, None, [])
    assert (short.status_code, [each["code"] for each in short.json()["warnings"]]) == (201, ["unusual-validity"])


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"scope": ["training"]}, "business-outside-basis"),
        ({"scope": ["labour_dispatch"]}, "business-outside-basis"),
        ({"scope": ["online_recruitment"]}, "business-outside-basis"),
        ({"scope": ["gardening"]}, "not-in-policy"),
        ({"scope": []}, "invalid"),
        ({"basis": "filing"}, "business-outside-basis"),
        ({"last_day": None}, "bad-term"),
        ({"last_day": "2023-02-28"}, "bad-term"),
        ({"number": "鲁人服证字第٣号"}, "bad-permit-number"),
        ({"first_day": "2023-02-30"}, "invalid"),
        ({"colour": "red"}, "invalid"),
    ],
)
async def test_a_permit_that_cannot_be_is_refused(registry: httpx.AsyncClient, database: Database, other: dict[str, object], code: str) -> None:
    await register(registry)

    answer = await record(registry, **other)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (await fetch(database, "SELECT FROM institution", service="registry"), await institution_events(database)) == ([], [])


async def test_one_number_is_recorded_once_however_it_is_written(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    await register(registry, uscc=WENDENG_USCC, jurisdiction_id="wendeng")
    numbers = ("鲁人服证字[2023]0000000001号", "(鲁)人服证字〔2023〕第0000000001号")

    answers = await asyncio.gather(*(record(registry, number=number, uscc=uscc) for number in numbers for uscc in (HUANCUI_USCC, WENDENG_USCC)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert {answer.json().get("code") for answer in answers} == {None, "number-already-recorded"}
    assert len(await institution_events(database)) == 1


async def test_a_changed_permit_is_a_new_version(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    recorded = (await record(registry)).json()
    change = {**permit(last_day="2033-02-28")}
    del change["basis"]
    path = f"{PATH}/{recorded['id']}:change"

    changed = await registry.post(path, json=change, auth=HUANCUI, headers={"If-Match": '"1"'})
    stale = await registry.post(path, json=change, auth=HUANCUI, headers={"If-Match": '"1"'})
    same = await registry.post(path, json=change, auth=HUANCUI, headers={"If-Match": '"2"'})

    assert (changed.status_code, changed.json()["version"], changed.json()["last_day"]) == (200, 2, "2033-02-28")
    assert (stale.status_code, same.status_code, same.json()["version"]) == (412, 200, 2)
    assert await institution_events(database) == ["registry.institution_recorded.v1", "registry.institution_changed.v1"]


async def test_of_two_changes_of_one_version_at_once_one_is_stale(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    path = f"{PATH}/{(await record(registry)).json()['id']}:change"
    contents = [{name: value for name, value in permit(last_day=last_day).items() if name != "basis"} for last_day in ("2033-02-28", "2032-02-29")]

    async with holding(database, "SELECT FROM organisation WHERE uscc = $1 FOR UPDATE", HUANCUI_USCC, service="registry"):
        changes = [asyncio.create_task(registry.post(path, json=content, auth=HUANCUI, headers={"If-Match": '"1"'})) for content in contents]
        await until_waiting(database, sessions=2)
    answers = await asyncio.gather(*changes)

    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert len(await institution_events(database)) == 2


async def test_a_permit_cannot_take_the_number_of_another(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    await record(registry)
    second = (await record(registry, number="371002230001")).json()
    change = {**permit()}
    del change["basis"]

    answer = await registry.post(f"{PATH}/{second['id']}:change", json=change, auth=HUANCUI, headers={"If-Match": '"1"'})

    assert (answer.status_code, answer.json()["code"]) == (409, "number-already-recorded")
    assert len(await institution_events(database)) == 2


async def test_a_revoked_permit_is_ended_with_its_cause(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    path = f"{PATH}/{(await record(registry)).json()['id']}:end"
    revoked = {"cause": "revoked", "ended_on": "2025-09-10"}

    ended = await registry.post(path, json=revoked, auth=HUANCUI, headers={"If-Match": '"1"'})
    again = await registry.post(path, json=revoked, auth=HUANCUI, headers={"If-Match": '"2"'})

    assert (ended.status_code, ended.json()["standing"], ended.json()["ending_cause"]) == (200, "ended", "revoked")
    assert (again.status_code, again.json()["code"]) == (409, "institution-ended")
    last = (await announced(database, service="registry"))[-1]
    assert last.body is not None
    told = ("registry.institution_ended.v1", "revoked", "吊销", "2025-09-10")
    assert (last.type, last.body["cause"], last.body["cause_title_zh"], last.body["ended_on"]) == told


async def test_a_permit_that_has_not_run_out_does_not_end_as_expired(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    path = f"{PATH}/{(await record(registry)).json()['id']}:end"

    answer = await registry.post(path, json={"cause": "expired_not_extended", "ended_on": "2025-09-10"}, auth=HUANCUI, headers={"If-Match": '"1"'})

    assert (answer.status_code, answer.json()["code"]) == (422, "ending-day-wrong")
    assert await institution_events(database) == ["registry.institution_recorded.v1"]


async def test_a_permit_of_another_district_is_not_there(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    recorded = (await record(registry)).json()
    change = {**permit(last_day="2033-02-28")}
    del change["basis"]

    answers = [
        await registry.get(f"{PATH}/{recorded['id']}", auth=WENDENG),
        await registry.post(f"{PATH}/{recorded['id']}:change", json=change, auth=WENDENG, headers={"If-Match": '"1"'}),
        await registry.post(PATH, json={"uscc": HUANCUI_USCC, **FILING}, auth=WENDENG),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert len(await institution_events(database)) == 1


async def test_permits_and_filings_are_listed_by_number_filtered_and_at_home(registry: httpx.AsyncClient) -> None:
    await register(registry)
    await register(registry, uscc=WENDENG_USCC, jurisdiction_id="wendeng", name="文登测试有限公司")
    await record(registry, uscc=WENDENG_USCC, number="371003230001")
    await record(registry)
    await registry.post(PATH, json={"uscc": HUANCUI_USCC, **FILING}, auth=REGISTRAR)

    async def listed(auth: httpx.Auth = REGISTRAR, **filters: str | int) -> tuple[list[str], str | None]:
        page = (await registry.get(PATH, params=filters, auth=auth)).json()
        return [row["number"] for row in page["rows"]], page["next_cursor"]

    filing, national, legacy = "环人服备(2025)7号", "(鲁)人服证字〔2023〕第0000000001号", "371003230001"
    first, cursor = await listed(limit=2)
    assert cursor is not None
    assert (first, await listed(limit=2, cursor=cursor)) == ([filing, national], ([legacy], None))
    assert await listed(basis="permit") == ([national, legacy], None)
    assert await listed(uscc=WENDENG_USCC) == ([legacy], None)
    assert await listed(text="文登") == ([legacy], None)
    assert await listed(text="人服证字") == ([national], None)
    assert await listed(jurisdiction_id="huancui") == ([filing, national], None)
    assert await listed(auth=HUANCUI) == ([filing, national], None)


@pytest.mark.parametrize("written", ["(鲁)人服证字〔2023〕第0000000001号", "（鲁）人服证字［2023］第0000000001号", "鲁人服证字(2023)0000000001号"])
async def test_anyone_may_check_a_permit_however_its_number_is_written(registry: httpx.AsyncClient, written: str) -> None:
    await register(registry)
    await record(registry)

    answer = await registry.get(f"/v1/permits/{written}")

    assert answer.status_code == 200
    assert answer.json() == {
        "number": "(鲁)人服证字〔2023〕第0000000001号",
        "holder_name": "环翠测试人力资源有限公司",
        "scope": [{"id": "job_placement", "title": "job placement", "title_zh": "职业中介活动"}],
        "first_day": "2023-03-01",
        "last_day": "2028-02-29",
        "on": "2025-09-15",
        "is_valid": True,
        "standing": "valid",
    }


@pytest.mark.parametrize(("on", "standing"), [("2023-02-28", "not_yet"), ("2023-03-01", "valid"), ("2028-02-29", "valid"), ("2028-03-01", "expired")])
async def test_a_permit_is_good_from_its_first_to_its_last_day(registry: httpx.AsyncClient, on: str, standing: str) -> None:
    await register(registry)
    await record(registry)

    answer = await registry.get("/v1/permits/(鲁)人服证字〔2023〕第0000000001号", params={"on": on})

    assert (answer.json()["standing"], answer.json()["is_valid"]) == (standing, standing == "valid")


@pytest.mark.parametrize("number", ["371002230001", "环人服备[2025]7号", "no/such"])
async def test_a_number_without_a_permit_is_not_found(registry: httpx.AsyncClient, number: str) -> None:
    await register(registry)
    await registry.post(PATH, json={"uscc": HUANCUI_USCC, **FILING}, auth=HUANCUI)

    answer = await registry.get(f"/v1/permits/{number}")

    assert answer.status_code == 404
