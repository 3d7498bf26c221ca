"""Whatever is sent, no service fails, and each answer is one that the description promises: generated calls, on a real database."""

import json
import random
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance, status_code_conformance
from structlog.testing import capture_logs

from deploy.docs.events import SAMPLES
from deploy.docs.product import app_of, consumers, routes_of
from deploy.postgres.roles import SERVICES
from shared.auth import Permission
from shared.live import open_live
from shared.web import permission_of
from tests.building import CITY_FILE, SignedBy, Staff, System, client_for, settings_of, staff_token
from tests.contract.source import ROOT, outside
from tests.runtime import Database

SEED = 20_230_612
VALID_PER_OPERATION = 14
WRONG_PER_OPERATION = 6
KNOWN_VALUES_MAX = 60
FAULTS_MAX = 10
EXAMPLE_TIMES = 3
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
DISTRICT = "huancui"
SENT_CHARACTERS_MAX = 1_500

# Operation, status and kind of what is known to be wrong; it leaves the list when it is put right.
KNOWN_FAULTS: dict[str, dict[str, str]] = {}

# What a service is told first: calls, then events of others.
PREPARED = {
    "budget": [("/v1/appropriations", {"fiscal_year": 2025, "amount_fen": 150_000_000, "document": "示例〔2025〕1号", "approved_on": "2025-01-20"})]
}
HEARD = {
    "registry": [],
    "applications": [
        "registry.organisation_registered.v1",
        "registry.institution_recorded.v1",
        "registry.park_registered.v1",
        "registry.park_recognised.v1",
        "registry.park_assessed.v1",
    ],
    "budget": ["applications.awards_proposed.v1", "applications.award_confirmed.v1"],
    "notifications": ["registry.organisation_registered.v1", "registry.contact_recorded.v1", "applications.application_filed.v1"],
}


@dataclass
class Known:
    """Values by the name of their field, from the data and from answers. Half of what is sent takes them, to come past the first check."""

    chance: random.Random
    values: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def learn(self, answer: Any, *, noun: str) -> None:
        if isinstance(answer, list):
            for each in answer[:3]:
                self.learn(each, noun=noun)
        elif isinstance(answer, dict):
            for name, value in answer.items():
                self.learn(value, noun=noun)
                if isinstance(value, str) and len(self.values[name]) < KNOWN_VALUES_MAX:
                    self.values[f"{noun}_id" if name == "id" else name].append(value)

    def put_into(self, sent: Any) -> Any:
        if isinstance(sent, list):
            return [self.put_into(each) for each in sent]
        if isinstance(sent, dict):
            return {name: self._instead(name, value) for name, value in sent.items()}
        return sent

    def _instead(self, name: str, value: Any) -> Any:
        is_taken = name in self.values and not isinstance(value, dict | list) and self.chance.random() < 0.5
        return self.chance.choice(self.values[name]) if is_taken else self.put_into(value)


def data(path: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / path).read_text(encoding="utf-8"))


def known_from_data() -> Known:
    known = Known(chance=random.Random(SEED))
    jurisdictions = [each["id"] for each in data(str(CITY_FILE.relative_to(ROOT)))["jurisdiction"]]
    known.values |= {
        "jurisdiction_id": jurisdictions,
        "item_id": [line["id"] for line in data("services/budget/policy/2023-15/lines.toml")["line"]],
        "uscc": ["91990000MA0000015Q", "91371002MA3D123476"],
        "applicant_uscc": ["91990000MA0000015Q"],
        "operator_uscc": ["91990000MA0000015Q", "91371002MA3D123476"],
        "first_day": ["2023-06-12", "2025-09-01"],
        "last_day": ["2025-12-31"],
        "ended_on": ["2025-09-01"],
        "approved_on": ["2024-05-06", "2025-01-20"],
    }
    return known


def operations_of(schema: Any) -> list[APIOperation]:
    """Those that make something first, so that the others find it."""
    operations = [found.ok() for found in schema.get_all_operations()]
    return sorted(operations, key=lambda each: (each.method != "post", "{" in each.path))


def examples_of(operation: APIOperation) -> Iterator[Case]:
    schemas = operation.schema.raw_schema["components"]["schemas"]
    body = operation.definition.raw.get("requestBody", {}).get("content", {}).get("application/json", {})
    named = schemas.get(body.get("schema", {}).get("$ref", "").rpartition("/")[2], {})
    for example in named.get("examples", []):
        for _ in range(EXAMPLE_TIMES):
            parameters = {each.name: "unknown" for each in operation.path_parameters}
            yield operation.Case(body=example, path_parameters=parameters, query={}, media_type="application/json")


