"""The offline verifier against journals whose every hash fits: what the books may not contain is found by adding them up."""

import ast
import functools
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from services.budget.checkpoint.rules import Checkpoint, fold, note_text
from services.budget.entry.rules import GENESIS, Entry, leaf_of, link
from tests.unit.budget.published import VECTORS, VERIFIER, published, rechained

FILES = [VERIFIER.with_name(name) for name in ("verify.py", "bookkeeping.py", "checkpoint_file.py")]
AVAILABLE = "2025/指标:可用"


def verified(journal: str, *, folder: Path, checkpoint: Path | None = None) -> subprocess.CompletedProcess[str]:
    """By the two files alone, as they lie in a pack."""
    for file in (*FILES, VECTORS / "policy.json"):
        shutil.copy(file, folder)
    (folder / "journal.ndjson").write_text(journal, encoding="utf-8")
    command = [sys.executable, "-I", "-S", str(folder / "verify.py"), str(folder / "journal.ndjson")]
    command += ["--checkpoint", str(checkpoint)] if checkpoint else []
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
        (3, {"cr": "2025/支付:上年追回"}, f"reserve of 2025 from {AVAILABLE} to 2025/支付:上年追回"),
        (3, {"policy_version": "2023-15/lines/2@2023-06-12"}, "more than the 3000000 of 2023-15/lines/2@2023-06-12"),
        (3, {"policy_version": "made-up"}, "made-up"),
        (3, {"voucher": "RS-2025-000002"}, "voucher RS-2025-000002 stands where RS-2025-000001 is due"),
        (4, {"voucher": "RS-2025-000002"}, "waiting, with voucher RS-2025-000002"),
        (6, {"checker": None}, "or one is missing"),
        (6, {"approver": "staff:issuer|maker-1"}, "are not different people"),
        (6, {"application_id": published()[3].application_id}, "fen more than it has in 2025/指标:已预留"),
        (9, {"amount_fen": 0}, "0 fen from"),
        (11, {"leg": 3}, "does not follow on the leg before"),
        (12, {"amount_fen": 5_000_001}, "or of more than it moved"),
        (12, {"reason": None}, "without reason"),
        (12, {"reverses_seq": 400}, "IndexError"),
        (12, {"reverses_seq": -1}, "which went another way"),
        (12, {"reverses_seq": 3, "cr": f"{AVAILABLE}[line=2023-15/2]"}, "which went another way"),
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


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"maker": "staff:a", "approver": "staff:b"}, None),
        ({"maker": "staff:a", "approver": "staff:a"}, "are not different people"),
        ({"maker": "staff:a"}, "or one is missing"),
        ({}, "or one is missing"),
    ],
)
def test_a_transfer_without_two_people_is_named(fields: dict[str, object], found: str | None, tmp_path: Path) -> None:
    last, into = published()[-1], f"{AVAILABLE}[line=2023-15/2]"
    signers = {"maker": None, "checker": None, "approver": None} | fields
    moved = published()[1]._replace(seq=13, voucher="TR-2025-000001", kind="transfer", dr=AVAILABLE, cr=into, amount_fen=1, booked_at=last.booked_at)

    judged = verified(rechained([*published(), moved._replace(key="transfer", **signers)]), folder=tmp_path)

    assert judged.returncode == (0 if found is None else 1)
    assert ("seq 13: " in judged.stderr and found in judged.stderr) if found else judged.stderr == ""


def with_another_chain(line: str) -> str:
    *fields, chain = json.loads(line)
    return json.dumps([*fields, chain[::-1]], ensure_ascii=False)


@pytest.mark.parametrize(
    "alter",
    [
        lambda line: line.replace("city_hr_industry_fund", "another_fund"),
        lambda line: line.replace("PO-2025-000001", "PO-2025-000002"),
        with_another_chain,
    ],
)
def test_a_row_that_is_not_the_one_that_was_chained_is_named(alter: Callable[[str], str], tmp_path: Path) -> None:
    lines = rechained(published()).splitlines()
    altered = alter(lines[6])

    judged = verified("\n".join([*lines[:6], altered, *lines[7:]]) + "\n", folder=tmp_path)

    assert altered != lines[6]
    assert judged.returncode == 1
    assert "seq 6: numbered 6; the line is not the row that was chained here" in judged.stderr


def test_a_row_under_another_number_is_named_though_its_hash_fits_its_place(tmp_path: Path) -> None:
    lines = rechained(published()).splitlines()

    judged = verified("\n".join([*lines[:6], lines[6].replace("[6,", "[7,", 1), *lines[7:]]) + "\n", folder=tmp_path)

    assert judged.returncode == 1
    assert "seq 6: numbered 7; " in judged.stderr


