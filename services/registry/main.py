"""The registry's HTTP process."""

from fastapi import FastAPI

from services.registry import policy
from services.registry.contact.api import router as contacts
from services.registry.institution.api import permits
from services.registry.institution.api import router as institutions
from services.registry.organisation.api import router as organisations
from services.registry.park.api import router as parks
from services.registry.roster.api import router as rosters
from services.registry.settings import RegistrySettings
from shared import observability, process
from shared.auth import Authenticator, load_callers, load_roles
from shared.live import open_live
from shared.settings import Settings
from shared.web import create_app

ROUTERS = (organisations, rosters, contacts, institutions, permits, parks)


def build(settings: Settings) -> FastAPI:
    policy.current()
    roles = load_roles(policy.ROLES)
    scopes_here = frozenset[str]().union(*roles.values())
    return create_app(
        open_live(settings),
        authenticator=Authenticator(settings=settings, roles=roles, systems=load_callers(settings.callers_file, scopes_here=scopes_here)),
        routers=ROUTERS,
        title="Registry",
        summary="Organisations, their permits and filings, and parks | 组织、人力资源服务许可与备案、产业园",
    )


def main() -> None:
    settings = RegistrySettings.model_validate({})
    observability.set_up(settings)
    process.serve(build(settings), settings)


if __name__ == "__main__":
    main()
