"""The evidence pack of a year: `python -m services.budget.evidence.pack --fiscal-year Y --out FILE`."""

import argparse
import asyncio
import csv
import getpass
import hashlib
import json
import tomllib
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.exceptions import InvalidTag

from services.budget import policy
from services.budget.checkpoint.queries import Row, checkpoints, inclusion_paths, public_keys
from services.budget.edge import seal_of
from services.budget.evidence import queries
from services.budget.evidence.commands import record_export
from services.budget.evidence.rules import HEADER, PaidAccount, came_back, line_of, policy_of, shared
from services.budget.evidence.sheets import YearBooks
from services.budget.settings import BudgetSettings
from services.budget.spreadsheet import neutral
from shared.clock import Moment
from shared.live import Live, open_live

HERE = Path(__file__).parent
SUSPICIONS = HERE / "suspicions.toml"
VERIFIER = tuple(HERE.parent / name for name in ("verify.py", "bookkeeping.py", "checkpoint_file.py"))
CHECKPOINTS_A_PORTION = 200
SUSPICION_HEADING = ("疑点", "规则", "数值", "单位", "依据", "对象", "情况")
DOCUMENT_HEADING = ("document", "first_seq", "entries")
AWARD_HEADING = (
    *("case_number", "applicant_uscc", "line_id", "jurisdiction_id", "amount_fen", "state", "policy_version", "notice_number"),
    *("confirmed_on", "minutes_number", "decision_stage", "decided_on", "decision_id", "application_id", "proposal_id"),
)


@dataclass(frozen=True)
class Pack:
    """What was packed, and by what it is known."""

    until_seq: int
    sha256: str


async def write_pack(live: Live, *, file: Path, fiscal_year: int, taken_by: str) -> Pack:
    """Row by row: neither memory nor a transaction grows with the journal. Who took it is kept before it is handed out."""
    moment = live.now()
    async with live.transaction() as tx:
        end = await queries.end_of(tx, until_seq=None)
    with TemporaryDirectory(dir=file.parent) as name:
        folder = Path(name)
        await _write_books(live, folder, fiscal_year=fiscal_year, until_seq=end.seq, moment=moment)
        covered = await _write_proofs(live, folder, fiscal_year=fiscal_year, until_seq=end.seq)
        await _write_lists(live, folder, fiscal_year=fiscal_year, until_seq=end.seq)
        await _write_suspicions(live, folder / "suspicions.csv", fiscal_year=fiscal_year, moment=moment)
        note = "" if covered == end.seq else f"\n最近的检查点覆盖到第{covered}条，其后的分录由下一个检查点覆盖。"
        told = {"title_zh": "专项资金", "fiscal_year": fiscal_year, "taken_at": moment.at.astimezone(live.clock.zone).isoformat("T", "seconds")}
        await asyncio.to_thread(_write_texts, folder, {**told, "taken_by": taken_by, "until_seq": end.seq, "checkpoint_note": note})
        sha256 = await asyncio.to_thread(_zip, folder, file)
    async with live.transaction() as tx:
        await record_export(tx, kind="pack", fiscal_year=fiscal_year, until_seq=end.seq, sha256=sha256, taken_by=taken_by, taken_at=moment.at)
    return Pack(end.seq, sha256)


async def _write_books(live: Live, folder: Path, *, fiscal_year: int, until_seq: int, moment: Moment) -> None:
    with YearBooks(folder, fiscal_year=fiscal_year, made_at=moment.at) as books, (folder / "journal.ndjson").open("w", encoding="utf-8") as journal:
        journal.write(HEADER)
        async for portion in queries.entries(live, after_seq=0, until_seq=until_seq):
            journal.write("".join([line_of(entry, chain=chain) for entry, chain in portion]))
            # People read days as they are in the city.
            here = [entry._replace(booked_at=entry.booked_at.astimezone(live.clock.zone)) for entry, _ in portion]
            await asyncio.to_thread(books.add, here)
        books.end()


async def _write_proofs(live: Live, folder: Path, *, fiscal_year: int, until_seq: int) -> int:
    """Checkpoints, keys and the proof of each award under the latest checkpoint of these rows; returns its seq, 0 when there is none."""
    covered = 0
    (folder / "checkpoints").mkdir()
    async for row in _checkpoints(live, until_seq=until_seq):
        covered = int(row["seq"])
        (folder / "checkpoints" / f"{covered:015d}.checkpoint").write_text(row["note"], encoding="utf-8")
    async with live.transaction() as tx:
        keys = await public_keys(tx)
    _write_csv(folder / "checkpoint-keys.csv", ("id", "public_key", "first_used_at"), keys)
    with (folder / "proofs.ndjson").open("w", encoding="utf-8") as proofs:
        async for portion in queries.awards(live, fiscal_year=fiscal_year, until_seq=covered):
            async with live.transaction() as tx:
                paths = await inclusion_paths(tx, seqs=[seq for row in portion for seq in row["seqs"]], size=covered)
            for row in portion:
                shown = {str(seq): [each.hex() for each in paths[seq]] for seq in row["seqs"]}
                proofs.write(json.dumps({"application_id": str(row["application_id"]), "checkpoint_seq": covered, "paths": shown}) + "\n")
    return covered


async def _checkpoints(live: Live, *, until_seq: int) -> AsyncIterator[Row]:
    """One that was signed since the journal was read reaches beyond it: to whoever verifies, its rows would be missing."""
    after_seq = 0
    while True:
        async with live.transaction() as tx:
            rows = await checkpoints(tx, after_seq=after_seq, rows_max=CHECKPOINTS_A_PORTION)
        for row in rows:
            if row["seq"] > until_seq:
                return
            yield row
        if len(rows) < CHECKPOINTS_A_PORTION:
            return
        after_seq = rows[-1]["seq"]


