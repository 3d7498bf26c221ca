"""The offline verifier against rows whose hashes fit and whose sums add up, but which no rule of the books allows."""

from pathlib import Path

import pytest

from services.budget.entry.rules import Entry
from tests.unit.budget.published import published, rechained
from tests.unit.budget.test_verify import AVAILABLE, changed, verified, witnessed

APPROVED = "2025/来源:年度批复"
UNALLOTTED = "2025/指标:待分配"
IN_TRANSIT = "2025/支付申请:在途[line=2023-15/7n,jurisdiction=north]"
PAID = "2025/支付:已支付[line=2023-15/7n,jurisdiction=north]"


def after(*added: Entry) -> list[Entry]:
    """The published rows and, booked at the same moment as the last, some more; each under a key of its own."""
    rows = published()
    return [
        *rows,
        *(each._replace(seq=13 + place, key=f"added-{place}", booked_at=rows[-1].booked_at) for place, each in enumerate(added)),
    ]


def like(seq: int, **fields: object) -> Entry:
    return published()[seq - 1]._replace(**fields)


APPROPRIATION = like(1, voucher="AP-2025-000002", amount_fen=100_000_000)
CONFIRMATION = like(9, voucher="PC-2025-000002", amount_fen=1_000)
ALLOTMENT = like(2, voucher="AL-2025-000002", amount_fen=1_000)


@pytest.mark.parametrize(
    ("added", "found"),
    [
        (APPROPRIATION._replace(dr=f"{APPROVED}[line=2023-15/2]"), f"appropriate of 2025 from {APPROVED}[line=2023-15/2]"),
        (APPROPRIATION._replace(fiscal_year=2026, voucher="AP-2026-000001"), f"appropriate of 2026 from {APPROVED}"),
        (APPROPRIATION._replace(cr=AVAILABLE), f"appropriate of 2025 from {APPROVED} to {AVAILABLE}"),
        (CONFIRMATION._replace(dr=AVAILABLE), f"confirm of 2025 from {AVAILABLE}"),
        (CONFIRMATION._replace(dr=AVAILABLE, cr=PAID, kind="allot", voucher="AL-2025-000002"), f"allot of 2025 from {AVAILABLE} to {PAID}"),
        (like(10, voucher="RL-2025-000001", kind="release", cr=f"{AVAILABLE}[line=2023-15/2]", dr=AVAILABLE), f"release of 2025 from {AVAILABLE}"),
        (ALLOTMENT._replace(dr=AVAILABLE, cr="2026/指标:可用"), f"allot of 2025 from {AVAILABLE} to 2026/指标:可用"),
        (like(8, voucher="PO-2025-000003", amount_fen=1), "fen more than it has in 2025/指标:已预留"),
        (CONFIRMATION._replace(kind="made-up"), "'made-up'"),
    ],
)
def test_money_that_goes_a_way_that_its_kind_does_not_go_is_named(added: Entry, found: str, tmp_path: Path) -> None:
    judged = verified(rechained(after(added)), folder=tmp_path)

    assert judged.returncode == 1
    assert "seq 13: " in judged.stderr
    assert found in judged.stderr


def test_what_is_on_its_way_for_one_case_is_not_paid_for_another(tmp_path: Path) -> None:
    other = published()[9]
    ordered = [each for each in published() if each.seq <= 8]

    right = verified(rechained([*ordered, like(9)]), folder=tmp_path)
    wrong = verified(rechained([*ordered, like(9, application_id=other.application_id)]), folder=tmp_path)

    assert right.returncode == 0
    assert f"seq 9: case {other.application_id} gives 100000000 fen more than it has in {IN_TRANSIT}" in wrong.stderr


@pytest.mark.parametrize(("amount_fen", "written"), [(float("nan"), "NaN"), (float("inf"), "Infinity"), (0.5, "0.5"), (100_000_000.0, "1e8")])
def test_an_amount_that_is_no_whole_number_is_named(amount_fen: float, written: str, tmp_path: Path) -> None:
    journal = rechained(changed(3, amount_fen=amount_fen))
    as_number = journal.replace(f'"{amount_fen}"', written)

    judged = verified(as_number, folder=tmp_path)

    assert as_number != journal
    assert judged.returncode == 1
    assert "seq 3: " in judged.stderr
    assert "is no whole number" in judged.stderr


@pytest.mark.parametrize(
    ("second", "found"),
    [
        (like(2, kind="lapse", voucher="LA-2025-000002", dr=AVAILABLE, cr="2025/结转核销:核销", amount_fen=1), None),
        (ALLOTMENT._replace(dr=AVAILABLE, cr=f"{AVAILABLE}[line=2023-15/2]"), "allot in 2025, which was closed before"),
    ],
)
def test_a_row_in_a_year_that_was_closed_before_is_named(second: Entry, found: str | None, tmp_path: Path) -> None:
    lapse = like(2, kind="lapse", voucher="LA-2025-000001", dr=AVAILABLE, cr="2025/结转核销:核销", amount_fen=1)

    judged = verified(rechained(after(lapse, second)), folder=tmp_path)

    assert judged.returncode == (0 if found is None else 1)
    assert ("seq 14: " in judged.stderr and found in judged.stderr) if found else judged.stderr == ""


@pytest.mark.parametrize("size", ["0", "-8", "８", "8.0", " 8"])
def test_a_checkpoint_of_no_row_is_not_counted_as_one_that_agrees(size: str, tmp_path: Path) -> None:
    file = witnessed(tmp_path)
    origin, _, *rest = file.read_text().split("\n")
    file.write_text("\n".join([origin, size, *rest]))

    judged = verified(rechained(published()), folder=tmp_path, checkpoint=file)

    assert judged.returncode == 1
    assert "is no number of rows" in judged.stderr
