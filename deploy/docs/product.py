"""The product as its code builds it, without a database or a broker: what the generated pages are made from."""

import functools
import importlib
from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from deploy.local.folders import ROOT
from deploy.postgres.roles import SERVICES
from shared import city
from shared.inbox import Consumer
from shared.settings import Profile, Settings

CITY_FILE = ROOT / "deploy" / "city.toml"
# Nothing is opened while a page is made; these addresses only have to be well formed.
NO_DATABASE = "postgresql+asyncpg://nobody:nothing@127.0.0.1:9/none"
NO_KAFKA = "127.0.0.1:9"


def settings_class(service: str) -> type[Settings]:
    settings: type[Settings] = getattr(importlib.import_module(f"services.{service}.settings"), f"{service.title()}Settings")
    return settings


@functools.cache
def app_of(service: str) -> FastAPI:
    settings = settings_class(service).model_validate(
        {"profile": Profile.TEST, "database_url": NO_DATABASE, "kafka_bootstrap": NO_KAFKA, "city_file": CITY_FILE}
    )
    app: FastAPI = importlib.import_module(f"services.{service}.main").build(settings)
    return app


def routes_of(service: str) -> Iterator[APIRoute]:
    for context in iter_route_contexts(app_of(service).routes):
        if isinstance(context.original_route, APIRoute):
            yield context.original_route


def consumers() -> dict[str, Consumer]:
    """By service; a service that listens to nobody is absent."""
    found: dict[str, Consumer] = {}
    for service in SERVICES:
        worker = importlib.import_module(f"services.{service}.worker")
        if hasattr(worker, "consumer"):
            found[service] = worker.consumer(city.load(CITY_FILE))
    return found
