"""The inbox and the portal records over HTTP: who sees what, and what bad calls get."""

import time
import uuid
from typing import Any

import httpx
import pytest

from tests.building import signed_headers
from tests.integration.notifications import callers
from tests.integration.notifications.callers import AUDITOR, CITY_OFFICER, HUANCUI, REGISTRAR, SIGNED, SIGNED_BY_PORTAL, SIGNED_BY_STRANGER, WENDENG
from tests.integration.notifications.conftest import Service
from tests.integration.notifications.test_case_told import contact
from tests.unit.notifications.steps import USCC, Story

OTHER_USCC = "91371003MA3E567894"
ROUTES = ["/v1/messages", "/v1/messages/00000000-0000-7000-8000-000000000000", "/v1/portal-records", "/v1/portal-records/summary"]


async def two_districts(service: Service) -> tuple[Story, Story]:
    """A case in each of two districts: filed and accepted in the first, filed in the second."""
    huancui = Story(case_number="WH-2025-371002-000001")
    wendeng = Story(case_number="WH-2025-371003-000001", jurisdiction_id="wendeng", uscc=OTHER_USCC)
    await service.hear(huancui.filed(), huancui.accepted())
    await service.hear(wendeng.filed())
    return huancui, wendeng


async def rows(http: httpx.AsyncClient, url: str, auth: httpx.Auth, **params: Any) -> list[dict[str, Any]]:
    answer = await http.get(url, params=params, auth=auth)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["rows"]
    return found


async def test_a_message_is_read_with_its_next_step_and_a_masked_contact(service: Service, http: httpx.AsyncClient) -> None:
    story = Story()
    await service.hear(contact("13900001234"))
    await service.hear(story.filed())

    (listed,) = await rows(http, "/v1/messages", HUANCUI)
    read = await http.get(f"/v1/messages/{listed['id']}", auth=HUANCUI)

    assert read.json() == listed
    assert listed["title"] == "申报已收到：行业展会补贴"
    assert listed["next_step"].startswith("请等待环翠区人力资源和社会保障局")
    assert (listed["remedy"], listed["read_at"]) == (None, None)
    assert listed["recipient"] == {"contact_name": "王**", "mobile": "139****1234"}


@pytest.mark.parametrize(
    ("auth", "cases"),
    [
        (HUANCUI, ["WH-2025-371002-000001"] * 2),
        (SIGNED, ["WH-2025-371002-000001"] * 2),
        (WENDENG, ["WH-2025-371003-000001"]),
        (CITY_OFFICER, ["WH-2025-371003-000001", *["WH-2025-371002-000001"] * 2]),
        (AUDITOR, ["WH-2025-371003-000001", *["WH-2025-371002-000001"] * 2]),
        (SIGNED_BY_PORTAL, ["WH-2025-371003-000001", *["WH-2025-371002-000001"] * 2]),
    ],
)
async def test_each_caller_lists_its_own_jurisdictions_newest_first(
    service: Service, http: httpx.AsyncClient, auth: httpx.Auth, cases: list[str]
) -> None:
    await two_districts(service)

    listed = await rows(http, "/v1/messages", auth)

    assert [each["case_number"] for each in listed] == cases


async def test_another_district_s_message_is_not_there(service: Service, http: httpx.AsyncClient) -> None:
    await two_districts(service)
    message, *_ = await rows(http, "/v1/messages", HUANCUI)

    read = await http.get(f"/v1/messages/{message['id']}", auth=WENDENG)
    marked = await http.post(f"/v1/messages/{message['id']}:read", auth=WENDENG)

    assert [(answer.status_code, answer.json()["code"]) for answer in (read, marked)] == [(404, "not-found")] * 2
    assert await service.rows("SELECT FROM message WHERE read_at IS NOT NULL") == []


async def test_the_inbox_of_one_organisation_is_found_by_its_code_however_typed(service: Service, http: httpx.AsyncClient) -> None:
    await two_districts(service)
    typed = f" {OTHER_USCC.lower().replace('9', '９')} "

    listed = await rows(http, "/v1/messages", CITY_OFFICER, uscc=typed)

    assert [each["uscc"] for each in listed] == [OTHER_USCC]


async def test_the_inbox_is_narrowed_by_case_and_to_what_is_unread(service: Service, http: httpx.AsyncClient) -> None:
    huancui, _ = await two_districts(service)
    newest, oldest = await rows(http, "/v1/messages", HUANCUI, case_number=huancui.case_number)
    await http.post(f"/v1/messages/{newest['id']}:read", auth=HUANCUI)

    unread = await rows(http, "/v1/messages", HUANCUI, case_number=huancui.case_number, unread=True)

    assert [each["id"] for each in unread] == [oldest["id"]]


