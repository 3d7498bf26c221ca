"""Whatever is sent, no service fails, and each answer is one that the description promises: generated calls, on a real database."""

import random
import tomllib
from collections import defaultdict
from collections.abc import Iterator
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

from deploy.docs.product import app_of, routes_of
from deploy.postgres.roles import SERVICES
from shared.auth import Permission
from shared.web import permission_of
from tests.building import CITY_FILE, SignedBy, Staff, System, client_for, staff_token
from tests.contract.source import ROOT
from tests.runtime import Database

SEED = 20_230_612
VALID_PER_OPERATION = 20
WRONG_PER_OPERATION = 10
KNOWN_VALUES_MAX = 60
FAULTS_TOLD_MAX = 20
EXAMPLE_TIMES = 3
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
DISTRICT = "huancui"


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


@pytest.mark.parametrize("service", SERVICES)
async def test_no_call_fails_and_every_answer_is_described(service: str, module_database: Database, tmp_path: Path) -> None:
    known, faults, statuses = known_from_data(), [], defaultdict[int, int](int)
    systems = [everything(service, jurisdictions=["*"]), everything(service, jurisdictions=[DISTRICT])]
    roles = data(f"services/{service}/policy/roles.toml")["roles"]
    callers = [*(SignedBy(system, service=service) for system in systems), *(Staff(staff_token(role, roles=[role])) for role in roles)]
    schema = schemathesis.openapi.from_dict(app_of(service).openapi())

    async with client_for(service, database=module_database, folder=tmp_path, systems=systems) as client:
        numbered = enumerate((operation, case) for operation in operations_of(schema) for case in calls_of(operation))
        for number, (operation, case) in numbered:
            request = request_of(case, known=known, number=number)
            answer = await client.send(request, auth=callers[number % 3 if number % 4 else number % len(callers)])
            statuses[answer.status_code] += 1
            if answer.is_success and "json" in answer.headers.get("content-type", ""):
                known.learn(answer.json(), noun=operation.path.split("/")[-1].rstrip("s").replace("-", "_"))
            try:
                case.validate_response(answer, checks=CHECKS)
            except FailureGroup as found:
                faults += [
                    f"{request.method} {request.url} {request.content.decode()[:1500]}\n  {answer.status_code}: {each}" for each in found.exceptions
                ]

    assert not faults, "\n".join(faults[:FAULTS_TOLD_MAX])
    assert statuses[200] + statuses[201] > 100, f"the calls come past the first check: {dict(statuses)}"
