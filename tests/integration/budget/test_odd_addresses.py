"""Every read of the budget with values at the edges of what its parameters take: answered or refused, never a fault."""

import json
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import pytest_asyncio

from deploy.local.folders import ROOT
from shared.paging import BIGINT_END, write_cursor
from tests.building import Staff, client_for, staff_token
from tests.integration.budget.acting import appropriate
from tests.runtime import Database

EVERYTHING = Staff(staff_token("auditor-1", roles=["auditor", "city-finance"]))
OF_DISTRICT = Staff(staff_token("auditor-2", roles=["auditor", "city-finance"], jurisdictions=["wendeng", "O'Brien; DROP", "辖区"]))
TEXTS = ["", "'", "%", "_", "\\", "x" * 40, "財\u200b", "2023-15/7n", "null", "\U0001f4b0", "\ufffe"]
BY_FORMAT = {
    "uuid": [str(uuid.UUID(int=0)), str(uuid.UUID(int=2**128 - 1)), "{01994e6e-7c1a-7000-8000-000000000001}"],
    "date": ["0001-01-01", "9999-12-31", "2024-02-29", "2025-02-29"],
    "date-time": [
        *("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999-14:00", "9999-12-31T23:59:59Z"),
        *("1969-12-31T23:59:59Z", "2025-09-15T10:00:00", "1e9", "-1"),
    ],
}
WHOLE = [
    *("-1", "0", "1", "1999", "2000", "2025", "2999", "3000", str(2**31)),
    *(str(BIGINT_END - 1), str(BIGINT_END), "1.0", "1_0", "１", "+1", " 1", "9" * 5000),
]
CURSORS = ["x", "", "AAAA", "W10", "bnVsbA", write_cursor(), write_cursor(-1), write_cursor(BIGINT_END - 1), write_cursor("a"), write_cursor(1, 2)]
CURSORS += [write_cursor(str(uuid.UUID(int=0))), write_cursor("\0"), write_cursor("2025-01-01"), "W1tbW1tbW1tbW1tbW10"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def booked(module_database: Database, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[httpx.AsyncClient]:
    async with client_for("budget", database=module_database, folder=tmp_path_factory.mktemp("budget")) as client:
        await appropriate(client, 1_000_000)
        yield client


def values(schema: dict[str, Any], *, name: str) -> Iterator[str]:
    """What may be tried for a parameter."""
    if name == "cursor":
        yield from CURSORS
        return
    for each in schema.get("anyOf", [schema]):
        yield from each.get("enum", [])
        yield from BY_FORMAT.get(each.get("format", ""), WHOLE if each.get("type") == "integer" else TEXTS if each.get("type") == "string" else [])


def addresses() -> Iterator[tuple[str, dict[str, str]]]:
    """Each read with one of its parameters at each value, the others at their first."""
    described = json.loads((ROOT / "tests" / "contract" / "openapi" / "budget.json").read_text(encoding="utf-8"))
    for path, methods in described["paths"].items():
        if "get" not in methods or not path.startswith("/v1/") or path.endswith(".zip"):
            continue
        named = {each["name"]: each for each in methods["get"].get("parameters", []) if each["in"] in ("path", "query")}
        usual = {name: first(each["schema"], name=name) for name, each in named.items() if each.get("required")}
        for name, each in named.items():
            for value in values(each["schema"], name=name):
                given = usual | {name: value}
                in_path = {each: quote(given.pop(each), safe="") or "-" for each in list(given) if named[each]["in"] == "path"}
                yield path.format(**in_path), given


def first(schema: dict[str, Any], *, name: str) -> str:
    return "2025" if name == "fiscal_year" else next(values(schema, name=name))


@pytest.mark.parametrize("auth", [EVERYTHING, OF_DISTRICT], ids=["of the city", "of a district"])
async def test_no_read_is_a_fault_whatever_its_parameters_are(booked: httpx.AsyncClient, auth: Staff) -> None:
    tried = list(addresses())

    answers = [(path, given, (await booked.get(path, params=given, auth=auth)).status_code) for path, given in tried]

    assert len(tried) > 300
    assert [each for each in answers if each[2] not in (200, 400, 403, 404, 422)] == []


@pytest.mark.parametrize("number", ["86400", "1757894400", "-86400", "1757894400000"])
async def test_a_number_is_no_day_and_no_instant_in_any_query(booked: httpx.AsyncClient, number: str) -> None:
    """The framework would take it for seconds since 1970."""
    described = json.loads((ROOT / "tests" / "contract" / "openapi" / "budget.json").read_text(encoding="utf-8"))
    reads = [(path, each) for path, methods in described["paths"].items() for each in methods.get("get", {}).get("parameters", [])]
    dated = [(path, each["name"]) for path, each in reads if "date" in json.dumps(each["schema"].get("anyOf", each["schema"]))]

    answers = [(path, name, (await booked.get(path, params={name: number}, auth=EVERYTHING)).json().get("errors", [{}])) for path, name in dated]

    assert len(dated) > 8
    assert [(path, name) for path, name, errors in answers if f"/query/{name}" not in [each.get("pointer") for each in errors]] == []
