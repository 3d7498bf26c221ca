"""Kafka's jars: fetched as locked, checked against their hashes; `python -m deploy.local.jars sync|lock`."""

import hashlib
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import typer
from jgo.config import GlobalSettings
from jgo.env import EnvironmentSpec, LockedDependency, LockFile, compute_spec_hash
from jgo.maven import MavenContext, PythonResolver
from jgo.maven._core import DEFAULT_REMOTE_REPOS
from rich.progress import Progress

ROOT = Path(__file__).resolve().parents[2]
SPEC = ROOT / "jgo.toml"
LOCK = ROOT / "jgo.lock.toml"
REPOSITORY = ROOT / ".jgo" / "repository"
DOWNLOADS_AT_ONCE_MAX = 8
DOWNLOAD_TIMEOUT_S = 60

app = typer.Typer(help=__doc__, no_args_is_help=True)


class JarRefused(RuntimeError):
    """A jar is not the one that was locked; its file is removed."""


def class_path() -> str:
    """Every locked jar, in the order of the lock."""
    return os.pathsep.join(str(jar_path(jar)) for jar in locked_jars())


def locked_jars() -> list[LockedDependency]:
    return list(LockFile.load(LOCK).dependencies)


def jar_path(jar: LockedDependency) -> Path:
    assert (jar.classifier, jar.packaging) == (None, "jar"), f"a plain jar is expected, not {jar}"
    return REPOSITORY / jar.groupId.replace(".", "/") / jar.artifactId / jar.version / f"{jar.artifactId}-{jar.version}.jar"


@app.command()
def sync() -> None:
    """Bring every locked jar here, and refuse one that is not byte for byte what was locked."""
    jars, context = locked_jars(), maven_context()
    with Progress(transient=True) as progress, ThreadPoolExecutor(DOWNLOADS_AT_ONCE_MAX) as downloads:
        for _ in progress.track(downloads.map(lambda jar: bring(jar, context=context), jars), total=len(jars), description="Kafka's jars"):
            pass
    print(f"{len(jars)} jars of Kafka are here and match {LOCK.name}.")


def bring(jar: LockedDependency, *, context: MavenContext) -> None:
    coordinate = f"{jar.groupId}:{jar.artifactId}:{jar.version}"
    path = context.create_dependency(coordinate).artifact.resolve()
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != jar.sha256:
        path.unlink()
        raise JarRefused(f"{coordinate} has SHA-256 {found}, locked is {jar.sha256}. It was removed; try again, or lock anew if the change is meant.")


@app.command()
def lock() -> None:
    """Resolve jgo.toml anew and write the versions and hashes found."""
    context = maven_context()
    wanted = [context.create_dependency(coordinate) for coordinate in EnvironmentSpec.load(SPEC).coordinates]
    inputs, others = context.resolver.resolve(wanted)
    found = inputs + [dependency for dependency in others if dependency.scope in ("compile", "runtime")]
    LockFile.from_resolved_dependencies(found, environment_name="kafka", spec_hash=compute_spec_hash(SPEC)).save(LOCK)
    print(f"{len(found)} jars locked in {LOCK.name}.")


def maven_context() -> MavenContext:
    """The user's own jgo configuration may name mirrors; the files stay in this checkout."""
    logging.getLogger("jgo").setLevel(logging.WARNING)
    repositories = {**DEFAULT_REMOTE_REPOS, **GlobalSettings.load().repositories}
    return MavenContext(resolver=PythonResolver(), repo_cache=REPOSITORY, remote_repos=repositories, timeout=DOWNLOAD_TIMEOUT_S)


if __name__ == "__main__":
    app()
