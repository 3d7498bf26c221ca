"""The budget's HTTP process."""

from fastapi import FastAPI

from services.budget import policy
from services.budget.appropriation.api import router as appropriations
from services.budget.bank.api import router as bank_confirmations
from services.budget.edge import seal_of
from services.budget.ledger.api import router as ledger
from services.budget.payee.api import router as payee_accounts
from services.budget.payment.api import router as payment_orders
from services.budget.settings import BudgetSettings
from services.budget.waiting.api import router as waiting_list
from shared import observability, process
from shared.auth import Authenticator, load_callers, load_roles
from shared.live import open_live
from shared.settings import Settings
from shared.web import create_app

ROUTERS = (appropriations, waiting_list, payee_accounts, payment_orders, bank_confirmations, ledger)


def build(settings: Settings) -> FastAPI:
    policy.current()
    live = open_live(settings)
    # A process that could not seal an account number must not start.
    seal_of(live)
    roles = load_roles(policy.ROLES)
    scopes_here = frozenset[str]().union(*roles.values())
    return create_app(
        live,
        authenticator=Authenticator(settings=settings, roles=roles, systems=load_callers(settings.callers_file, scopes_here=scopes_here)),
        routers=ROUTERS,
        title="Budget",
        summary="The earmarked fund: appropriations, the waiting list, payments and the books | 专项资金：批复、待安排名单、支付与账簿",
    )


def main() -> None:
    settings = BudgetSettings.model_validate({})
    observability.set_up(settings)
    process.serve(build(settings), settings)


if __name__ == "__main__":
    main()
