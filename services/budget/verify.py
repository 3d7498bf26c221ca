"""Checks an exported journal from its text alone: python verify.py journal.ndjson --policy policy.json --checkpoint FILE... --public-key KEY...

Python 3.11 and nothing else; no network. The first row that is wrong is named, and why. No code is shared with the service that wrote the rows.
Two processes read the same rows: one for hashes and checkpoints, one for what the rows add up to.
"""

import argparse
import base64
import gc
import json
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent))  # python -I does not look beside the script
from bookkeeping import Bad, Books  # type: ignore[import-not-found]
from checkpoint_file import SUBTREE, Checkpoint, Tree, first_difference, read  # type: ignore[import-not-found]

# The first line names the columns, each line after it is a row: a name that stands twice, or too much, cannot be there.
COLUMNS = [
    *("seq", "outcome", "voucher", "leg", "kind", "dr", "cr", "amount_fen", "fiscal_year", "origin_year", "line_id", "jurisdiction_id"),
    *("application_id", "proposal_id", "policy_version", "funding_source", "document", "expenditure_category", "maker", "checker", "approver"),
    *("reverses_seq", "reason", "booked_at", "effective_on", "caller", "key", "item", "fingerprint", "chain"),
]
NONE, BAD = b"\xff\xff\xff\xff", "BAD 有误 "
WRONG = (Bad, ArithmeticError, LookupError, StopIteration, TypeError, ValueError)
CHECKED = "chain 哈希链, root 树根, gapless vouchers 凭证连号, balances 余额, moves 科目流向, ceilings and caps 上限, signers 签字人, reversals 冲正"


class Sized(dict[Any, bytes]):
    """The bytes of a value: four of length and its text, or ff ff ff ff; kept for values that come again."""

    def __missing__(self, value: Any) -> bytes:
        text = str(value).encode()
        self[value] = sized = NONE if value is None else len(text).to_bytes(4, "big") + text
        return sized


def verify(lines: Iterator[bytes], *, checkpoints: Sequence[Checkpoint] = ()) -> tuple[int, str, str]:
    """Last seq, chain and root. Raises Bad, which names the first row that is not the one that was chained, or witnessed."""
    tree, sized, seq, chain = Tree(), Sized(), 0, bytes(32)
    scan, join, size = _scanner(), b"".join, [n.to_bytes(4, "big") for n in range(4096)]
    # Leaves since the last checkpoint that agreed; only a witness that kept them too can say which of them is wrong.
    unwitnessed, keeps_leaves, witnessed = list[bytes](), any(each.leaves for each in checkpoints), defaultdict[int, list[Checkpoint]](list)
    for each in checkpoints:
        witnessed[each.seq].append(each)
    try:
        if json.loads(next(lines)) != COLUMNS:
            raise Bad("the first line does not name the columns of this format")
        for seq, line in enumerate(lines, start=1):
            row, end = scan(text := line.decode(), 0)
            number, outcome, voucher, leg, kind, dr, cr, fen, year, origin, line_id, place, case, proposal, rule, fund, document, category = row[:18]
            maker, checker, approver, reverses, reason, at, on, caller, key, item, fingerprint, stated = row[18:]
            n, v, a = b"%d" % seq, voucher and voucher.encode(), case and case.encode()
            p, d, k, f = proposal and proposal.encode(), document.encode(), key.encode(), fingerprint.encode()
            # Written out, since this is most of the work: only what comes again is looked up.
            fields = (
                *(b"\x00\x00\x00\x00\x07entry 1", size[len(n)], n, sized[outcome], NONE if v is None else size[len(v)] + v, sized[leg]),
                *(sized[kind], sized[dr], sized[cr], sized[fen], sized[year], sized[origin], sized[line_id], sized[place]),
                *(NONE if a is None else size[len(a)] + a, NONE if p is None else size[len(p)] + p, sized[rule], sized[fund]),
                *(size[len(d)], d, sized[category], sized[maker], sized[checker], sized[approver], sized[reverses], sized[reason]),
                *(sized[at], sized[on], sized[caller], size[len(k)], k, sized[item], size[len(f)], f),
            )
            leaf = sha256(join(fields)).digest()
            chain = sha256(b"\x02" + chain + leaf).digest()
            if number != seq or chain.hex() != stated or text[end:] != "\n":
                raise Bad(f"numbered {number}; the line is not the row that was chained here")
            tree.leaves.append(leaf)
            if keeps_leaves:
                unwitnessed.append(leaf)
            if len(tree.leaves) == SUBTREE:
                tree.fold()
                sized.clear()
            for each in witnessed.get(seq, ()):
                if (each.chain, each.root) != (chain.hex(), tree.root()):
                    seq = first_difference(each, leaves=unwitnessed)
                    raise Bad(f"not what checkpoint {each.file} witnessed (without its .leaves: this row, or one before)")
                unwitnessed.clear()
    except WRONG as error:
        raise _bad_at(seq, error) from error
    if missing := [each for each in checkpoints if each.seq > seq]:
        raise Bad(f"seq {seq + 1}: missing; checkpoint {missing[0].file} reaches to {missing[0].seq}")
    return seq, chain.hex(), base64.b64encode(tree.root()).decode()


