"""The steps of a case that there are, and what of each may be shown to people."""

import string
import types
from collections.abc import Collection
from datetime import date
from typing import Union, get_args, get_origin

from shared.events.applications import EVENTS, CaseEvent, Due

CASE_EVENTS: dict[str, type[CaseEvent]] = {event.type: event for event in EVENTS if issubclass(event, CaseEvent)}

# What the local copy of a case and the city's own data add to each event.
CASE_FIELDS = frozenset({"item_title_zh", "item_short_name_zh", "bureau_zh"})


def shown_fields(kind: type[CaseEvent]) -> frozenset[str]:
    """Names that a text about this step may use: texts, days, sums (`…_fen`) and terms that are always there."""
    own = {name for name, field in kind.model_fields.items() if _is_shown(name, field.annotation)}
    return frozenset(own | CASE_FIELDS)


def _is_shown(name: str, annotation: object) -> bool:
    if get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation):
        return False
    return annotation in (str, date, Due) or (annotation is int and name.endswith("_fen"))


def check_text(text: str, *, known: Collection[str], where: str) -> None:
    """Every placeholder is a plain {name} that is known here."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as wrong:
        raise ValueError(f"{where}: {wrong}") from wrong
    for _, name, spec, conversion in parts:
        if name is None:
            continue
        if spec or conversion or not name.isidentifier():
            raise ValueError(f"{where}: write {{name}} and nothing else, not {{{name}}}")
        if name not in known:
            raise ValueError(f"{where}: {{{name}}} is not known; there are {sorted(known)}")


def check_every_step(told: Collection[str], silent: Collection[str], *, what: str) -> None:
    """Each step is either told or listed as silent, never both and never forgotten."""
    if strangers := sorted({*told, *silent} - CASE_EVENTS.keys()):
        raise ValueError(f"{what}: {strangers[0]} is no step of a case")
    if both := sorted(set(told) & set(silent)):
        raise ValueError(f"{what}: {both[0]} is told and silent")
    if forgotten := sorted(CASE_EVENTS.keys() - {*told, *silent}):
        raise ValueError(f"{what}: {forgotten[0]} is neither told nor listed as silent")
