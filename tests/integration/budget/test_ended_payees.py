"""疑点: payments to organisations that were no more, as far as the registry told of their ends."""

import uuid
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.budget.worker import consumer
from shared import city
from shared.events.registry import (
    InstitutionChanged,
    InstitutionEnded,
    InstitutionEvent,
    InstitutionRecorded,
    OrganisationChanged,
    OrganisationEnded,
    OrganisationEvent,
    OrganisationRegistered,
)
from shared.inbox import copies_only
from shared.live import Live
from tests.building import BUSINESS_NOW, CITY_FILE, fetch, move_business_clock
from tests.integration.budget.acting import USCC, Case, appropriate, approved_order, bank_says, hear, paid_row, returned_row
from tests.integration.budget.test_evidence import OTHER_USCC
from tests.integration.budget.test_suspicions import ENDED, NOTHING, case_of, findings
from tests.runtime import Database

TODAY = BUSINESS_NOW.date()
TOMORROW, YESTERDAY = TODAY + timedelta(days=1), TODAY - timedelta(days=1)
PERMIT, OTHER_PERMIT = uuid.UUID(int=1), uuid.UUID(int=2)


def organisation(kind: type[OrganisationEvent], *, version: int, uscc: str = USCC, **more: object) -> OrganisationEvent:
    status = "ended" if kind is OrganisationEnded else "active"
    fact: dict[str, Any] = {"kind": "enterprise", "name": "示例人力资源有限公司", "jurisdiction_id": "huancui", "status": status}
    return kind.model_validate({"happened_at": BUSINESS_NOW, "happened_on": TODAY, "uscc": uscc, "version": version, **fact, **more})


def dissolved(ended_on: date | None, *, uscc: str = USCC, **more: object) -> OrganisationEvent:
    told = {"cause": "dissolved", "cause_title_zh": "解散", **more}
    return organisation(OrganisationEnded, version=2, uscc=uscc, ended_on=ended_on, **told)


def permit(
    kind: type[InstitutionEvent] = InstitutionRecorded,
    *,
    institution_id: uuid.UUID = PERMIT,
    at: datetime = BUSINESS_NOW,
    first_day: date = date(2022, 1, 1),
    **more: object,
) -> InstitutionEvent:
    fact: dict[str, Any] = {"uscc": USCC, "basis": "permit", "number": f"P-{institution_id.int}", "scope": ["job_placement"], "first_day": first_day}
    return kind.model_validate({"happened_at": at, "happened_on": at.date(), "institution_id": institution_id, **fact, **more})


def revoked(ended_on: date, **more: object) -> InstitutionEvent:
    return permit(InstitutionEnded, ended_on=ended_on, cause="revoked", cause_title_zh="吊销", **more)


def number_of(case: Case) -> str:
    return f"C-{case.application_id.hex[:8]}"


@pytest.fixture
async def ordered(client: httpx.AsyncClient, live: Live) -> Case:
    """A payment ordered today; the bank has not answered."""
    await appropriate(client, 100_000_000)
    case = await case_of(client, live)
    await approved_order(client, case)
    return case


async def test_an_order_on_the_day_of_the_end_is_found_and_one_on_the_last_day_before_is_not(
    client: httpx.AsyncClient, live: Live, ordered: Case, tmp_path: Path
) -> None:
    await hear(live, organisation(OrganisationRegistered, version=1), dissolved(TOMORROW, uscc=OTHER_USCC))
    other = await case_of(client, live, uscc=OTHER_USCC, number="6200000000000000002")
    await approved_order(client, other, number="6200000000000000002")
    in_being = await findings(client, tmp_path)

    await hear(live, dissolved(TODAY))

    assert in_being[ENDED] == NOTHING
    assert (await findings(client, tmp_path))[ENDED] == [(number_of(ordered), "2025-09-15付款，单位于2025-09-15终止（解散）")]


async def test_a_payment_that_arrives_on_the_day_of_the_end_is_found_though_it_was_ordered_before(
    client: httpx.AsyncClient, live: Live, tmp_path: Path
) -> None:
    await appropriate(client, 100_000_000)
    cases = [await case_of(client, live) for _ in range(2)]
    orders = [await approved_order(client, case) for case in cases]
    await hear(live, dissolved(TOMORROW))
    move_business_clock(tmp_path, BUSINESS_NOW + timedelta(days=1))

    await bank_says(client, paid_row(orders[0], settled_on=TODAY.isoformat()), paid_row(orders[1], settled_on=TOMORROW.isoformat()))

    assert (await findings(client, tmp_path))[ENDED] == [(number_of(cases[1]), "2025-09-16付款，单位于2025-09-16终止（解散）")]


async def test_an_order_that_the_bank_sent_back_was_ordered_all_the_same(
    client: httpx.AsyncClient, live: Live, ordered: Case, tmp_path: Path
) -> None:
    second = await case_of(client, live)
    await bank_says(client, returned_row(await approved_order(client, second)))

    await hear(live, dissolved(YESTERDAY))

    assert {subject for subject, _ in (await findings(client, tmp_path))[ENDED]} == {number_of(ordered), number_of(second)}


