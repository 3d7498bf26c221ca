"""The example of each request is one that the service itself would read, and its description says what every part is."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from pydantic import TypeAdapter

from deploy.docs.product import app_of
from deploy.postgres.roles import SERVICES
from tests.contract.operations import Operation, examples_of, operations

WITH_BODY = [operation for operation in operations() if "requestBody" in operation.told]
# A schema that has none of these lets anything through.
SAYS_WHAT_IT_IS = frozenset({"type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"})


def schema_of_body(operation: Operation) -> dict[str, Any]:
    """Self-contained: the components of the service's description beside it, where its references lead."""
    schema = operation.told["requestBody"]["content"]["application/json"]["schema"]
    return {**schema, "components": app_of(operation.service).openapi()["components"]}


@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
def test_an_example_is_read_by_the_model_of_its_route(operation: Operation) -> None:
    (body,) = operation.route().dependant.body_params
    model: TypeAdapter[Any] = TypeAdapter(body.field_info.annotation)

    read = [model.validate_json(json.dumps(example)) for example in examples_of(operation)]

    assert read


@pytest.mark.parametrize("operation", WITH_BODY, ids=str)
def test_an_example_is_what_the_description_says(operation: Operation) -> None:
    for example in examples_of(operation):
        jsonschema.Draft202012Validator(schema_of_body(operation)).validate(example)


def undescribed(schema: Any, *, place: str) -> Iterator[str]:
    """Fields and items of which the schema does not say what they are."""
    for name, field in schema.get("properties", {}).items():
        yield from [f"{place}.{name}"] if not SAYS_WHAT_IT_IS & field.keys() else undescribed(field, place=f"{place}.{name}")
    if "items" in schema:
        yield from [f"{place}[]"] if not SAYS_WHAT_IT_IS & schema["items"].keys() else undescribed(schema["items"], place=f"{place}[]")


@pytest.mark.parametrize("service", SERVICES)
def test_every_part_of_a_request_is_described(service: str) -> None:
    schemas = app_of(service).openapi()["components"]["schemas"]
    bodies = [each.told["requestBody"]["content"]["application/json"]["schema"] for each in WITH_BODY if each.service == service]

    reached = reachable({body["$ref"].rpartition("/")[2] for body in bodies}, schemas=schemas)

    assert [place for name in sorted(reached) for place in undescribed(schemas[name], place=name)] == []


def reachable(names: set[str], *, schemas: dict[str, Any]) -> set[str]:
    """The schemas of these names and all that they refer to."""
    found, left = set[str](), set(names)
    while left:
        name = left.pop()
        found.add(name)
        left |= {other for other in schemas if f'"#/components/schemas/{other}"' in json.dumps(schemas[name])} - found
    return found
