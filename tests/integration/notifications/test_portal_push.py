"""Pushing to a real HTTP server: in order, at least once, always the same; nothing is lost while the portal is away."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import httpx
from structlog.testing import capture_logs

from services.notifications import worker
from services.notifications.policy.interface import Pushed
from services.notifications.portal import commands
from services.notifications.portal.clients import CALLS_MAX, Portal, send_record
from services.notifications.portal.commands import CLAIMS_MAX, LEASE_S, Claim
from services.notifications.portal.jobs import content_of, push_due
from services.notifications.settings import NotificationsSettings
from shared import clock
from shared.events.registry import ContactErased
from tests.integration.notifications.conftest import Service, StandIn, listening, portal_at
from tests.integration.notifications.test_case_told import MOMENT, contact
from tests.unit.notifications.steps import CASE_NUMBER, USCC, Story

RUNS_MAX = 80
# Longer than any wait between two tries.
PATIENCE = timedelta(minutes=10)


def moments() -> Iterator[datetime]:
    """Wall time that moves by PATIENCE from one run to the next, so that every wait is over."""
    return (clock.wall() + run * PATIENCE for run in range(1, RUNS_MAX))


def paths(service: Service) -> Mapping[str, str]:
    return service.told.interface.paths


async def push_until_done(service: Service, portal: Portal) -> int:
    """Run the job until nothing is due; returns how many records were taken."""
    taken = 0
    for at in moments():
        taken += await push_due(service.live, portal=portal, paths=paths(service), at=at)
        if not await service.rows("SELECT FROM portal_case WHERE next_try_at IS NOT NULL"):
            return taken
    raise AssertionError(f"still something to push after {RUNS_MAX} runs")


async def states(service: Service) -> dict[str, int]:
    return {row["state"]: row["records"] for row in await service.rows("SELECT state, count(*) AS records FROM portal_record GROUP BY state")}


async def claim(service: Service, at: datetime) -> list[Claim]:
    async with service.live.transaction() as tx:
        return await commands.claim_due(tx, at=at)


async def test_a_case_reaches_the_portal_whole_and_in_order(service: Service, stand_in: StandIn) -> None:
    await service.hear(*Story().to_payment())

    taken = await push_until_done(service, stand_in.portal)

    assert stand_in.taken(CASE_NUMBER) == await service.reported()
    assert (taken, stand_in.desk.calls, stand_in.desk.repeats, stand_in.desk.refused) == (21, 21, 0, [])
    assert await states(service) == {"accepted": 21}


async def test_a_portal_that_fails_three_times_gets_each_record_once(service: Service, stand_in: StandIn) -> None:
    await service.hear(*Story().to_payment())
    stand_in.desk.failing["*"] = 3

    await push_until_done(service, stand_in.portal)

    assert stand_in.taken(CASE_NUMBER) == await service.reported()
    assert (stand_in.desk.calls, stand_in.desk.repeats, stand_in.desk.refused) == (24, 0, [])
    (first,) = await service.rows("SELECT attempts, state, last_answer FROM portal_record WHERE position = 1")
    assert first == {"attempts": 4, "state": "accepted", "last_answer": "HTTP 200 code 200 ok"}


async def test_a_portal_that_is_away_loses_nothing(service: Service, stand_in: StandIn) -> None:
    await service.hear(*Story().to_payment())
    with listening() as listener:
        nobody = portal_at(f"http://127.0.0.1:{listener.getsockname()[1]}", service=service)
    for at in list(moments())[:3]:
        assert await push_due(service.live, portal=nobody, paths=paths(service), at=at) == 0
    await nobody.http.aclose()
    (first,) = await service.rows("SELECT state, attempts, last_answer FROM portal_record WHERE position = 1")

    await push_until_done(service, stand_in.portal)

    assert first == {"state": "failing", "attempts": 3, "last_answer": "ConnectError"}
    assert stand_in.taken(CASE_NUMBER) == await service.reported()


async def test_one_stuck_case_holds_up_no_other(service: Service, stand_in: StandIn) -> None:
    stuck, flowing = (Story(case_number=f"WH-2025-371002-00000{n}") for n in (1, 2))
    await service.hear(*stuck.to_payment())
    await service.hear(*flowing.to_payment())
    stand_in.desk.failing[stuck.case_number] = RUNS_MAX

    for at in list(moments())[:30]:
        await push_due(service.live, portal=stand_in.portal, paths=paths(service), at=at)

    assert (len(stand_in.taken(stuck.case_number)), len(stand_in.taken(flowing.case_number))) == (0, 21)
    assert await states(service) == {"accepted": 21, "failing": 1, "waiting": 20}


async def test_killed_between_call_and_record_the_same_is_sent_again(service: Service, stand_in: StandIn) -> None:
    await service.hear(contact())
    await service.hear(Story().filed())
    at = clock.wall()
    (before,) = await claim(service, at)
    await send_record(stand_in.portal, path=paths(service)[before.kind], content=content_of(before))

    during_lease = await push_due(service.live, portal=stand_in.portal, paths=paths(service), at=at + timedelta(seconds=LEASE_S - 1))
    after_lease = await push_due(service.live, portal=stand_in.portal, paths=paths(service), at=at + timedelta(seconds=LEASE_S))

    assert (during_lease, after_lease) == (0, 1)
    assert (stand_in.desk.calls, stand_in.desk.repeats, len(stand_in.desk.taken)) == (2, 1, 1)
    assert await states(service) == {"accepted": 1}


async def test_an_answer_to_a_claim_that_was_taken_over_changes_nothing(service: Service) -> None:
    await service.hear(Story().filed())
    at = clock.wall()
    (slow,) = await claim(service, at)
    (newer,) = await claim(service, at + timedelta(seconds=LEASE_S))

    async with service.live.transaction() as tx:
        await commands.record_accepted(tx, slow, answer="late", at=at)
        await commands.record_failed(tx, slow, answer="late", at=at)

    assert newer.content == slow.content
    assert await states(service) == {"waiting": 1}
    assert await service.rows("SELECT accepted_position, claim FROM portal_case") == [{"accepted_position": 0, "claim": 2}]


async def test_a_record_written_while_its_case_is_being_called_is_not_overlooked(service: Service) -> None:
    story = Story()
    await service.hear(story.filed())
    at = clock.wall()
    (claimed,) = await claim(service, at)
    await service.hear(story.accepted())

    async with service.live.transaction() as tx:
        await commands.record_accepted(tx, claimed, answer="ok", at=at)

    (following,) = await claim(service, at)
    assert (following.kind, following.position) == ("process", 2)


async def test_no_record_goes_out_before_the_one_before_it_was_taken(service: Service) -> None:
    story = Story()
    await service.hear(story.filed(), story.accepted())
    at = clock.wall()
    (claimed,) = await claim(service, at)

    async with service.live.transaction() as tx:
        await commands.record_failed(tx, claimed, answer="no", at=at)

    too_early, again = await claim(service, at + timedelta(milliseconds=999)), await claim(service, at + timedelta(seconds=1))
    assert too_early == []
    assert [(each.kind, each.position, each.attempts) for each in again] == [("basic", 1, 1)]


async def test_a_run_claims_a_bounded_number_of_cases_the_longest_due_first(service: Service) -> None:
    stories = [Story(case_number=f"WH-2025-371002-{number:06d}") for number in range(CLAIMS_MAX + 1)]
    for story in stories:
        await service.hear(story.filed())
    at = clock.wall()

    first, second, third = await claim(service, at), await claim(service, at), await claim(service, at)

    assert {each.application_id for each in first} == {story.application_id for story in stories[:CLAIMS_MAX]}
    assert [each.application_id for each in second] == [stories[-1].application_id]
    assert third == []


async def test_at_most_eight_calls_are_under_way_at_a_time(service: Service) -> None:
    for number in range(CALLS_MAX * 2):
        await service.hear(Story(case_number=f"WH-2025-371002-{number:06d}").filed())
    under_way = most = 0

    async def answer(_request: httpx.Request) -> httpx.Response:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        # Every other call that may begin does so now.
        await asyncio.sleep(0)
        under_way -= 1
        return httpx.Response(200, json={"code": "200"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
        taken = await push_due(service.live, portal=Portal("http://portal.invalid", client), paths=paths(service), at=clock.wall())

    assert (taken, most) == (CALLS_MAX * 2, CALLS_MAX)


async def test_the_mobile_number_is_sent_as_it_is_known_and_kept_in_no_record(service: Service, stand_in: StandIn) -> None:
    await service.hear(contact("13900001234"))
    first, second = (Story(case_number=f"WH-2025-371002-00000{n}") for n in (1, 2))
    await service.hear(first.filed())
    await push_until_done(service, stand_in.portal)
    await service.hear(ContactErased(**MOMENT, uscc=USCC))
    await service.hear(second.filed())

    await push_until_done(service, stand_in.portal)

    assert [each["content"]["applicantmobile"] for each in stand_in.desk.taken] == ["13900001234", ""]
    assert await service.rows("SELECT FROM portal_record WHERE content::text LIKE '%13900001234%'") == []


async def test_a_record_that_the_portal_refuses_stays_with_what_the_portal_said(service: Service, stand_in: StandIn) -> None:
    await service.hear(Story().filed())
    stand_in.desk.token = "another token"

    taken = await push_due(service.live, portal=stand_in.portal, paths=paths(service), at=clock.wall())

    assert taken == 0
    assert await service.rows("SELECT state, last_answer FROM portal_record") == [{"state": "failing", "last_answer": "HTTP 401 code 401 token"}]


async def test_a_mobile_number_that_the_portal_repeats_is_masked(service: Service) -> None:
    await service.hear(contact("13900001234"))
    await service.hear(Story().filed())
    answer = httpx.Response(200, json={"code": "500", "msg": "13900001234 格式错误"})

    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _request: answer)) as client:
        await push_due(service.live, portal=Portal("http://portal.invalid", client), paths=paths(service), at=clock.wall())

    assert await service.rows("SELECT last_answer FROM portal_record") == [{"last_answer": "HTTP 200 code 500 139****1234 格式错误"}]


def narrow_to_portal(service: Service) -> None:
    narrow = service.told.interface.model_copy(update={"pushed": Pushed(channels=("portal",), source="a test")})
    service.consumer = worker.hearing(replace(service.told, interface=narrow), city=service.live.city)


def widen_again(service: Service) -> None:
    service.consumer = worker.hearing(service.told, city=service.live.city)


async def test_a_case_of_a_channel_that_is_not_pushed_is_told_and_not_reported(service: Service) -> None:
    narrow_to_portal(service)

    await service.hear(*Story(channel="district", case_number="WH-2025-371002-000001").to_payment())
    await service.hear(Story(channel="portal", case_number="WH-2025-371002-000002").filed())

    assert len(await service.told_steps()) == 18
    assert await service.reported() == ["basic 0.1"]


async def test_a_change_of_the_pushed_channels_leaves_the_cases_under_way_as_they_began(service: Service) -> None:
    reported, unreported = (Story(case_number=f"WH-2025-371002-00000{n}") for n in (1, 2))
    await service.hear(reported.filed())
    narrow_to_portal(service)
    await service.hear(unreported.filed(), reported.accepted())
    widen_again(service)

    await service.hear(unreported.accepted(), reported.reviewed())

    assert await service.reported() == ["basic 0.1", "process 1.1", "process 2.1"]
    assert len(await service.told_steps()) == 5


async def test_without_an_address_pushing_rests_and_says_so_once(service: Service) -> None:
    settings = service.live.settings
    assert isinstance(settings, NotificationsSettings)

    with capture_logs() as logs:
        jobs = worker.jobs(settings, told=service.told)

    assert jobs == []
    assert [each["event"] for each in logs] == ["portal_push_rests"]
