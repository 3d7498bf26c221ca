"""What a year's end does where policy data chooses otherwise: the waiting list goes on, and a proposal that comes late is taken by the open year."""

import uuid
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from services.budget import policy
from services.budget.close import commands as close
from services.budget.edge import act_of_event
from services.budget.freeze import commands as freeze
from services.budget.freeze.rules import Scope
from services.budget.ledger.rules import Act
from services.budget.policy.catalogue import Catalogue
from services.budget.proposal import commands as proposal
from services.budget.proposal.rules import Asked, Award, Proposal
from shared.db import AnyRow, Tx
from shared.events import Event
from shared.events.applications import AwardsProposed
from shared.live import Live
from tests.building import fetch
from tests.integration.budget.acting import (
    LINE,
    Case,
    appropriate,
    assert_books_add_up,
    award,
    cases_of,
    hear,
    kinds,
    proposed,
    release_of,
    told,
)
from tests.integration.budget.test_year_closes import IN_LINE, new_year
from tests.runtime import Database


def choosing(**chosen: str) -> Catalogue:
    """The policy with other values in its waiting and year_end."""
    (fund,) = policy.current().funds
    parts = {name: getattr(fund, name) for name in ("waiting", "year_end")}
    changed = {
        name: part.model_copy(update={key: value for key, value in chosen.items() if key in type(part).model_fields}) for name, part in parts.items()
    }
    return policy.current().model_copy(update={"funds": (fund.model_copy(update=changed),)})


Asking = TypeVar("Asking", bound=Event)
CARRIES = choosing(waiting_at_year_end="carry")


async def unsealed(_: Tx) -> None:
    """Nobody looks at the checkpoint here."""


async def close_year(live: Live, fiscal_year: int, *, catalogue: Catalogue = CARRIES) -> AnyRow:
    async with live.transaction() as tx:
        return await close.close_year(tx, fiscal_year=fiscal_year, document="财结1号", act=act(live), catalogue=catalogue, checkpoint=unsealed)


def act(live: Live) -> Act:
    now = live.now()
    return Act(caller="finance-1", key=uuid.uuid4().hex, fingerprint=b"f", at=now.at, on=now.on)


async def propose(live: Live, event: AwardsProposed, *, catalogue: Catalogue) -> None:
    """As the consumer takes it, under another policy."""
    awards = tuple(Award(**each.model_dump()) for each in event.awards)
    taken = Proposal(proposal_id=event.proposal_id, fiscal_year=event.fiscal_year, policy_id=event.policy_id, awards=awards)
    async with live.transaction() as tx:
        await proposal.take_proposals(tx, [Asked(taken, act_of_event(event, key=event.proposal_id))], catalogue=catalogue)


def on_new_years_eve(event: Asking, year: int) -> Asking:
    return event.model_copy(update={"happened_at": datetime.fromisoformat(f"{year}-12-31T15:00:00+08:00"), "happened_on": date(year, 12, 31)})


async def held_in(database: Database) -> dict[uuid.UUID, tuple[str, int]]:
    rows = await fetch(database, "SELECT application_id, state, fiscal_year FROM reservation", service="budget")
    return {row["application_id"]: (row["state"], row["fiscal_year"]) for row in rows}


async def told_years(database: Database, case: Case) -> list[tuple[str, int]]:
    return [(each.kind, each.body["fiscal_year"]) for each in await told(database, case)]


