"""How long the offline verifier takes for a journal of a million rows: `python -m tests.load.ledger_verify [rows]` prints the seconds.

With a folder behind the rows it only writes them there, to be verified later.
"""

import json
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

from deploy.local.folders import ROOT
from services.budget import policy
from services.budget.entry.rules import GENESIS, Books, Voucher, Written, exported
from services.budget.evidence.rules import HEADER, policy_of
from services.budget.ledger.rules import Act, CaseMoney, Kind, Signers, appropriate, move

ROWS = 1_000_000
PER_BATCH = 500
VERIFIER = ROOT / "services" / "budget" / "verify.py"
(FUND,) = policy.current().funds
START = datetime.fromisoformat("2025-09-15T10:00:00+08:00")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
SIGNERS = Signers(maker="staff:a", checker="staff:b", approver="staff:c")


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    if len(sys.argv) > 2:
        write_pack(Path(sys.argv[2]), rows=rows)
        return
    with tempfile.TemporaryDirectory() as folder:
        journal = write_pack(Path(folder), rows=rows)
        began = time.monotonic()
        subprocess.run(command(journal), check=True)
        print(f"{rows} rows, {journal.stat().st_size >> 20} MiB, verified in {time.monotonic() - began:.1f} s")


def write_pack(folder: Path, *, rows: int) -> Path:
    """The journal, and the policy that it is verified by beside it."""
    journal = journal_in(folder)
    journal.with_name("policy.json").write_text(json.dumps(policy_of(policy.current())), encoding="utf-8")
    write_journal(journal, rows=rows)
    return journal


def journal_in(folder: Path) -> Path:
    return folder / "journal.ndjson"


def command(journal: Path) -> list[str]:
    return [sys.executable, str(VERIFIER), str(journal)]


def write_journal(file: Path, *, rows: int) -> None:
    """One year's money, then cases of 100 fen: each is reserved, every fourth is also ordered and confirmed."""
    books = Books(seq=0, chain=GENESIS, booked_at=START, numbers={})
    with file.open("w", encoding="utf-8") as lines:
        lines.write(HEADER)
        for batch in batches():
            for each in books.write(batch):
                lines.write(line_of_written(each))
                if each.entry.seq == rows:
                    return


def line_of_written(each: Written) -> str:
    """As the export writes the row."""
    return _encode([*exported(each.entry).values(), each.chain.hex()]) + "\n"


def batches() -> Iterator[list[Voucher]]:
    made = appropriate(FUND, fiscal_year=2025, amount_fen=FUND.yearly_ceiling_fen, document="D", effective_on=START.date(), maker="staff:f")
    yield [Voucher(legs=(posting,), act=act_at(0)) for posting in made]
    second = 0
    while True:
        second += 1
        yield [voucher for place in range(PER_BATCH) for voucher in case_vouchers(place, act=act_at(second))]


def act_at(second: int) -> Act:
    at, key = START + timedelta(seconds=second), str(uuid.UUID(int=second << 64))
    return Act(caller="event:applications.awards_proposed.v1", key=key, fingerprint=bytes(32), at=at, on=date(2025, 9, 15))


def case_vouchers(place: int, *, act: Act) -> Iterator[Voucher]:
    line = FUND.lines[place % len(FUND.lines)]
    case = CaseMoney(
        application_id=uuid.uuid4(),
        proposal_id=uuid.uuid4(),
        case_number=f"C-{place}",
        applicant_uscc="91990000MA0000015Q",
        fiscal_year=2025,
        line_id=line.id,
        jurisdiction_id=f"district-{place % 7}",
        amount_fen=100,
        policy_version=FUND.version_of(line),
        funding_source=FUND.funding_source,
        expenditure_category=line.expenditure_category,
    )
    for kind in (Kind.RESERVE, Kind.ORDER, Kind.CONFIRM) if place % 4 == 0 else (Kind.RESERVE,):
        signers = SIGNERS if kind is Kind.ORDER else Signers()
        yield Voucher(legs=(move(case, kind=kind, document=case.case_number, effective_on=act.on, signers=signers),), act=act)


if __name__ == "__main__":
    main()
