"""The budget's worker: it announces, and takes the orders of applications."""

from services.budget import policy
from services.budget.payment.consumers import HANDLERS as PAYMENT
from services.budget.settings import BudgetSettings
from services.budget.waiting.consumers import HANDLERS as WAITING
from shared import inbox, observability, process
from shared.live import open_live

CONSUMER = inbox.consumer("budget", topics=["applications.events"], handlers=[*WAITING, *PAYMENT])


def main() -> None:
    settings = BudgetSettings.model_validate({})
    policy.current()
    observability.set_up(settings)
    process.work(open_live(settings), consumer=CONSUMER)


if __name__ == "__main__":
    main()
