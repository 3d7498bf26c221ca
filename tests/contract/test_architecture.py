"""How the services hang together: who may call what, which events have a reader and a writer, whose nouns, which settings, whose law."""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator

import pytest
import yaml
from fastapi.routing import APIRoute, iter_route_contexts

from deploy.docs.policy_data import entries, policy_files, sourceless
from deploy.docs.product import app_of, consumers, routes_of, settings_class
from deploy.kafka.topics import DECLARED
from deploy.postgres.roles import SERVICES
from shared.auth import Anyone, Permission
from shared.events.catalogue import CATALOGUE
from shared.idempotency import attempt
from shared.web import if_match, permission_of
from tests.contract.operations import called_by
from tests.contract.source import ROOT, outside, python

# FastAPI's own pages about the API; they hold nothing but the description that is committed here.
PAGES_ABOUT_THE_API = {"/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc"}
OPEN_TO_ANYBODY = {
    "GET /health/live": "asked by whoever runs the process",
    "GET /health/ready": "asked by whoever runs the process",
    "GET /metrics": "read by Prometheus inside the installation",
    "GET /v1/items": "the public reads what is supported",
    "GET /v1/ledger/checkpoint-keys": "an outsider checks a checkpoint with it",
    "GET /v1/ledger/checkpoints": "a witness is anybody who pulls them",
    "GET /v1/ledger/checkpoints/{seq}": "a witness is anybody who pulls them",
    "GET /v1/ledger/proofs/consistency": "hashes alone: that one checkpoint continues another",
    "GET /v1/notices": "公示 is for the public",
    "GET /v1/permits/{number:path}": "the public verifies a permit",
}
NOT_ONCE = {"POST /v1/applications:validate": "a rehearsal writes nothing that could be written twice"}
WITHOUT_IF_MATCH = {
    "POST /v1/messages/{message_id}:read": "reading a message again changes nothing",
    "POST /v1/notices/{notice_id}:supersede": "a notice does not change; it is replaced once, by constraint",
    "POST /v1/organisations/{uscc}/contact:erase": "a contact has no versions: what is erased leaves nothing behind",
}

NOT_ANNOUNCED: dict[str, str] = {}
NOT_WRITTEN_YET = {
    "notifications.events": "notifications announces nothing yet",
}

NOT_IN_COMPOSE = {
    "business_clock_file": "moves the business clock: refused under production",
    "database_connections_max": "the default suits one server",
    "database_silence_ms": "the default suits one server",
    "idle_in_transaction_timeout_ms": "the default suits one server",
    "kafka_ca_file": "the broker of this file has no certificate",
    "kafka_prefix": "only where several installations share a broker",
    "lock_timeout_ms": "the default suits one server",
    "partitions": "the default is what deploy/kafka/topics.toml declares",
    "service": "each service's own class says it",
    "statement_timeout_ms": "the default suits one server",
}
OF_THE_OTHER_PROCESS = {"http": {"worker_port", "witness_folder"}, "worker": {"http_port", "mark_key"}}

SCOPE = re.compile(r"[a-z]+(-[a-z]+)*:[a-z]+([-_][a-z]+)*")
SCOPES_OF_NO_ROUTE: dict[str, str] = {}


def routes() -> Iterator[tuple[str, APIRoute]]:
    """Each route under `METHOD /path`."""
    for service in SERVICES:
        for route in routes_of(service):
            for method in sorted(route.methods):
                yield f"{method} {route.path}", route


def noun_of(path: str) -> str:
    return re.split("[/:]", path.removeprefix("/v1/"))[0]


@pytest.mark.parametrize("service", SERVICES)
def test_every_route_names_its_permission(service: str) -> None:
    silent = [route.path for route in routes_of(service) if permission_of(route) is None]
    others = [context.path for context in iter_route_contexts(app_of(service).routes) if not isinstance(context.original_route, APIRoute)]

    assert silent == []
    assert set(others) == PAGES_ABOUT_THE_API


