"""Every event type by its name: what a consumer may decode."""

from shared.events import Event, applications, budget, registry

CATALOGUE: dict[str, type[Event]] = {event.type: event for event in (*registry.EVENTS, *applications.EVENTS, *budget.EVENTS)}
