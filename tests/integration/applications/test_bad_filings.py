"""What a bad filing gets: a clear answer in two languages that points at the field, nothing written, nothing announced."""

import json
import time
from typing import Any

import httpx
import pytest

from shared.body import BATCH_BYTES_MAX, BODY_BYTES_MAX
from shared.events.registry import ParkRegistered
from tests.building import Staff, System, signed_headers, staff_token
from tests.integration.applications.callers import (
    HUANCUI,
    HUANCUI_SYSTEM,
    OFFICER,
    OTHER_USCC,
    WENDENG,
    award_filing,
    documents,
    filing,
)
from tests.integration.applications.desk import Desk

PATH = "/v1/applications"
DOCUMENT = documents()[0]


async def assert_refused(desk: Desk, answer: httpx.Response, *, status: int, code: str, pointer: str | None = None) -> dict[str, Any]:
    """The whole of a refusal; `desk` has seen no filing."""
    told: dict[str, Any] = answer.json()
    assert (answer.status_code, told["code"], answer.headers["content-type"]) == (status, code, "application/problem+json"), answer.text
    assert told["detail"]
    assert told["detail_zh"]
    assert told["title_zh"]
    if pointer is not None:
        assert [each["pointer"] for each in told["errors"]] == [pointer]
    assert not any((await desk.counted()).values())
    return told


async def post(desk: Desk, row: object, *, auth: httpx.Auth = HUANCUI) -> httpx.Response:
    return await desk.client.post(PATH, json=row, auth=auth)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"requested_fen": 45_000.5}, "/requested_fen"),
        ({"requested_fen": 4_500_000.0}, "/requested_fen"),
        ({"requested_fen": "4500000"}, "/requested_fen"),
        ({"requested_fen": True}, "/requested_fen"),
        ({"requested_fen": 0}, "/requested_fen"),
        ({"requested_fen": -1}, "/requested_fen"),
        ({"requested_fen": 10**15 + 1}, "/requested_fen"),
        ({"filed_on": "2025-9-10"}, "/filed_on"),
        ({"filed_on": "2025-02-30"}, "/filed_on"),
        ({"filed_on": "2025-09-10T00:00:00"}, "/filed_on"),
        ({"filed_on": 1757462400}, "/filed_on"),
        ({"support_year": "2025"}, "/support_year"),
        ({"support_year": 1999}, "/support_year"),
        ({"nickname": "测试"}, "/nickname"),
        ({"row_reference": ""}, "/row_reference"),
        ({"row_reference": " "}, "/row_reference"),
        ({"row_reference": "r" * 61}, "/row_reference"),
        ({"portal_number": ""}, "/portal_number"),
        ({"project_name": "项" * 201}, "/project_name"),
        ({"evidence": [DOCUMENT] * 41}, "/evidence"),
        ({"evidence": [{**DOCUMENT, "size_bytes": "1"}]}, "/evidence/0/size_bytes"),
        ({"evidence": [DOCUMENT, {**DOCUMENT, "page": 1}]}, "/evidence/1/page"),
    ],
)
async def test_a_field_of_the_wrong_form_is_pointed_at(desk: Desk, change: dict[str, Any], pointer: str) -> None:
    answer = await post(desk, filing(**change))

    await assert_refused(desk, answer, status=422, code="invalid", pointer=pointer)


@pytest.mark.parametrize("field", ["row_reference", "item_id", "applicant_uscc", "jurisdiction_id", "requested_fen"])
async def test_a_missing_field_is_pointed_at(desk: Desk, field: str) -> None:
    answer = await post(desk, {name: value for name, value in filing().items() if name != field})

    await assert_refused(desk, answer, status=422, code="invalid", pointer=f"/{field}")


@pytest.mark.parametrize(
    ("uscc", "says_zh"),
    [("91371002MA3D123475", "第18位校验码应为6"), ("91371002MA3DI23476", "是否应为1"), ("0" * 18, "18个0"), ("9137", "填写了4位")],
)
async def test_a_wrong_code_is_told_what_is_wrong_with_it(desk: Desk, uscc: str, says_zh: str) -> None:
    answer = await post(desk, filing(applicant_uscc=uscc))

    told = await assert_refused(desk, answer, status=422, code="invalid", pointer="/applicant_uscc")
    assert says_zh in told["errors"][0]["detail_zh"]