async def test_pages_follow_each_other_without_gap_or_repeat(service: Service, http: httpx.AsyncClient) -> None:
    await service.hear(*Story().to_payment())
    whole = [each["id"] for each in await rows(http, "/v1/messages", HUANCUI, limit=200)]

    paged, cursor = [], None
    for _ in range(10):
        answer = await http.get("/v1/messages", params={"limit": 4} | ({"cursor": cursor} if cursor else {}), auth=HUANCUI)
        paged += [each["id"] for each in answer.json()["rows"]]
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            break

    assert (paged, len(whole)) == (whole, 17)


async def test_marking_as_read_twice_keeps_the_first_reading(service: Service, http: httpx.AsyncClient) -> None:
    await service.hear(Story().filed())
    (message,) = await rows(http, "/v1/messages", HUANCUI)

    first = await http.post(f"/v1/messages/{message['id']}:read", auth=HUANCUI)
    again = await http.post(f"/v1/messages/{message['id']}:read", auth=SIGNED_BY_PORTAL)

    assert first.json() == {**message, "read_at": first.json()["read_at"]}
    assert first.json()["read_at"].startswith("2025-09-15T02:00:")
    assert (again.status_code, again.json()) == (200, first.json())
    (row,) = await service.rows("SELECT read_by FROM message")
    assert row["read_by"] == "staff:https://staff.example.invalid|reviewer-1"


async def test_the_same_call_again_gets_the_same_answer_byte_for_byte(service: Service, http: httpx.AsyncClient) -> None:
    await service.hear(Story().filed())
    (message,) = await rows(http, "/v1/messages", HUANCUI)
    key = {"Idempotency-Key": uuid.uuid4().hex}

    first = await http.post(f"/v1/messages/{message['id']}:read", auth=HUANCUI, headers=key)
    again = await http.post(f"/v1/messages/{message['id']}:read", auth=HUANCUI, headers=key)

    assert again.content == first.content
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_a_key_of_another_call_is_refused_and_nothing_is_marked(service: Service, http: httpx.AsyncClient) -> None:
    story = Story()
    await service.hear(story.filed(), story.accepted())
    newest, oldest = await rows(http, "/v1/messages", HUANCUI)
    key = {"Idempotency-Key": uuid.uuid4().hex}
    await http.post(f"/v1/messages/{newest['id']}:read", auth=HUANCUI, headers=key)

    answer = await http.post(f"/v1/messages/{oldest['id']}:read", auth=HUANCUI, headers=key)

    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert [row["read"] for row in await service.rows("SELECT read_at IS NOT NULL AS read FROM message ORDER BY id")] == [False, True]


async def test_a_mark_without_a_key_is_refused(service: Service, http: httpx.AsyncClient) -> None:
    await service.hear(Story().filed())
    (message,) = await rows(http, "/v1/messages", HUANCUI)

    answer = await http.post(f"/v1/messages/{message['id']}:read", headers={"Authorization": f"Bearer {HUANCUI.token}"})

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-missing")
    assert await service.rows("SELECT FROM message WHERE read_at IS NOT NULL") == []


@pytest.mark.parametrize("url", ROUTES)
async def test_an_unsigned_call_is_refused(refusing_http: httpx.AsyncClient, url: str) -> None:
    answer = await refusing_http.get(url)

    assert (answer.status_code, answer.json()["code"]) == (401, "not-signed")


@pytest.mark.parametrize("url", ROUTES)
async def test_a_role_without_the_right_is_refused(refusing_http: httpx.AsyncClient, url: str) -> None:
    answer = await refusing_http.get(url, auth=REGISTRAR)

    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")


async def test_reading_is_not_marking(service: Service, http: httpx.AsyncClient) -> None:
    await service.hear(Story().filed())
    (message,) = await rows(http, "/v1/messages", AUDITOR)

    answer = await http.post(f"/v1/messages/{message['id']}:read", auth=AUDITOR)

    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")
    assert await service.rows("SELECT FROM message WHERE read_at IS NOT NULL") == []


async def test_a_caller_of_another_service_is_unknown_here(refusing_http: httpx.AsyncClient) -> None:
    answer = await refusing_http.get("/v1/messages", auth=SIGNED_BY_STRANGER)

    assert (answer.status_code, answer.json()["code"]) == (401, "signature-wrong")


@pytest.mark.parametrize(
    ("target", "age_s", "code"),
    [("/v1/messages", 299, None), ("/v1/messages", 310, "signature-late"), ("/v1/messages?unread=true", 0, "signature-wrong")],
)
async def test_a_signature_covers_its_call_for_five_minutes(refusing_http: httpx.AsyncClient, target: str, age_s: int, code: str | None) -> None:
    headers = signed_headers(
        service="notifications", method="GET", target=target, body=b"", system=callers.HUANCUI_SYSTEM, at_s=int(time.time()) - age_s
    )

    answer = await refusing_http.get("/v1/messages", headers=headers)

    assert (answer.status_code, answer.json().get("code")) == (200 if code is None else 401, code)


