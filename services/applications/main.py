"""The HTTP process of applications."""

import asyncio
from pathlib import Path

from fastapi import FastAPI

from services.applications.application.api import applications
from services.applications.intake.api import filing_desk, intake
from services.applications.item.api import items
from services.applications.notice.api import notices
from services.applications.objection.api import objections
from services.applications.policy import in_use
from services.applications.review.api import reviews
from services.applications.settings import ApplicationsSettings
from shared import observability
from shared.auth import Authenticator, load_callers, load_roles
from shared.live import open_live
from shared.process import serve
from shared.web import create_app

ROLES = Path(__file__).parent / "policy" / "roles.toml"
# Scopes that systems may be given here besides those of staff.
SYSTEM_SCOPES = frozenset({"applications:file"})


def build(settings: ApplicationsSettings) -> FastAPI:
    in_use.catalogue()
    # A process that could not mark a number must not start.
    settings.marking_secret()
    roles = load_roles(ROLES)
    scopes = SYSTEM_SCOPES.union(*roles.values())
    authenticator = Authenticator(settings=settings, roles=roles, systems=load_callers(settings.callers_file, scopes_here=scopes))
    live = open_live(settings)
    app = create_app(
        live,
        authenticator=authenticator,
        routers=[items, intake, applications, reviews, notices, objections],
        title="applications",
        summary="Support items, applications, reviews, public notices and awards | 扶持项目、申报、审核、公示与确认",
    )
    app.state.filing_desk = filing_desk(live)
    return app


def main() -> None:
    settings = ApplicationsSettings()  # type: ignore[call-arg]  # the rest comes from the environment
    observability.set_up(settings)
    asyncio.run(in_use.check_versions(settings))
    serve(build(settings), settings)


if __name__ == "__main__":
    main()