@pytest.mark.parametrize(
    ("change", "status", "code", "pointer"),
    [
        ({"item_id": "2023-15/99"}, 422, "item-unknown", "/item_id"),
        ({"item_id": "2023-15/3a"}, 422, "item-is-referral", "/item_id"),
        ({"requested_fen": 5_000_001}, 422, "above-ceiling", "/requested_fen"),
        ({"filed_on": "2025-09-16"}, 422, "filed-in-the-future", "/filed_on"),
        ({"filed_on": "2025-08-15"}, 422, "handed-over-late", "/filed_on"),
        ({"project_code": None}, 422, "claim-fact-missing", "/project_code"),
        ({"project_code": "KP|1"}, 422, "project-code-invalid", "/project_code"),
        ({"jurisdiction_id": "atlantis"}, 422, "unknown-jurisdiction", None),
        ({"jurisdiction_id": "wendeng"}, 403, "not-your-jurisdiction", "/jurisdiction_id"),
        ({"evidence": [{**DOCUMENT, "kind": "selfie"}]}, 422, "evidence-kind-unknown", "/evidence/0/kind"),
        ({"evidence": [{**DOCUMENT, "name": "../a.pdf"}]}, 422, "evidence-name-invalid", "/evidence/0/name"),
        ({"evidence": [{**DOCUMENT, "sha256": "A" * 64}]}, 422, "evidence-digest-invalid", "/evidence/0/sha256"),
        ({"evidence": [{**DOCUMENT, "size_bytes": 0}]}, 422, "evidence-size-invalid", "/evidence/0/size_bytes"),
    ],
)
async def test_what_a_rule_refuses_is_told_with_its_code(desk: Desk, change: dict[str, Any], status: int, code: str, pointer: str | None) -> None:
    answer = await post(desk, filing(**change))

    await assert_refused(desk, answer, status=status, code=code, pointer=pointer)


async def test_the_ceiling_itself_may_be_asked_for_and_the_refusal_names_it_with_its_clause(desk: Desk) -> None:
    told = await assert_refused(desk, await post(desk, filing(requested_fen=5_000_001)), status=422, code="above-ceiling")
    at_the_ceiling = await post(desk, filing(requested_fen=5_000_000))

    assert (told["cap_fen"], told["clause"]) == (5_000_000, "威人社发〔2023〕15号 二(二)4")
    assert at_the_ceiling.status_code == 201


@pytest.mark.parametrize(
    ("now", "status"),
    [
        # Shanghai is eight hours ahead: the day changes there at 16:00 UTC, whatever zone the server keeps.
        ("2023-06-11T15:59:50+00:00", 422),
        ("2023-06-11T16:00:00+00:00", 201),
        ("2025-12-31T15:59:30+00:00", 201),
        ("2025-12-31T16:00:00+00:00", 422),
    ],
)
async def test_the_term_of_the_policy_is_counted_in_days_of_the_city(desk: Desk, now: str, status: int) -> None:
    desk.move_clock(now)

    answer = await post(desk, filing(filed_on=None))

    assert answer.status_code == status, answer.text
    if status == 422:
        told = await assert_refused(desk, answer, status=422, code="not-in-force", pointer="/item_id")
        assert (told["first_day"], told["last_day"]) == ("2023-06-12", "2025-12-31")


@pytest.mark.parametrize(("filed_on", "status"), [("2023-06-11", 422), ("2023-06-12", 201)])
async def test_the_first_day_of_filing_is_that_of_the_policy(desk: Desk, filed_on: str, status: int) -> None:
    desk.move_clock("2023-06-20T10:00:00+08:00")

    answer = await post(desk, filing(filed_on=filed_on))

    assert answer.status_code == status
    assert sum((await desk.counted()).values()) == (0 if status == 422 else 5)


@pytest.mark.parametrize(
    ("filed_on", "received", "status"), [("2025-12-31", "2026-01-30", 201), ("2025-12-31", "2026-01-31", 422), ("2026-01-01", "2026-01-02", 422)]
)
async def test_the_last_day_of_filing_may_reach_the_city_later_within_the_time_for_handing_over(
    desk: Desk, filed_on: str, received: str, status: int
) -> None:
    desk.move_clock(f"{received}T10:00:00+08:00")

    answer = await post(desk, filing(filed_on=filed_on))

    assert answer.status_code == status, answer.text


async def test_an_applicant_of_a_kind_that_the_clause_does_not_name_is_told_the_kinds_it_names(desk: Desk) -> None:
    await desk.know(OTHER_USCC, kind="university", permit=False)

    answer = await post(desk, filing(applicant_uscc=OTHER_USCC))

    told = await assert_refused(desk, answer, status=422, code="applicant-kind-not-eligible", pointer="/applicant_uscc")
    assert told["recorded_kind"] == "university"


async def test_a_park_is_applied_for_by_its_operator_only(desk: Desk) -> None:
    moment = desk.live.now()
    await desk.hear(
        ParkRegistered(
            happened_at=moment.at, happened_on=moment.on, park_code="P-01", name="园", operator_uscc=OTHER_USCC, jurisdiction_id="huancui", version=1
        )
    )

    answer = await post(desk, filing(item_id="2023-15/7c", park_code="P-01", requested_fen=1))

    await assert_refused(desk, answer, status=422, code="not-park-operator", pointer="/park_code")


async def test_a_duplicate_project_is_refused_however_its_code_is_typed(desk: Desk) -> None:
    await desk.file(filing(project_code="KP-01"))
    before = await desk.counted()

    answer = await post(desk, filing("row-2", project_code=" ｋｐ-01 "))

    assert (answer.status_code, answer.json()["code"]) == (409, "already-filed")
    assert await desk.counted() == before


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"row_reference": NaN}', b"\xff\xfe", b'{"a":1,"a":2}'])
async def test_a_body_that_is_no_filing_is_refused(desk: Desk, body: bytes) -> None:
    answer = await desk.client.post(PATH, content=body, headers={"Content-Type": "application/json"}, auth=HUANCUI)

    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert not any((await desk.counted()).values())


