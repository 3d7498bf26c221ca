"""docker-compose.yml and the Dockerfile against the code and the images' documentation; no Docker engine is needed."""

import base64
import importlib
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.postgres.roles import ROLES, SERVICES, password_variable
from shared.settings import Profile, Settings
from shared.web import health_router

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "deploy/docker/Dockerfile").read_text(encoding="utf-8")
ENV_EXAMPLE = (ROOT / "deploy/docker/.env.example").read_text(encoding="utf-8")
PROCESSES = [f"{service}-{kind}" for service in SERVICES for kind in ("http", "worker")]
PORT_SETTING = {"http": "HTTP_PORT", "worker": "WORKER_PORT"}

# hub.docker.com/_/postgres, "Environment Variables"; and "PGDATA": from version 18 the volume is /var/lib/postgresql.
POSTGRES_VARIABLES = {"POSTGRES_DB", "POSTGRES_PASSWORD", "POSTGRES_USER", "POSTGRES_INITDB_ARGS", "PGDATA"}
POSTGRES_VOLUME = "/var/lib/postgresql"
# github.com/apache/kafka docker/jvm/Dockerfile: VOLUME; only below these may the image's user write.
KAFKA_VOLUMES = ("/etc/kafka/secrets", "/var/lib/kafka/data", "/mnt/shared/config")
# kafka.apache.org/documentation "Broker Configs"; the image makes KAFKA_LOG_DIRS of log.dirs (docker/examples/README.md).
KAFKA_PROPERTIES = {
    "node.id",
    "process.roles",
    "listeners",
    "advertised.listeners",
    "listener.security.protocol.map",
    "inter.broker.listener.name",
    "controller.listener.names",
    "controller.quorum.voters",
    "log.dirs",
    "log.flush.interval.messages",
    "auto.create.topics.enable",
    "group.initial.rebalance.delay.ms",
    "offsets.topic.replication.factor",
    "transaction.state.log.replication.factor",
    "transaction.state.log.min.isr",
    "share.coordinator.state.topic.replication.factor",
    "share.coordinator.state.topic.min.isr",
}


def environment(name: str) -> dict[str, str]:
    """Without those that are handed through from .env only if they are there."""
    return {variable: str(value) for variable, value in handed(name).items() if value is not None}


def handed(name: str) -> dict[str, Any]:
    given: dict[str, Any] = COMPOSE["services"][name].get("environment", {})
    return given


def filled_in(value: str) -> str:
    """A value as Compose hands it over when .env has the password `word` everywhere, a key of zeros and an https address elsewhere."""
    value = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
    value = re.sub(r"\$\{\w*PASSWORD[^}]*\}", "word", value)
    value = re.sub(r"\$\{\w*_KEY[^}]*\}", base64.b64encode(bytes(32)).decode(), value)
    return re.sub(r"\$\{\w+[^}]*\}", "https://staff.example.invalid/keys", value)


def settings_class(service: str) -> type[Settings]:
    module = importlib.import_module(f"services.{service}.settings")
    own = [each for each in vars(module).values() if isinstance(each, type) and issubclass(each, Settings) and each is not Settings]
    assert len(own) == 1, f"services/{service}/settings.py has one settings class"
    return own[0]


