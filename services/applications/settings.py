"""Settings of applications: those that every service has."""

from shared.settings import Settings


class ApplicationsSettings(Settings):
    service: str = "applications"
