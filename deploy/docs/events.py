"""The contract of each event: `python -m deploy.docs.events` writes its JSON schema, and the golden sample of a type that is new."""

import json
import sys
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

from pydantic import BaseModel

from deploy.docs.pages import CONTRACT, write
from shared.events import HEADER_SEQ, Event, encode, envelope
from shared.events.catalogue import CATALOGUE

FOLDER = CONTRACT / "events"
SAMPLES = FOLDER / "samples"
VALUES: dict[str, Any] = tomllib.loads(Path(__file__).with_name("sample_values.toml").read_text(encoding="utf-8"))
SAMPLE_EVENT_ID = UUID("0198f2a4-6c00-7000-8000-0000000000ff")
SAMPLE_TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

# Words about a field that a reader of events does not act on.
ABOUT = frozenset({"title", "description", "examples", "default"})
WHAT_TO_DO = "Events that were sent stay on the topic for ever: leave {type} as it is and announce the new shape as a new major version beside it."


def schema_of(kind: type[Event]) -> dict[str, Any]:
    """The body as it is read; `x-topic` and `x-tombstone` say where it travels and whether it has a body at all."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:event:{kind.type}",
        "x-topic": kind.topic,
        "x-tombstone": kind.tombstone,
        **kind.model_json_schema(),
    }


def schemas() -> dict[Path, str]:
    return {FOLDER / f"{name}.json": rendered(schema_of(kind)) for name, kind in CATALOGUE.items()}


def rendered(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def incompatibilities(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Why `new` is no compatible successor of `old`; empty when nothing but optional fields was added."""
    found = [f"{name} changed from {old.get(name)} to {new.get(name)}" for name in ("x-topic", "x-tombstone") if old.get(name) != new.get(name)]
    return found + _differences(_inlined(old, root=old), _inlined(new, root=new), place="the body")


def _inlined(schema: Any, *, root: Mapping[str, Any]) -> Any:
    """The schema with the definition in place of each `$ref` of ours (#/$defs/Name), and without what only describes."""
    if isinstance(schema, list):
        return [_inlined(each, root=root) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        return _inlined(root["$defs"][schema["$ref"].rpartition("/")[2]], root=root)
    return {
        name: _fields_inlined(value, root=root) if name == "properties" else _inlined(value, root=root)
        for name, value in schema.items()
        if name not in ABOUT
    }


def _fields_inlined(fields: Mapping[str, Any], *, root: Mapping[str, Any]) -> dict[str, Any]:
    # A field may have the name of a keyword, as `title` or `description` of something announced.
    return {name: _inlined(field, root=root) for name, field in fields.items()}


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], *, place: str) -> list[str]:
    if "properties" in old and "properties" in new:
        return _field_differences(old, new, place=place)
    if isinstance(old.get("items"), Mapping) and isinstance(new.get("items"), Mapping):
        rest_is_same = _without(old, "items") == _without(new, "items")
        return _differences(old["items"], new["items"], place=f"each of {place}") if rest_is_same else [_retyped(place, old, new)]
    if len(old.get("anyOf", [])) == len(new.get("anyOf", [])) > 0:
        pairs = zip(old["anyOf"], new["anyOf"], strict=True)
        return [each for one, other in pairs for each in _differences(one, other, place=place)]
    return [] if old == new else [_retyped(place, old, new)]


def _field_differences(old: Mapping[str, Any], new: Mapping[str, Any], *, place: str) -> list[str]:
    found: list[str] = []
    must_before, must_now = set(old.get("required", [])), set(new.get("required", []))
    for name in sorted(old["properties"].keys() | new["properties"].keys()):
        here = f"{name} of {place}"
        if name not in new["properties"]:
            found.append(f"{here} was removed or renamed")
        elif name not in old["properties"]:
            found += [f"{here} was added and is required; only optional fields may be added"] if name in must_now else []
        else:
            found += [f"{here} became {'required' if name in must_now else 'optional'}"] if (name in must_before) != (name in must_now) else []
            found += _differences(old["properties"][name], new["properties"][name], place=here)
    return found


def _retyped(place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    was, now = (json.dumps(each, ensure_ascii=False, sort_keys=True) for each in (old, new))
    return f"{place} is of another type: it was {was} and would be {now}"


def _without(schema: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name != key}


def missing_samples() -> dict[Path, str]:
    """A sample is written once; from then on it is what was released."""
    paths = {SAMPLES / f"{name}.json": kind for name, kind in CATALOGUE.items()}
    return {path: rendered(sample_of(kind)) for path, kind in paths.items() if not path.exists()}


def sample_of(kind: type[Event]) -> dict[str, Any]:
    """A whole message: key, headers and body (absent for a tombstone)."""
    event = kind.model_validate(_values(kind))
    headers = envelope(event, event_id=str(SAMPLE_EVENT_ID), sent_at="2025-09-10T02:00:00.120000+00:00", traceparent=SAMPLE_TRACEPARENT)
    body = encode(event)
    return {"key": event.key(), "headers": {**headers, HEADER_SEQ: "3"}, "body": None if body is None else json.loads(body)}


def _values(model: type[BaseModel]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        inner = next(
            (each for each in (field.annotation, *get_args(field.annotation)) if isinstance(each, type) and issubclass(each, BaseModel)), None
        )
        if inner is not None:
            values[name] = [_values(inner)] if get_args(field.annotation) else _values(inner)
        else:
            assert name in VALUES, f"{model.__name__}.{name} has no value in deploy/docs/sample_values.toml"
            values[name] = VALUES[name] if not isinstance(VALUES[name], (date, datetime)) else VALUES[name].isoformat()
    return values


def broken_promises() -> list[str]:
    """What the code would change of events that were announced before."""
    found = []
    for path in sorted(FOLDER.glob("*.json")):
        name = path.stem
        why = incompatibilities(json.loads(path.read_text(encoding="utf-8")), schema_of(CATALOGUE[name])) if name in CATALOGUE else ["it is gone"]
        found += [f"{name}: {each}. {WHAT_TO_DO.format(type=name)}" for each in why]
    return found


if __name__ == "__main__":
    if found := broken_promises():
        sys.exit("\n".join(found))
    write({**schemas(), **missing_samples()})
