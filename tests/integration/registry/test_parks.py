"""Parks from HTTP to the outbox."""

import asyncio

import httpx
import pytest

from tests.building import announced, fetch, holding, until_waiting
from tests.integration.registry.callers import HUANCUI, HUANCUI_USCC, REGISTRAR, WENDENG, WENDENG_USCC, register
from tests.runtime import Database

PATH = "/v1/parks"
PARK = {"code": "HC-01", "name": "环翠人力资源服务产业园", "operator_uscc": HUANCUI_USCC, "jurisdiction_id": "huancui"}
RECOGNITION = {"level": "provincial", "approved_on": "2025-06-30", "document": "测人社字〔2025〕1号"}
ASSESSMENT = {"year": 2024, "result": "passed", "document": "测人社字〔2025〕2号"}


async def register_park(registry: httpx.AsyncClient, **other: str) -> httpx.Response:
    return await registry.post(PATH, json={**PARK, **other}, auth=REGISTRAR)


async def park_events(database: Database) -> list[tuple[str, str, int | None]]:
    """Type, key and the park's version of each."""
    told = [each for each in await announced(database, service="registry") if ".park_" in each.type]
    return [(each.type.split(".")[1], each.key, each.body and each.body["version"]) for each in told]


async def test_a_park_its_recognition_and_its_assessment_are_kept_announced_and_read_back(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)

    registered = await register_park(registry, code="ｈｃ-01")
    recognised = await registry.post(f"{PATH}/HC-01/recognitions", json=RECOGNITION, auth=HUANCUI)
    assessed = await registry.post(f"{PATH}/hc-01/assessments", json=ASSESSMENT, auth=HUANCUI)
    read = await registry.get(f"{PATH}/HC-01", auth=HUANCUI)

    assert [answer.status_code for answer in (registered, recognised, assessed, read)] == [201, 201, 201, 200]
    assert read.json() == {**registered.json(), "recognitions": [recognised.json()], "assessments": [assessed.json()]}
    state = {"park_code": "HC-01", "name": PARK["name"], "operator_uscc": HUANCUI_USCC, "jurisdiction_id": "huancui", "version": 1}
    told = [each.body for each in (await announced(database, service="registry"))[1:]]
    days = {"happened_on": "2025-09-15"}
    assert told == [
        {**state, **days, "happened_at": registered.json()["registered_at"]},
        {**state, **days, "happened_at": recognised.json()["recorded_at"], **RECOGNITION},
        {**state, **days, "happened_at": assessed.json()["recorded_at"], **ASSESSMENT},
    ]
    assert [kind for kind, _, _ in await park_events(database)] == ["park_registered", "park_recognised", "park_assessed"]


async def test_a_level_and_a_year_are_recorded_once(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    await register_park(registry)

    recognitions = await asyncio.gather(*(registry.post(f"{PATH}/HC-01/recognitions", json=RECOGNITION, auth=HUANCUI) for _ in range(4)))
    assessments = await asyncio.gather(*(registry.post(f"{PATH}/HC-01/assessments", json=ASSESSMENT, auth=HUANCUI) for _ in range(4)))
    next_level = await registry.post(f"{PATH}/HC-01/recognitions", json={**RECOGNITION, "level": "national"}, auth=HUANCUI)

    assert sorted(answer.status_code for answer in recognitions) == [201, 409, 409, 409]
    assert sorted(answer.status_code for answer in assessments) == [201, 409, 409, 409]
    assert next_level.status_code == 201
    assert len(await park_events(database)) == 4


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("recognitions", {**RECOGNITION, "approved_on": "2025-09-16"}, "not-yet-happened"),
        ("recognitions", {**RECOGNITION, "level": "district"}, "invalid"),
        ("recognitions", {**RECOGNITION, "document": ""}, "invalid"),
        ("assessments", {**ASSESSMENT, "year": 2026}, "not-yet-happened"),
        ("assessments", {**ASSESSMENT, "year": "2024"}, "invalid"),
        ("assessments", {**ASSESSMENT, "result": "excellent"}, "invalid"),
    ],
)
async def test_what_is_not_so_yet_or_not_known_is_refused(
    registry: httpx.AsyncClient, database: Database, path: str, body: dict[str, object], code: str
) -> None:
    await register(registry)
    await register_park(registry)

    answer = await registry.post(f"{PATH}/HC-01/{path}", json=body, auth=HUANCUI)

    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert [kind for kind, _, _ in await park_events(database)] == ["park_registered"]


