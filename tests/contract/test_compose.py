"""docker-compose.yml and the Dockerfile against the code and the images' documentation; no Docker engine is needed."""

import base64
import importlib
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.kafka import principals
from deploy.kafka.administrator import Administrator
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
    "listener.name.controller.sasl.enabled.mechanisms",
    "listener.name.client.scram-sha-512.sasl.jaas.config",
    "listener.name.client.plain.sasl.jaas.config",
    "listener.name.controller.plain.sasl.jaas.config",
    "sasl.enabled.mechanisms",
    "sasl.mechanism.inter.broker.protocol",
    "sasl.mechanism.controller.protocol",
    "authorizer.class.name",
    "allow.everyone.if.no.acl.found",
    "super.users",
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
ADMINISTRATOR = "admin"


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
    login = settings.login()
    assert (login["security_protocol"], login["sasl_mechanism"]) == ("SASL_PLAINTEXT", "SCRAM-SHA-512")
    assert (login["sasl_plain_username"], login["sasl_plain_password"]) == (service, "word")


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
            in_text = re.findall(r'(?:password|user_\w+)="([^"]*)', value)
            assert all(password.startswith("${") for password in in_text), f"{name} has {variable} in the open"


@pytest.mark.parametrize("process", PROCESSES)
def test_a_process_has_the_password_of_its_own_account_alone(process: str) -> None:
    asked_for = {variable for value in environment(process).values() for variable in re.findall(r"\$\{(\w+PASSWORD)", value)}

    service = process.partition("-")[0].upper()

    assert asked_for == {f"{service}_PASSWORD", f"{service}_KAFKA_PASSWORD"}


def test_the_example_names_every_variable_and_fills_in_none() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    required = set(re.findall(r"\$\{(\w+):\?", text))
    optional = {variable for name in COMPOSE["services"] for variable, value in handed(name).items() if value is None}

    lines = ENV_EXAMPLE.splitlines()

    assert {line for line in lines if line and not line.startswith("#")} == {f"{variable}=" for variable in required}
    assert {f"# {variable}=" for variable in optional} <= set(lines)


def test_the_migration_has_what_its_four_commands_read() -> None:
    given = environment("migrate")
    administrator = Administrator.model_validate({variable.lower(): filled_in(value) for variable, value in given.items()})

    commands = re.findall(r"python -m ([\w.]+)", DOCKERFILE.partition("FROM base AS migrate")[2].partition("FROM ")[0])

    assert commands == ["deploy.postgres.roles", "deploy.postgres.migrate", "deploy.kafka.topics", "deploy.kafka.principals"]
    assert all(find_spec(command) for command in commands)
    assert {password_variable(role) for role in ROLES} <= given.keys()
    assert {principals.password_variable(service) for service in principals.rights(prefix="")} <= given.keys()
    assert (administrator.kafka_user, administrator.login()["sasl_mechanism"]) == (ADMINISTRATOR, "PLAIN")
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
    # Three signs for a hyphen: docker/examples/README.md.
    properties = {variable.removeprefix("KAFKA_").lower().replace("___", "-").replace("_", ".") for variable in environment("kafka")}
    tested = re.search(r'org\.apache\.kafka:kafka_2\.13:([\d.]+)"', (ROOT / "jgo.toml").read_text(encoding="utf-8"))
    assert tested is not None

    assert properties <= KAFKA_PROPERTIES
    assert COMPOSE["services"]["kafka"]["image"] == f"apache/kafka:{tested[1]}"


@pytest.mark.parametrize("process", ["migrate", *PROCESSES])
def test_a_process_finds_kafka_at_its_advertised_address(process: str) -> None:
    advertised = environment("kafka")["KAFKA_ADVERTISED_LISTENERS"]

    assert advertised == f"CLIENT://{environment(process)['KAFKA_BOOTSTRAP']}"


def test_kafka_takes_nobody_without_an_account_on_any_listener() -> None:
    given = environment("kafka")
    protocols = dict(pair.split(":") for pair in given["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(","))

    listeners = [listener.partition(":")[0] for listener in given["KAFKA_LISTENERS"].split(",")]

    assert {protocols[listener] for listener in listeners} == {"SASL_PLAINTEXT"}
    # The image's script "configure" wants a JAAS file where a listener's name begins with SASL_.
    assert not any(listener.startswith("SASL_") for listener in listeners)
    assert "ports" not in COMPOSE["services"]["kafka"]


def test_kafka_refuses_what_is_not_allowed_to_all_but_the_migration() -> None:
    given = environment("kafka")

    super_users = given["KAFKA_SUPER_USERS"].split(";")

    assert given["KAFKA_AUTHORIZER_CLASS_NAME"] == "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    assert given["KAFKA_ALLOW_EVERYONE_IF_NO_ACL_FOUND"] == "false"
    assert super_users == [f"User:{ADMINISTRATOR}"] == [f"User:{environment('migrate')['KAFKA_USER']}"]
    assert ADMINISTRATOR not in {environment(process)["KAFKA_USER"] for process in PROCESSES}


def test_kafka_is_asked_for_its_health_with_an_account_that_it_has() -> None:
    asked = COMPOSE["services"]["kafka"]["healthcheck"]["test"][-1]

    (account,) = re.findall(r"\$\$(\w+)", asked)

    assert account in environment("kafka")
    assert f"--bootstrap-server {environment('migrate')['KAFKA_BOOTSTRAP']} " in asked


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