async def _write_lists(live: Live, folder: Path, *, fiscal_year: int, until_seq: int) -> None:
    with (folder / "awards.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, lineterminator="\r\n").writerow(AWARD_HEADING)
        async for portion in queries.notices(live, fiscal_year=fiscal_year, until_seq=until_seq):
            _add(file, AWARD_HEADING, portion)
    with (folder / "attachments.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, lineterminator="\r\n").writerow(DOCUMENT_HEADING)
        async for portion in queries.documents(live, fiscal_year=fiscal_year, until_seq=until_seq):
            _add(file, DOCUMENT_HEADING, portion)
    async with live.transaction() as tx:
        taken = await queries.exports(tx)
    _write_csv(folder / "access-log.csv", ("kind", "fiscal_year", "until_seq", "sha256", "taken_by", "taken_at"), taken)


async def _write_suspicions(live: Live, file: Path, *, fiscal_year: int, moment: Moment) -> None:
    with file.open("w", encoding="utf-8-sig", newline="") as opened:
        written = csv.writer(opened, lineterminator="\r\n")
        written.writerow(SUSPICION_HEADING)
        for rule in tomllib.loads(SUSPICIONS.read_text(encoding="utf-8"))["suspicion"]:
            found = await _findings(live, rule, fiscal_year=fiscal_year, moment=moment)
            about = (rule["title_zh"], rule["rule_zh"], rule["more_than"], rule["unit"], rule["source"])
            written.writerows([(*about, neutral(subject), neutral(finding)) for subject, finding in found or [("", "未发现")]])


async def _findings(live: Live, rule: Mapping[str, Any], *, fiscal_year: int, moment: Moment) -> list[tuple[str, str]]:
    if rule["id"] in ("account_came_back", "one_account_for_several"):
        accounts, unreadable = await _accounts_paid_to(live, fiscal_year=fiscal_year)
        told = came_back if rule["id"] == "account_came_back" else shared
        found = [(f"尾号{each.number_last_4}", finding) for each in accounts if (finding := told(each, more_than=rule["more_than"]))]
        return [*found, *((f"尾号{row['number_last_4']}", f"{row['bank_reference']} 的收款账号无法解密，未能比对") for row in unreadable)]
    async with live.transaction() as tx:
        rows = await queries.findings(tx, suspicion_id=rule["id"], fiscal_year=fiscal_year, more_than=rule["more_than"], today=moment.on)
    return [(row["subject"], row["finding"]) for row in rows]


async def _accounts_paid_to(live: Live, *, fiscal_year: int) -> tuple[list[PaidAccount], list[Row]]:
    """By number: an account that was entered again is the same one. Numbers are opened to be compared by their hash, and none is written.

    With the orders whose number no key opens: who changed a row does not keep the pack from whoever checks it.
    """
    seal, found, unreadable = seal_of(live), dict[bytes, PaidAccount](), list[Row]()
    async for portion in queries.payees(live, fiscal_year=fiscal_year):
        for row in portion:
            try:
                number = hashlib.sha256(seal.open(row["number_sealed"], record_id=row["payee_account_id"]).encode()).digest()
            except InvalidTag:
                unreadable.append(row)
                continue
            account = found.setdefault(number, PaidAccount(row["number_last_4"]))
            account.usccs.add(row["applicant_uscc"])
            account.orders[row["state"]] += 1
    return list(found.values()), unreadable


def _write_texts(folder: Path, told: Mapping[str, object]) -> None:
    (folder / "README.md").write_text((HERE / "readme.md").read_text(encoding="utf-8").format(**told), encoding="utf-8")
    (folder / "policy.json").write_text(json.dumps(policy_of(policy.current()), indent=1) + "\n", encoding="utf-8")
    for source in (HERE / "gbt42940.md", *VERIFIER):
        (folder / source.name).write_bytes(source.read_bytes())


def _write_csv(file: Path, heading: Sequence[str], rows: Sequence[Row]) -> None:
    with file.open("w", encoding="utf-8-sig", newline="") as opened:
        csv.writer(opened, lineterminator="\r\n").writerow(heading)
        _add(opened, heading, rows)


def _add(file: Any, heading: Sequence[str], rows: Sequence[Row]) -> None:
    shown = [["" if row[name] is None else neutral(str(row[name])) for name in heading] for row in rows]
    csv.writer(file, lineterminator="\r\n").writerows(shown)


def _zip(folder: Path, file: Path) -> str:
    with zipfile.ZipFile(file, "x", zipfile.ZIP_DEFLATED) as packed:
        for each in sorted(folder.rglob("*")):
            if each.is_file():
                packed.write(each, each.relative_to(folder).as_posix())
    with file.open("rb") as written:
        return hashlib.file_digest(written, "sha256").hexdigest()


async def _run(*, fiscal_year: int, out: Path) -> Pack:
    live = open_live(BudgetSettings.model_validate({}))
    async with live.running():
        return await write_pack(live, file=out, fiscal_year=fiscal_year, taken_by=f"operator:{getpass.getuser()}")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--fiscal-year", type=int, required=True)
    asked.add_argument("--out", type=Path, required=True)
    given = asked.parse_args()
    pack = asyncio.run(_run(fiscal_year=given.fiscal_year, out=given.out))
    asked.exit(message=f"{given.out}: {pack.until_seq} rows, sha256 {pack.sha256}\n")


if __name__ == "__main__":
    main()
