"""What a pack of evidence says: the rules as the verifier takes them, and the looks at the books that a person should take."""

import json
from collections.abc import Sequence

from services.budget.entry.rules import Entry, exported
from services.budget.policy.catalogue import Catalogue

COLUMNS = (*Entry._fields, "chain")


def line_of(entry: Entry, *, chain: bytes) -> str:
    """One row of the exported journal: an array, in which no name can stand twice."""
    return _line((*exported(entry).values(), chain.hex()))


def _line(values: Sequence[object]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")) + "\n"


# The first line of an exported journal.
HEADER = _line(COLUMNS)


def policy_of(catalogue: Catalogue) -> dict[str, dict[str, int]]:
    """The most that one award may be, by the rule that each row names, and the most that may be appropriated in each year."""
    caps_fen = {fund.version_of(line): line.cap_fen for fund in catalogue.funds for line in fund.lines}
    ceilings_fen = {str(year): fund.yearly_ceiling_fen for fund in catalogue.funds for year in range(fund.first_year, fund.last_year + 1)}
    return {"caps_fen": caps_fen, "yearly_ceilings_fen": ceilings_fen}
