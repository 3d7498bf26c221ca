"""What one service decides by fits what the others decide by, though none of them reads another's data."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.applications import policy as applications_policy
from services.applications.item.rules import ItemIsReferral
from services.budget import policy as budget_policy
from services.registry import policy as registry_policy
from services.registry.institution.rules import check_ending as check_ending_of_permit
from services.registry.organisation.rules import CauseDoesNotFit, check_ending
from services.registry.organisation.rules import warnings_about as warnings_about_organisation
from tests.contract.source import ROOT
from tests.fixtures.filings import FILED_ON, ORGANISATION_OF_KIND, fitting, item_of, judge, with_applicant

SUPPORT = applications_policy.load()
FUND = next(iter(budget_policy.load().funds))
REGISTRY = registry_policy.load()
POLICY = SUPPORT.policy(FUND.id)


def data(path: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / path).read_text(encoding="utf-8"))


def test_each_budget_line_is_an_item_of_applications_under_the_same_terms() -> None:
    """Goes through every entry of services/budget/policy/2023-15/lines.toml and of services/applications/policy/2023-15/items/ alike."""
    items = {item.id: (item.cap_fen, item.expenditure.category, item.first_day, item.last_day, item.clause) for item in POLICY.items}

    lines = {line.id: (line.cap_fen, line.expenditure_category, line.first_day, line.last_day, line.clause) for line in FUND.lines}

    assert lines == items


def test_the_fund_runs_as_long_as_the_policy_and_is_the_one_that_the_items_name() -> None:
    """Compares services/budget/policy/2023-15/fund.toml with services/applications/policy/2023-15/policy.toml and the items."""
    funds = {item.funding.fund for item in POLICY.items}

    assert (FUND.first_day, FUND.last_day) == (POLICY.first_day, POLICY.last_day)
    assert (FUND.first_year, FUND.last_year) == (POLICY.first_day.year, POLICY.last_day.year)
    assert funds == {FUND.funding_source}


@pytest.mark.parametrize("referral_id", [each.id for each in POLICY.referrals])
def test_a_referral_is_answered_with_where_to_ask_and_has_no_budget_line(referral_id: str) -> None:
    """Goes through every entry of services/applications/policy/2023-15/referrals.toml"""
    (referral,) = (each for each in POLICY.referrals if each.id == referral_id)
    situation = fitting(item_of(SUPPORT, "2"))

    with pytest.raises(ItemIsReferral) as refused:
        judge(SUPPORT, replace(situation, filing=replace(situation.filing, item_id=referral_id)))

    assert referral.ask_at_zh in refused.value.detail_zh
    assert FUND.line(referral_id) is None


@pytest.mark.parametrize("kind", POLICY.applicant_kinds, ids=lambda kind: str(kind.id))
def test_an_applicant_is_known_by_kinds_that_the_registry_records(kind: Any) -> None:
    """Goes through every entry of services/applications/policy/2023-15/applicants.toml"""
    recorded = {each.id for each in REGISTRY.kinds}
    items = [item for item in POLICY.items if kind.id in item.applicants.kinds_for(next(iter(item.levels), None))]

    known_by = {each for way in kind.known_by for each in way.organisation_kinds}

    assert known_by <= recorded
    assert ORGANISATION_OF_KIND[kind.id] in (known_by or recorded)
    for item in items:
        taken = judge(SUPPORT, with_applicant(fitting(item), kind=ORGANISATION_OF_KIND[kind.id]))
        assert taken.unverified == (), item.id


def test_every_document_is_asked_for_and_every_one_asked_for_has_a_name() -> None:
    """Goes through services/applications/policy/2023-15/evidence.toml"""
    rule = POLICY.evidence_on(FILED_ON)

    asked = {*rule.common, *(kind for item in POLICY.items for kind in item.evidence.required)}

    assert asked <= rule.kinds.keys()
    assert rule.kinds.keys() - asked == DOCUMENTS_FOR_CORRECTIONS


# Taken when they come, asked for by no line on its own.
DOCUMENTS_FOR_CORRECTIONS: set[str] = set()


@pytest.mark.parametrize("kind", REGISTRY.kinds, ids=lambda kind: str(kind.id))
def test_a_code_is_warned_about_unless_it_begins_as_its_kind_does(kind: Any) -> None:
    """Goes through every entry of services/registry/policy/kinds.toml"""
    usual = [f"{prefix}990000MA0000015Q" for prefix in kind.uscc_prefixes]

    warned = {code: {each.code for each in warnings_about_organisation(code, kind=kind)} for code in (*usual, "A1990000MA0000015Q")}

    assert [code for code in usual if "uscc-unusual-for-kind" in warned[code]] == []
    assert ("uscc-unusual-for-kind" in warned["A1990000MA0000015Q"]) == (kind.uscc_prefixes != ())


@pytest.mark.parametrize("subject", ["organisation", "permit", "filing"])
@pytest.mark.parametrize("cause", REGISTRY.ending_causes, ids=lambda cause: str(cause.id))
def test_a_cause_ends_what_the_law_says_and_nothing_else(cause: Any, subject: str) -> None:
    """Goes through every entry of services/registry/policy/ending_causes.toml"""

    def end() -> None:
        if subject == "organisation":
            check_ending(cause, of=subject, ended_on=FILED_ON, today=FILED_ON)
        else:
            last_day = FILED_ON.replace(month=1)
            check_ending_of_permit(cause, basis=subject, first_day=last_day, last_day=last_day, ended_on=FILED_ON, today=FILED_ON)

    if subject in cause.of:
        end()
    else:
        with pytest.raises(CauseDoesNotFit):
            end()


def test_every_jurisdiction_and_no_other_has_an_authority_for_appeals() -> None:
    """Goes through every entry of services/notifications/policy/remedies.toml"""
    authorities = [each["jurisdiction_id"] for each in data("services/notifications/policy/remedies.toml")["authorities"]]

    assert sorted(authorities) == sorted(each["id"] for each in data("deploy/city.toml")["jurisdiction"])


def test_an_appeal_goes_to_the_district_for_the_stages_that_districts_decide() -> None:
    """Compares services/notifications/policy/remedies.toml with services/applications/policy/2023-15/stages.toml"""
    stages = data("services/applications/policy/2023-15/stages.toml")
    decided_by = {each["id"]: [each["decider"]] for each in stages["acceptance"]} | {each["id"]: each["deciders"] for each in stages["stage"]}

    of_districts = {stage for stage, deciders in decided_by.items() if deciders == ["district_hr"]}

    assert set(data("services/notifications/policy/remedies.toml")["district_stages"]["stages"]) == of_districts


def test_the_portal_is_told_every_way_in_which_a_case_can_come() -> None:
    """Compares services/notifications/policy/portal/interface.toml with the kinds of system that may file, and the window of staff."""
    callers = data("deploy/local/callers.toml")["scopes"]

    filing = {kind for kind, scopes in callers.items() if "applications:file" in scopes}

    assert data("services/notifications/policy/portal/interface.toml")["channels"].keys() == filing | {"window"}


def test_every_text_is_for_an_event_that_applications_announces() -> None:
    """Goes through services/notifications/policy/templates and services/notifications/policy/silent.toml"""
    texts = [data(str(path.relative_to(ROOT)))["event"] for path in sorted(Path(ROOT, "services/notifications/policy/templates").glob("*.toml"))]
    silent = [each["event"] for each in data("services/notifications/policy/silent.toml")["silent"]]
    announced = {path.stem for path in Path(ROOT, "tests/contract/events").glob("applications.*.json")}

    assert announced - {*texts, *silent} == {"applications.awards_proposed.v1"}
    assert {*texts, *silent} <= announced
    assert not set(texts) & set(silent)
