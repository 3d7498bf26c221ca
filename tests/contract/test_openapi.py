"""The description of each service's HTTP: committed, valid, and written for those who call from other systems."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from deploy.docs.openapi import FOLDER, pages
from deploy.docs.pages import difference
from deploy.docs.product import app_of
from deploy.postgres.roles import SERVICES

VERB_NOUN = re.compile(r"[a-z]+([A-Z][a-z0-9]*)+")
# Operation ids begin with one of these: a caller who knows one service reads the others. Add a verb only if none of them says it.
VERBS = frozenset(
    {
        "approve", "change", "check", "count", "decide", "end", "enter", "erase", "file", "get", "import", "list", "make",
        "mark", "open", "post", "record", "refuse", "register", "reject", "supersede", "take", "validate", "withdraw",
    }
)  # fmt: skip
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# What is not said in JSON: https://prometheus.io/docs/instrumenting/exposition_formats
NOT_JSON = frozenset({"getMetrics"})


@dataclass(frozen=True)
class Operation:
    service: str
    method: str
    path: str
    told: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.told["operationId"])

    def __str__(self) -> str:
        return f"{self.service} {self.method.upper()} {self.path}"


def operations() -> Iterator[Operation]:
    for service in SERVICES:
        for path, methods in app_of(service).openapi()["paths"].items():
            for method, told in methods.items():
                yield Operation(service=service, method=method, path=path, told=told)


def test_the_committed_descriptions_are_those_of_the_code() -> None:
    told = [difference(path, text, command="deploy.docs.openapi") for path, text in pages().items()]

    assert not any(told), "\n\n".join(each for each in told if each)
    assert {path.stem for path in FOLDER.iterdir()} == set(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_a_description_is_valid_openapi_3_1(service: str) -> None:
    document = json.loads((FOLDER / f"{service}.json").read_text(encoding="utf-8"))

    assert document["openapi"].startswith("3.1.")
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


@pytest.mark.parametrize("service", SERVICES)
def test_operation_ids_are_a_verb_and_a_noun_and_unique(service: str) -> None:
    ids = [each.id for each in operations() if each.service == service]

    assert [each for each in ids if not VERB_NOUN.fullmatch(each)] == []
    assert [each for each in ids if re.split("[A-Z]", each)[0] not in VERBS] == []
    assert len(ids) == len(set(ids))


def test_every_verb_is_used() -> None:
    assert VERBS - {re.split("[A-Z]", each.id)[0] for each in operations()} == set()


def test_every_summary_is_english_then_chinese() -> None:
    def is_bilingual(summary: str) -> bool:
        english, bar, chinese = summary.partition(" | ")
        return bar != "" and english[:1].isupper() and not CHINESE.search(english) and CHINESE.search(chinese) is not None and "|" not in chinese

    summaries = {str(each): each.told.get("summary", "") for each in operations()}
    summaries |= {service: app_of(service).summary or "" for service in SERVICES}

    assert [f"{where}: {summary}" for where, summary in summaries.items() if not is_bilingual(summary)] == []


def test_every_request_body_has_an_example() -> None:
    without = [str(each) for each in operations() if "requestBody" in each.told and not examples_of(each)]

    assert without == []


def test_every_operation_says_what_a_success_looks_like() -> None:
    def is_told(operation: Operation) -> bool:
        success = [answer for status, answer in operation.told["responses"].items() if status.startswith("2")]
        return len(success) == 1 and bool(success[0]["content"]["application/json"]["schema"])

    assert [str(each) for each in operations() if each.id not in NOT_JSON and not is_told(each)] == []


def examples_of(operation: Operation) -> list[Any]:
    """The examples of the body, on the media type or on the schema that it refers to."""
    media = operation.told["requestBody"]["content"]["application/json"]
    schema = media["schema"]
    if "$ref" in schema:
        schema = app_of(operation.service).openapi()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    beside = [each["value"] for each in media.get("examples", {}).values()] + ([media["example"]] if "example" in media else [])
    return [*beside, *schema.get("examples", [])]
