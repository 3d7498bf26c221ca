"""What bad input gets from the registry: a clear answer in two languages, nothing written, nothing announced."""

import json
import time

import httpx
import pytest

from tests.building import Staff, System, announced, fetch, signed_headers, staff_token
from tests.integration.registry.callers import AUDITOR, DISTRICT, HUANCUI_USCC, REGISTRAR, registration
from tests.runtime import Database

PATH = "/v1/organisations"
BODY = json.dumps(registration()).encode()
STRANGER = System(id="stranger", scopes=("organisations:write",))


async def assert_nothing_happened(database: Database) -> None:
    kept = await fetch(
        database, "SELECT uscc FROM organisation UNION ALL SELECT key FROM stream UNION ALL SELECT key FROM answer", service="registry"
    )
    assert (kept, await announced(database, service="registry")) == ([], [])


@pytest.mark.parametrize(
    ("uscc", "says_en", "says_zh"),
    [
        ("91371002MA3D123475", "The check character must be 6", "第18位校验码应为6"),
        ("91371002MA3D12347", "17 characters given", "填写了17位"),
        ("91371002MA3DI23476", "is it 1?", "是否应为1"),
        ("000000000000000000", "Eighteen zeros", "18个0"),
    ],
)
async def test_a_wrong_code_is_told_what_is_wrong_with_it(
    registry: httpx.AsyncClient, database: Database, uscc: str, says_en: str, says_zh: str
) -> None:
    answer = await registry.post(PATH, json=registration(uscc=uscc), auth=REGISTRAR)

    (found,) = answer.json()["errors"]
    assert (answer.status_code, answer.headers["content-type"], found["pointer"]) == (422, "application/problem+json", "/uscc")
    assert says_en in found["detail"]
    assert says_zh in found["detail_zh"]
    await assert_nothing_happened(database)


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"nickname": "测试"}, "/nickname"),
        ({"kind": "company"}, "/kind"),
        ({"name": "一"}, "/name"),
        ({"name": "长" * 101}, "/name"),
        ({"name": 7}, "/name"),
        ({"name": None}, "/name"),
        ({"jurisdiction_id": "371002"}, "/jurisdiction_id"),
    ],
)
async def test_a_field_that_is_unknown_or_wrong_is_pointed_at(
    registry: httpx.AsyncClient, database: Database, change: dict[str, object], pointer: str
) -> None:
    answer = await registry.post(PATH, json=registration(**change), auth=REGISTRAR)

    assert (answer.status_code, [each["pointer"] for each in answer.json()["errors"]]) == (422, [pointer])
    await assert_nothing_happened(database)


async def test_a_jurisdiction_that_does_not_exist_is_refused_with_those_that_do(registry: httpx.AsyncClient, database: Database) -> None:
    answer = await registry.post(PATH, json=registration(jurisdiction_id="atlantis"), auth=REGISTRAR)

    assert (answer.status_code, answer.json()["code"]) == (422, "unknown-jurisdiction")
    assert "huancui" in answer.json()["known"]
    await assert_nothing_happened(database)


@pytest.mark.parametrize("body", [b"{", b"[]", b"", b'{"uscc": NaN}', b'{"uscc": "1", "uscc": "2"}', b'{"name": "\\u0000"}', "{'名'}".encode("gbk")])
async def test_what_is_not_an_object_of_json_is_refused(registry: httpx.AsyncClient, database: Database, body: bytes) -> None:
    answer = await registry.post(PATH, content=body, auth=REGISTRAR, headers={"Content-Type": "application/json"})

    assert answer.status_code in (400, 422)
    assert answer.json()["title_zh"]
    await assert_nothing_happened(database)


@pytest.mark.parametrize(("path", "bytes_max"), [(PATH, 1024 * 1024), (f"{PATH}:import", 5 * 1024 * 1024)])
async def test_one_byte_more_than_the_limit_is_too_large(registry: httpx.AsyncClient, database: Database, path: str, bytes_max: int) -> None:
    headers = {"Content-Type": "application/json"}
    largest, too_large = b"{}".ljust(bytes_max), b"{}".ljust(bytes_max + 1)

    read = await registry.post(path, content=largest, auth=REGISTRAR, headers=headers)
    refused = await registry.post(path, content=too_large, auth=REGISTRAR, headers=headers)

    assert (read.status_code, refused.status_code, refused.json()["code"]) == (422, 413, "body-too-large")
    await assert_nothing_happened(database)


