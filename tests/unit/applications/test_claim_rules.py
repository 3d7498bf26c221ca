"""What is asked for: project, level, year, and the key of what may be had once."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.applications.claim.rules import (
    ClaimFactMissing,
    LevelNotEligible,
    ProjectCodeInvalid,
    SupportYearNotEligible,
    already_filed,
)
from services.applications.policy.catalogue import Catalogue
from tests.fixtures.filings import (
    USCC,
    claiming,
    fitting,
    item_of,
    judge,
)


@pytest.mark.parametrize(
    ("line", "field"), [("5", "project_code"), ("7n", "park_code"), ("8b", "park_code"), ("8b", "support_year"), ("4b", "level")]
)
def test_a_fact_that_the_item_counts_by_must_be_there(catalogue: Catalogue, line: str, field: str) -> None:
    situation = claiming(fitting(item_of(catalogue, line)), **{field: None})

    with pytest.raises(ClaimFactMissing) as refused:
        judge(catalogue, situation)

    assert [problem.pointer for problem in refused.value.problems] == [f"/{field}"]


@pytest.mark.parametrize("level", ["provincial", "national", "international"])
def test_an_exhibition_counts_from_the_provincial_level_up(catalogue: Catalogue, level: str) -> None:
    assert judge(catalogue, claiming(fitting(item_of(catalogue, "4b")), level=level)).claim.level == level


def test_a_city_exhibition_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(LevelNotEligible):
        judge(catalogue, claiming(fitting(item_of(catalogue, "4b")), level="city"))


def test_an_item_of_one_level_needs_none_named_but_no_other(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "7n"))

    assert judge(catalogue, claiming(situation, level=None)).claim.level == "national"
    with pytest.raises(LevelNotEligible):
        judge(catalogue, claiming(situation, level="city"))


@pytest.mark.parametrize("year", [2023, 2025])
def test_support_years_run_from_the_first_of_the_term_to_that_of_filing(catalogue: Catalogue, year: int) -> None:
    assert judge(catalogue, claiming(fitting(item_of(catalogue, "4b")), support_year=year)).claim.support_year == year


@pytest.mark.parametrize("year", [2022, 2026])
def test_a_support_year_before_the_term_or_to_come_is_refused(catalogue: Catalogue, year: int) -> None:
    with pytest.raises(SupportYearNotEligible):
        judge(catalogue, claiming(fitting(item_of(catalogue, "4b")), support_year=year))


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("2", f"2023-15/2|applicant={USCC}"),
        ("4a", "2023-15/4a|project=KP-01"),
        ("4b", f"2023-15/4b|applicant={USCC}|year=2025"),
        ("7n", "2023-15/7n|park=P-01|level=national"),
        ("8b", "2023-15/8b|park=P-01|year=2025"),
        ("11a", "2023-15/11a|project=KP-01"),
    ],
)
def test_the_once_key_names_what_may_be_had_once(catalogue: Catalogue, line: str, key: str) -> None:
    assert judge(catalogue, fitting(item_of(catalogue, line))).once_key == key


def test_an_item_without_a_once_rule_has_no_key(catalogue: Catalogue) -> None:
    item = item_of(catalogue, "5").model_copy(update={"once": None})
    endless = replace(catalogue, policies=(catalogue.policies[0].model_copy(update={"items": (item,)}),))

    assert judge(endless, fitting(item)).once_key is None


@pytest.mark.parametrize("typed", ["kp-01", " KP-01 ", "ＫＰ－０１"])
def test_a_project_code_is_the_same_however_it_is_typed(catalogue: Catalogue, typed: str) -> None:
    assert judge(catalogue, claiming(fitting(item_of(catalogue, "5")), project_code=typed)).once_key == "2023-15/5|project=KP-01"


@pytest.mark.parametrize("typed", ["KP–01", "KP—01", "KP‑01", "KP−01"])
def test_a_project_code_with_another_dash_is_the_same_project(catalogue: Catalogue, typed: str) -> None:
    assert judge(catalogue, claiming(fitting(item_of(catalogue, "5")), project_code=typed)).once_key == "2023-15/5|project=KP-01"


@pytest.mark.parametrize("typed", ["KP-01\u200b", "KP\u00ad-01", "KP-01\ufe0f", "KP\u2060-01", "KP-01\u115f", "KP-0\u0661"])
def test_a_project_code_that_looks_like_another_one_is_refused(catalogue: Catalogue, typed: str) -> None:
    with pytest.raises(ProjectCodeInvalid):
        judge(catalogue, claiming(fitting(item_of(catalogue, "5")), project_code=typed))


@given(typed=st.text(alphabet=st.sampled_from("aB1 |｜=\t－"), max_size=70))
def test_no_project_code_reaches_into_another_part_of_the_key(catalogue: Catalogue, typed: str) -> None:
    situation = claiming(fitting(item_of(catalogue, "5")), project_code=typed)

    try:
        key = judge(catalogue, situation).once_key
    except ProjectCodeInvalid:
        assert "|" in typed or "｜" in typed or not typed.strip() or len(typed) > 60
    else:
        assert key is not None
        assert key.count("|") == 1


def test_a_project_code_of_60_characters_is_taken_and_61_are_not(catalogue: Catalogue) -> None:
    situation = fitting(item_of(catalogue, "5"))

    assert judge(catalogue, claiming(situation, project_code="A" * 60)).claim.project_code == "A" * 60
    with pytest.raises(ProjectCodeInvalid):
        judge(catalogue, claiming(situation, project_code="A" * 61))


def test_the_refusal_of_a_second_filing_names_the_clause_and_nobody(catalogue: Catalogue) -> None:
    refusal = already_filed(item_of(catalogue, "8b"))

    assert (refusal.code, refusal.status) == ("already-filed", 409)
    assert "产业园、年度" in refusal.detail_zh
    assert "二(三)8" in refusal.detail_en
    assert USCC not in refusal.detail_en + refusal.detail_zh
