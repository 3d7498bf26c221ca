"""Law, rule and test side by side: `python -m deploy.docs.policy` writes tests/contract/policy_table.md and assumptions.md."""

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from deploy.docs.pages import CONTRACT, write
from deploy.docs.policy_data import Assumption, Entry, entries
from deploy.docs.proofs import Proved, named_by_hand, proofs, proved

TABLE = CONTRACT / "policy_table.md"
ASSUMPTIONS = CONTRACT / "assumptions.md"
VALUE_CHARACTERS_MAX = 120
NUMERALS = {"一": "1", "二": "2", "三": "3", "四": "4", "五": "5", "六": "6", "七": "7", "八": "8", "九": "9", "十": "10"}

TABLE_HEAD = """# Clause, rule, test

Made from the policy data and the tests by `python -m deploy.docs.policy`; do not edit. Money is in fen.
A test is named beside a rule when its docstring names the rule's file, or when `proofs.toml` says that it reaches the rule; a file of scenarios
when it files for the item; a file of tests without a name when tests in it say the rule's id.
What is set without a text of law is listed in [assumptions.md](assumptions.md).
"""
ASSUMPTIONS_HEAD = """# What the law leaves open

Every value that no text of law decides, with the ground on which it was set. Made from the policy data by `python -m deploy.docs.policy`;
do not edit. Once the city decides, a new version of the entry quotes the decision, and the line leaves this list.
"""


def pages() -> dict[Path, str]:
    return {TABLE: policy_table(), ASSUMPTIONS: assumptions()}


def unproved() -> list[str]:
    among, by_hand = proofs(), named_by_hand()
    return [entry.address for entry in entries() if not proved(entry, among=among, by_hand=by_hand).files()]


def policy_table() -> str:
    among, by_hand = proofs(), named_by_hand()
    documents: dict[str, list[str]] = defaultdict(list)
    for entry in sorted(entries(), key=_place):
        document, place = _split(entry.clause)
        tests = _tests(proved(entry, among=among, by_hand=by_hand))
        documents[document].append(row(place, _rule(entry), _days(entry.first_day, entry.last_day), _said(entry.values), tests))
    head = row("Clause", "Rule", "In force", "Says", "Proved by") + row(*["---"] * 5)
    most_cited_first = sorted(documents.items(), key=lambda each: (-len(each[1]), each[0]))
    return TABLE_HEAD + "".join(f"\n## {document}\n\n{head}{''.join(rows)}" for document, rows in most_cited_first)


def assumptions() -> str:
    services: dict[str, list[str]] = defaultdict(list)
    for entry in sorted(entries(), key=lambda each: (each.service, each.file, _place(each))):
        for each in entry.assumptions:
            services[entry.service].append(row(_rule(entry), entry.clause, _assumed(each), each.why))
    count = sum(len(rows) for rows in services.values())
    head = row("Rule", "Nearest text", "Set to", "Why") + row(*["---"] * 4)
    return f"{ASSUMPTIONS_HEAD}\n{count} assumptions.\n" + "".join(f"\n## {service}\n\n{head}{''.join(rows)}" for service, rows in services.items())


def row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"


def _split(clause: str) -> tuple[str, str]:
    """The document and the place in it, for instance 威人社发〔2023〕15号 and 二(一)2."""
    document, _, place = clause.partition(" ")
    return (document, place) if document != "GB" and re.match(r"[\d一二三四五六七八九十附印]", place) else (clause, "")


def _place(entry: Entry) -> tuple[str, list[tuple[int, str]], str, str, str]:
    """Clauses in the order of the text: numerals as numbers, and 附则 and 印发通知 at the end."""
    document, place = _split(entry.clause)
    arabic = "".join(NUMERALS.get(character, character) for character in place)
    parts = [(int(part), "") if part.isdigit() else (10**6, part) for part in re.findall(r"\d+|[^\d\W]+", arabic)]
    return document, parts, entry.service, entry.file, entry.name


def _rule(entry: Entry) -> str:
    name = "" if entry.name == Path(entry.file).stem else f" `{entry.name}`"
    title = f"<br>{entry.title}" if entry.title else ""
    return f"{entry.service} {entry.file}{name}{title}"


def _days(first_day: date | None, last_day: date | None) -> str:
    return f"{first_day or '…'} to {last_day or '…'}" if first_day or last_day else ""


def _said(values: Iterable[str]) -> str:
    return "<br>".join(value if len(value) <= VALUE_CHARACTERS_MAX else f"{value[:VALUE_CHARACTERS_MAX]}…" for value in values)


def _assumed(assumption: Assumption) -> str:
    return _said(assumption.values) or assumption.place or "the reading itself"


def _tests(found: Proved) -> str:
    files = dict.fromkeys(sorted({*found.said_in, *(name.partition("::")[0] for name in found.by)}))
    named = {file: sorted(name.partition("::")[2] for name in found.by if name.startswith(f"{file}::")) for file in files}
    return (
        "<br>".join(f"[{Path(file).name}]({_link(file)}){': ' + ', '.join(tests) if tests else ''}" for file, tests in named.items()) or "**no test**"
    )


def _link(file: str) -> str:
    return f"../{file.removeprefix('tests/')}"


if __name__ == "__main__":
    write(pages())