def test_the_stores_the_migration_and_eight_processes_are_there() -> None:
    assert sorted(COMPOSE["services"]) == sorted(["postgres", "kafka", "migrate", *PROCESSES])


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_gets_only_variables_that_its_settings_know(process: str) -> None:
    fields = settings_class(process.partition("-")[0]).model_fields

    unknown = [variable for variable in handed(process) if variable.lower() not in fields]

    assert unknown == []


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_starts_with_what_it_gets_under_the_production_profile(process: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service = process.partition("-")[0]
    for variable, value in environment(process).items():
        monkeypatch.setenv(variable, filled_in(value))

    from_environment: Any = settings_class(service)
    settings = from_environment()

    assert (settings.service, settings.profile, settings.slot) == (service, Profile.PRODUCTION, process)
    assert f"//{service}:word@postgres:5432/" in settings.dsn


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_is_a_module_that_exists(process: str) -> None:
    service, _, kind = process.partition("-")
    module = f"services.{service}.{'main' if kind == 'http' else 'worker'}"
    described = COMPOSE["services"][process]

    command = described.get("command", ["sh", "-c", f"exec python -m {module}"])

    assert find_spec(module) is not None
    assert command[-1].endswith(module)
    assert described["build"]["args"] == {"SERVICE": service}


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_is_asked_for_its_health_where_it_answers(process: str) -> None:
    kind = process.partition("-")[2]
    address = re.search(r"http://127\.0\.0\.1:(\d+)(/[\w/]+)", COMPOSE["services"][process]["healthcheck"]["test"][-1])
    assert address is not None

    port, path = address.groups()

    assert port == environment(process)[PORT_SETTING[kind]]
    if kind == "http":
        assert path in {route.path for route in health_router().routes if hasattr(route, "path")}
    else:
        assert f'Route("{path}"' in (ROOT / "shared/process.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("service", SERVICES)
def test_the_published_port_is_the_one_that_http_listens_on(service: str) -> None:
    (published,) = COMPOSE["services"][f"{service}-http"]["ports"]

    assert published.startswith("127.0.0.1:")
    assert published.rpartition(":")[2] == environment(f"{service}-http")["HTTP_PORT"]


def test_each_process_has_a_slot_of_its_own() -> None:
    slots = [environment(process)["SLOT"] for process in PROCESSES]

    assert slots == PROCESSES


def test_every_secret_is_asked_for_and_none_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    named = re.findall(r"\$\{(\w+)(:\?|:-)", text)

    with_default = {variable for variable, sign in named if sign == ":-"}

    assert with_default == {f"{service.upper()}_PORT" for service in SERVICES}
    assert "PASSWORD:-" not in text
    for name in COMPOSE["services"]:
        for variable, value in environment(name).items():
            assert "PASSWORD" not in variable or value.startswith("${"), f"{name} has {variable} in the open"


def test_the_example_names_every_variable_and_fills_in_none() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    required = set(re.findall(r"\$\{(\w+):\?", text))
    optional = {variable for name in COMPOSE["services"] for variable, value in handed(name).items() if value is None}

    lines = ENV_EXAMPLE.splitlines()

    assert {line for line in lines if line and not line.startswith("#")} == {f"{variable}=" for variable in required}
    assert {f"# {variable}=" for variable in optional} <= set(lines)


def test_the_migration_has_what_its_three_commands_read() -> None:
    given = environment("migrate")

    commands = re.findall(r"python -m ([\w.]+)", DOCKERFILE.partition("FROM base AS migrate")[2].partition("FROM ")[0])

    assert commands == ["deploy.postgres.roles", "deploy.postgres.migrate", "deploy.kafka.topics"]
    assert all(find_spec(command) for command in commands)
    assert {password_variable(role) for role in ROLES} <= given.keys()
    for command in commands:
        source = (ROOT / f"{command.replace('.', '/')}.py").read_text(encoding="utf-8")
        assert set(re.findall(r'environ\["(\w+)"\]', source)) <= given.keys()


def test_processes_wait_for_the_migration_and_it_waits_for_the_stores() -> None:
    services = COMPOSE["services"]

    assert all(services[process]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}} for process in PROCESSES)
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}, "kafka": {"condition": "service_healthy"}}
    assert all("test" in services[store]["healthcheck"] for store in ("postgres", "kafka"))


def test_postgres_keeps_its_data_where_the_image_has_its_volume() -> None:
    described = COMPOSE["services"]["postgres"]

    (volume,) = described["volumes"]

    assert described["image"] == "postgres:18"
    assert volume == f"postgres:{POSTGRES_VOLUME}"
    assert "postgres" in COMPOSE["volumes"]
    assert environment("postgres").keys() <= POSTGRES_VARIABLES


def test_kafka_keeps_its_log_on_its_volume_and_flushes_each_message() -> None:
    given = environment("kafka")

    name, _, target = COMPOSE["services"]["kafka"]["volumes"][0].partition(":")

    assert name in COMPOSE["volumes"]
    assert given["KAFKA_LOG_DIRS"] == target
    assert target in KAFKA_VOLUMES
    assert given["KAFKA_LOG_FLUSH_INTERVAL_MESSAGES"] == "1"


def test_kafka_knows_every_property_and_is_the_version_that_is_tested_here() -> None:
    properties = {variable.removeprefix("KAFKA_").lower().replace("_", ".") for variable in environment("kafka")}
    tested = re.search(r'org\.apache\.kafka:kafka_2\.13:([\d.]+)"', (ROOT / "jgo.toml").read_text(encoding="utf-8"))
    assert tested is not None

    assert properties <= KAFKA_PROPERTIES
    assert COMPOSE["services"]["kafka"]["image"] == f"apache/kafka:{tested[1]}"


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_finds_kafka_at_its_advertised_address(process: str) -> None:
    advertised = environment("kafka")["KAFKA_ADVERTISED_LISTENERS"]

    assert advertised == f"PLAINTEXT://{environment(process)['KAFKA_BOOTSTRAP']}"


def test_the_image_runs_as_an_ordinary_user_and_takes_one_service() -> None:
    stages = [line.split()[-1] for line in DOCKERFILE.splitlines() if line.startswith("FROM ")]
    users = re.findall(r"^USER (\S+)$", DOCKERFILE, flags=re.MULTILINE)

    assert stages == ["packages", "base", "migrate", "service"]
    assert users == ["10001"]
    assert "ARG SERVICE" in DOCKERFILE.partition("FROM base AS service")[2]


def test_everything_the_image_copies_is_in_the_repository_and_not_ignored() -> None:
    sources = [
        source for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, flags=re.MULTILINE) for source in line.split()[:-1] if "$" not in source
    ]
    allowed = [line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line.startswith("!")]

    assert all((ROOT / source).exists() for source in sources)
    assert all(any(source == each or source.startswith(f"{each}/") for each in allowed) for source in sources)
