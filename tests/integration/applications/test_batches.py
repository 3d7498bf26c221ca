"""Batches and rehearsals: every row its own answer, and a rehearsal that says what a batch would."""

from typing import Any

import httpx
import pytest

from tests.building import holding
from tests.integration.applications.callers import HUANCUI, OTHER_USCC, award_filing, documents, filing
from tests.integration.applications.desk import Desk

BATCH, VALIDATE = "/v1/applications:batch", "/v1/applications:validate"
THIRD_USCC = "91371082MA94KXYTXJ"


async def post(desk: Desk, path: str, rows: list[Any]) -> httpx.Response:
    return await desk.client.post(path, json={"rows": rows}, auth=HUANCUI)


async def results(desk: Desk, path: str, rows: list[Any]) -> list[dict[str, Any]]:
    answer = await post(desk, path, rows)
    assert answer.status_code == 200, answer.text
    told: list[dict[str, Any]] = answer.json()["results"]
    assert [each["index"] for each in told] == list(range(len(rows)))
    return told


def gist(told: dict[str, Any]) -> str:
    return str(told["problem"]["code"] if told["status"] == "refused" else told["status"])


async def mixed_rows(desk: Desk) -> list[Any]:
    """Rows of every fate, on a desk where four rows stand already."""
    await desk.know(THIRD_USCC, permit=False)
    await desk.file(filing("same"))
    await desk.file(filing("corrected"))
    accepted = await desk.file(filing("accepted"))
    await desk.approve([accepted["application_id"]], "acceptance", auth=HUANCUI, officer="hc-0001")
    ended = await desk.file(filing("ended"))
    await desk.leave(await desk.get(ended["application_id"]))
    return [
        filing("new"),
        filing("same"),
        filing("corrected", requested_fen=1),
        filing("accepted", requested_fen=1),
        filing("ended", requested_fen=1),
        filing("above", requested_fen=5_000_001),
        filing("float", requested_fen=1.5),
        "not a row",
        filing("stranger", jurisdiction_id="wendeng"),
        filing("new", requested_fen=1),
        filing("corrected-2", project_code="KP-CORRECTED"),
        award_filing("once-1"),
        award_filing("once-2"),
        award_filing("unknown", applicant_uscc=OTHER_USCC),
        filing("no-permit", applicant_uscc=THIRD_USCC, evidence=documents()),
        filing("number-1", portal_number="N-1"),
        filing("number-2", portal_number="N-1"),
        filing("same", applicant_uscc=OTHER_USCC),
        award_filing("once-3", row_reference="same-key", applicant_uscc=THIRD_USCC),
    ]


FATES = [
    "created",
    "unchanged",
    "changed",
    "in-review",
    "row-ended",
    "above-ceiling",
    "invalid",
    "invalid",
    "not-your-jurisdiction",
    "row-conflict",
    "already-filed",
    "created",
    "already-filed",
    "created",
    "created",
    "created",
    "portal-number-taken",
    "row-conflict",
    "created",
]


async def test_every_row_of_a_batch_gets_its_own_answer_and_none_holds_up_another(desk: Desk) -> None:
    rows = await mixed_rows(desk)
    cases = (await desk.counted())["application"]

    told = await results(desk, BATCH, rows)

    assert [gist(each) for each in told] == FATES
    assert (await desk.counted())["application"] == cases + FATES.count("created")
    created = [each["filed"]["application_id"] for each in told if each["status"] == "created"]
    announced = [each.key for each in await desk.announced() if each.type == "applications.application_filed.v1"][-len(created) :]
    assert announced == created
    assert told[13]["filed"]["unverified"] == ["applicant-unknown"]
    assert (told[14]["filed"]["unverified"], told[14]["filed"]["missing_evidence"]) == (
        ["permit-or-filing-unknown"],
        ["key_project_listing", "achievement_proof"],
    )


async def test_a_refused_row_is_pointed_at_inside_the_batch_in_both_languages(desk: Desk) -> None:
    told = await results(desk, BATCH, [filing("a"), filing("b", requested_fen=5_000_001), filing("c", requested_fen="1"), 7])

    assert [each["problem"] and [error["pointer"] for error in each["problem"]["errors"]] for each in told] == [
        None,
        ["/rows/1/requested_fen"],
        ["/rows/2/requested_fen"],
        ["/rows/3"],
    ]
    assert all(each["problem"]["detail_zh"] and each["problem"]["detail"] for each in told[1:])


async def test_a_rehearsal_says_what_the_batch_will_and_writes_nothing(desk: Desk) -> None:
    rows = await mixed_rows(desk)
    before = await desk.counted()
    rehearsed = await results(desk, VALIDATE, rows)
    after = await desk.counted()

    filed = await results(desk, BATCH, rows)

    assert after == before
    assert [comparable(each) for each in rehearsed] == [comparable(each) for each in filed]


