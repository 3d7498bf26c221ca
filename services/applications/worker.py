"""The worker of applications: relay, consumer of the registry and the budget, and what is due."""

import asyncio

from services.applications.deadline.jobs import COMPUTE_OPEN_DEADLINES, LAPSE_UNCORRECTED
from services.applications.funding.consumers import HANDLERS as FUNDING
from services.applications.funding.consumers import lock_answered
from services.applications.known.consumers import HANDLERS as KNOWN
from services.applications.notice.jobs import CLOSE_NOTICES
from services.applications.policy import in_use
from services.applications.settings import ApplicationsSettings
from shared import inbox, observability
from shared.city import City
from shared.inbox import Consumer
from shared.live import open_live
from shared.process import work

JOBS = (CLOSE_NOTICES, LAPSE_UNCORRECTED, COMPUTE_OPEN_DEADLINES)


def consumer(_city: City) -> Consumer:
    return inbox.consumer("applications", topics=["registry.events", "budget.events"], handlers=[*KNOWN, *FUNDING], prepare=lock_answered)


def main() -> None:
    settings = ApplicationsSettings()  # type: ignore[call-arg]  # the rest comes from the environment
    observability.set_up(settings)
    asyncio.run(in_use.check_versions(settings))
    live = open_live(settings)
    work(live, consumer=consumer(live.city), jobs=JOBS)


if __name__ == "__main__":
    main()
