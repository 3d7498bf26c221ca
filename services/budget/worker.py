"""The budget's worker: it announces, and takes the orders of applications."""

from services.budget import policy
from services.budget.payment.consumers import HANDLERS as PAYMENT
from services.budget.settings import BudgetSettings
from services.budget.waiting.consumers import HANDLERS as WAITING
from shared import inbox, observability, process
from shared.city import City
from shared.inbox import Consumer
from shared.live import open_live


def consumer(_city: City) -> Consumer:
    return inbox.consumer("budget", topics=["applications.events"], handlers=[*WAITING, *PAYMENT])


def main() -> None:
    settings = BudgetSettings.model_validate({})
    policy.current()
    observability.set_up(settings)
    live = open_live(settings)
    process.work(live, consumer=consumer(live.city))


if __name__ == "__main__":
    main()
