"""No process starts on policy data in which a version that cases use was edited, removed or cut short."""

from pathlib import Path
from shutil import copytree

import pytest

from services.applications import policy
from services.applications.policy import DEFAULT_FOLDER, PolicyWrong, in_use
from services.applications.policy.commands import keep_versions
from tests.integration.applications.callers import award_filing, filing
from tests.integration.applications.desk import Desk


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return copytree(DEFAULT_FOLDER, tmp_path / "policy", ignore=lambda _, names: [name for name in names if name.endswith(".py")])


def edit(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / "2023-15" / file
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


async def start(desk: Desk, folder: Path = DEFAULT_FOLDER) -> None:
    """What each process does first."""
    async with desk.live.transaction() as tx:
        await keep_versions(tx, catalogue=policy.load(folder))


async def test_the_same_files_start_again_with_cases_and_without(desk: Desk) -> None:
    await start(desk)
    await desk.file()

    await in_use.check_versions(desk.live.settings)

    kept = await desk.rows("SELECT DISTINCT section FROM policy_version ORDER BY 1")
    assert [row["section"] for row in kept][:3] == ["acceptances", "applicant_kinds", "compared_lines"]
    assert "referrals" not in [row["section"] for row in kept]


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("items/4a_employment_contribution.toml", "cap_fen = 5_000_000", "cap_fen = 6_000_000", "2023-15/items/4a@2023-06-12"),
        ("stages.toml", "decide_working_days = 5", "decide_working_days = 6", "2023-15/acceptances/acceptance@2023-06-12"),
        ("notice.toml", "notice_working_days = 5", "notice_working_days = 3", "2023-15/notice_rules/notice@2023-06-12"),
        ("evidence.toml", "申请表", "申报表", "2023-15/evidence_lists/evidence@2023-06-12"),
    ],
)
async def test_a_used_version_that_was_edited_stops_the_start_and_is_named(
    desk: Desk, files: Path, file: str, old: str, new: str, named: str
) -> None:
    await start(desk)
    await desk.file()
    edit(files, file, old, new)

    with pytest.raises(PolicyWrong, match="was edited") as wrong:
        await start(desk, files)

    assert named in str(wrong.value)
    await start(desk)


async def test_a_version_that_no_case_uses_may_still_be_edited_and_from_then_on_counts_as_it_is(desk: Desk, files: Path) -> None:
    await start(desk)
    await desk.file()
    edit(files, "items/2_innovation_project.toml", "cap_fen = 3_000_000", "cap_fen = 2_000_000")
    edit(files, "referrals.toml", "所在区市公共就业服务机构", "区市公共就业服务中心")
    await start(desk, files)
    await desk.know("91371003MA3E567894", permit=False)
    await desk.file(award_filing("row-2", applicant_uscc="91371003MA3E567894"))

    with pytest.raises(PolicyWrong, match="2023-15/items/2@2023-06-12 is used by cases and was edited"):
        await start(desk)


async def test_a_used_version_that_was_removed_stops_the_start(desk: Desk, files: Path) -> None:
    await start(desk)
    await desk.file()
    (files / "2023-15" / "items" / "4a_employment_contribution.toml").unlink()

    with pytest.raises(PolicyWrong, match="2023-15/items/4a@2023-06-12 is used by cases and is gone"):
        await start(desk, files)


@pytest.mark.parametrize(("last_day", "starts"), [("2025-09-10", True), ("2025-09-09", False)])
async def test_a_used_version_may_end_on_the_last_filing_day_that_uses_it_and_no_sooner(desk: Desk, files: Path, last_day: str, starts: bool) -> None:
    await start(desk)
    await desk.file(filing(filed_on="2025-09-10"))
    edit(files, "items/4a_employment_contribution.toml", "last_day = 2025-12-31", f"last_day = {last_day}")

    if starts:
        await start(desk, files)
    else:
        with pytest.raises(PolicyWrong, match="used by a case filed on 2025-09-10"):
            await start(desk, files)


async def test_a_version_that_was_never_used_may_go_and_come_back_otherwise(desk: Desk, files: Path) -> None:
    path = files / "2023-15" / "items" / "2_innovation_project.toml"
    text = path.read_text(encoding="utf-8")
    await start(desk, files)
    path.unlink()
    await start(desk, files)
    await desk.file()
    path.write_text(text.replace("cap_fen = 3_000_000", "cap_fen = 1_000_000"), encoding="utf-8")

    await start(desk, files)

    (kept,) = await desk.rows("SELECT count(*) AS n FROM policy_version WHERE version = '2023-15/items/2@2023-06-12'")
    assert kept["n"] == 1


async def test_a_start_that_is_refused_keeps_nothing(desk: Desk, files: Path) -> None:
    await start(desk)
    await desk.file()
    before = await desk.rows("SELECT * FROM policy_version ORDER BY version")
    edit(files, "items/4a_employment_contribution.toml", "cap_fen = 5_000_000", "cap_fen = 6_000_000")

    with pytest.raises(PolicyWrong):
        await start(desk, files)

    assert await desk.rows("SELECT * FROM policy_version ORDER BY version") == before
