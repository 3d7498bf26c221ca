"""Who plays in the story: 300 invented institutions with codes that pass every check, three parks, the officers, and the batch of 40 rows."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared import uscc
from shared.city import City

CAST_FILE = Path(__file__).with_name("cast.toml")
SCRIPT_FILE = Path(__file__).with_name("script.toml")
FILINGS_FILE = Path(__file__).with_name("filings.toml")

# Sixty two-character names in their traditional order: enough for one kind in one jurisdiction.
_STEMS = "甲乙丙丁戊己庚辛壬癸"
_BRANCHES = "子丑寅卯辰巳午未申酉戌亥"
_INNER_CHECKS = "0123456789X"
NEWCOMER = "newcomer"


@dataclass(frozen=True, kw_only=True)
class Institution:
    """One invented organisation; `row` is its line of the registry's import."""

    key: str
    uscc: str
    name: str
    jurisdiction_id: str
    row: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Officer:
    subject: str
    name: str
    roles: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FilingRow:
    """One row as the district's system sends it, and what the story expects of it."""

    sent: dict[str, Any]
    answer: str | None
    wrong_zh: str | None
    award_fen: int | None
    without_evidence: tuple[str, ...]

    @property
    def reference(self) -> str:
        return str(self.sent["row_reference"])


@dataclass(frozen=True, kw_only=True)
class Cast:
    district_id: str
    district_name: str
    institutions: tuple[Institution, ...]
    newcomer: Institution
    parks: tuple[dict[str, Any], ...]
    name_mark: str
    officers: dict[str, Officer]
    district_officers: dict[str, str]
    filings: tuple[FilingRow, ...]
    # Row references of those that something particular happens to.
    story: dict[str, str]
    # What a step rests on, and what actions and services are called: by the names that the acts use.
    clauses: dict[str, str]
    actions: dict[str, str]
    services: dict[str, str]
    appropriation: dict[str, Any]
    # Of the joint review.
    minutes_number: str

    @property
    def good(self) -> tuple[FilingRow, ...]:
        return tuple(row for row in self.filings if row.answer is None)

    def institution(self, key: str) -> Institution:
        """By kind and place in the filing district, for instance enterprise/3."""
        if key == NEWCOMER:
            return self.newcomer
        return next(each for each in self.institutions if each.key == f"{self.district_id}/{key}")

    def short_name(self, code: str) -> str:
        """Without the mark that every name here is invented."""
        return self.by_uscc(code).name.removesuffix(self.name_mark)

    def by_uscc(self, code: str) -> Institution:
        return next(each for each in (*self.institutions, self.newcomer) if each.uscc == code)


def load(city: City) -> Cast:
    told = tomllib.loads(CAST_FILE.read_text(encoding="utf-8"))
    script = tomllib.loads(SCRIPT_FILE.read_text(encoding="utf-8"))
    rows = tomllib.loads(FILINGS_FILE.read_text(encoding="utf-8"))["row"]
    institutions = tuple(_institutions(told, city=city))
    district = city.jurisdiction(told["filing_district"])
    newcomer = _institution(
        told, city=city, jurisdiction_id=district.id, kind=told["newcomer"]["kind"], word=told["newcomer"]["word"], number=len(institutions) + 1
    )
    by_key = {each.key: each for each in institutions} | {f"{district.id}/{NEWCOMER}": newcomer}
    return Cast(
        district_id=district.id,
        district_name=district.name_zh,
        institutions=institutions,
        newcomer=newcomer,
        parks=tuple(_park(park, by_key=by_key) for park in told["park"]),
        name_mark=told["name_mark"],
        officers={role: Officer(subject=o["subject"], name=o["name"], roles=tuple(o["roles"])) for role, o in told["officer"].items()},
        district_officers=told["district_officers"],
        filings=tuple(_filing(row, district_id=district.id, by_key=by_key) for row in rows),
        story=script["story"],
        clauses=script["clauses"],
        actions=script["actions"],
        services=script["services"],
        appropriation={**script["appropriation"], "approved_on": script["appropriation"]["approved_on"].isoformat()},
        minutes_number=script["joint_review"]["minutes_number"],
    )


