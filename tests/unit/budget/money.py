"""Synthetic awards for the budget's unit tests."""

import uuid
from datetime import date
from uuid import UUID

from services.budget import policy
from services.budget.ledger.rules import CaseMoney, Part, available_account
from services.budget.policy.catalogue import Fund, WaitingRule
from services.budget.proposal.rules import Award
from services.budget.waiting.rules import Purse

DAY = date(2025, 9, 15)


def money(amount_fen: int) -> CaseMoney:
    return CaseMoney(
        application_id=uuid.uuid4(),
        proposal_id=uuid.uuid4(),
        case_number="C-1",
        applicant_uscc="91990000MA0000015Q",
        fiscal_year=2025,
        line_id="2023-15/2",
        jurisdiction_id="north",
        amount_fen=amount_fen,
        policy_version="2023-15/lines/2@2023-06-12",
        funding_source="city_hr_industry_fund",
        expenditure_category="reward",
    )


def award(amount_fen: int = 1, *, line_id: str = "2023-15/2", application_id: UUID | None = None) -> Award:
    return Award(
        application_id=application_id or uuid.uuid4(),
        case_number="C-1",
        applicant_uscc="91990000MA0000015Q",
        line_id=line_id,
        jurisdiction_id="north",
        amount_fen=amount_fen,
    )


def fund_with(rule: WaitingRule) -> Fund:
    (fund,) = policy.current().funds
    return fund.model_copy(update={"waiting": fund.waiting.model_copy(update={"waiting_rule": rule})})


def purse(free_fen: int, *, rule: WaitingRule = WaitingRule.FIRST_THAT_FITS, fiscal_year: int = 2025) -> Purse:
    """All of it free for the whole fund."""
    return Purse(fund=fund_with(rule), pools=[Part(pool=available_account(fiscal_year), amount_fen=free_fen)])