def drawn(operation: APIOperation, *, mode: GenerationMode, count: int) -> list[Case]:
    """The same cases in each run: no answer comes back into their making."""
    cases: list[Case] = []

    @seed(SEED)
    @settings(max_examples=count, phases=[Phase.generate], database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(operation.as_strategy(generation_mode=mode))
    def keep(case: Case) -> None:
        cases.append(case)

    keep()
    return cases


def calls_of(operation: APIOperation) -> Iterator[Case]:
    yield from examples_of(operation)
    yield from drawn(operation, mode=GenerationMode.POSITIVE, count=VALID_PER_OPERATION)
    if [*operation.path_parameters, *operation.query, *operation.body]:
        yield from drawn(operation, mode=GenerationMode.NEGATIVE, count=WRONG_PER_OPERATION)


def request_of(case: Case, *, known: Known, number: int) -> httpx.Request:
    case.path_parameters = known.put_into(case.path_parameters)
    case.query = known.put_into(case.query)
    case.body = known.put_into(case.body)
    sent = case.as_transport_kwargs(base_url="http://service.test")
    headers = {name: value for name, value in sent["headers"].items() if name == "Content-Type"}
    return httpx.Request(
        sent["method"],
        sent["url"],
        params=sent.get("params"),
        json=sent.get("json"),
        content=sent.get("data"),
        headers={**headers, "Idempotency-Key": f"generated-{number}", "If-Match": f'"{number % 3 + 1}"'},
    )


def everything(service: str, *, jurisdictions: list[str]) -> System:
    """A system with every scope that a route of the service asks for."""
    scopes = {permission.scope for route in routes_of(service) if isinstance(permission := permission_of(route), Permission)}
    return System(id=f"all-{len(jurisdictions)}", jurisdictions=jurisdictions, scopes=sorted({*scopes, "reviews:decide-district_hr"}))


async def hear(service: str, *, database: Database, folder: Path) -> None:
    """Take golden samples into effect, so that there is a case, an applicant or a payable award to ask about."""
    live = open_live(settings_of(service, database=database, folder=folder))
    handlers = consumers()[service].handlers if HEARD[service] else {}
    async with live.running():
        for name in HEARD[service]:
            sample = json.loads((SAMPLES / f"{name}.json").read_text(encoding="utf-8"))
            async with live.transaction() as tx:
                await handlers[name].handle(tx, handlers[name].event.model_validate(sample["body"]))


@dataclass
class Run:
    """What came of the calls: faults by operation and kind, and how many answers of each status."""

    faults: dict[str, str] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)

    def take(self, case: Case, request: httpx.Request, answer: httpx.Response, *, logged: Sequence[Any]) -> None:
        self.statuses[answer.status_code] += 1
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as found:
            causes = [f"{type(each['exc_info']).__name__}: {each['exc_info']}" for each in logged if isinstance(each.get("exc_info"), Exception)]
            sent = f"{request.method} {request.url} {request.content.decode()[:SENT_CHARACTERS_MAX]}"
            for each in found.exceptions:
                name = f"{case.operation.definition.raw['operationId']} {answer.status_code}: {each.title}"
                self.faults.setdefault(name, "\n  ".join(["", sent, answer.text[:300], *causes[-1:]]))


@pytest.mark.parametrize("service", SERVICES)
async def test_no_call_fails_and_every_answer_is_described(service: str, database: Database, tmp_path: Path) -> None:
    known, run = known_from_data(), Run()
    systems = [everything(service, jurisdictions=["*"]), everything(service, jurisdictions=[DISTRICT])]
    roles = data(f"services/{service}/policy/roles.toml")["roles"]
    callers = [*(SignedBy(system, service=service) for system in systems), *(Staff(staff_token(role, roles=[role])) for role in roles)]
    operations = operations_of(schemathesis.openapi.from_dict(app_of(service).openapi()))

    with capture_logs() as logged:
        async with client_for(service, database=database, folder=tmp_path, systems=systems) as client:
            for path, body in PREPARED.get(service, ()):
                (await client.post(path, json=body, auth=callers[0])).raise_for_status()
            await hear(service, database=database, folder=tmp_path)
            for number, (operation, case) in enumerate((each, case) for each in operations for case in calls_of(each)):
                request = request_of(case, known=known, number=number)
                # Three of four calls may do everything, in the whole city or in one district; the fourth is one of staff.
                answer = await client.send(request, auth=callers[number % 2 if number % 4 else number // 4 % len(callers)])
                run.take(case, request, answer, logged=logged)
                if answer.is_success and answer.headers.get("content-type", "").startswith("application/json"):
                    known.learn(answer.json(), noun=operation.path.split("/")[-1].rstrip("s").replace("-", "_"))
                if len(run.faults) == FAULTS_MAX:
                    break

    faults = outside(run.faults, KNOWN_FAULTS.get(service, {}))
    assert not faults, "\n".join(faults)
    assert run.statuses[200] + run.statuses[201] >= len(operations), f"calls come past the first check: {dict(run.statuses)}"