@pytest.mark.parametrize(
    ("url", "params", "status", "code"),
    [
        ("/v1/messages", {"uscc": "91350100M000100Y4Z"}, 422, "invalid"),
        ("/v1/messages", {"limit": 0}, 422, "invalid"),
        ("/v1/messages", {"limit": 201}, 422, "invalid"),
        ("/v1/messages", {"cursor": "nonsense"}, 400, "cursor-unreadable"),
        ("/v1/messages", {"cursor": "WyJub3QgYW4gaWQiXQ"}, 400, "cursor-unreadable"),
        ("/v1/messages", {"case_number": "2025 0001"}, 422, "invalid"),
        ("/v1/messages/not-an-id", {}, 422, "invalid"),
        ("/v1/portal-records", {"state": "lost"}, 422, "invalid"),
        ("/v1/portal-records", {"kind": "other"}, 422, "invalid"),
        ("/v1/portal-records", {"cursor": "WyJub3QgYW4gaWQiXQ"}, 400, "cursor-unreadable"),
        ("/v1/portal-record", {}, 404, "route-unknown"),
    ],
)
async def test_a_call_that_makes_no_sense_is_told_why_in_both_languages(
    refusing_http: httpx.AsyncClient, url: str, params: dict[str, Any], status: int, code: str
) -> None:
    answer = await refusing_http.get(url, params=params, auth=CITY_OFFICER)

    told = answer.json()
    assert (answer.status_code, told["code"], answer.headers["content-type"]) == (status, code, "application/problem+json")
    assert told["detail"]
    assert told["detail_zh"]


async def test_a_body_above_one_mebibyte_is_refused(service: Service, http: httpx.AsyncClient) -> None:
    await service.hear(Story().filed())
    (message,) = await rows(http, "/v1/messages", HUANCUI)

    answer = await http.post(f"/v1/messages/{message['id']}:read", content=b"x" * (1024 * 1024 + 1), auth=HUANCUI)

    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
    assert await service.rows("SELECT FROM message WHERE read_at IS NOT NULL") == []


async def test_portal_records_are_listed_in_the_order_of_each_case(service: Service, http: httpx.AsyncClient) -> None:
    await service.hear(*Story().to_payment())

    listed = await rows(http, "/v1/portal-records", HUANCUI, case_number=Story.case_number)
    ends = await rows(http, "/v1/portal-records", HUANCUI, kind="done", state="waiting")

    assert [f"{each['kind']} {each['sn']}.{each['dataver']}" for each in listed] == await service.reported()
    assert [(each["content"]["doneresult"], each["state"], each["attempts"]) for each in ends] == [("0", "waiting", 0)]


@pytest.mark.parametrize(
    ("auth", "counts"),
    [
        (HUANCUI, [("basic", "waiting", 1), ("process", "waiting", 1)]),
        (WENDENG, [("basic", "waiting", 1)]),
        (CITY_OFFICER, [("basic", "waiting", 2), ("process", "waiting", 1)]),
    ],
)
async def test_portal_records_are_listed_and_counted_within_the_jurisdiction(
    service: Service, http: httpx.AsyncClient, auth: httpx.Auth, counts: list[tuple[str, str, int]]
) -> None:
    await two_districts(service)

    listed = await rows(http, "/v1/portal-records", auth)
    summary = (await http.get("/v1/portal-records/summary", auth=auth)).json()["counts"]

    assert [(each["kind"], each["state"], each["records"]) for each in summary] == counts
    assert len(listed) == sum(records for _, _, records in counts)


async def test_pages_of_portal_records_follow_each_other(service: Service, http: httpx.AsyncClient) -> None:
    await service.hear(*Story().to_payment())
    whole = [each["id"] for each in await rows(http, "/v1/portal-records", HUANCUI, limit=200)]

    first = (await http.get("/v1/portal-records", params={"limit": 11}, auth=HUANCUI)).json()
    second = (await http.get("/v1/portal-records", params={"limit": 11, "cursor": first["next_cursor"]}, auth=HUANCUI)).json()

    assert [each["id"] for each in first["rows"] + second["rows"]] == whole
    assert second["next_cursor"] is None


async def test_an_unknown_organisation_has_an_empty_inbox(service: Service, http: httpx.AsyncClient) -> None:
    await service.hear(Story().filed())

    assert await rows(http, "/v1/messages", CITY_OFFICER, uscc=OTHER_USCC) == []
    assert len(await rows(http, "/v1/messages", CITY_OFFICER, uscc=USCC)) == 1
