"""The offline verifier against journals whose every hash fits: what the books may not contain is found by adding them up."""

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from services.budget.entry.rules import Entry
from tests.unit.budget.published import VECTORS, VERIFIER, published, rechained

AVAILABLE = "2025/指标:可用"


def verified(journal: str, *, folder: Path) -> subprocess.CompletedProcess[str]:
    """By the two files alone, as they lie in a pack."""
    for file in (VERIFIER, VERIFIER.with_name("checkpoint_file.py"), VECTORS / "policy.json"):
        shutil.copy(file, folder)
    (folder / "journal.ndjson").write_text(journal, encoding="utf-8")
    command = [sys.executable, "-S", "-E", str(folder / "verify.py"), str(folder / "journal.ndjson")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def changed(seq: int, **fields: object) -> list[Entry]:
    return [entry._replace(**fields) if entry.seq == seq else entry for entry in published()]


def test_the_published_journal_is_good(tmp_path: Path) -> None:
    found = verified(rechained(published()), folder=tmp_path)

    assert (found.returncode, found.stderr) == (0, "")


@pytest.mark.parametrize(
    ("seq", "fields", "found"),
    [
        (1, {"amount_fen": 200_000_001}, "more than the ceiling of 2025, 200000000"),
        (2, {"amount_fen": 150_000_001}, "falls to -1 fen"),
        (3, {"amount_fen": 150_000_001}, f"{AVAILABLE} falls to -1 fen"),
        (3, {"policy_version": "2023-15/lines/2@2023-06-12"}, "more than the 3000000 of 2023-15/lines/2@2023-06-12"),
        (3, {"policy_version": "made-up"}, "made-up"),
        (3, {"voucher": "RS-2025-000002"}, "voucher RS-2025-000002 stands where RS-2025-000001 is due"),
        (4, {"voucher": "RS-2025-000002"}, "waiting, with voucher RS-2025-000002"),
        (6, {"checker": None}, "or one is missing"),
        (6, {"approver": "staff:issuer|maker-1"}, "are not different people"),
        (6, {"application_id": published()[3].application_id}, "fen more than is reserved for it"),
        (9, {"amount_fen": 0}, "0 fen from"),
        (11, {"leg": 3}, "does not follow on the leg before"),
        (12, {"amount_fen": 5_000_001}, "or of more than it moved"),
        (12, {"reason": None}, "without reason"),
        (12, {"reverses_seq": 400}, "IndexError"),
        (12, {"booked_at": published()[0].booked_at - timedelta(microseconds=1)}, "before the row before"),
    ],
)
def test_a_row_that_the_books_may_not_contain_is_named(seq: int, fields: dict[str, object], found: str, tmp_path: Path) -> None:
    judged = verified(rechained(changed(seq, **fields)), folder=tmp_path)

    assert judged.returncode == 1
    assert f"seq {seq}: " in judged.stderr
    assert found in judged.stderr


def test_a_ceiling_may_be_reached(tmp_path: Path) -> None:
    judged = verified(rechained(changed(1, amount_fen=200_000_000)), folder=tmp_path)

    assert judged.returncode == 0


def test_a_second_award_of_a_case_above_the_cap_is_named_although_each_is_below(tmp_path: Path) -> None:
    policy = json.loads((VECTORS / "policy.json").read_text())
    cap_fen = policy["caps_fen"]["2023-15/lines/7n@2023-06-12"]
    first, second = published()[2], published()[9]
    again = [entry._replace(application_id=first.application_id) if entry.seq in (10, 11) else entry for entry in published()[:11]]
    assert first.amount_fen + second.amount_fen <= cap_fen

    below = verified(rechained(again), folder=tmp_path)
    above = verified(rechained([*again[:9], again[9]._replace(policy_version="2023-15/lines/7p@2023-06-12")]), folder=tmp_path)

    assert below.returncode == 0
    assert "seq 10: " in above.stderr
    assert "more than the 100000000" in above.stderr


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"seq":3}', "seq 3: "),
        ("[3]", "seq 3: "),
        ("", "seq 3: "),
        ("nonsense", "seq 3: "),
        (rechained(published()).splitlines()[3] + "[]", "seq 3: "),
    ],
)
def test_a_line_that_is_no_row_is_named(line: str, found: str, tmp_path: Path) -> None:
    lines = rechained(published()).splitlines()
    lines[3] = line

    judged = verified("\n".join(lines) + "\n", folder=tmp_path)

    assert judged.returncode == 1
    assert found in judged.stderr


def test_a_journal_with_other_columns_is_refused(tmp_path: Path) -> None:
    judged = verified(rechained(published()).replace('"seq","outcome"', '"seq","result"'), folder=tmp_path)

    assert "does not name the columns of this format" in judged.stderr