async def test_who_waits_goes_on_waiting_in_the_next_year_and_is_told_so(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    listed = proposed(award(300_000), award(200_000), fiscal_year=2024)
    first, second = cases_of(listed)
    await hear(live, listed)

    closed = await close_year(live, 2024)

    assert closed.waiting_cases == 2
    assert await held_in(database) == {first.application_id: ("waiting", 2025), second.application_id: ("waiting", 2025)}
    assert await told_years(database, first) == [("funds_waiting", 2024), ("funds_waiting", 2025)]
    assert [each.body["short_by_fen"] for each in await told(database, second)] == [200_000, 200_000]
    history = await fetch(database, "SELECT application_id, what FROM reservation_history ORDER BY id", service="budget")
    assert [(row["application_id"], row["what"]) for row in history] == [(first.application_id, "carried"), (second.application_id, "carried")]
    await appropriate(client, 300_000)
    assert await held_in(database) == {first.application_id: ("reserved", 2025), second.application_id: ("waiting", 2025)}
    await assert_books_add_up(database)


async def test_who_comes_over_stands_before_those_of_the_new_year_and_is_served_from_its_money_at_once(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    listed = proposed(award(300_000), award(200_000), fiscal_year=2024)
    first, second = cases_of(listed)
    await hear(live, listed)
    await appropriate(client, 250_000)
    newer = proposed(award(260_000))
    (third,) = cases_of(newer)
    await hear(live, newer)

    closed = await close_year(live, 2024)

    assert await held_in(database) == {
        first.application_id: ("waiting", 2025),
        second.application_id: ("reserved", 2025),
        third.application_id: ("waiting", 2025),
    }
    assert await told_years(database, second) == [("funds_waiting", 2024), ("funds_reserved", 2025)]
    assert (await told(database, first))[-1].body["short_by_fen"] == 250_000
    (reserve,) = await fetch(database, "SELECT seq, voucher FROM journal WHERE kind = 'reserve' AND outcome = 'posted'", service="budget")
    assert (reserve["voucher"], reserve["seq"]) == ("RS-2025-000001", closed.last_seq)
    await appropriate(client, 560_000 - 50_000)
    assert [state for state, _ in (await held_in(database)).values()] == ["reserved"] * 3
    await assert_books_add_up(database)


async def test_free_money_that_is_carried_serves_who_waits_in_the_next_year(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    await appropriate(client, 300_000, fiscal_year=2024)
    newer = proposed(award(300_000))
    (case,) = cases_of(newer)
    await hear(live, newer)

    await close_year(live, 2024, catalogue=choosing(free_money="carry"))

    assert await told_years(database, case) == [("funds_waiting", 2025), ("funds_reserved", 2025)]
    (row,) = await fetch(database, "SELECT dr, cr FROM journal WHERE kind = 'reserve' AND outcome = 'posted'", service="budget")
    assert (row["dr"], row["cr"]) == ("2025/指标:可用[origin=2024]", f"2025/指标:已预留{IN_LINE},origin=2024]")
    await assert_books_add_up(database)


async def test_a_list_that_came_over_is_served_from_what_carried_cases_give_back_in_the_year_after_the_policys_last(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 100_000)
    held, waits = proposed(award(100_000)), proposed(award(100_000))
    (holder,), (waiter,) = cases_of(held), cases_of(waits)
    await hear(live, held, waits)
    new_year(tmp_path)
    await close_year(live, 2025)
    assert await held_in(database) == {holder.application_id: ("reserved", 2026), waiter.application_id: ("waiting", 2026)}

    await hear(live, release_of(holder))

    assert (await held_in(database))[waiter.application_id] == ("reserved", 2026)
    assert await told_years(database, waiter) == [("funds_waiting", 2025), ("funds_waiting", 2026), ("funds_reserved", 2026)]
    await assert_books_add_up(database)


async def test_in_the_year_after_its_last_a_fund_spends_what_was_carried_into_it(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    catalogue = choosing(late_proposal="open_year", free_money="carry")
    await appropriate(client, 100_000)
    new_year(tmp_path)
    await close_year(live, 2025, catalogue=catalogue)
    december, january, too_much = proposed(award(50_000)), proposed(award(50_000), fiscal_year=2026), proposed(award(1), fiscal_year=2026)

    for each in (december, january, too_much):
        await propose(live, each, catalogue=catalogue)

    answers = [await told_years(database, *cases_of(each)) for each in (december, january, too_much)]
    assert answers == [[("funds_reserved", 2026)], [("funds_reserved", 2026)], [("funds_waiting", 2026)]]
    await assert_books_add_up(database)


async def test_an_award_of_the_year_after_the_last_waits_until_money_is_carried_there(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    catalogue = choosing(free_money="carry")
    await appropriate(client, 100_000)
    new_year(tmp_path)
    january, beyond = proposed(award(100_000), fiscal_year=2026), proposed(award(1), fiscal_year=2027)
    for each in (january, beyond):
        await propose(live, each, catalogue=catalogue)

    await close_year(live, 2025, catalogue=catalogue)

    assert await told_years(database, *cases_of(january)) == [("funds_waiting", 2026), ("funds_reserved", 2026)]
    (refused,) = await told(database, *cases_of(beyond))
    assert (refused.kind, refused.body["reason_code"]) == ("reservation_refused", "year-outside-term")
    await assert_books_add_up(database)


async def test_a_list_that_can_never_be_served_again_lapses_although_lists_are_carried(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    listed = proposed(award(100_000))
    (case,) = cases_of(listed)
    await appropriate(client, 1)
    await hear(live, listed)
    new_year(tmp_path)
    await close_year(live, 2025)
    new_year(tmp_path, "2027-01-05")

    closed = await close_year(live, 2026)

    assert closed.waiting_cases == 1
    assert await told_years(database, case) == [("funds_waiting", 2025), ("funds_waiting", 2026), ("funds_released", 2026)]
    assert (await held_in(database))[case.application_id] == ("released", 2026)


async def test_an_order_to_stop_is_lifted_although_a_list_waits_in_a_year_after_the_policys_last(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 1)
    listed = proposed(award(100_000))
    (case,) = cases_of(listed)
    await hear(live, listed)
    new_year(tmp_path)
    await close_year(live, 2025)
    async with live.transaction() as tx:
        ordered = await freeze.order_freeze(
            tx, scope=Scope.LINE, line_id=LINE, document="审通1号", authority="示例审计局", reason="核查", ordered_on=date(2026, 1, 5), act=act(live)
        )

    async with live.transaction() as tx:
        lifted = await freeze.lift_freeze(tx, ordered.id, version=1, document="解1号", act=act(live), catalogue=CARRIES)

    assert lifted.lifting_document == "解1号"
    assert await held_in(database) == {case.application_id: ("waiting", 2026)}


@pytest.mark.parametrize(
    ("late_proposal", "expected", "answer"),
    [("refuse", ("refused", 2024), ("reservation_refused", 2024)), ("open_year", ("reserved", 2025), ("funds_reserved", 2025))],
)
async def test_a_december_proposal_that_is_heard_in_january_gets_what_policy_says(
    client: httpx.AsyncClient, live: Live, database: Database, late_proposal: str, expected: tuple[str, int], answer: tuple[str, int]
) -> None:
    catalogue = choosing(late_proposal=late_proposal)
    await appropriate(client, 1_000_000, fiscal_year=2024)
    await appropriate(client, 1_000_000)
    await close_year(live, 2024, catalogue=catalogue)
    december = on_new_years_eve(proposed(award(300_000), fiscal_year=2024), 2024)
    (case,) = cases_of(december)

    await propose(live, december, catalogue=catalogue)
    await propose(live, december, catalogue=catalogue)

    assert await held_in(database) == {case.application_id: expected}
    assert await told_years(database, case) == [answer]
    free = await fetch(database, "SELECT balance_fen FROM balance WHERE account = '2025/指标:可用'", service="budget")
    assert free[0]["balance_fen"] == (700_000 if late_proposal == "open_year" else 1_000_000)
    booked = await fetch(database, "SELECT outcome, effective_on FROM journal WHERE kind = 'reserve'", service="budget")
    assert [(row["outcome"], str(row["effective_on"])) for row in booked] == [
        ("posted", "2025-01-01") if late_proposal == "open_year" else ("refused", "2024-12-31")
    ]
    await assert_books_add_up(database)


async def test_a_late_proposal_that_the_open_year_has_no_money_for_waits_in_it(client: httpx.AsyncClient, live: Live, database: Database) -> None:
    catalogue = choosing(late_proposal="open_year")
    await appropriate(client, 1_000_000, fiscal_year=2024)
    await close_year(live, 2024, catalogue=catalogue)
    december = proposed(award(300_000), fiscal_year=2024)
    (case,) = cases_of(december)

    await propose(live, december, catalogue=catalogue)

    assert await told_years(database, case) == [("funds_waiting", 2025)]
    assert kinds(await told(database, case)) == ["funds_waiting"]
    await appropriate(client, 300_000)
    assert await held_in(database) == {case.application_id: ("reserved", 2025)}


async def test_a_release_of_december_that_is_heard_after_the_close_gives_the_carried_money_back_and_serves_the_list(
    client: httpx.AsyncClient, live: Live, database: Database, tmp_path: Path
) -> None:
    await appropriate(client, 300_000)
    held, waits = proposed(award(300_000)), proposed(award(300_000))
    (holder,), (waiter,) = cases_of(held), cases_of(waits)
    await hear(live, held, waits)
    new_year(tmp_path)
    await close_year(live, 2025)

    await hear(live, on_new_years_eve(release_of(holder), 2025))

    assert await held_in(database) == {holder.application_id: ("released", 2026), waiter.application_id: ("reserved", 2026)}
    booked = await fetch(database, "SELECT kind, effective_on FROM journal WHERE fiscal_year = 2026 ORDER BY seq", service="budget")
    assert [(row["kind"], str(row["effective_on"])) for row in booked] == [("release", "2026-01-01"), ("reserve", "2026-01-01")]
    await assert_books_add_up(database)


async def test_a_proposal_for_the_open_year_that_was_made_in_the_closed_one_is_booked_in_the_open_one(
    client: httpx.AsyncClient, live: Live, database: Database
) -> None:
    await appropriate(client, 1_000_000, fiscal_year=2024)
    await appropriate(client, 1_000_000)
    await close_year(live, 2024, catalogue=policy.current())
    early = on_new_years_eve(proposed(award(300_000)), 2024)
    (case,) = cases_of(early)

    await hear(live, early)

    assert await held_in(database) == {case.application_id: ("reserved", 2025)}
    (row,) = await fetch(database, "SELECT effective_on FROM journal WHERE kind = 'reserve'", service="budget")
    assert row["effective_on"] == date(2025, 1, 1)
