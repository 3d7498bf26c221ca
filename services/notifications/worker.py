"""The worker of notifications: hears the registry and applications, and pushes case records to the portal."""

from collections.abc import Sequence

import structlog

from services.notifications import policy
from services.notifications.case import consumers as case_consumers
from services.notifications.contact import consumers as contact_consumers
from services.notifications.organisation import consumers as organisation_consumers
from services.notifications.policy import Policy
from services.notifications.portal.clients import open_portal
from services.notifications.portal.jobs import push_job
from services.notifications.settings import NotificationsSettings
from shared import inbox, observability
from shared.city import City
from shared.inbox import Consumer
from shared.jobs import Job
from shared.live import open_live
from shared.process import work

log = structlog.get_logger()


def consumer(city: City) -> Consumer:
    return hearing(policy.load(city), city=city)


def hearing(told: Policy, *, city: City) -> Consumer:
    return inbox.consumer(
        "notifications",
        topics=["applications.events", "registry.events", "registry.contacts"],
        handlers=[*case_consumers.handlers(told, city=city), *organisation_consumers.HANDLERS, *contact_consumers.HANDLERS],
        compacted_topics=["registry.contacts"],
    )


def jobs(settings: NotificationsSettings, *, told: Policy) -> Sequence[Job]:
    portal = open_portal(settings)
    if portal is None:
        log.info("portal_push_rests", reason="PORTAL_URL is not set; records are kept until it is")
        return []
    return [push_job(portal, paths=told.interface.paths)]


if __name__ == "__main__":
    process_settings = NotificationsSettings()  # type: ignore[call-arg]  # the rest comes from the environment
    observability.set_up(process_settings)
    live = open_live(process_settings)
    work(live, consumer=consumer(live.city), jobs=jobs(process_settings, told=policy.load(live.city)))
