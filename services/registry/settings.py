"""Settings of the registry: those that every service has."""

from shared.settings import Settings


class RegistrySettings(Settings):
    service: str = "registry"
