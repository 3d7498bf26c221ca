"""Events are promises: a released body only gains optional fields, every sample ever released decodes, none names a person or an account."""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from aiokafka.structs import ConsumerRecord
from pydantic import BaseModel

from deploy.docs.events import FOLDER, SAMPLES, broken_promises, incompatibilities, schema_of, schemas
from deploy.docs.pages import difference
from shared import inbox
from shared.events import Event, encode
from shared.events.applications import AwardsProposed, CorrectionAsked
from shared.events.catalogue import CATALOGUE
from shared.inbox import Handler, Received

COMMITTED = sorted(FOLDER.glob("*.json"))
RELEASED = sorted(SAMPLES.glob("*.json"))

# Words that name a person, how to reach one, or where money goes; a field of an event has none of them as a part of its name.
PERSONAL = frozenset({"contact", "mobile", "phone", "telephone", "email", "mail", "address", "person", "citizen", "legal", "officer", "birth"})
ACCOUNT = frozenset({"account", "payee", "bank", "iban", "card"})
# 联系人: the one topic that is compacted, so that a tombstone erases; read by notifications alone.
CONTACTS_TOPIC = "registry.contacts"
CONTACT_FIELDS = frozenset({"contact_name", "mobile"})


def fields_below(model: type[BaseModel]) -> Iterator[str]:
    """Names of all fields of a body, those of the models inside it too."""
    for definition in (schema := model.model_json_schema(), *schema.get("$defs", {}).values()):
        yield from definition.get("properties", {})


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


async def take_nothing(_tx: object, _event: Event) -> None:
    raise AssertionError("only decoding is tested")


def received(sample: dict[str, Any], *, kind: type[Event]) -> Received | inbox.Garbage:
    """What the inbox of a service makes of the sample as a record of Kafka."""
    headers = [(name, value.encode()) for name, value in sample["headers"].items()]
    body = None if sample["body"] is None else json.dumps(sample["body"]).encode()
    record = ConsumerRecord(kind.topic, 0, 7, 0, 0, sample["key"].encode(), body, None, 0, 0, headers)
    consumer = inbox.consumer("sample", topics=[kind.topic], handlers=[Handler(event=kind, kind="copy", handle=take_nothing)])
    return inbox.read(record, topic=kind.topic, consumer=consumer)


def test_no_released_event_changes_but_by_optional_fields() -> None:
    assert broken_promises() == []


def test_the_committed_schemas_are_those_of_the_code() -> None:
    told = [difference(path, text, command="deploy.docs.events") for path, text in schemas().items()]

    assert not any(told), "\n\n".join(each for each in told if each)
    assert {path.stem for path in COMMITTED} == CATALOGUE.keys()


def test_every_event_type_has_a_golden_sample() -> None:
    assert {path.stem for path in RELEASED} == CATALOGUE.keys(), "python -m deploy.docs.events writes the sample of a new type"


@pytest.mark.parametrize("path", RELEASED, ids=[path.stem for path in RELEASED])
def test_a_golden_sample_still_decodes_and_loses_nothing(path: Path) -> None:
    sample, kind = read(path), CATALOGUE[path.stem]

    taken = received(sample, kind=kind)

    assert isinstance(taken, Received), taken
    assert taken.event is not None
    assert (taken.type, taken.event.key()) == (path.stem, sample["key"])
    again = encode(taken.event)
    assert (None if again is None else json.loads(again)) == sample["body"]


@pytest.mark.parametrize("path", RELEASED, ids=[path.stem for path in RELEASED])
def test_a_golden_sample_is_what_the_committed_schema_describes(path: Path) -> None:
    sample = read(path)

    if sample["body"] is None:
        assert read(FOLDER / path.name)["x-tombstone"] is True
    else:
        jsonschema.validate(sample["body"], read(FOLDER / path.name))


def test_no_event_names_a_person_or_an_account() -> None:
    found = [
        f"{kind.type}: {name}"
        for kind in CATALOGUE.values()
        for name in fields_below(kind)
        if set(name.split("_")) & (PERSONAL | ACCOUNT) or "id_number" in name
        if not (kind.topic == CONTACTS_TOPIC and name in CONTACT_FIELDS)
    ]

    assert found == []


def test_people_are_named_on_the_erasable_topic_alone_and_only_by_what_is_needed() -> None:
    carrying = {kind.type: set(fields_below(kind)) for kind in CATALOGUE.values() if kind.topic == CONTACTS_TOPIC}

    assert carrying["registry.contact_recorded.v1"] - {"uscc", "happened_at", "happened_on"} == CONTACT_FIELDS
    assert [kind.type for kind in CATALOGUE.values() if kind.tombstone] == ["registry.contact_erased.v1"]


def drop_state(schema: dict[str, Any]) -> None:
    del schema["properties"]["state"]


def rename_state(schema: dict[str, Any]) -> None:
    schema["properties"]["condition"] = schema["properties"].pop("state")
    schema["required"] = ["condition" if name == "state" else name for name in schema["required"]]


def retype_version(schema: dict[str, Any]) -> None:
    schema["properties"]["case_version"]["type"] = "string"


def require_another(schema: dict[str, Any]) -> None:
    schema["properties"]["officer_count"] = {"type": "integer"}
    schema["required"].append("officer_count")


def let_state_be_absent(schema: dict[str, Any]) -> None:
    schema["required"].remove("state")


def retype_inside(schema: dict[str, Any]) -> None:
    schema["$defs"]["Due"]["properties"]["working_days"]["type"] = "string"


def retype_what_may_be_absent(schema: dict[str, Any]) -> None:
    schema["$defs"]["Due"]["properties"]["due_on"]["anyOf"][0]["format"] = "date-time"


def move_to_another_topic(schema: dict[str, Any]) -> None:
    schema["x-topic"] = "budget.events"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (drop_state, "state of the body was removed or renamed"),
        (rename_state, "state of the body was removed or renamed"),
        (retype_version, "case_version of the body is of another type"),
        (require_another, "officer_count of the body was added and is required"),
        (let_state_be_absent, "state of the body became optional"),
        (retype_inside, "working_days of due of the body is of another type"),
        (retype_what_may_be_absent, "due_on of due of the body is of another type"),
        (move_to_another_topic, "x-topic changed"),
    ],
)
def test_a_change_that_readers_could_not_follow_is_told(change: Callable[[dict[str, Any]], None], said: str) -> None:
    old = schema_of(CorrectionAsked)
    new = copy.deepcopy(old)
    change(new)

    assert any(said in each for each in incompatibilities(old, new)), incompatibilities(old, new)


def test_an_item_of_a_list_may_not_change_its_type_either() -> None:
    old = schema_of(AwardsProposed)
    new = copy.deepcopy(old)
    new["$defs"]["ProposedAward"]["properties"]["line_id"]["type"] = "integer"

    assert any("line_id of each of awards of the body is of another type" in each for each in incompatibilities(old, new))


def test_optional_fields_and_other_words_are_a_compatible_change() -> None:
    old = schema_of(CorrectionAsked)
    new = copy.deepcopy(old)
    new["description"] = "Said in other words."
    new["properties"]["note"] = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    new["$defs"]["Due"]["properties"]["note"] = {"type": "string", "default": ""}

    assert incompatibilities(old, new) == []
