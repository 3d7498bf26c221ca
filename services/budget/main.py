"""The budget's HTTP process."""

from fastapi import FastAPI

from services.budget import policy
from services.budget.allotment.api import router as allotments
from services.budget.appropriation.api import router as appropriations
from services.budget.approval.api import approval_desk
from services.budget.approval.api import router as approvals
from services.budget.bank.api import router as bank_confirmations
from services.budget.case_card.api import router as case_cards
from services.budget.checkpoint.api import router as checkpoints
from services.budget.clawback.api import router as clawbacks
from services.budget.close.api import router as year_closes
from services.budget.edge import seal_of
from services.budget.evidence.api import router as evidence
from services.budget.freeze.api import router as freezes
from services.budget.fund_card.api import router as fund_card
from services.budget.late_payment.api import router as late_payments
from services.budget.ledger.api import router as ledger
from services.budget.misuse.api import router as misuse_cases
from services.budget.payee.api import router as payee_accounts
from services.budget.payment.api import router as payment_orders
from services.budget.payment_request.api import router as payment_requests
from services.budget.performance.api import router as performance
from services.budget.proposal.api import router as reservations
from services.budget.quota.api import router as quota_documents
from services.budget.reconciliation.api import router as reconciliation
from services.budget.reversal.api import router as reversals
from services.budget.settings import BudgetSettings
from services.budget.transfer.api import router as transfers
from services.budget.trial_balance.api import router as trial_balance
from services.budget.waiting.api import router as waiting_list
from services.budget.writer import Writer
from shared import observability, process
from shared.auth import Authenticator, load_callers, load_roles
from shared.live import open_live
from shared.settings import Settings
from shared.web import create_app

# Looked through in this order for each call: of payments each is approved by a call of its own.
ROUTERS = (
    approvals,
    appropriations,
    waiting_list,
    reservations,
    payee_accounts,
    payment_orders,
    bank_confirmations,
    late_payments,
    quota_documents,
    payment_requests,
    performance,
    ledger,
    checkpoints,
    evidence,
    allotments,
    clawbacks,
    year_closes,
    freezes,
    misuse_cases,
    reversals,
    transfers,
    trial_balance,
    fund_card,
    case_cards,
    reconciliation,
)


def build(settings: Settings) -> FastAPI:
    policy.current()
    live = open_live(settings)
    # A process that could not seal an account number must not start.
    seal_of(live)
    roles = load_roles(policy.ROLES)
    scopes_here = frozenset[str]().union(*roles.values())
    app = create_app(
        live,
        authenticator=Authenticator(settings=settings, roles=roles, systems=load_callers(settings.callers_file, scopes_here=scopes_here)),
        routers=ROUTERS,
        title="Budget",
        summary="The earmarked fund: appropriations, the waiting list, payments and the books | 专项资金：批复、待安排名单、支付与账簿",
    )
    app.state.approval_desk = approval_desk(live)
    app.state.writer = Writer(database=live.database, catalogue=policy.current())
    return app


def main() -> None:
    settings = BudgetSettings.model_validate({})
    observability.set_up(settings)
    process.serve(build(settings), settings)


if __name__ == "__main__":
    main()