async def test_a_new_operator_is_announced_under_its_own_key_with_a_higher_version(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    await register(registry, uscc=WENDENG_USCC, jurisdiction_id="wendeng")
    await register_park(registry)
    change = {"name": PARK["name"], "operator_uscc": WENDENG_USCC}

    changed = await registry.post(f"{PATH}/HC-01:change", json=change, auth=HUANCUI, headers={"If-Match": '"1"'})
    stale = await registry.post(f"{PATH}/HC-01:change", json=change, auth=HUANCUI, headers={"If-Match": '"1"'})
    same = await registry.post(f"{PATH}/HC-01:change", json=change, auth=HUANCUI, headers={"If-Match": '"2"'})

    assert (changed.status_code, changed.json()["operator_uscc"], changed.headers["ETag"]) == (200, WENDENG_USCC, '"2"')
    assert (stale.status_code, same.status_code) == (412, 200)
    assert await park_events(database) == [("park_registered", HUANCUI_USCC, 1), ("park_changed", WENDENG_USCC, 2)]


async def test_of_two_changes_of_one_version_at_once_one_is_stale(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    await register_park(registry)
    contents = [{"name": name, "operator_uscc": HUANCUI_USCC} for name in ("甲产业园", "乙产业园")]

    async with holding(database, "SELECT FROM park FOR UPDATE", service="registry"):
        path, read = f"{PATH}/HC-01:change", {"If-Match": '"1"'}
        changes = [asyncio.create_task(registry.post(path, json=content, auth=HUANCUI, headers=read)) for content in contents]
        await until_waiting(database, sessions=2)
    answers = await asyncio.gather(*changes)

    assert sorted(answer.status_code for answer in answers) == [200, 412]
    assert len(await park_events(database)) == 2


async def test_an_operator_that_ends_at_the_same_moment_gets_no_park(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    ending = "UPDATE organisation SET status = 'ended', ended_on = '2025-09-15', ending_cause = 'dissolved' WHERE uscc = $1"

    async with holding(database, ending, HUANCUI_USCC, service="registry") as other:
        registering = asyncio.create_task(register_park(registry))
        await until_waiting(database, sessions=1)
        await other.commit()

    assert ((await registering).status_code, await park_events(database)) == (409, [])


async def test_an_operator_must_be_registered_and_active(registry: httpx.AsyncClient, database: Database) -> None:
    unknown = await register_park(registry)
    await register(registry)
    end = {"cause": "dissolved", "ended_on": "2025-09-15"}
    await registry.post(f"/v1/organisations/{HUANCUI_USCC}:end", json=end, auth=HUANCUI, headers={"If-Match": '"1"'})
    ended = await register_park(registry)

    assert (unknown.status_code, unknown.json()["code"], ended.status_code) == (422, "operator-unknown", 409)
    assert (await fetch(database, "SELECT FROM park", service="registry"), await park_events(database)) == ([], [])


async def test_an_organisation_does_not_end_while_it_operates_a_park(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    await register_park(registry)

    answer = await registry.post(
        f"/v1/organisations/{HUANCUI_USCC}:end",
        json={"cause": "dissolved", "ended_on": "2025-09-15"},
        auth=HUANCUI,
        headers={"If-Match": '"1"'},
    )

    assert (answer.status_code, answer.json()["code"]) == (409, "organisation-operates-park")
    assert len(await announced(database, service="registry")) == 2


async def test_a_park_is_registered_and_known_at_home_only(registry: httpx.AsyncClient, database: Database) -> None:
    await register(registry)
    abroad = await registry.post(PATH, json=PARK, auth=WENDENG)
    await register_park(registry)
    again = await register_park(registry)

    hidden = [
        await registry.get(f"{PATH}/HC-01", auth=WENDENG),
        await registry.post(f"{PATH}/HC-01/recognitions", json=RECOGNITION, auth=WENDENG),
    ]

    assert (abroad.status_code, again.status_code, [answer.status_code for answer in hidden]) == (403, 409, [404, 404])
    assert len(await park_events(database)) == 1


async def test_parks_are_listed_by_code_filtered_and_at_home(registry: httpx.AsyncClient) -> None:
    await register(registry)
    await register(registry, uscc=WENDENG_USCC, jurisdiction_id="wendeng")
    await register_park(registry)
    await register_park(registry, code="HC-02", name="海滨产业园", operator_uscc=WENDENG_USCC)
    await register_park(registry, code="WD-01", jurisdiction_id="wendeng", name="文登产业园")
    await registry.post(f"{PATH}/HC-02/recognitions", json=RECOGNITION, auth=HUANCUI)

    async def listed(auth: httpx.Auth = REGISTRAR, **filters: str | int) -> tuple[list[str], str | None]:
        page = (await registry.get(PATH, params=filters, auth=auth)).json()
        return [row["code"] for row in page["rows"] if len(row["recognitions"]) == (row["code"] == "HC-02")], page["next_cursor"]

    first, cursor = await listed(limit=2)
    assert cursor is not None
    assert (first, await listed(limit=2, cursor=cursor)) == (["HC-01", "HC-02"], (["WD-01"], None))
    assert await listed(operator_uscc=WENDENG_USCC) == (["HC-02"], None)
    assert await listed(jurisdiction_id="wendeng") == (["WD-01"], None)
    assert await listed(text="海滨") == (["HC-02"], None)
    assert await listed(auth=HUANCUI) == (["HC-01", "HC-02"], None)