def test_the_routes_that_anybody_may_call_are_a_closed_list() -> None:
    found = {name: "is open to anybody" for name, route in routes() if isinstance(permission_of(route), Anyone)}

    faults = outside(found, OPEN_TO_ANYBODY)
    assert not faults, "\n".join(faults)


def test_a_route_reads_or_posts_under_a_plural_noun() -> None:
    odd = [
        name
        for name, _ in routes()
        if not re.match(r"(GET|POST) /v1/([a-z]+-)*[a-z]+(s|-list|ledger)([/:]|$)|GET /(health/|metrics$)|.* /v1/ledger/", name)
    ]

    assert odd == []


def test_every_post_takes_effect_once() -> None:
    found = {name: "takes no Idempotency-Key" for name, route in routes() if name.startswith("POST") and attempt not in called_by(route.dependant)}

    faults = outside(found, NOT_ONCE)
    assert not faults, "\n".join(faults)


def test_every_change_of_a_record_asks_which_version_it_is_of() -> None:
    found = {
        name: "takes no If-Match"
        for name, route in routes()
        if re.search(r"\}.*:[a-z-]+$", name) and if_match not in called_by(route.dependant)
        if name.startswith("POST")
    }

    faults = outside(found, WITHOUT_IF_MATCH)
    assert not faults, "\n".join(faults)


def test_nouns_are_unique_across_services() -> None:
    owners: dict[str, set[str]] = defaultdict(set)
    for service in SERVICES:
        for route in routes_of(service):
            if route.path.startswith("/v1/"):
                owners[noun_of(route.path)].add(service)

    assert {noun: sorted(services) for noun, services in owners.items() if len(services) > 1} == {}


def test_every_event_that_is_consumed_is_in_the_catalogue_and_on_a_topic_that_is_read() -> None:
    for service, consumer in consumers().items():
        for name, handler in consumer.handlers.items():
            assert CATALOGUE.get(name) is handler.event, f"{service} handles {name}"
            assert handler.event.topic in consumer.topics, f"{service} handles {name} and does not read {handler.event.topic}"
            assert not name.startswith(f"{service}."), f"{service} listens to itself"


def test_a_topic_is_read_only_for_events_that_are_handled() -> None:
    idle = [
        f"{service} reads {topic}"
        for service, consumer in consumers().items()
        for topic in consumer.topics
        if topic not in {handler.event.topic for handler in consumer.handlers.values()}
    ]

    assert idle == []


def events_built_in(service: str) -> set[str]:
    """Types of the events that the service's code has in its hands outside of what it consumes: named as classes of shared.events."""
    by_class = {(kind.__module__, kind.__name__): name for name, kind in CATALOGUE.items()}
    found: set[str] = set()
    for source in python("services"):
        if not source.name.startswith(f"services/{service}/"):
            continue
        here: dict[str, str] = {}
        for node in source.all_of(ast.ImportFrom):
            for alias in node.names:
                if (name := by_class.get((node.module or "", alias.name))) is not None:
                    here[alias.asname or alias.name] = name
                elif node.module == "shared.events":
                    here |= {
                        f"{alias.asname or alias.name}.{kind}": name for (module, kind), name in by_class.items() if module.endswith(f".{alias.name}")
                    }
        used = {node.id for node in source.all_of(ast.Name)} | {ast.unparse(node) for node in source.all_of(ast.Attribute)}
        found |= {name for local, name in here.items() if local in used}
    return found


def test_every_event_is_announced_by_the_service_that_it_is_named_after() -> None:
    announced = {name for service in SERVICES for name in events_built_in(service) if name.startswith(f"{service}.")}

    faults = outside(dict.fromkeys(CATALOGUE.keys() - announced, "is in the catalogue and announced by nobody"), NOT_ANNOUNCED)
    assert not faults, "\n".join(faults)


def test_no_service_has_events_of_another_that_it_does_not_consume() -> None:
    """Whoever holds a foreign event without handling it would announce in another's name."""
    handled = {service: set(consumer.handlers) for service, consumer in consumers().items()}

    foreign = {
        service: sorted(name for name in events_built_in(service) - handled.get(service, set()) if not name.startswith(f"{service}."))
        for service in SERVICES
    }

    assert {service: names for service, names in foreign.items() if names} == {}


