"""The budget's worker: it announces, takes the orders of applications, and keeps what the registry tells."""

from services.budget import policy
from services.budget.checkpoint.jobs import KEEP_CHECKPOINTS
from services.budget.known.consumers import HANDLERS as KNOWN
from services.budget.payee.jobs import SEAL_ANEW
from services.budget.payment.consumers import HANDLERS as PAYMENT
from services.budget.proposal.consumers import HANDLERS as PROPOSAL
from services.budget.settings import BudgetSettings
from services.budget.signing import signer_of
from services.budget.waiting.consumers import HANDLERS as WAITING
from shared import inbox, observability, process
from shared.city import City
from shared.inbox import Consumer
from shared.live import open_live

JOBS = (KEEP_CHECKPOINTS, SEAL_ANEW)


def consumer(_city: City) -> Consumer:
    return inbox.consumer("budget", topics=["registry.events", "applications.events"], handlers=[*KNOWN, *PROPOSAL, *WAITING, *PAYMENT])


def main() -> None:
    settings = BudgetSettings.model_validate({})
    policy.current()
    observability.set_up(settings)
    live = open_live(settings)
    # A worker that could not sign a checkpoint must not start.
    signer_of(live)
    process.work(live, consumer=consumer(live.city), jobs=JOBS)


if __name__ == "__main__":
    main()