@pytest.mark.parametrize(
    ("path", "bytes_max"),
    [(PATH, BODY_BYTES_MAX), (f"{PATH}:batch", BATCH_BYTES_MAX), (f"{PATH}:validate", BATCH_BYTES_MAX), ("/v1/reviews", BODY_BYTES_MAX)],
)
async def test_a_body_at_the_limit_is_read_and_one_byte_more_is_not(desk: Desk, path: str, bytes_max: int) -> None:
    headers = {"Content-Type": "application/json"}

    at_limit = await desk.client.post(path, content=b"{}".ljust(bytes_max), headers=headers, auth=HUANCUI)
    above = await desk.client.post(path, content=b"{}".ljust(bytes_max + 1), headers=headers, auth=HUANCUI)

    assert (at_limit.status_code, at_limit.json()["code"]) == (422, "invalid")
    await assert_refused(desk, above, status=413, code="body-too-large")


async def test_a_call_without_a_key_is_refused_and_a_key_is_good_for_one_content_only(desk: Desk) -> None:
    body = json.dumps(filing()).encode()
    headers = {
        "Content-Type": "application/json",
        **signed_headers(service="applications", method="POST", target=PATH, body=body, system=HUANCUI_SYSTEM),
    }
    missing = await desk.client.post(PATH, content=body, headers=headers)
    told = await assert_refused(desk, missing, status=400, code="idempotency-key-missing")

    first = await desk.client.post(PATH, json=filing(), headers={"Idempotency-Key": "k-1"}, auth=HUANCUI)
    before = await desk.counted()
    again = await desk.client.post(PATH, json=filing(), headers={"Idempotency-Key": "k-1"}, auth=HUANCUI)
    other = await desk.client.post(PATH, json=filing("row-2"), headers={"Idempotency-Key": "k-1"}, auth=HUANCUI)

    assert told["remedy_zh"]
    assert (again.status_code, again.content, again.headers["Idempotency-Replayed"]) == (201, first.content, "true")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert await desk.counted() == before


async def test_a_refusal_is_judged_again_under_the_same_key(desk: Desk) -> None:
    desk.move_clock("2023-06-11T10:00:00+08:00")
    too_early = await desk.client.post(PATH, json=filing(filed_on=None), headers={"Idempotency-Key": "k-1"}, auth=HUANCUI)
    desk.move_clock("2023-06-12T10:00:00+08:00")

    in_time = await desk.client.post(PATH, json=filing(filed_on=None), headers={"Idempotency-Key": "k-1"}, auth=HUANCUI)

    assert (too_early.status_code, in_time.status_code) == (422, 201)


@pytest.mark.parametrize("fault", ["unsigned", "late", "early", "wrong secret", "other audience", "unknown key"])
async def test_a_call_that_is_not_rightly_signed_is_not_listened_to(desk: Desk, fault: str) -> None:
    system = {
        "wrong secret": System(id="x", scopes=(), app_key=HUANCUI_SYSTEM.app_key),
        "unknown key": System(id="x", scopes=()),
    }.get(fault, HUANCUI_SYSTEM)
    at_s = int(time.time()) + {"late": -302, "early": 62}.get(fault, 0)
    body, service = json.dumps(filing()).encode(), "budget" if fault == "other audience" else "applications"
    headers = signed_headers(service=service, method="POST", target=PATH, body=body, system=system, key="k-1", at_s=at_s)

    sent = {"Content-Type": "application/json", "Idempotency-Key": "k-1", **({} if fault == "unsigned" else headers)}
    answer = await desk.client.post(PATH, content=body, headers=sent)

    code = {"unsigned": "not-signed", "late": "signature-late", "early": "signature-late"}.get(fault, "signature-wrong")
    await assert_refused(desk, answer, status=401, code=code)


async def test_who_may_not_file_is_told_so_before_the_content_is_read(desk: Desk) -> None:
    answer = await desk.client.post(PATH, content=b"{", headers={"Content-Type": "application/json"}, auth=OFFICER)

    await assert_refused(desk, answer, status=403, code="scope-missing")


async def test_a_token_that_has_run_out_is_refused(desk: Desk) -> None:
    answer = await desk.client.get(PATH, auth=Staff(staff_token("officer-1", roles=["city-officer"], valid_s=-60)))

    await assert_refused(desk, answer, status=401, code="token-refused")


async def test_a_district_files_in_its_own_place_only(desk: Desk) -> None:
    answer = await post(desk, award_filing(), auth=WENDENG)

    await assert_refused(desk, answer, status=403, code="not-your-jurisdiction", pointer="/jurisdiction_id")


@pytest.mark.parametrize("text", ["a\u0000b", "\ud800"])
async def test_a_character_that_no_database_keeps_is_refused(desk: Desk, text: str) -> None:
    body = json.dumps(filing(project_name=text)).encode()

    answer = await desk.client.post(PATH, content=body, headers={"Content-Type": "application/json"}, auth=HUANCUI)

    await assert_refused(desk, answer, status=400, code="text-unstorable")
