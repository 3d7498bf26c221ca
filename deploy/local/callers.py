"""The systems that may call a local run: one of each district, the portal and the bank, with keys of their own."""

import json
import secrets
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from deploy.local.folders import write_private

# What each kind of system may do, as data.
SCOPES = Path(__file__).with_name("callers.toml")
EVERYWHERE = ["*"]


def callers_in(folder: Path, *, city_file: Path) -> dict[str, dict[str, Any]]:
    """The profile's callers by id, written to its callers.json; keys are made once, scopes are always those of callers.toml."""
    path = folder / "callers.json"
    known = {entry["id"]: entry for entry in json.loads(path.read_text(encoding="utf-8"))} if path.exists() else {}
    callers = {entry["id"]: {**keys_of(known.get(entry["id"])), **entry} for entry in systems(city_file)}
    write_private(path, json.dumps(list(callers.values()), ensure_ascii=False, indent=2))
    return callers


def systems(city_file: Path) -> Iterator[dict[str, Any]]:
    scopes: dict[str, list[str]] = tomllib.loads(SCOPES.read_text(encoding="utf-8"))["scopes"]
    for jurisdiction in tomllib.loads(city_file.read_text(encoding="utf-8"))["jurisdiction"]:
        if jurisdiction["kind"] != "city":
            yield {"id": f"district-{jurisdiction['id']}", "kind": "district", "jurisdictions": [jurisdiction["id"]], "scopes": scopes["district"]}
    for kind in ("portal", "bank"):
        yield {"id": kind, "kind": kind, "jurisdictions": EVERYWHERE, "scopes": scopes[kind]}


def keys_of(known: Mapping[str, Any] | None) -> dict[str, Any]:
    if known is not None:
        return {"app_key": known["app_key"], "secrets": known["secrets"]}
    return {"app_key": secrets.token_hex(12), "secrets": [secrets.token_urlsafe(32)]}