def comparable(told: dict[str, Any]) -> dict[str, Any]:
    """A result without what a rehearsal cannot know (the id, number and version of a case to be made) and the trace."""
    made = ("application_id", "case_number", "version") if told["status"] == "created" else ()
    filed = {name: value for name, value in (told["filed"] or {}).items() if name not in made}
    problem = {name: value for name, value in (told["problem"] or {}).items() if name != "trace_id"}
    return {"index": told["index"], "status": told["status"], "filed": filed, "problem": problem}


async def test_a_rehearsal_gives_out_no_number_and_no_id(desk: Desk) -> None:
    (told,) = await results(desk, VALIDATE, [filing()])

    assert {name: told["filed"][name] for name in ("status", "application_id", "case_number", "version")} == {
        "status": "created",
        "application_id": None,
        "case_number": None,
        "version": None,
    }


async def test_a_rehearsal_uses_up_no_number_of_anything(desk: Desk) -> None:
    rows = await mixed_rows(desk)
    before = await desk.rows("SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'applications' ORDER BY sequencename")

    await results(desk, VALIDATE, rows)

    after = await desk.rows("SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'applications' ORDER BY sequencename")
    assert after == before
    assert "case_number_seq" in [each["sequencename"] for each in before]


async def test_a_rehearsal_waits_for_nobody_and_nobody_waits_for_it(desk: Desk) -> None:
    case = await desk.file(filing())
    async with holding(desk.database, "SELECT FROM application FOR UPDATE", service="applications"):
        (told,) = await results(desk, VALIDATE, [filing(requested_fen=1)])

    assert (told["status"], told["filed"]["case_number"], told["filed"]["version"]) == ("changed", case["case_number"], 2)


async def test_case_numbers_follow_the_order_of_the_call_whatever_they_are_for(desk: Desk) -> None:
    projects = ["KP-9", "KP-1", None, "KP-5", None, "KP-3"]
    awards = iter((THIRD_USCC, OTHER_USCC))
    rows = [filing(f"r-{n}", project_code=each) if each else award_filing(f"r-{n}", applicant_uscc=next(awards)) for n, each in enumerate(projects)]

    told = await results(desk, BATCH, rows)

    numbers = [each["filed"]["case_number"] for each in told]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == len(rows)


async def test_the_same_batch_again_changes_nothing_and_repeats_each_answer(desk: Desk) -> None:
    rows = await mixed_rows(desk)
    first = await results(desk, BATCH, rows)
    before = await desk.counted()

    again = await results(desk, BATCH, rows)

    now = await desk.counted()
    assert now == {**before, "answer": before["answer"] + 1}
    kept = {"created": "unchanged", "changed": "unchanged"}
    assert [gist(each) for each in again] == [kept.get(fate, fate) for fate in FATES]
    assert [open_points(each) for each in again] == [open_points(each) for each in first]


def open_points(told: dict[str, Any]) -> object:
    return told["filed"] and (told["filed"]["unverified"], told["filed"]["missing_evidence"])


@pytest.mark.parametrize(("count", "status"), [(0, 422), (1_000, 200), (1_001, 422)])
@pytest.mark.parametrize("path", [BATCH, VALIDATE])
async def test_a_call_takes_1_to_1000_rows(desk: Desk, path: str, count: int, status: int) -> None:
    answer = await post(desk, path, [filing(f"r-{number}", evidence=[]) for number in range(count)])

    cases = (await desk.counted())["application"]
    assert answer.status_code == status
    assert cases == (1_000 if (path, count) == (BATCH, 1_000) else 0)


async def test_two_corrections_of_one_call_cannot_take_the_same_project(desk: Desk) -> None:
    await results(desk, BATCH, [filing("a"), filing("b"), filing("c")])

    told = await results(desk, BATCH, [filing("b", project_code="KP-X"), filing("a", project_code="KP-X"), filing("c", project_code="KP-B")])

    # The key of b is free only once the call is over: what is taken while a row is judged stays taken for it.
    assert [gist(each) for each in told] == ["changed", "already-filed", "already-filed"]
    assert [gist(each) for each in await results(desk, BATCH, [filing("c", project_code="KP-B")])] == ["changed"]


async def test_a_batch_whose_rows_are_all_wrong_is_answered_row_by_row(desk: Desk) -> None:
    told = await results(desk, BATCH, [None, {}, [], filing("x", item_id="?")])

    assert [gist(each) for each in told] == ["invalid", "invalid", "invalid", "item-unknown"]
    assert (await desk.counted())["application"] == 0


@pytest.mark.parametrize("body", [{"rows": {}}, {}, {"rows": [], "more": 1}, []])
async def test_a_call_that_is_no_batch_is_refused_whole(desk: Desk, body: object) -> None:
    answer = await desk.client.post(BATCH, json=body, auth=HUANCUI)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert not any((await desk.counted()).values())
