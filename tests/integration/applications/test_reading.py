"""Reading: the list, one case, the feed of changes; and who sees what."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from shared.ids import new_id
from shared.paging import write_cursor
from tests.integration.applications.callers import (
    AUDITOR,
    CITY_REVIEWER,
    HUANCUI,
    HUANCUI_REVIEWER,
    HUANCUI_SECOND,
    OFFICER,
    PORTAL,
    USCC,
    WENDENG,
    WENDENG_OFFICER,
    WENDENG_REVIEWER,
    filing,
)
from tests.integration.applications.desk import Desk

PATH = "/v1/applications"
BATCHES, ROWS = 6, 30


async def seen(desk: Desk, *, auth: httpx.Auth, **query: object) -> list[str]:
    answer = await desk.client.get(PATH, params={name: str(value) for name, value in query.items()}, auth=auth)
    assert answer.status_code == 200, answer.text
    return [row["row_reference"] for row in answer.json()["rows"]]


async def read_feed(desk: Desk, *, after: str, auth: httpx.Auth = AUDITOR, limit: int = 200) -> tuple[list[dict[str, Any]], str]:
    answer = await desk.client.get(PATH, params={"changed_after": after, "limit": limit}, auth=auth)
    assert answer.status_code == 200, answer.text
    return answer.json()["rows"], answer.json()["changed_after"]


async def test_a_district_sees_its_own_cases_and_of_others_not_even_that_they_are(desk: Desk) -> None:
    filed = await desk.file()
    id_ = filed["application_id"]
    case = await desk.get(id_)

    for auth in (WENDENG, WENDENG_REVIEWER):
        assert (await desk.client.get(f"{PATH}/{id_}", auth=auth)).json()["code"] == "not-found"
        assert await seen(desk, auth=auth) == []
        assert await seen(desk, auth=auth, case_number=filed["case_number"]) == []
        assert await seen(desk, auth=auth, jurisdiction_id="huancui") == []
        assert (await read_feed(desk, after="", auth=auth))[0] == []
    withdrawn = await desk.leave(case, auth=WENDENG)
    refused = await desk.leave(case, "refuse", auth=WENDENG_OFFICER)
    noticed = await desk.client.post("/v1/notices", json={"applications": [id_]}, auth=WENDENG_OFFICER)
    unknown = await desk.client.get(f"{PATH}/{new_id()}", auth=WENDENG)
    assert [each.status_code for each in (withdrawn, refused, noticed, unknown)] == [404] * 4
    assert {each.json()["code"] for each in (withdrawn, refused, noticed, unknown)} == {"not-found"}


async def test_the_portal_sees_what_it_filed_and_nothing_else_of_the_whole_city(desk: Desk) -> None:
    mine = await desk.file(filing("p-1", portal_number="SD-1"), auth=PORTAL)
    theirs = await desk.file(filing("h-1"))

    assert await seen(desk, auth=PORTAL) == ["p-1"]
    assert [row["id"] for row in (await read_feed(desk, after="", auth=PORTAL))[0]] == [mine["application_id"]]
    assert (await desk.client.get(f"{PATH}/{theirs['application_id']}", auth=PORTAL)).status_code == 404
    assert (await desk.leave(await desk.get(theirs["application_id"]), auth=PORTAL)).status_code == 404
    assert await seen(desk, auth=HUANCUI) == ["p-1", "h-1"]


async def test_the_portal_is_shown_what_is_meant_for_the_applicant_and_not_who_decided(desk: Desk) -> None:
    filed = await desk.file(filing("p-1", portal_number="SD-1"), auth=PORTAL)
    id_ = filed["application_id"]
    await desk.approve([id_], "acceptance", auth=HUANCUI, officer="hc-0001", reason="内部备注：已电话核实")
    sent = {"application_id": id_, "stage": "district", "verdict": "return", "reason": "请补充服务名单"}
    await desk.decide([sent], auth=HUANCUI, officer="hc-0002")

    shown, whole = await desk.get(id_, auth=PORTAL), await desk.get(id_)

    assert [(step["action"], step["reason"]) for step in shown["history"]] == [("file", None), ("accept", None), ("return", "请补充服务名单")]
    assert shown["decisions"] == []
    assert not any(word in str(shown) for word in ("hc-0001", "hc-0002", "district-huancui", "内部备注"))
    assert [step["officer"] for step in whole["history"]] == [None, "system:district-huancui#hc-0001", "system:district-huancui#hc-0002"]
    assert len(whole["decisions"]) == 1


async def test_who_may_not_read_is_told_so(desk: Desk) -> None:
    unsigned = await desk.client.get(PATH)

    assert (unsigned.status_code, unsigned.json()["code"]) == (401, "not-signed")


async def test_a_list_is_filtered_and_paged_without_losing_or_repeating_a_row(desk: Desk) -> None:
    for number in range(7):
        await desk.file(filing(f"row-{number}"))
    pages, cursor = [], None
    for _ in range(4):
        answer = await desk.client.get(PATH, params={"limit": 2, **({"cursor": cursor} if cursor else {})}, auth=HUANCUI_REVIEWER)
        pages.append([row["row_reference"] for row in answer.json()["rows"]])
        cursor = answer.json()["next_cursor"]

    assert pages == [["row-0", "row-1"], ["row-2", "row-3"], ["row-4", "row-5"], ["row-6"]]
    assert cursor is None
    assert await seen(desk, auth=OFFICER, row_reference="row-3", item_id="2023-15/4a", state="filed") == ["row-3"]
    assert await seen(desk, auth=OFFICER, applicant_uscc=USCC.lower(), limit=1) == ["row-0"]
    assert await seen(desk, auth=OFFICER, state="paid") == []


async def test_a_page_that_is_full_and_the_last_has_no_cursor(desk: Desk) -> None:
    for number in range(2):
        await desk.file(filing(f"row-{number}"))

    page = (await desk.client.get(PATH, params={"limit": 2}, auth=OFFICER)).json()

    assert (len(page["rows"]), page["next_cursor"]) == (2, None)


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": "?"},
        {"cursor": write_cursor("not an id")},
        {"cursor": write_cursor(1)},
        {"changed_after": "?"},
        {"changed_after": write_cursor("1", str(new_id()))},
        {"changed_after": write_cursor(-1, str(new_id()))},
        {"changed_after": write_cursor(1, "not an id")},
        {"changed_after": write_cursor(2**63, str(new_id()))},
    ],
)
async def test_a_cursor_that_is_not_ours_is_refused(desk: Desk, query: dict[str, str]) -> None:
    answer = await desk.client.get(PATH, params=query, auth=AUDITOR)

    assert (answer.status_code, answer.json()["code"]) == (400, "cursor-unreadable")


@pytest.mark.parametrize("day", ["1757894400", "2025-09-15T00:00:00"])
async def test_the_items_of_what_is_no_day_are_refused(desk: Desk, day: str) -> None:
    answer = await desk.client.get("/v1/items", params={"on": day})

    (found,) = answer.json()["errors"]
    assert (answer.status_code, found["pointer"], found["detail_zh"]) == (422, "/query/on", "日期格式应为YYYY-MM-DD")


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "201"}, {"state": "moon"}, {"applicant_uscc": "91"}])
async def test_a_query_that_means_nothing_is_refused(desk: Desk, query: dict[str, str]) -> None:
    answer = await desk.client.get(PATH, params=query, auth=AUDITOR)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_the_feed_tells_each_change_once_and_says_where_to_go_on(desk: Desk) -> None:
    first = await desk.file(filing("row-1"))
    await desk.file(filing("row-2"))
    rows, place = await read_feed(desk, after="")
    nothing, same_place = await read_feed(desk, after=place)
    await desk.approve([first["application_id"]], "acceptance", auth=HUANCUI, officer="hc-0001")

    changed, _ = await read_feed(desk, after=place)

    assert [row["row_reference"] for row in rows] == ["row-1", "row-2"]
    assert (nothing, same_place) == ([], place)
    assert [(row["row_reference"], row["state"]) for row in changed] == [("row-1", "accepted")]


async def test_the_feed_waits_for_a_transaction_that_is_still_open_and_passes_over_nothing(desk: Desk) -> None:
    before = await desk.file(filing("before"))
    slow = await asyncpg.connect(desk.database.urls["applications"])
    held = slow.transaction()
    await held.start()
    await slow.execute("UPDATE application SET changed_at = now() WHERE id = $1", before["application_id"])
    await desk.file(filing("after"))

    rows, place = await read_feed(desk, after="")
    await held.commit()
    await slow.close()
    later, _ = await read_feed(desk, after=place)

    # What a newer transaction wrote is not told while an older one is open: the older one's row would be passed over.
    assert [row["row_reference"] for row in rows] == ["before"]
    assert [row["row_reference"] for row in later] == ["before", "after"]


async def test_the_feed_read_while_many_write_tells_every_row_at_its_last_version(desk: Desk) -> None:
    told: dict[str, int] = {}
    done = asyncio.Event()

    async def write(number: int) -> None:
        auth = (HUANCUI, HUANCUI_SECOND)[number % 2]
        for version in (1, 2, 3):
            rows = [filing(f"b{number}-{row}", requested_fen=version) for row in range(ROWS)]
            answer = await desk.client.post(f"{PATH}:batch", json={"rows": rows}, auth=auth)
            assert {each["status"] for each in answer.json()["results"]} == {"created" if version == 1 else "changed"}

    async def follow() -> None:
        place, is_last = "", False
        while not is_last:
            is_last = done.is_set()
            rows, place = await read_feed(desk, after=place, limit=17)
            told.update({row["id"]: row["version"] for row in rows})
            is_last = is_last and not rows

    following = asyncio.create_task(follow())
    await asyncio.gather(*(write(number) for number in range(BATCHES)))
    done.set()
    await following

    assert list(told.values()) == [3] * (BATCHES * ROWS)


async def test_what_a_case_waits_for_is_shown_in_both_languages(desk: Desk) -> None:
    filed = await desk.file()
    await desk.approve([filed["application_id"]], "acceptance", auth=HUANCUI, officer="hc-0001")
    await desk.approve([filed["application_id"]], "district", auth=HUANCUI, officer="hc-0002")
    await desk.approve([filed["application_id"]], "city", auth=CITY_REVIEWER)

    case = await desk.get(filed["application_id"])

    assert (case["state_zh"], case["waiting_on_zh"]) == ("审核中", ["市人力资源社会保障部门", "市财政部门"])
    assert (case["next_step_zh"], case["next_step_en"]) == ("正在进行人社财政联审。", "In progress: Joint review by HR and finance.")


async def test_the_items_of_a_day_are_shown_to_everyone_with_their_clauses(desk: Desk) -> None:
    in_force = (await desk.client.get("/v1/items", params={"on": "2025-12-31"})).json()
    after = (await desk.client.get("/v1/items", params={"on": "2026-01-01"})).json()

    assert (len(in_force["items"]), after["items"], after["referrals"]) == (14, [], [])
    assert all(each["clause"].startswith("威人社发〔2023〕15号 ") and each["cap_fen"] > 0 for each in in_force["items"])
    assert in_force["referrals"]
    assert not any("cap_fen" in each for each in in_force["referrals"])


@pytest.mark.parametrize(
    "other",
    [{"state": "paid"}, {"applicant_uscc": USCC}, {"case_number": "none"}, {"jurisdiction_id": "wendeng"}, {"cursor": write_cursor(str(new_id()))}],
    ids=lambda other: next(iter(other)),
)
async def test_the_feed_is_not_shown_whole_to_who_asks_for_a_part_of_it(desk: Desk, other: dict[str, str]) -> None:
    await desk.file()

    answer = await desk.client.get(PATH, params={"changed_after": "", **other}, auth=AUDITOR)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert [each["pointer"] for each in answer.json()["errors"]] == [f"/query/{next(iter(other))}"]
