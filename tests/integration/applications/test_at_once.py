"""Calls that meet: on one row, one once-only line, one case; the database decides, and everybody gets an answer."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.integration.applications.callers import (
    CITY_REVIEWER,
    FINANCE,
    HUANCUI,
    HUANCUI_SECOND,
    JOINT_REVIEWER,
    WENDENG,
    award_filing,
    filing,
)
from tests.integration.applications.desk import AMOUNT_FEN, Desk

BATCH = "/v1/applications:batch"
ROWS = 1_000


async def outcomes(desk: Desk, rows: list[dict[str, Any]], *, auth: httpx.Auth) -> Counter[str]:
    answer = await desk.client.post(BATCH, json={"rows": rows}, auth=auth)
    assert answer.status_code == 200, answer.text
    return Counter(each["problem"]["code"] if each["problem"] else each["status"] for each in answer.json()["results"])


@pytest.mark.parametrize("again", range(2))
async def test_two_batches_of_a_thousand_with_the_same_projects_in_opposite_order_do_not_stand_in_each_others_way(desk: Desk, again: int) -> None:
    projects = [f"KP-{again}-{number:04d}" for number in range(ROWS)]
    mine = [filing(f"m-{project}", project_code=project) for project in projects]
    theirs = [filing(f"t-{project}", project_code=project) for project in reversed(projects)]

    one, other = await asyncio.gather(outcomes(desk, mine, auth=HUANCUI), outcomes(desk, theirs, auth=HUANCUI_SECOND))

    assert one + other == Counter({"created": ROWS, "already-filed": ROWS})
    assert (await desk.counted())["application"] == ROWS
    assert len([each for each in await desk.announced() if each.type == "applications.application_filed.v1"]) == ROWS


async def test_a_batch_sent_twice_at_once_under_two_keys_is_filed_once(desk: Desk) -> None:
    rows = [filing(f"r-{number}") for number in range(200)]

    one, other = await asyncio.gather(outcomes(desk, rows, auth=HUANCUI), outcomes(desk, rows[::-1], auth=HUANCUI))

    assert one + other == Counter({"created": 200, "unchanged": 200})


async def test_of_many_filings_of_a_once_only_line_at_once_one_is_taken_and_the_others_learn_nothing(desk: Desk) -> None:
    calls = [(award_filing(f"h-{n}"), HUANCUI) for n in range(8)] + [(award_filing(f"w-{n}", jurisdiction_id="wendeng"), WENDENG) for n in range(8)]

    answers = await asyncio.gather(*(desk.client.post("/v1/applications", json=row, auth=auth) for row, auth in calls))

    assert Counter(each.status_code for each in answers) == {201: 1, 409: 15}
    refused = [each for each in answers if each.status_code == 409]
    assert {each.json()["code"] for each in refused} == {"already-filed"}
    assert not any(word in each.text for each in refused for word in ("WH-2025", "huancui", "wendeng"))
    assert (await desk.counted())["outbox"] == 1


@pytest.mark.parametrize("once_only", [True, False])
async def test_the_same_row_by_many_calls_at_once_is_one_application(desk: Desk, once_only: bool) -> None:
    row = award_filing() if once_only else filing()

    answers = await asyncio.gather(*(desk.client.post("/v1/applications", json=row, auth=HUANCUI) for _ in range(8)))

    assert Counter((each.status_code, each.json()["status"]) for each in answers) == {(201, "created"): 1, (200, "unchanged"): 7}
    assert len({each.json()["application_id"] for each in answers}) == 1
    assert (await desk.counted())["outbox"] == 1


async def test_two_versions_of_a_new_row_at_once_are_one_case_and_one_is_asked_to_send_again(desk: Desk) -> None:
    rows = [filing(requested_fen=fen) for fen in (1, 2)]

    answers = await asyncio.gather(*(desk.client.post("/v1/applications", json=row, auth=HUANCUI) for row in rows))

    told = sorted((each.status_code, each.json().get("code") or each.json()["status"]) for each in answers)
    # Whichever came second met the first while it was being written, or right after.
    assert told in ([(200, "changed"), (201, "created")], [(201, "created"), (409, "row-conflict")])
    assert (await desk.counted())["application"] == 1


async def test_the_same_call_twice_at_once_under_one_key_is_done_once(desk: Desk) -> None:
    headers = {"Idempotency-Key": "k-1"}

    answers = await asyncio.gather(*(desk.client.post("/v1/applications", json=filing(), headers=headers, auth=HUANCUI) for _ in range(6)))

    assert set(Counter(each.status_code for each in answers)) <= {201, 409}
    assert {each.json()["code"] for each in answers if each.status_code == 409} <= {"request-in-flight"}
    assert len({each.content for each in answers if each.status_code == 201}) == 1
    assert (await desk.counted())["application"] == 1


async def test_corrections_that_want_the_same_project_at_once_leave_it_to_one(desk: Desk) -> None:
    for number in range(6):
        await desk.file(filing(f"row-{number}"))
    rows = [filing(f"row-{number}", project_code="KP-WANTED") for number in range(6)]

    answers = await asyncio.gather(*(desk.client.post("/v1/applications", json=row, auth=HUANCUI) for row in rows))

    assert Counter(each.status_code for each in answers) == {200: 1, 409: 5}, [each.text for each in answers]
    assert {each.json()["code"] for each in answers if each.status_code == 409} == {"already-filed"}
    (standing,) = await desk.rows("SELECT count(*) AS n FROM application WHERE project_code = 'KP-WANTED'")
    assert standing["n"] == 1


async def test_corrections_and_filings_that_want_the_same_project_at_once_leave_it_to_one(desk: Desk) -> None:
    await desk.file(filing("old"))
    rows = [filing("old", project_code="KP-WANTED"), *(filing(f"new-{n}", project_code="KP-WANTED") for n in range(5))]

    answers = await asyncio.gather(*(desk.client.post("/v1/applications", json=row, auth=HUANCUI) for row in rows))

    assert Counter(each.is_success for each in answers) == {True: 1, False: 5}, [each.text for each in answers]
    assert {each.json()["code"] for each in answers if not each.is_success} == {"already-filed"}


async def test_of_two_officers_who_decide_on_one_case_at_once_one_comes_too_late(desk: Desk) -> None:
    id_ = (await desk.file())["application_id"]
    sent = [{"application_id": id_, "stage": "acceptance", "verdict": verdict, "reason": "材料不齐全"} for verdict in ("approve", "refuse")]

    answers = await asyncio.gather(*(desk.decide([each], auth=HUANCUI, officer=f"hc-{n}") for n, each in enumerate(sent)))

    assert sorted(each["problem"]["code"] if each["problem"] else each["status"] for (each,) in answers) == ["decided", "step-not-allowed"]
    assert (await desk.get(id_))["version"] == 2


async def test_both_sides_of_the_joint_review_at_once_make_one_proposal(desk: Desk) -> None:
    id_ = (await desk.file())["application_id"]
    await desk.approve([id_], "acceptance", auth=HUANCUI, officer="hc-0001")
    await desk.approve([id_], "district", auth=HUANCUI, officer="hc-0002")
    await desk.approve([id_], "city", auth=CITY_REVIEWER)

    await asyncio.gather(*(desk.approve([id_], "joint", auth=auth, amount_fen=AMOUNT_FEN) for auth in (FINANCE, JOINT_REVIEWER)))

    assert (await desk.get(id_))["state"] == "proposed"
    assert [each.type for each in await desk.announced()].count("applications.awards_proposed.v1") == 1


async def test_a_correction_and_an_acceptance_at_once_are_one_after_the_other(desk: Desk) -> None:
    id_ = (await desk.file())["application_id"]
    correction = desk.client.post("/v1/applications", json=filing(requested_fen=1), auth=HUANCUI)

    answer, _ = await asyncio.gather(correction, desk.approve([id_], "acceptance", auth=HUANCUI, officer="hc-0001"))

    case = await desk.get(id_)
    assert (case["state"], answer.json()["status"]) in (("accepted", "changed"), ("accepted", "in-review"))
    assert case["requested_fen"] == (1 if answer.json()["status"] == "changed" else 4_500_000)


async def test_filings_that_are_written_together_keep_the_trace_of_their_own_call(desk: Desk) -> None:
    calls = {f"{number:032x}": filing(f"traced-{number}") for number in range(1, 31)}

    answers = await asyncio.gather(
        *(
            desk.client.post("/v1/applications", json=row, headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}, auth=HUANCUI)
            for trace_id, row in calls.items()
        )
    )

    kept = {row["key"]: row["trace"].split("-")[1] for row in await desk.rows("SELECT key, headers ->> 'ce_traceparent' AS trace FROM outbox")}
    assert kept == {answer.json()["application_id"]: trace_id for trace_id, answer in zip(calls, answers, strict=True)}
    together = await desk.rows("SELECT count(*) AS filings, count(DISTINCT xmin::text) AS transactions FROM application")
    assert together[0]["transactions"] < together[0]["filings"] == len(calls)