async def test_an_order_that_was_only_made_is_nobodys_suspicion(client: httpx.AsyncClient, live: Live, tmp_path: Path) -> None:
    await appropriate(client, 100_000_000)
    await case_of(client, live)

    await hear(live, dissolved(YESTERDAY))

    assert (await findings(client, tmp_path))[ENDED] == NOTHING


@pytest.mark.parametrize(("ended_on", "found"), [(TODAY, True), (TOMORROW, False)])
async def test_a_payee_whose_permit_was_revoked_on_that_day_is_found(
    client: httpx.AsyncClient, live: Live, ordered: Case, tmp_path: Path, ended_on: date, found: bool
) -> None:
    await hear(live, permit(), revoked(ended_on))

    told = [(number_of(ordered), "2025-09-15付款，许可或备案于2025-09-15终止（吊销）")] if found else NOTHING
    assert (await findings(client, tmp_path))[ENDED] == told


async def test_a_permit_that_was_struck_out_the_day_after_was_not_ended_on_that_day_though_it_had_run_out(
    client: httpx.AsyncClient, live: Live, ordered: Case, tmp_path: Path
) -> None:
    await hear(live, permit(last_day=YESTERDAY), revoked(TOMORROW, last_day=YESTERDAY))
    before = await findings(client, tmp_path)

    await hear(live, permit(institution_id=OTHER_PERMIT), revoked(TODAY, institution_id=OTHER_PERMIT))

    assert before[ENDED] == NOTHING
    assert [subject for subject, _ in (await findings(client, tmp_path))[ENDED]] == [number_of(ordered)]


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({"first_day": TODAY}, False),
        ({"first_day": TOMORROW}, True),
        ({"last_day": TODAY}, False),
        ({"last_day": YESTERDAY}, True),
    ],
    ids=["good from that day", "good from the day after", "good to that day", "good to the day before"],
)
async def test_a_payee_with_another_permit_that_was_good_on_that_day_is_not_found(
    client: httpx.AsyncClient, live: Live, ordered: Case, tmp_path: Path, other: dict[str, Any], found: bool
) -> None:
    await hear(live, permit(), revoked(YESTERDAY), permit(institution_id=OTHER_PERMIT, **other))

    subjects = [subject for subject, _ in (await findings(client, tmp_path))[ENDED]]
    assert subjects == ([number_of(ordered)] if found else [""])


async def test_a_permit_that_ended_with_its_organisation_is_not_told_twice(
    client: httpx.AsyncClient, live: Live, ordered: Case, tmp_path: Path
) -> None:
    with_it = permit(InstitutionEnded, ended_on=YESTERDAY, cause="subject_ended", cause_title_zh="主体终止")

    await hear(live, permit(), with_it, dissolved(YESTERDAY))

    assert (await findings(client, tmp_path))[ENDED] == [(number_of(ordered), "2025-09-15付款，单位于2025-09-14终止（解散）")]


async def test_an_end_that_told_no_day_counts_from_the_day_on_which_it_was_recorded(
    client: httpx.AsyncClient, live: Live, ordered: Case, tmp_path: Path
) -> None:
    await hear(live, dissolved(None, cause_title_zh=None))

    assert (await findings(client, tmp_path))[ENDED] == [(number_of(ordered), "2025-09-15付款，单位于2025-09-15终止（dissolved）")]


async def copies(database: Database) -> list[tuple[Any, ...]]:
    organisations = await fetch(database, "SELECT uscc, ended_on, cause_title_zh, version FROM known_organisation", service="budget")
    institutions = "SELECT institution_id, first_day, last_day, ended_on, cause_title_zh FROM known_institution ORDER BY 1"
    return [tuple(row) for row in (*organisations, *await fetch(database, institutions, service="budget"))]


async def test_news_that_comes_again_or_late_leaves_the_copy_as_it_was(live: Live, database: Database) -> None:
    later = BUSINESS_NOW + timedelta(hours=1)
    story = [
        organisation(OrganisationRegistered, version=1),
        permit(),
        permit(InstitutionChanged, at=later, last_day=date(2027, 1, 1)),
        revoked(YESTERDAY, at=later, last_day=date(2027, 1, 1)),
        permit(institution_id=OTHER_PERMIT),
        permit(InstitutionChanged, institution_id=OTHER_PERMIT, at=later, last_day=date(2028, 1, 1)),
        dissolved(TODAY),
    ]
    await hear(live, *story)
    told = await copies(database)

    for again in (*story, *reversed(story), organisation(OrganisationChanged, version=1)):
        await hear(live, again)

    assert await copies(database) == told
    assert told == [
        (USCC, TODAY, "解散", 2),
        (PERMIT, date(2022, 1, 1), date(2027, 1, 1), YESTERDAY, "吊销"),
        (OTHER_PERMIT, date(2022, 1, 1), date(2028, 1, 1), None, None),
    ]


def test_building_the_copy_anew_takes_no_order_a_second_time() -> None:
    built_anew = copies_only(consumer(city.load(CITY_FILE)), name="budget-anew")

    assert set(built_anew.handlers) == {
        *("registry.organisation_registered.v1", "registry.organisation_changed.v1", "registry.organisation_ended.v1"),
        *("registry.institution_recorded.v1", "registry.institution_changed.v1", "registry.institution_ended.v1"),
    }
