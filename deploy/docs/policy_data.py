"""The policy data of all services as entries, whatever their shape: a table that cites its source, with its days and values."""

import functools
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from deploy.local.folders import ROOT

SERVICES = ROOT / "services"
# Data that decides nothing by law: what a role's scopes open is compared with the routes; what a step makes for the portal
# follows the interface, whose source stands in interface.toml.
NOT_LAW = frozenset({"roles.toml", "portal/steps.toml"})
# What an entry is called by, the first that it has.
NAMES = ("id", "event", "jurisdiction_id", "kind")
# Told in columns of their own; everything else is a value.
ABOUT = frozenset({*NAMES, "title_zh", "title_en", "short_name_zh", "name_zh", "first_day", "last_day", "source", "assumed", "why"})


@dataclass(frozen=True)
class Assumption:
    """A value that no text of law decides, at its place in the entry ("" for the entry itself)."""

    place: str
    values: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class Entry:
    """One rule of law or of ours. `file` is from the service's policy folder; `table` is empty when the file is the entry.

    `has_own_id` is false where the name is that of the table, of the policy or of a jurisdiction: other things are called so too.
    """

    service: str
    file: str
    table: str
    name: str
    has_own_id: bool
    title: str
    first_day: date | None
    last_day: date | None
    source: str
    values: tuple[str, ...]
    assumptions: tuple[Assumption, ...]

    @property
    def path(self) -> str:
        return f"services/{self.service}/policy/{self.file}"

    @property
    def address(self) -> str:
        return f"{self.path}#{self.name}"

    @property
    def clause(self) -> str:
        """The citation without the words that it quotes."""
        return self.source.partition(": ")[0]


def policy_files() -> list[Path]:
    return [path for path in sorted(SERVICES.glob("*/policy/**/*.toml")) if not any(path.match(f"policy/{name}") for name in NOT_LAW)]


@functools.cache
def entries() -> tuple[Entry, ...]:
    return tuple(entry for path in policy_files() for entry in _entries_of(path))


def sourceless() -> list[str]:
    """Tables of rules that cite nothing, by file and name."""
    return [
        f"{path.relative_to(ROOT)}: {table or 'the file'} {_name(rule, path)}"
        for path in policy_files()
        for table, rule in _rules_of(path)
        if not rule.get("source")
    ]


def _rules_of(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """A file with a source is one rule; otherwise each of its tables is. Tables of a rule with a source of their own are rules too."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    if "source" in document:
        yield "", document
    for table, value in document.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Mapping) and ("source" not in document or "source" in each):
                yield table, each


def _entries_of(path: Path) -> Iterator[Entry]:
    service, _, *rest = path.relative_to(SERVICES).parts
    for table, rule in _rules_of(path):
        inner = {key: value for key, value in rule.items() if not (isinstance(value, Mapping) and "source" in value)}
        name = _name(rule, path if not table else Path(table))
        yield Entry(
            service=service,
            file="/".join(rest),
            table=table,
            name=name,
            has_own_id=name not in {table, path.parent.name, path.stem, rule.get("jurisdiction_id")},
            title=str(rule.get("title_zh") or rule.get("name_zh") or ""),
            first_day=rule.get("first_day"),
            last_day=rule.get("last_day"),
            source=str(rule.get("source", "")),
            values=tuple(_values(inner, place="")),
            assumptions=tuple(_assumptions(inner, place="")),
        )


def _name(rule: Mapping[str, Any], path: Path) -> str:
    return next((str(rule[name]) for name in NAMES if name in rule), path.stem)


def _values(rule: Mapping[str, Any], *, place: str) -> Iterator[str]:
    for key, value in rule.items():
        if isinstance(value, Mapping):
            yield from _values(value, place=f"{place}{key}.")
        elif (place or key not in ABOUT) and key not in {"assumed", "why"}:
            yield f"{place}{key} = {said(value)}"


def _assumptions(rule: Mapping[str, Any], *, place: str) -> Iterator[Assumption]:
    if rule.get("assumed") is True:
        own = {key: value for key, value in rule.items() if not isinstance(value, Mapping)}
        yield Assumption(place=place.rstrip("."), values=tuple(_values(own, place=place)), why=str(rule.get("why", "")))
    for key, value in rule.items():
        if isinstance(value, Mapping):
            yield from _assumptions(value, place=f"{place}{key}.")


def said(value: Any) -> str:
    """A value as an officer reads it: amounts with their separators, lists in brackets."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:_}" if value >= 10_000 else str(value)
    if isinstance(value, list):
        return f"[{', '.join(said(each) for each in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key} = {said(each)}' for key, each in value.items())}}}"
    return str(value)
