"""The description of each service's HTTP: committed, valid, and written for those who call from other systems."""

import json
import re

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from deploy.docs.openapi import FOLDER, pages
from deploy.docs.pages import difference
from deploy.docs.product import app_of
from deploy.postgres.roles import SERVICES
from shared.auth import Permission
from shared.web import if_match, permission_of
from tests.contract.operations import Operation, called_by, examples_of, operations

VERB_NOUN = re.compile(r"[a-z]+([A-Z][a-z0-9]*)+")
# Operation ids begin with one of these: a caller who knows one service reads the others. Add a verb only if none of them says it.
VERBS = frozenset(
    {
        "approve", "change", "check", "close", "count", "decide", "end", "enter", "erase", "export", "file", "get", "import", "lift", "list", "make",
        "mark", "open", "order", "post", "receive", "record", "refuse", "register", "reject", "remit", "reserve", "settle", "supersede", "take",
        "validate", "withdraw",
    }
)  # fmt: skip
CHINESE = re.compile(r"[\u4e00-\u9fff]")
# What is not said in JSON: figures for Prometheus, a signed note, and files.
NOT_JSON = frozenset({"exportEvidence", "exportJournal", "getCheckpoint", "getMetrics", "getPaymentRequestFile"})


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
        # A route that answers 200 for what it knew and 201 for what is new describes both.
        return len(success) in (1, 2) and all(answer["content"]["application/json"]["schema"] for answer in success)

    assert [str(each) for each in operations() if each.id not in NOT_JSON and not is_told(each)] == []


PROBLEM = {"schema": {"$ref": "#/components/schemas/Problem"}}


def test_every_operation_says_what_a_refusal_looks_like() -> None:
    silent = [
        str(each)
        for each in operations()
        for status in ("4XX", "5XX")
        if each.told["responses"][status]["content"] != {"application/problem+json": PROBLEM}
    ]
    others = {status for each in operations() for status in each.told["responses"]} - {"200", "201", "4XX", "5XX"}

    assert silent == []
    assert others == set()


def test_every_operation_says_who_may_call_it() -> None:
    def is_told(operation: Operation) -> bool:
        permission = permission_of(operation.route())
        if isinstance(permission, Permission):
            return operation.told["security"] == [{"staff": []}, {"system": []}] and operation.told["x-scope"] == permission.scope
        return "security" not in operation.told and "x-scope" not in operation.told

    assert [str(each) for each in operations() if not is_told(each)] == []


@pytest.mark.parametrize("service", SERVICES)
def test_the_ways_to_prove_who_one_is_are_described(service: str) -> None:
    assert app_of(service).openapi()["components"]["securitySchemes"].keys() == {"staff", "system"}


def test_the_headers_that_a_call_needs_are_described() -> None:
    def headers(operation: Operation) -> set[str]:
        return {each["name"].casefold() for each in operation.told.get("parameters", []) if each["in"] == "header"}

    posts = [each for each in operations() if each.method == "post" and not each.path.endswith(":validate")]
    changes = [each for each in posts if if_match in called_by(each.route().dependant)]

    def optional(operation: Operation) -> bool:
        told = [each for each in operation.told.get("parameters", []) if each["name"].casefold() in ("idempotency-key", "if-match")]
        return any(not each["required"] or "default" in each["schema"] for each in told)

    # Without one of them a call is answered 400 or 428.
    assert [str(each) for each in operations() if optional(each)] == []
    assert [str(each) for each in posts if "idempotency-key" not in headers(each)] == []
    assert [str(each) for each in changes if "if-match" not in headers(each)] == []
    assert len(changes) > 5
