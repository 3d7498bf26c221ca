"""Synthetic awards for the budget's unit tests."""

import uuid
from uuid import UUID

from services.budget.ledger.rules import CaseMoney
from services.budget.waiting.rules import Award


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