def invented_uscc(*, prefix: str, region: str, number: int) -> str:
    """18 characters of which both checks hold: the organisation code inside (GB 11714) and the whole (GB 32100-2015)."""
    inner = f"MA{number:06d}"
    heads = (f"{prefix}{region}{inner}{check}" for check in _INNER_CHECKS)
    codes = (head + uscc.check_character(head) for head in heads)
    return next(code for code in codes if uscc.inner_check_holds(code))


def with_wrong_check_character(code: str) -> str:
    return code[:-1] + ("1" if code[-1] == "0" else "0")


def in_full_width_lower_case(code: str) -> str:
    """As some keyboards write it: digits in full width, letters small."""
    return "".join(chr(ord(char) + 0xFEE0) if char.isdigit() else char.lower() for char in code)


def _institutions(told: dict[str, Any], *, city: City) -> Iterator[Institution]:
    number = 0
    for place in told["jurisdiction"]:
        for kind, count in ((name, count) for name, count in place.items() if name != "id"):
            for nth in range(1, count + 1):
                number += 1
                word = _STEMS[(nth - 1) % len(_STEMS)] + _BRANCHES[(nth - 1) % len(_BRANCHES)]
                yield _institution(told, city=city, jurisdiction_id=place["id"], kind=kind, word=word, number=number, nth=nth)


def _institution(told: dict[str, Any], *, city: City, jurisdiction_id: str, kind: str, word: str, number: int, nth: int | None = None) -> Institution:
    district, of_kind = city.jurisdiction(jurisdiction_id), told["kind"][kind]
    short = district.short_name_zh or district.name_zh
    region = told["invented_region"] + (district.code or district.statistics_code or "")[-4:]
    code = invented_uscc(prefix=of_kind["prefix"], region=region, number=number)
    name = of_kind["name"].format(district=short, word=word) + told["name_mark"]
    row = {
        "uscc": code,
        "kind": kind,
        "name": name,
        "jurisdiction_id": district.id,
        "contact": {"contact_name": f"联系人{number}", "mobile": f"1990000{number:04d}"},
    }
    if of_kind["basis"]:
        row["institution"] = _basis(told, basis=of_kind["basis"][number % len(of_kind["basis"])], number=number, district=short)
    key = f"{district.id}/{NEWCOMER}" if nth is None else f"{district.id}/{kind}/{nth}"
    return Institution(key=key, uscc=code, name=name, jurisdiction_id=district.id, row=row)


def _basis(told: dict[str, Any], *, basis: str, number: int, district: str) -> dict[str, Any]:
    fact = {
        "basis": basis,
        "number": told[f"{basis}_number"].format(number=number, district=district),
        "scope": told["scope"][basis],
        "first_day": told[f"{basis}_first_day"].isoformat(),
    }
    return fact | ({"last_day": told["permit_last_day"].isoformat()} if basis == "permit" else {})


def _park(park: dict[str, Any], *, by_key: dict[str, Institution]) -> dict[str, Any]:
    recognitions = [{**each, "approved_on": each["approved_on"].isoformat()} for each in park["recognitions"]]
    operator = by_key[f"{park['jurisdiction_id']}/{park['operator']}"]
    rest = {name: park[name] for name in ("code", "name", "jurisdiction_id", "assessments")}
    return {**rest, "operator_uscc": operator.uscc, "recognitions": recognitions}


_TYPED = {"wrong_check_character": with_wrong_check_character, "full_width_lower_case": in_full_width_lower_case}


def _filing(row: dict[str, Any], *, district_id: str, by_key: dict[str, Institution]) -> FilingRow:
    jurisdiction_id = row.get("jurisdiction_id", district_id)
    applicant = by_key[f"{jurisdiction_id}/{row['applicant']}"].uscc
    of_story = ("applicant", "typed", "answer", "wrong_zh", "award_fen", "without_evidence")
    sent = {name: value for name, value in row.items() if name not in of_story}
    sent |= {"applicant_uscc": _TYPED[row["typed"]](applicant) if "typed" in row else applicant, "jurisdiction_id": jurisdiction_id}
    if "filed_on" in row:
        sent["filed_on"] = row["filed_on"].isoformat()
    return FilingRow(
        sent=sent,
        answer=row.get("answer"),
        wrong_zh=row.get("wrong_zh"),
        award_fen=row.get("award_fen"),
        without_evidence=tuple(row.get("without_evidence", ())),
    )
