"""Proposals and releases as the consumer hears them: each is answered once, and money is always held by somebody."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import event as sqlalchemy_event

from services.budget import policy
from services.budget.ledger.rules import Act
from services.budget.policy.catalogue import Catalogue, WaitingRule
from services.budget.proposal.commands import take_proposals
from services.budget.proposal.rules import Asked, Award, Proposal
from services.budget.waiting import commands
from shared.events.applications import AwardsProposed
from shared.live import Live
from tests.building import BUSINESS_NOW, Staff, fetch, staff_token
from tests.integration.budget.acting import (
    AUDITOR,
    Case,
    appropriate,
    assert_books_add_up,
    award,
    balances,
    cases_of,
    hear,
    kinds,
    proposed,
    release_of,
    states,
    told,
    written,
)
from tests.runtime import Database

HUANCUI = Staff(staff_token("reviewer-1", roles=["district-reviewer"], jurisdictions=["huancui"]))


async def test_a_list_is_served_in_its_order_and_whoever_fits_is_funded(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 100_000_000)
    proposal = proposed(award(60_000_000), award(50_000_000), award(40_000_000))

    await hear(live, proposal)

    first, second, third = cases_of(proposal)
    answers = [(await told(database, case))[0] for case in (first, second, third)]
    assert kinds(answers) == ["funds_reserved", "funds_waiting", "funds_reserved"]
    assert [answer.body.get("voucher") for answer in answers] == ["RS-2025-000001", None, "RS-2025-000002"]
    assert answers[1].body["short_by_fen"] == 50_000_000
    await assert_books_add_up(database)


async def test_a_proposal_before_any_money_waits(live: Live, database: Database) -> None:
    proposal = proposed(award(1))

    await hear(live, proposal)

    (answer,) = await told(database)
    assert answer.kind == "funds_waiting"
    assert (answer.body["short_by_fen"], answer.body["fiscal_year"]) == (1, 2025)
    assert answer.body["happened_on"] == "2025-09-15"


async def test_the_exact_sum_fits_and_one_fen_more_waits(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 100_000)
    too_much, exact = proposed(award(100_001)), proposed(award(100_000))

    await hear(live, too_much, exact)

    assert kinds(await told(database, *cases_of(too_much))) == ["funds_waiting"]
    assert kinds(await told(database, *cases_of(exact))) == ["funds_reserved"]


@pytest.mark.parametrize(
    ("proposal", "code"),
    [
        (proposed(award(1, line_id="2023-15/99")), "unknown-line"),
        (proposed(award(3_000_001, line_id="2023-15/2")), "above-cap"),
        (proposed(award(1), fiscal_year=2022), "year-outside-term"),
        (proposed(award(1), fiscal_year=2027), "year-outside-term"),
        (proposed(award(1), policy_id="2099-1"), "unknown-policy"),
    ],
)
async def test_what_the_rules_refuse_is_answered_and_nothing_is_reserved(
    client: httpx.AsyncClient, live: Live, database: Database, proposal: AwardsProposed, code: str
) -> None:
    await appropriate(client, 100_000_000)

    await hear(live, proposal)

    (answer,) = await told(database, *cases_of(proposal))
    assert answer.kind == "reservation_refused"
    assert answer.body["reason_code"] == code
    assert (await balances(client))["available_fen"] == 100_000_000
    assert list((await states(database)).values()) == ["refused"]


async def test_the_cap_itself_is_reserved(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 100_000_000)
    proposal = proposed(award(3_000_000, line_id="2023-15/2"))

    await hear(live, proposal)

    assert kinds(await told(database, *cases_of(proposal))) == ["funds_reserved"]


async def test_a_case_has_the_money_of_one_proposal_only(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 100_000_000)
    first = proposed(award(1_000_000))
    second = proposed(award(1_000_000, application_id=first.awards[0].application_id))
    await hear(live, first)

    await hear(live, second)

    answers = await told(database, *cases_of(second))
    assert kinds(answers) == ["funds_reserved", "reservation_refused"]
    assert answers[1].body["reason_code"] == "already-held"
    assert (await balances(client))["reserved_fen"] == 1_000_000


async def test_a_released_case_may_be_proposed_again(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    first = proposed(award(1_000_000))
    second = proposed(award(900_000, application_id=first.awards[0].application_id))

    await hear(live, first)
    await hear(live, release_of(*cases_of(first)))
    await hear(live, second)

    assert kinds(await told(database, *cases_of(second))) == ["funds_reserved", "funds_released", "funds_reserved"]
    assert (await balances(client))["available_fen"] == 100_000


async def test_a_proposal_that_comes_twice_is_noted_and_dropped(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 100_000_000)
    proposal = proposed(award(1_000_000), award(150_000_000), award(1, line_id="2023-15/99"))
    await hear(live, proposal)
    before = await written(database)

    await hear(live, proposal)

    after = await written(database)
    notes = await fetch(database, "SELECT state FROM reservation_history WHERE what = 'repeated_proposal' ORDER BY id", service="budget")
    assert [row["state"] for row in notes] == ["reserved", "waiting", "refused"]
    assert {**after, "reservation_history": 0} == {**before, "reservation_history": 0}


async def test_a_case_named_twice_in_one_list_is_answered_once(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 100_000_000)
    one = award(1_000_000)
    proposal = proposed(one, one)

    await hear(live, proposal)

    assert kinds(await told(database)) == ["appropriation_recorded", "funds_reserved"]
    assert (await balances(client))["reserved_fen"] == 1_000_000


async def test_a_release_funds_the_next_that_fits_in_the_same_transaction(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 100_000)
    proposal = proposed(award(70_000), award(90_000), award(60_000), award(30_000))
    await hear(live, proposal)
    first, second, third, fourth = cases_of(proposal)

    await hear(live, release_of(first))

    assert kinds(await told(database, first)) == ["funds_reserved", "funds_released"]
    assert kinds(await told(database, second)) == ["funds_waiting"]
    assert kinds(await told(database, third)) == ["funds_waiting", "funds_reserved"]
    assert kinds(await told(database, fourth)) == ["funds_reserved"]
    transactions = await fetch(database, "SELECT DISTINCT xmin::text FROM journal WHERE kind IN ('release', 'reserve') AND seq > 6", service="budget")
    assert len(transactions) == 1
    await assert_books_add_up(database)


async def test_a_waiting_case_leaves_the_list_without_money(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 100)
    proposal = proposed(award(101))
    await hear(live, proposal)
    (case,) = cases_of(proposal)

    await hear(live, release_of(case))

    (_, answer) = await told(database, case)
    assert (answer.kind, answer.body["amount_fen"], answer.body.get("voucher")) == ("funds_released", 0, None)
    assert (await client.get("/v1/waiting-list", params={"fiscal_year": 2025}, auth=AUDITOR)).json()["rows"] == []


async def test_a_release_that_comes_first_leaves_a_tombstone_and_the_proposal_is_answered_released(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 1_000_000)
    proposal = proposed(award(1_000_000), award(500_000))
    withdrawn, other = cases_of(proposal)

    await hear(live, release_of(withdrawn))
    silent = await told(database, withdrawn)
    await hear(live, proposal)
    await hear(live, proposal, release_of(withdrawn))

    assert silent == []
    (answer,) = await told(database, withdrawn)
    assert (answer.kind, answer.body["amount_fen"]) == ("funds_released", 0)
    assert kinds(await told(database, other)) == ["funds_reserved"]
    assert (await balances(client))["reserved_fen"] == 500_000


async def test_a_release_that_comes_twice_is_noted_and_dropped(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 1_000_000)
    proposal = proposed(award(1_000_000))
    (case,) = cases_of(proposal)
    await hear(live, proposal, release_of(case))

    await hear(live, release_of(case))

    assert kinds(await told(database, case)) == ["funds_reserved", "funds_released"]
    history = await fetch(database, "SELECT what, state FROM reservation_history ORDER BY id", service="budget")
    assert [tuple(row) for row in history] == [("released", "released"), ("repeated_release", "released")]


async def test_under_the_strict_rule_nobody_passes_the_first_that_does_not_fit(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 100_000)
    cases = await propose_strictly(live, [70_000, 90_000, 10_000])

    answers = [(await told(database, case))[0] for case in cases]

    assert kinds(answers) == ["funds_reserved", "funds_waiting", "funds_waiting"]
    assert [answer.body.get("short_by_fen") for answer in answers] == [None, 60_000, 70_000]


async def test_under_the_strict_rule_the_next_is_funded_when_the_first_leaves_the_list(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 100_000)
    funded, first, second = await propose_strictly(live, [70_000, 90_000, 10_000])

    async with live.transaction() as tx:
        await commands.release(tx, application_id=first.application_id, proposal_id=first.proposal_id, reason="撤回", act=act(), catalogue=strict())

    assert kinds(await told(database, second)) == ["funds_waiting", "funds_reserved"]
    assert kinds(await told(database, funded)) == ["funds_reserved"]
    await assert_books_add_up(database)


async def test_a_thousand_awards_take_a_handful_of_statements(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 100_000_000)
    proposal = proposed(*(award(150_000) for _ in range(1_000)))

    with counted_statements(live) as statements:
        await hear(live, proposal)

    fund = await balances(client)
    assert len(statements) <= 15
    assert (fund["reserved_fen"], fund["available_fen"]) == (99_900_000, 100_000)
    assert kinds(await told(database, *cases_of(proposal))) == ["funds_reserved"] * 666 + ["funds_waiting"] * 334
    await assert_books_add_up(database)


async def test_a_list_longer_than_a_page_is_served_to_its_end(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    for _ in range(3):
        await hear(live, proposed(*(award(10) for _ in range(900))))

    await appropriate(client, 26_500)

    assert list((await states(database)).values()) == ["reserved"] * 2_650 + ["waiting"] * 50
    await assert_books_add_up(database)


async def test_the_waiting_list_is_read_in_rank_order_page_by_page(client: httpx.AsyncClient, live: Live) -> None:
    await hear(live, proposed(award(5), award(4, jurisdiction_id="wendeng"), award(3)))
    url = "/v1/waiting-list"

    first = (await client.get(url, params={"fiscal_year": 2025, "limit": 2}, auth=AUDITOR)).json()
    rest = (await client.get(url, params={"fiscal_year": 2025, "limit": 2, "cursor": first["next_cursor"]}, auth=AUDITOR)).json()
    of_one_district = (await client.get(url, params={"fiscal_year": 2025}, auth=HUANCUI)).json()

    assert [(row["rank"], row["amount_fen"]) for row in first["rows"] + rest["rows"]] == [(1, 5), (2, 4), (3, 3)]
    assert [(row["rank"], row["amount_fen"]) for row in of_one_district["rows"]] == [(1, 5), (3, 3)]


async def propose_strictly(live: Live, amounts_fen: list[int]) -> list[Case]:
    awards = tuple(
        Award(
            application_id=uuid.uuid4(),
            case_number="C-1",
            applicant_uscc="91990000MA0000015Q",
            line_id="2023-15/7n",
            jurisdiction_id="huancui",
            amount_fen=amount_fen,
        )
        for amount_fen in amounts_fen
    )
    proposal = Proposal(proposal_id=uuid.uuid4(), fiscal_year=2025, policy_id="2023-15", awards=awards)
    async with live.transaction() as tx:
        await take_proposals(tx, [Asked(proposal, act())], catalogue=strict())
    return [Case(each.application_id, proposal.proposal_id, each.amount_fen) for each in awards]


def strict() -> Catalogue:
    (fund,) = policy.current().funds
    waiting = fund.waiting.model_copy(update={"waiting_rule": WaitingRule.STRICT})
    return Catalogue(funds=(fund.model_copy(update={"waiting": waiting}),))


def act() -> Act:
    return Act(caller="test", key="1", fingerprint=b"1", at=BUSINESS_NOW, on=BUSINESS_NOW.date())


@contextmanager
def counted_statements(live: Live) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    engine = live.database.engine.sync_engine
    sqlalchemy_event.listen(engine, "before_cursor_execute", note)
    yield statements
    sqlalchemy_event.remove(engine, "before_cursor_execute", note)