def test_the_declared_topics_are_those_that_events_travel_on() -> None:
    declared = {topic["name"] for topic in tomllib.loads(DECLARED.read_text(encoding="utf-8"))["topic"]}
    travelled = {kind.topic for kind in CATALOGUE.values()}

    assert travelled <= declared
    faults = outside(dict.fromkeys(declared - travelled, "is declared and never written"), NOT_WRITTEN_YET)
    assert not faults, "\n".join(faults)


def granted() -> dict[str, set[str]]:
    """Scope → who may hold it: staff roles, and the kinds of system of a local run."""
    holders: dict[str, set[str]] = defaultdict(set)
    for service in SERVICES:
        roles = tomllib.loads((ROOT / f"services/{service}/policy/roles.toml").read_text(encoding="utf-8"))["roles"]
        for role, scopes in roles.items():
            for scope in scopes:
                holders[scope].add(f"{service} role {role}")
    for kind, scopes in tomllib.loads((ROOT / "deploy/local/callers.toml").read_text(encoding="utf-8"))["scopes"].items():
        for scope in scopes:
            holders[scope].add(f"system {kind}")
    return holders


def asked_for_by_routes() -> set[str]:
    return {permission.scope for _, route in routes() if isinstance(permission := permission_of(route), Permission)}


def asked_for_by_content() -> set[str]:
    """`reviews:decide` opens the route; for whom one may decide depends on the stage, by the deciders of the policy data."""
    stages = tomllib.loads((ROOT / "services/applications/policy/2023-15/stages.toml").read_text(encoding="utf-8"))
    deciders = {stage["decider"] for stage in stages["acceptance"]} | {decider for stage in stages["stage"] for decider in stage["deciders"]}
    return {f"reviews:decide-{decider}" for decider in deciders}


def test_every_scope_that_is_granted_is_asked_for() -> None:
    asked = asked_for_by_routes() | asked_for_by_content()

    faults = outside(
        {scope: f"opens nothing, and is held by {sorted(who)}" for scope, who in granted().items() if scope not in asked}, SCOPES_OF_NO_ROUTE
    )
    assert not faults, "\n".join(faults)


def test_every_scope_that_is_asked_for_can_be_held() -> None:
    asked = asked_for_by_routes() | asked_for_by_content()

    assert sorted(asked - granted().keys()) == []
    assert [scope for scope in asked if not SCOPE.fullmatch(scope)] == []


@pytest.mark.parametrize("kind", ["http", "worker"])
@pytest.mark.parametrize("service", SERVICES)
def test_every_setting_is_set_by_compose_or_has_a_reason_not_to_be(service: str, kind: str) -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    handed = {variable.lower() for variable in compose[f"{service}-{kind}"]["environment"]}

    left = settings_class(service).model_fields.keys() - handed - OF_THE_OTHER_PROCESS[kind]

    faults = outside(dict.fromkeys(left, f"is not handed to {service}-{kind}"), NOT_IN_COMPOSE)
    assert not faults, "\n".join(faults)


def test_every_policy_entry_cites_its_source() -> None:
    assert entries(), "there is policy data"
    assert sourceless() == []


def test_policy_data_has_no_number_with_a_point() -> None:
    def refuse(number: str) -> float:
        raise AssertionError(f"{number} is no whole number")

    for path in policy_files():
        tomllib.loads(path.read_text(encoding="utf-8"), parse_float=refuse)


def test_every_file_that_the_security_page_names_is_there() -> None:
    named = re.findall(r"`([\w./-]+/[\w./-]+|[\w.-]+\.(?:lock|toml|yml))`", (ROOT / "SECURITY.md").read_text(encoding="utf-8"))

    files = [name for name in named if not name.startswith("/")]

    assert len(files) > 10
    assert [name for name in files if not (ROOT / name).exists()] == []
