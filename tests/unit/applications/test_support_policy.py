"""The policy data that ships: its amounts, its clauses, its dates, and what the loader refuses."""

import shutil
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from services.applications import policy as policy_data
from services.applications.intake.rules import BudgetAnswer
from services.applications.policy import PolicyWrong, UsedVersion
from services.applications.policy.catalogue import Catalogue, Policy
from shared.money import FEN_PER_WAN

POLICY_TEXT = (Path(__file__).parents[2] / "fixtures" / "policy-2023-15.txt").read_text(encoding="utf-8")
IN_TERM = date(2025, 9, 10)

# 威人社发〔2023〕15号: every 最高, in 万元.
CAPS_WAN = {
    "2": 3, "4a": 5, "4b": 3, "5": 10, "7n": 200, "7p": 100, "7c": 50, "8a": 5, "8b": 10, "9e": 5, "9i": 5, "10": 10, "11a": 5, "11b": 10,
}  # fmt: skip
KEY_PROJECT_LINES = {"4a", "5", "8a", "10"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the policy to be spoilt."""
    shutil.copytree(policy_data.DEFAULT_FOLDER / "2023-15", tmp_path / "2023-15")
    return tmp_path


def edit(folder: Path, name: str, change: Callable[[str], str]) -> None:
    file = folder / "2023-15" / name
    before = file.read_text(encoding="utf-8")
    assert change(before) != before, "the edit must find what it changes"
    file.write_text(change(before), encoding="utf-8")


def test_the_14_lines_have_the_ceilings_of_the_text(policy: Policy) -> None:
    caps_fen = {item.id.removeprefix("2023-15/"): item.cap_fen for item in policy.items}

    assert caps_fen == {line: wan * FEN_PER_WAN for line, wan in CAPS_WAN.items()}


def test_the_ceilings_add_up_to_4_21_million_yuan_and_71_wan_without_parks(policy: Policy) -> None:
    caps = {item.id: item.cap_fen for item in policy.items}
    parks = {item.id for item in policy.items if item.recognition and item.recognition.of == "park"}

    assert sum(caps.values()) == 421 * FEN_PER_WAN
    assert sum(cap for item_id, cap in caps.items() if item_id not in parks) == 71 * FEN_PER_WAN


def test_the_lines_without_an_amount_are_referrals_and_no_items(policy: Policy) -> None:
    by_clause = {number: [each.id for each in policy.referrals if each.id.startswith(f"2023-15/{number}")] for number in "13679"}

    assert {number: len(ids) for number, ids in by_clause.items()} == {"1": 3, "3": 9, "6": 0, "7": 3, "9": 2}
    assert len(policy.referrals) == 17
    assert not {each.id for each in policy.referrals} & {item.id for item in policy.items}


def test_every_quotation_stands_in_the_policy(policy: Policy) -> None:
    own = [entry for entry in policy.entries() if entry.source.startswith(policy.document_number)]
    strangers = [entry.version for entry in own if entry.quote not in POLICY_TEXT]

    assert strangers == []
    assert policy.title_zh in POLICY_TEXT
    assert all(issuer in POLICY_TEXT for issuer in policy.issuers)


def test_every_item_quotes_its_own_ceiling(policy: Policy) -> None:
    for item in policy.items:
        assert f"{item.cap_fen // FEN_PER_WAN}万元" in item.quote, item.id


def test_the_key_project_lines_are_those_that_the_text_restricts(policy: Policy) -> None:
    gated = {item.id.removeprefix("2023-15/") for item in policy.items if item.gate}

    assert gated == KEY_PROJECT_LINES
    assert all(("列入重点发展扶持的项目" in item.quote) == (item.gate is not None) for item in policy.items)


def test_only_the_parks_are_construction_support(policy: Policy) -> None:
    construction = {item.id for item in policy.items if item.expenditure.category == "construction"}

    assert construction == {item.id for item in policy.items if "建设补助" in item.quote}
    assert len(construction) == 3


def test_each_step_of_the_money_cites_the_law_of_money_and_no_item(policy: Policy) -> None:
    """Goes through every entry of services/applications/policy/2023-15/money.toml"""
    clauses = {answer: policy.money_step_on(answer.step_id, on=IN_TERM).clause for answer in BudgetAnswer}

    assert {step.id for step in policy.money_steps} == {answer.step_id for answer in BudgetAnswer}
    assert clauses[BudgetAnswer.FUNDS_RESERVED] == "威人社发〔2023〕15号 三(二)"
    assert clauses[BudgetAnswer.PAYMENT_ORDERED] == clauses[BudgetAnswer.PAYMENT_CONFIRMED] == "预算法 57"
    assert not set(clauses.values()) & {item.clause for item in policy.items}
    assert {step.source.partition(" ")[0] for step in policy.money_steps} == {
        policy.document_number,
        "预算法",
        "财政违法行为处罚处分条例",
    }


def test_once_stated_by_the_text_is_assumed_where_its_unit_or_a_rise_is_not_said(policy: Policy) -> None:
    stated = {item.id: item.once.assumed for item in policy.items if item.once and "一次性" in item.quote}

    assert stated == dict.fromkeys(["2023-15/2", "2023-15/7n", "2023-15/7p", "2023-15/7c"], True)
    assert all(item.once and item.once.assumed for item in policy.items if "一次性" not in item.quote)


def test_short_names_fit_a_message_field(policy: Policy) -> None:
    assert all(len(item.short_name_zh) <= 20 for item in policy.items)
    assert len({item.short_name_zh for item in policy.items}) == len(policy.items)


def test_the_term_is_from_2023_06_12_to_2025_12_31(catalogue: Catalogue) -> None:
    first_day, last_day = date(2023, 6, 12), date(2025, 12, 31)

    counts = [len(catalogue.items_in_force(day)) for day in (first_day - timedelta(days=1), first_day, last_day, last_day + timedelta(days=1))]

    assert counts == [0, 14, 14, 0]
    assert len(catalogue.referrals_in_force(last_day)) == 17
    assert catalogue.referrals_in_force(last_day + timedelta(days=1)) == ()


def test_stages_are_district_city_and_joint_with_the_panel_switched_off(policy: Policy) -> None:
    stages = policy.stages_on(IN_TERM)

    assert [(stage.id, stage.sets_amount, [str(decider) for decider in stage.deciders]) for stage in stages] == [
        ("district", False, ["district_hr"]),
        ("city", False, ["city_hr"]),
        ("joint", True, ["city_hr", "city_finance"]),
    ]
    assert {stage.id for stage in policy.stages} - {stage.id for stage in stages} == {"panel"}


def test_every_assumption_is_listed_with_its_path_value_and_reason(catalogue: Catalogue) -> None:
    listed = {each.path: each for each in catalogue.assumptions()}

    assert listed["2023-15/notice_rules/notice@2023-06-12"].value == "notice_working_days = 5"
    assert listed["2023-15/items/2@2023-06-12/once"].value == 'per = ["applicant"]'
    assert "2023-15/items/7n@2023-06-12/recognition" not in listed
    assert sum(path.endswith("/funding") for path in listed) == 14
    assert all(each.value and each.why and each.source for each in listed.values())


def test_toml_says_assumed_as_often_as_the_list_does(catalogue: Catalogue) -> None:
    said = sum(file.read_text(encoding="utf-8").count("assumed = true") for file in (policy_data.DEFAULT_FOLDER / "2023-15").rglob("*.toml"))

    assert len(catalogue.assumptions()) == said


def test_a_comment_or_another_order_leaves_the_fingerprint_alone(folder: Path, catalogue: Catalogue) -> None:
    edit(folder, "items/4b_exhibition.toml", lambda text: "# read again\n" + text)

    assert policy_data.load(folder).fingerprints() == catalogue.fingerprints()


def test_a_changed_value_changes_the_fingerprint_of_that_version_alone(folder: Path, catalogue: Catalogue) -> None:
    edit(folder, "items/4b_exhibition.toml", lambda text: text.replace("3_000_000", "3_000_001"))

    changed = policy_data.load(folder).fingerprints().items() - catalogue.fingerprints().items()

    assert [version for version, _ in changed] == ["2023-15/items/4b@2023-06-12"]


def add_second_version(folder: Path, *, first_day: str) -> None:
    """4b with another ceiling from a day on; the earlier one ends on 2024-06-30."""
    file = folder / "2023-15" / "items" / "4b_exhibition.toml"
    text = file.read_text(encoding="utf-8")
    (file.parent / "4b_exhibition_2024.toml").write_text(
        text.replace("first_day = 2023-06-12", f"first_day = {first_day}").replace("3_000_000", "2_000_000"), encoding="utf-8"
    )
    file.write_text(text.replace("last_day = 2025-12-31", "last_day = 2024-06-30"), encoding="utf-8")


def test_a_new_version_beside_the_old_takes_over_on_its_first_day(folder: Path) -> None:
    add_second_version(folder, first_day="2024-07-01")

    catalogue = policy_data.load(folder)

    before, after = catalogue.item_in_force("2023-15/4b", on=date(2024, 6, 30)), catalogue.item_in_force("2023-15/4b", on=date(2024, 7, 1))
    assert before is not None
    assert after is not None
    assert (before.cap_fen, after.cap_fen) == (3_000_000, 2_000_000)
    assert catalogue.item_version(before.version) == before


def test_a_new_version_keeps_the_fingerprint_of_the_one_it_ends(folder: Path, catalogue: Catalogue) -> None:
    used = [UsedVersion(version, fingerprint, date(2024, 6, 30)) for version, fingerprint in catalogue.fingerprints().items()]
    add_second_version(folder, first_day="2024-07-01")

    policy_data.check_used_versions(policy_data.load(folder), used=used)


def test_two_versions_of_one_item_on_one_day_are_refused(folder: Path) -> None:
    add_second_version(folder, first_day="2024-06-30")

    with pytest.raises(PolicyWrong, match="still runs"):
        policy_data.load(folder)


@pytest.mark.parametrize(
    ("fingerprint", "last_used_on", "told"),
    [("same", date(2025, 12, 31), None), ("f" * 64, date(2025, 12, 31), "edited"), ("same", date(2026, 1, 1), "cannot end before")],
)
def test_a_used_version_may_be_neither_edited_nor_ended_before_its_last_use(
    catalogue: Catalogue, fingerprint: str, last_used_on: date, told: str | None
) -> None:
    version = "2023-15/items/4b@2023-06-12"
    used = [UsedVersion(version, catalogue.fingerprints()[version] if fingerprint == "same" else fingerprint, last_used_on)]

    if told is None:
        policy_data.check_used_versions(catalogue, used=used)
    else:
        with pytest.raises(PolicyWrong, match=told):
            policy_data.check_used_versions(catalogue, used=used)


def test_a_used_version_may_not_be_removed(catalogue: Catalogue) -> None:
    with pytest.raises(PolicyWrong, match="is gone"):
        policy_data.check_used_versions(catalogue, used=[UsedVersion("2023-15/items/6@2023-06-12", "f" * 64, IN_TERM)])


SPOILT = {
    "an unknown key": ("items/4b_exhibition.toml", "cap_fen = ", "cap_yuan = 1\ncap_fen = ", "cap_yuan"),
    "a key that is ours": ("items/4b_exhibition.toml", "cap_fen = ", 'fingerprint = "0"\ncap_fen = ', "not for the file to say"),
    "an amount as a float": ("items/4b_exhibition.toml", "3_000_000", "3_000_000.0", "cap_fen"),
    "an amount as text": ("items/4b_exhibition.toml", "3_000_000", '"3000000"', "cap_fen"),
    "a ceiling of nothing": ("items/4b_exhibition.toml", "3_000_000", "0", "cap_fen"),
    "a last day before the first": ("items/4b_exhibition.toml", "last_day = 2025-12-31", "last_day = 2023-06-11", "is before first_day"),
    "a day outside the term": ("items/4b_exhibition.toml", "last_day = 2025-12-31", "last_day = 2026-01-01", "outside the term"),
    "an instant for a day": ("items/4b_exhibition.toml", "last_day = 2025-12-31", "last_day = 2025-12-31T00:00:00", "neither a day"),
    "no clause": ("items/4b_exhibition.toml", "威人社发〔2023〕15号 二(二)4: ", "", "source"),
    "another document": ("items/4b_exhibition.toml", "〔2023〕15号", "〔2023〕16号", "does not begin with"),
    "an unknown applicant kind": ("items/4b_exhibition.toml", '"commercial_hr_institution"', '"shop"', "shop"),
    "an unknown evidence kind": ("items/4b_exhibition.toml", '"invoices"', '"receipts"', "receipts"),
    "assumed without a why": ("items/7n_national_park.toml", 'why = "The clause names the park', '# "The clause names the park', "come together"),
    "a why without assumed": ("items/7n_national_park.toml", '["park_operator"]\nassumed = true', '["park_operator"]', "come together"),
    "a day without a notice rule": ("notice.toml", "last_day = 2025-12-31", "last_day = 2025-12-30", "none is in force on 2025-12-31"),
    "two stages of one order": ("stages.toml", "order = 2", "order = 1", "same order"),
    "no stage that sets the sum": ("stages.toml", "sets_amount = true", "sets_amount = false", "sets the amount"),
    "a filing day that need not be in the term": ("policy.toml", '"filed_on", ', "", "must hold filed_on"),
    "construction from the provincial fund": (
        "items/7n_national_park.toml", "city_hr_industry_fund", "provincial_hr_industry_fund", "does not pay for construction",
    ),
    "a compared line that is none": ("settings.toml", '"2023-15/8b"', '"2023-15/8c"', "is no item"),
    "a step of the money without a clause": ("money.toml", 'id = "payment_returned"', 'id = "payment_ordered"', "still runs"),
    "a day without a clause for a step of the money": ("money.toml", "last_day = 2025-12-31", "last_day = 2025-12-30", "money step funds_reserved"),
    "an hour that no day has": ("notice.toml", "from_hour = 12", "from_hour = 24", "from_hour"),
    "an unknown table": ("notice.toml", "[[notice]]", "[[bulletin]]", "unknown"),
}  # fmt: skip


@pytest.mark.parametrize("spoilt", SPOILT)
def test_the_process_does_not_start_with(folder: Path, spoilt: str) -> None:
    name, before, after, told = SPOILT[spoilt]
    edit(folder, name, lambda text: text.replace(before, after))

    with pytest.raises(PolicyWrong, match=told):
        policy_data.load(folder)


def test_a_file_that_nobody_reads_is_refused(folder: Path) -> None:
    (folder / "2023-15" / "notices.toml").write_text("", encoding="utf-8")

    with pytest.raises(PolicyWrong, match=r"notices\.toml is read by nobody"):
        policy_data.load(folder)


def test_a_folder_without_a_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyWrong, match=r"no <policy>/policy\.toml"):
        policy_data.load(tmp_path)
