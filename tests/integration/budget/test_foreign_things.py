"""Every route that names a thing, called for one of another district: what is there is answered as what is not, and nothing is written."""

import re
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from deploy.local.folders import ROOT
from shared.live import Live
from tests.building import SignedBy, Staff, System, client_for, staff_token
from tests.contract.operations import Operation, examples_of, operations
from tests.integration.budget.acting import FINANCE, appropriate, approved_order, make, payable_case, written
from tests.integration.budget.test_quota_documents import hand_down
from tests.runtime import Database

ROLES = tomllib.loads((ROOT / "services" / "budget" / "policy" / "roles.toml").read_text(encoding="utf-8"))["roles"]
# With all that any role may do, in one district.
OFFICER = Staff(staff_token("officer-9", roles=list(ROLES), jurisdictions=["wendeng"]))
SYSTEM = System(id="district-wendeng", jurisdictions=("wendeng",), scopes=sorted(set().union(*ROLES.values())))
# Of whom nobody is asked anything about a case: public, or the whole city's.
OF_NO_CASE = {"seq", "fiscal_year"}


def naming() -> Iterator[Operation]:
    """The operations of the budget that need a scope and name something in their address."""
    for operation in operations():
        named = {each["name"] for each in operation.told.get("parameters", []) if each["in"] == "path"}
        if operation.service == "budget" and "x-scope" in operation.told and named - OF_NO_CASE:
            yield operation


def filled(sent: Any, things: Mapping[str, str]) -> Any:
    """The body with these things in it wherever one is named."""
    if isinstance(sent, dict):
        return {name: things[name] if name in things else filled(value, things) for name, value in sent.items()}
    return [filled(each, things) for each in sent] if isinstance(sent, list) else sent


async def answer_to(client: httpx.AsyncClient, operation: Operation, *, things: Mapping[str, str], auth: httpx.Auth) -> tuple[int, str]:
    """Status and text, without what belongs to this one call."""
    named = {each["name"]: things.get(each["name"], str(uuid.UUID(int=7))) for each in operation.told["parameters"] if each["in"] == "path"}
    body = filled(examples_of(operation)[0], things) if "requestBody" in operation.told else None
    answer = await client.request(operation.method, operation.path.format(**named), json=body, headers={"If-Match": '"3"'}, auth=auth)
    text = re.sub(r'"trace_id":"[0-9a-f]{32}"', "", answer.text)
    for thing in things.values():
        text = text.replace(thing, "it")
    return answer.status_code, text


async def test_what_another_district_has_is_answered_as_what_nobody_has(live: Live, database: Database, tmp_path: Any) -> None:
    async with client_for("budget", database=database, folder=tmp_path, systems=(SYSTEM,)) as client:
        await appropriate(client, 20_000_000)
        case, handed = await payable_case(client, live), await payable_case(client, live)
        document = await hand_down(live, await approved_order(client, handed))
        there = {
            "application_id": str(case.application_id),
            "payment_order_id": (await make(client, case)).json()["id"],
            "quota_document_id": str(document),
        }
        nowhere = {name: str(uuid.uuid4()) for name in there}
        before = await written(database)

        answers = [
            (str(operation), [await answer_to(client, operation, things=things, auth=auth) for things in (there, nowhere)])
            for operation in naming()
            for auth in (OFFICER, SignedBy(SYSTEM, service="budget"))
        ]
        after = await written(database)
        own = await client.get(f"/v1/payment-orders/{there['payment_order_id']}", auth=FINANCE)

    assert len(answers) > 30
    assert {name: told for name, told in answers if told[0] != told[1] or told[0][0] not in (403, 404)} == {}
    assert after == before
    assert own.status_code == 200


async def test_what_a_body_names_of_another_district_is_answered_as_what_nobody_has(live: Live, database: Database, tmp_path: Any) -> None:
    async with client_for("budget", database=database, folder=tmp_path, systems=(SYSTEM,)) as client:
        await appropriate(client, 20_000_000)
        case = await payable_case(client, live)
        there = {"application_id": str(case.application_id), "payment_order_id": (await approved_order(client, case))["id"]}
        nowhere = {name: str(uuid.uuid4()) for name in there}
        before = await written(database)
        posts = [each for each in operations() if each.service == "budget" and each.method == "post" and "{" not in each.path]

        answers = [
            (str(operation), [await answer_to(client, operation, things=things, auth=OFFICER) for things in (there, nowhere)]) for operation in posts
        ]
        after = await written(database)

    assert len(answers) > 15
    assert {name: told for name, told in answers if told[0] != told[1]} == {}
    assert {name: rows for name, rows in after.items() if rows != before[name]}.keys() <= {"answer"}
