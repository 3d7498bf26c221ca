"""The registry's policy data, as loaded and as refused."""

import shutil
import tomllib
from datetime import date
from pathlib import Path

import pytest

from services.registry import policy
from services.registry.institution.rules import Basis
from services.registry.organisation.rules import OrganisationKind

TODAY = date(2025, 9, 15)
APPLICANTS = Path("services/applications/policy")


def test_every_kind_of_organisation_has_its_entry_and_no_other_is_there() -> None:
    assert [kind.id for kind in policy.current().kinds] == list(OrganisationKind)


def test_the_registry_knows_every_kind_that_the_support_policy_asks_for() -> None:
    asked = {
        kind
        for file in APPLICANTS.glob("*/applicants.toml")
        for entry in tomllib.loads(file.read_text(encoding="utf-8"))["kind"]
        for way in entry["known_by"]
        for kind in way["organisation_kinds"]
    }

    assert asked
    assert asked <= set(OrganisationKind)


def test_the_five_causes_of_a_permit_are_kept_apart_each_with_its_clause() -> None:
    causes = [cause for cause in policy.current().ending_causes if Basis.PERMIT in cause.of]

    assert [(cause.title_zh, cause.clause) for cause in causes] == [
        ("过期未延续", "行政许可法 70(1)"),
        ("主体终止", "行政许可法 70(3)"),
        ("撤销", "行政许可法 69"),
        ("撤回", "行政许可法 8(2)"),
        ("吊销", "人力资源市场暂行条例 43"),
    ]


@pytest.mark.parametrize(
    ("limit_id", "amount", "unit"),
    [("filing", 15, "calendar_day"), ("change_report", 15, "calendar_day"), ("extension_apply", 30, "calendar_day"), ("permit_validity", 5, "year")],
)
def test_the_time_limits_are_those_of_the_law(limit_id: str, amount: int, unit: str) -> None:
    limit = policy.current().time_limit(limit_id, on=TODAY)

    assert (limit.amount, limit.unit) == (amount, unit)


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("businesses.toml", 'regime = "permit"', 'regime = "licence"'),
        ("businesses.toml", 'with_business = "job_placement"', 'with_business = "gardening"'),
        ("businesses.toml", 'id = "training"', 'id = "outsourcing"'),
        ("businesses.toml", 'source = "人力资源市场暂行条例', 'origin = "人力资源市场暂行条例'),
        ("ending_causes.toml", "first_day = 2018-10-01", "first_day = 2018-10-01\nlast_day = 2018-09-30"),
        ("ending_causes.toml", 'of = ["permit"]', "of = []"),
        ("time_limits.toml", "amount = 15", 'amount = "15"'),
        ("time_limits.toml", "assumed = true\n", ""),
        ("kinds.toml", "[[kind]]", "[[sort]]"),
    ],
)
def test_a_wrong_entry_keeps_the_service_from_starting(tmp_path: Path, file: str, before: str, after: str) -> None:
    folder = tmp_path / "policy"
    shutil.copytree(policy.FOLDER, folder)
    text = (folder / file).read_text(encoding="utf-8")
    assert before in text

    policy.load(folder)
    (folder / file).write_text(text.replace(before, after), encoding="utf-8")

    with pytest.raises(ValueError):
        policy.load(folder)