@pytest.mark.parametrize("key", ["", "k" * 101])
async def test_a_write_without_a_usable_idempotency_key_is_refused(registry: httpx.AsyncClient, database: Database, key: str) -> None:
    answer = await registry.post(PATH, json=registration(), auth=REGISTRAR, headers={"Idempotency-Key": key})

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency-key-missing")
    await assert_nothing_happened(database)


async def test_a_call_that_is_not_signed_is_refused_before_its_content_is_read(registry: httpx.AsyncClient, database: Database) -> None:
    answer = await registry.post(PATH, content=b"{", headers={"Idempotency-Key": "k"})

    assert (answer.status_code, answer.json()["code"]) == (401, "not-signed")
    assert "HMAC-SHA256" in answer.headers["WWW-Authenticate"]
    await assert_nothing_happened(database)


@pytest.mark.parametrize(
    ("system", "body", "late_s", "code"),
    [
        (DISTRICT, BODY, 301, "signature-late"),
        (DISTRICT, BODY, -62, "signature-late"),
        (DISTRICT, BODY + b" ", 0, "signature-wrong"),
        (STRANGER, BODY, 0, "signature-wrong"),
    ],
)
async def test_a_late_early_or_wrong_signature_is_refused(
    registry: httpx.AsyncClient, database: Database, system: System, body: bytes, late_s: int, code: str
) -> None:
    headers = signed_headers(service="registry", method="POST", target=PATH, body=body, system=system, key="k", at_s=int(time.time()) - late_s)

    answer = await registry.post(PATH, content=BODY, headers={**headers, "Idempotency-Key": "k", "Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (401, code)
    await assert_nothing_happened(database)


@pytest.mark.parametrize(
    ("caller", "status"),
    [(AUDITOR, 403), (Staff(staff_token(roles=["registrar"], valid_s=-60)), 401), (Staff(staff_token(roles=["gardener"])), 403)],
)
async def test_who_may_not_register_is_told_so(registry: httpx.AsyncClient, database: Database, caller: Staff, status: int) -> None:
    answer = await registry.post(PATH, json=registration(), auth=caller)

    assert answer.status_code == status
    await assert_nothing_happened(database)


@pytest.mark.parametrize("path", [f"{PATH}/123", f"{PATH}/{HUANCUI_USCC}:chang", "/v1/institutions/123", "/v1/parks/!"])
async def test_an_address_with_a_wrong_code_in_it_is_refused(registry: httpx.AsyncClient, path: str) -> None:
    answer = await registry.get(path, auth=AUDITOR)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


@pytest.mark.parametrize("cursor", ["x", "WzFd", "bnVsbA", "W1tdXQ"])
@pytest.mark.parametrize("path", [PATH, "/v1/institutions", "/v1/parks"])
async def test_a_cursor_that_is_not_ours_is_refused(registry: httpx.AsyncClient, path: str, cursor: str) -> None:
    answer = await registry.get(path, params={"cursor": cursor}, auth=AUDITOR)

    (found,) = answer.json()["errors"]
    assert (answer.status_code, answer.json()["code"], found["pointer"]) == (400, "cursor-unreadable", "/query/cursor")


@pytest.mark.parametrize("day", [1757462400, "1757462400", "2025-09-10T00:00:00", "20250910"])
@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/institutions", "first_day"),
        ("/v1/institutions", "last_day"),
        (f"{PATH}/{HUANCUI_USCC}:end", "ended_on"),
        ("/v1/parks/HC-01/recognitions", "approved_on"),
    ],
)
async def test_a_day_that_is_no_day_is_pointed_at(registry: httpx.AsyncClient, database: Database, path: str, name: str, day: object) -> None:
    answer = await registry.post(path, json={name: day}, auth=REGISTRAR, headers={"If-Match": '"1"'})

    told = {each["pointer"]: each["detail"] for each in answer.json()["errors"]}
    assert (answer.status_code, told[f"/{name}"]) == (422, "A day is written as YYYY-MM-DD")
    await assert_nothing_happened(database)


@pytest.mark.parametrize("day", ["1757462400", "2025-09-10T00:00:00"])
async def test_a_permit_is_checked_on_a_day_and_nothing_else(registry: httpx.AsyncClient, day: str) -> None:
    answer = await registry.get("/v1/permits/1", params={"on": day})

    (found,) = answer.json()["errors"]
    assert (answer.status_code, found["pointer"], found["detail_zh"]) == (422, "/query/on", "日期格式应为YYYY-MM-DD")
