"""Runs the scenarios that an officer can read: given item, day, applicant and sum, then the answer."""

import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from services.applications import policy as policy_data
from services.applications.claim.rules import Claim
from services.applications.intake.rules import Filing, judge_filing
from services.applications.item.rules import Applicant, Park
from shared.errors import Refusal
from shared.money import FEN_PER_YUAN
from tests.fixtures.filings import OTHER_USCC, PERMIT, USCC

FOLDER = Path(__file__).parent / "support"
CATALOGUE = policy_data.load()


class ParkFacts(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    code: str
    recognised: str | None = None
    approved_on: date | None = None
    assessed: int | None = None
    result: str | None = None
    operated_by_another: bool = False

    def as_known(self) -> Park:
        return Park(
            operator_uscc=OTHER_USCC if self.operated_by_another else USCC,
            recognitions=((self.recognised, self.approved_on),) if self.recognised and self.approved_on else (),
            assessments=((self.assessed, self.result),) if self.assessed and self.result else (),
        )


class Scenario(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    says: str
    item: str
    applicant: str
    filed_on: date
    asks_yuan: str
    answer: str
    permit: bool = False
    project: str | None = None
    level: str | None = None
    year: int | None = None
    park: ParkFacts | None = None
    waits_for: list[str] = []

    def asks_fen(self) -> int:
        return int(Decimal(self.asks_yuan) * FEN_PER_YUAN)


def read(file: Path) -> list[tuple[str, Scenario]]:
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    assert document.keys() == {"clause", "case"}
    return [(document["clause"], Scenario.model_validate(case)) for case in document["case"]]


SCENARIOS = [each for file in sorted(FOLDER.glob("*.toml")) for each in read(file)]


def answer_to(scenario: Scenario) -> tuple[str, list[str]]:
    """Code of the refusal or "taken", and what acceptance then waits for."""
    claim = Claim(
        applicant_uscc=USCC,
        project_code=scenario.project,
        park_code=scenario.park.code if scenario.park else None,
        level=scenario.level,
        support_year=scenario.year,
    )
    filing = Filing(item_id=scenario.item, claim=claim, requested_fen=scenario.asks_fen(), filed_on=scenario.filed_on, received_on=scenario.filed_on)
    applicant = Applicant(kind=scenario.applicant, is_active=True, permits=(PERMIT,) if scenario.permit else ())
    try:
        judged = judge_filing(CATALOGUE, filing=filing, applicant=applicant, park=scenario.park.as_known() if scenario.park else None)
    except Refusal as refusal:
        return refusal.code, []
    return "taken", [each.value for each in judged.unverified]


@pytest.mark.parametrize("scenario", [each for _, each in SCENARIOS], ids=[f"{each.item} {each.says}" for _, each in SCENARIOS])
def test_scenario(scenario: Scenario) -> None:
    assert answer_to(scenario) == (scenario.answer, scenario.waits_for)


def test_every_scenario_of_an_item_stands_under_the_clause_of_the_item() -> None:
    clauses = {item.id: item.clause for policy in CATALOGUE.policies for item in policy.items}

    astray = [each.says for clause, each in SCENARIOS if not clause.endswith("附则") and clauses[each.item] != clause]

    assert astray == []


def test_every_item_has_a_scenario_that_is_taken() -> None:
    items = {item.id for policy in CATALOGUE.policies for item in policy.items}

    assert items <= {scenario.item for _, scenario in SCENARIOS if scenario.answer == "taken"}
