"""The problem document a refusal becomes."""

import pytest

from shared.errors import (
    Conflict,
    FieldProblem,
    Forbidden,
    Invalid,
    Malformed,
    NotFound,
    Refusal,
    Stale,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unavailable,
    problem,
)


class AboveCeiling(Refusal):
    code = "above-ceiling"
    title_en = "Above the ceiling"
    title_zh = "超过最高限额"
    remedy_en = "Ask for the ceiling or less."
    remedy_zh = "请按不超过最高限额填写。"


def test_a_refusal_becomes_a_problem_with_both_languages_its_field_its_remedy_and_its_facts() -> None:
    detail, detail_zh = "3000001 fen asked, at most 3000000 fen allowed.", "申请3000001分，最高3000000分。"
    refusal = AboveCeiling(
        detail,
        detail_zh=detail_zh,
        pointer="/requested_fen",
        facts={"requested_fen": 3_000_001, "cap_fen": 3_000_000},
    )

    document = problem(refusal, trace_id="abc")

    assert document == {
        "type": "urn:problem:above-ceiling",
        "title": "Above the ceiling",
        "title_zh": "超过最高限额",
        "status": 422,
        "code": "above-ceiling",
        "detail": detail,
        "detail_zh": detail_zh,
        "errors": [{"pointer": "/requested_fen", "detail": detail, "detail_zh": detail_zh}],
        "remedy": "Ask for the ceiling or less.",
        "remedy_zh": "请按不超过最高限额填写。",
        "trace_id": "abc",
        "requested_fen": 3_000_001,
        "cap_fen": 3_000_000,
    }


def test_what_a_refusal_does_not_have_is_left_out() -> None:
    document = problem(NotFound("No such case.", detail_zh="没有该办件。"), trace_id="abc")

    assert set(document) == {"type", "title", "title_zh", "status", "code", "detail", "detail_zh", "trace_id"}


def test_an_invalid_names_every_field() -> None:
    refusal = Invalid(
        [
            FieldProblem(pointer="/uscc", detail_en="too short", detail_zh="位数不足"),
            FieldProblem(pointer="/items/0", detail_en="unknown", detail_zh="未知"),
        ]
    )

    document = problem(refusal, trace_id="abc")

    assert document["status"] == 422
    assert document["errors"] == [
        {"pointer": "/uscc", "detail": "too short", "detail_zh": "位数不足"},
        {"pointer": "/items/0", "detail": "unknown", "detail_zh": "未知"},
    ]


def test_an_invalid_without_a_field_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Invalid([])


@pytest.mark.parametrize(
    ("kind", "status"),
    [(Malformed, 400), (Unauthenticated, 401), (Forbidden, 403), (NotFound, 404), (Conflict, 409), (Stale, 412), (TooLarge, 413), (Refusal, 422)],
)
def test_each_kind_has_its_status(kind: type[Refusal], status: int) -> None:
    document = problem(kind("no", detail_zh="否"), trace_id="abc")

    assert document["status"] == status


@pytest.mark.parametrize(("kind", "status"), [(TooMany, 429), (Unavailable, 503)])
def test_what_may_be_tried_later_says_when(kind: type[TooMany] | type[Unavailable], status: int) -> None:
    refusal = kind("busy", detail_zh="忙", retry_after_s=1)

    assert (refusal.status, refusal.retry_after_s) == (status, 1)
    with pytest.raises(AssertionError):
        kind("busy", detail_zh="忙", retry_after_s=0)


def test_a_fact_may_not_hide_a_member_of_the_problem() -> None:
    refusal = Conflict("no", detail_zh="否", facts={"status": 200})

    with pytest.raises(AssertionError):
        problem(refusal, trace_id="abc")
