"""The fund's policy data: what it says, and that a wrong entry is refused."""

import shutil
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from services.budget import policy
from services.budget.policy.catalogue import Catalogue, WaitingRule

(FUND,) = policy.current().funds
ITEMS = Path("services/applications/policy/2023-15/items")


def test_the_fund_is_two_million_yuan_a_year_from_2023_to_2025() -> None:
    assert (FUND.yearly_ceiling_fen, FUND.first_year, FUND.last_year) == (200_000_000, 2023, 2025)
    assert FUND.waiting.waiting_rule is WaitingRule.FIRST_THAT_FITS
    assert (FUND.waiting.waiting_at_year_end, FUND.waiting.assumed) == ("lapse", True)


def test_the_caps_of_all_lines_add_up_to_421_wan() -> None:
    assert len(FUND.lines) == 14
    assert sum(line.cap_fen for line in FUND.lines) == 421_000_000


def test_the_lines_are_the_items_that_applications_proposes_under() -> None:
    items = [tomllib.loads(file.read_text(encoding="utf-8")) for file in ITEMS.glob("*.toml")]

    proposed = {item["id"]: (item["cap_fen"], item["expenditure"]["category"]) for item in items}

    assert {line.id: (line.cap_fen, line.expenditure_category) for line in FUND.lines} == proposed


def test_every_entry_cites_the_document() -> None:
    assert all(entry.source.startswith("威人社发〔2023〕15号 ") for entry in (FUND, *FUND.lines))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("fund.toml", "yearly_ceiling_fen = 200_000_000", "yearly_ceiling_fen = 2_000_000.0"),
        ("fund.toml", "yearly_ceiling_fen = 200_000_000", "yearly_ceiling_fen = 0"),
        ("fund.toml", 'waiting_rule = "first_that_fits"', 'waiting_rule = "lottery"'),
        ("fund.toml", "last_year = 2025", "last_year = 2022"),
        ("fund.toml", 'id = "2023-15"', 'id = "2023-16"'),
        ("fund.toml", "assumed = true", "assumed = false"),
        ("fund.toml", 'title_zh = "', 'note = "'),
        ("lines.toml", "cap_fen = 3_000_000", "cap_fen = -3_000_000"),
        ("lines.toml", 'id = "2023-15/4a"', 'id = "2023-15/2"'),
        ("lines.toml", 'id = "2023-15/4a"', 'id = "2024-1/4a"'),
        ("lines.toml", "last_day = 2025-12-31", "last_day = 2026-01-01"),
        ("lines.toml", "[[line]]", "[[budget_line]]"),
        ("lines.toml", 'source = "威人社发〔2023〕15号 二(一)2: ', 'source = "'),
    ],
)
def test_a_wrong_entry_is_refused(tmp_path: Path, file: str, old: str, new: str) -> None:
    folder = tmp_path / "2023-15"
    shutil.copytree(policy.FOLDER / "2023-15", folder)
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    with pytest.raises(ValueError):
        policy.load(tmp_path)


def test_a_successor_is_a_folder_of_its_own_for_other_years() -> None:
    lines = tuple(line.model_copy(update={"id": line.id.replace("2023-15/", "2026-1/")}) for line in FUND.lines)
    successor = FUND.model_copy(update={"id": "2026-1", "first_year": 2026, "last_year": 2028, "lines": lines})

    catalogue = Catalogue(funds=(FUND, successor))

    assert [fund and fund.id for fund in map(catalogue.fund_of_year, (2022, 2025, 2026, 2029))] == [None, "2023-15", "2026-1", None]


def test_two_funds_never_share_a_fiscal_year() -> None:
    lines = tuple(line.model_copy(update={"id": line.id.replace("2023-15/", "2025-1/")}) for line in FUND.lines)
    overlapping = FUND.model_copy(update={"id": "2025-1", "first_year": 2025, "last_year": 2027, "lines": lines})

    with pytest.raises(ValidationError, match="a fiscal year of 2023-15"):
        Catalogue(funds=(FUND, overlapping))
