"""The HTTP process of notifications."""

from fastapi import FastAPI

from services.notifications import policy
from services.notifications.message import api as message_api
from services.notifications.portal import api as portal_api
from services.notifications.settings import NotificationsSettings
from shared import observability
from shared.auth import Authenticator, load_callers, load_roles
from shared.live import open_live
from shared.process import serve
from shared.web import create_app

SCOPES = frozenset({"messages:read", "messages:mark", "portal-records:read"})


def build(settings: NotificationsSettings) -> FastAPI:
    return create_app(
        open_live(settings),
        authenticator=Authenticator(
            settings=settings, roles=load_roles(policy.ROLES_FILE), systems=load_callers(settings.callers_file, scopes_here=SCOPES)
        ),
        routers=[message_api.router, portal_api.router],
        title="Notifications",
        summary="Messages to organisations and case records for the provincial portal | 消息与办件上报",
    )


if __name__ == "__main__":
    process_settings = NotificationsSettings()  # type: ignore[call-arg]  # the rest comes from the environment
    observability.set_up(process_settings)
    serve(build(process_settings), process_settings)