def add_up(lines: Iterator[bytes], *, policy: Mapping[str, Mapping[str, int]]) -> None:
    """The same rows, taken for what they say: whether they are the rows that were chained is found beside. Raises Bad."""
    books, scan, seq = Books(policy), _scanner(), 0
    try:
        next(lines)
        for seq, line in enumerate(lines, start=1):  # noqa: B007 - told where it fails
            books.take(scan(line.decode(), 0)[0])
    except WRONG as error:
        raise _bad_at(seq, error) from error


def verify_beside(journal: Path, *, policy: Path, checkpoints: Sequence[Checkpoint]) -> tuple[int, str, str]:
    """`verify` and `add_up`, a process each: the earlier row that is wrong is named; of one row, that it is not the one that was chained."""
    command = [sys.executable, "-I", "-S", "-X", "utf8", __file__, str(journal), "--policy", str(policy), "--only-books"]
    found, bad = (0, "", ""), ""
    with subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8") as beside, journal.open("rb") as lines:  # noqa: S603 - this script
        try:
            found = verify(lines, checkpoints=checkpoints)
        except Bad as error:
            bad = str(error)
        told = beside.communicate()[1].strip().removeprefix(BAD)
    if beside.returncode and (not bad or _seq_of(told) < _seq_of(bad)):
        bad = told or f"the rows were not added up: that process ended with {beside.returncode}"
    if bad:
        raise Bad(bad)
    return found


def _seq_of(told: str) -> int:
    """0 for what is about no row."""
    named = re.match(r"seq (\d+):", told)
    return int(named[1]) if named else 0


def _bad_at(seq: int, error: Exception) -> Bad:
    return Bad(f"seq {seq}: {error if isinstance(error, Bad) else repr(error)}")


def _scanner() -> Callable[[str, int], tuple[Any, int]]:
    """json.loads without its look at the encoding; a number that is not whole is none of ours, and NaN would stand for any sum."""
    scan: Callable[[str, int], tuple[Any, int]]
    scan = json.JSONDecoder(parse_float=_refuse_number, parse_constant=_refuse_number).scan_once  # type: ignore[attr-defined]
    return scan


def _refuse_number(written: str) -> None:
    raise ValueError(f"{written} is no whole number")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    asked.add_argument("journal", type=Path)
    asked.add_argument("--policy", type=Path, help="by default policy.json beside the journal")
    asked.add_argument("--checkpoint", type=Path, action="extend", nargs="+", default=[], help="files that were kept outside")
    asked.add_argument("--public-key", action="extend", nargs="+", default=[], help="name+id+base64, had from the publisher, not from the pack")
    asked.add_argument("--only-books", action="store_true", help="only what the rows add up to: what the process beside is asked for")
    given = asked.parse_args()
    policy = given.policy or given.journal.with_name("policy.json")
    gc.disable()  # a million rows are let go one by one; nothing here is in a circle
    try:
        limits = json.loads(policy.read_text(encoding="utf-8"))
        if given.only_books:
            with given.journal.open("rb") as lines:
                return add_up(lines, policy=limits)
        keys = {f"{name}+{key_id}": key for name, key_id, key in (each.split("+", 2) for each in given.public_key)}
        checkpoints = [read(file, keys=keys) for file in given.checkpoint]
        seq, chain, root = verify_beside(given.journal, policy=policy, checkpoints=checkpoints)
    except (Bad, ValueError) as bad:
        sys.exit(f"{BAD}{bad}")
    agree = f"{len(checkpoints)} {'signed' if given.public_key else 'UNSIGNED (no --public-key)'} checkpoints agree"
    sys.stdout.buffer.write(f"GOOD 无误 {seq} rows; chain {chain}; root {root}; {agree}\nchecked 已核 {CHECKED}\n".encode())


if __name__ == "__main__":
    main()