@pytest.mark.parametrize("gone", [1, 6, 11])
def test_a_row_that_is_gone_is_named_though_every_other_row_fits(gone: int, tmp_path: Path) -> None:
    lines = rechained(published()).splitlines(keepends=True)

    judged = verified("".join([*lines[:gone], *lines[gone + 1 :]]), folder=tmp_path)

    assert judged.returncode == 1
    assert f"seq {gone}: " in judged.stderr


WITNESSED = 8


def witnessed(folder: Path, **other: Any) -> Path:
    """A checkpoint of the first eight rows, with what else it may say."""
    leaves = [leaf_of(entry) for entry in published()[:WITNESSED]]
    chain = functools.reduce(lambda before, leaf: link(before, leaf=leaf), leaves, GENESIS)
    right = {"origin": "o", "seq": WITNESSED, "root": fold(leaves), "chain": chain, "booked_at": published()[WITNESSED - 1].booked_at}
    file = folder / "a.checkpoint"
    file.write_text(note_text(Checkpoint(**(right | other))) + "\n")
    return file


@pytest.mark.parametrize(
    ("other", "found"),
    [
        ({}, None),
        ({"root": bytes(32)}, "seq 8: not what checkpoint a.checkpoint witnessed"),
        ({"chain": bytes(32)}, "seq 8: not what checkpoint a.checkpoint witnessed"),
        ({"seq": 7}, "seq 7: not what checkpoint a.checkpoint witnessed"),
        ({"seq": 13}, "seq 13: missing; checkpoint a.checkpoint reaches to 13"),
    ],
)
def test_chain_root_and_length_are_what_the_checkpoint_witnessed(other: dict[str, object], found: str | None, tmp_path: Path) -> None:
    judged = verified(rechained(published()), folder=tmp_path, checkpoint=witnessed(tmp_path, **other))

    assert judged.returncode == (0 if found is None else 1)
    assert (found in judged.stderr) if found else "1 UNSIGNED (no --public-key) checkpoints agree" in judged.stdout


@pytest.mark.parametrize(("broken", "named"), [(2, "seq 2: numbered"), (3, "seq 3: numbered"), (6, "seq 3: reserve of 2025")])
def test_of_two_rows_that_are_wrong_the_earlier_is_named_whatever_is_wrong_with_it(broken: int, named: str, tmp_path: Path) -> None:
    """Row 3 says what the books may not contain; the other one, or row 3 itself, is not the row that was chained."""
    lines = rechained(changed(3, cr="2025/支付:上年追回")).splitlines()
    lines[broken] = with_another_chain(lines[broken])

    judged = verified("\n".join([*lines, ""]), folder=tmp_path)

    assert (judged.returncode, judged.stderr.count("seq ")) == (1, 1)
    assert named in judged.stderr


@pytest.mark.parametrize("dying", ["import os; os._exit(9)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_rows_that_nobody_added_up_are_not_called_good(dying: str, tmp_path: Path) -> None:
    """The process that adds up ends without a word, as one does that is killed for want of memory."""
    verified(rechained(published()), folder=tmp_path)
    with (tmp_path / "bookkeeping.py").open("a", encoding="utf-8") as file:
        file.write(f"\n\ndef dies(*_):\n    {dying}\n\n\nBooks.take = dies\n")

    command = [sys.executable, "-I", "-S", str(tmp_path / "verify.py"), str(tmp_path / "journal.ndjson")]
    judged = subprocess.run(command, capture_output=True, text=True, check=False)

    assert judged.returncode == 1
    assert "GOOD" not in judged.stdout
    assert "not added up" in judged.stderr


def test_the_verifier_is_two_hundred_lines_at_most_and_needs_python_alone() -> None:
    imported = set[str]()
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                imported |= {node.module or ""} if isinstance(node, ast.ImportFrom) else {each.name for each in node.names}

    assert [len(file.read_text(encoding="utf-8").splitlines()) <= 200 for file in FILES] == [True] * 3
    assert {name.partition(".")[0] for name in imported} - sys.stdlib_module_names == {"bookkeeping", "checkpoint_file"}


def test_what_was_checked_is_told(tmp_path: Path) -> None:
    told = verified(rechained(published()), folder=tmp_path).stdout

    assert told.startswith("GOOD 无误 12 rows; chain ")
    for check in ("哈希链", "树根", "凭证连号", "余额", "上限", "签字人", "冲正"):
        assert check in told
