"""Processes of a run under one supervisord: its configuration, its start and end, and orders to it."""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import xmlrpc.client
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from deploy.local.folders import ROOT, write_private
from deploy.local.ports import PortTaken

# Every process of a run carries this variable; whatever still carries it when no run holds the folder is left over.
MARK = "LOCAL_RUNTIME_FOLDER"
START_LIMIT_S = 20.0
STOP_LIMIT_S = 30.0
LEFTOVER_LIMIT_S = 8.0
POLL_S = 0.1
EARLY_EXITS_MAX = 3
LOG_TAIL_LINES = 25
LOG_BYTES_MAX = 10_000_000


class ProcessFailed(RuntimeError):
    """A process did not come up, or did not stop, in its time."""


@dataclass(frozen=True)
class Program:
    """One supervised process. `priority`: lower starts first and stops last."""

    slot: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    stop_wait_s: int = 15
    priority: int = 500
    autostart: bool = False
    account: str | None = None
    folder: Path = ROOT


class Supervisor:
    """A running supervisord and the programs that it was told of; orders go by slot name."""

    def __init__(self, folder: Path, *, socket: Path) -> None:
        self.folder = folder
        self.socket = socket
        self.programs = {"leash": leash()}
        self._changing = asyncio.Lock()

    async def add(self, *programs: Program) -> None:
        """Tell it of new programs; none is started."""
        async with self._changing:
            self.programs |= {program.slot: program for program in programs}
            write_configuration(self)
            await self._call("supervisor.reloadConfig")
            for program in programs:
                await self._call("supervisor.addProcessGroup", program.slot)

    async def remove(self, slot: str) -> None:
        await self.stop(slot)
        async with self._changing:
            await self._call("supervisor.removeProcessGroup", slot)
            del self.programs[slot]

    async def run(self, program: Program, *, ready: Callable[[], Awaitable[bool]], limit_s: float) -> None:
        """Add a program and start it; one that does not come up is forgotten again, so that it can be tried with another port."""
        await self.add(program)
        try:
            await self.start(program.slot, ready=ready, limit_s=limit_s)
        except (ProcessFailed, PortTaken):
            await self.remove(program.slot)
            raise

    async def state(self, slot: str) -> dict[str, Any]:
        info = await self._call("supervisor.getProcessInfo", slot)
        assert isinstance(info, dict)
        return info

    async def pid(self, slot: str) -> int:
        """The process id; 0 while it is not running."""
        return int((await self.state(slot))["pid"])

    async def signal(self, slot: str, name: str) -> None:
        """Send a signal such as KILL, STOP or CONT. A killed process is started again by the supervisor."""
        await self._call("supervisor.signalProcess", slot, name)

    async def start(self, slot: str, *, ready: Callable[[], Awaitable[bool]], limit_s: float) -> None:
        """Start a process and wait until it is ready; one that keeps ending right after its start is not waited for."""
        exits: set[int] = set()

        async def ready_or_refused() -> bool:
            if await ready():
                return True
            await self._refuse_early_exits(slot, exits=exits)
            return False

        await self._call("supervisor.startProcess", slot, False)
        await self.wait_until_ready(slot, ready=ready_or_refused, limit_s=limit_s)

    async def stop(self, *slots: str) -> None:
        """Stop the processes at the same time, and wait until they are gone."""
        running = [slot for slot in slots if (await self.state(slot))["statename"] in ("STARTING", "RUNNING", "BACKOFF")]
        for slot in running:
            with suppress(xmlrpc.client.Fault):  # it ended by itself in between
                await self._call("supervisor.stopProcess", slot, False)
        for slot in running:
            await self._wait_until_stopped(slot)

    async def wait_until_ready(self, slot: str, *, ready: Callable[[], Awaitable[bool]], limit_s: float) -> None:
        """Wait however often the process ends and is started again in between."""
        deadline = asyncio.get_running_loop().time() + limit_s
        while not await ready():
            if asyncio.get_running_loop().time() > deadline:
                state = await self.state(slot)
                raise ProcessFailed(f"{slot} is not ready after {limit_s:.0f} s ({state['description']}):\n{self.log_tail(slot)}")
            await asyncio.sleep(POLL_S)

    async def _refuse_early_exits(self, slot: str, *, exits: set[int]) -> None:
        """Raise when its port is taken, or when it ended early too often. `exits` collects the starts that failed."""
        state = await self.state(slot)
        if state["statename"] == "BACKOFF":
            exits.add(state["start"])
            tail = self.log_tail(slot)
            if "address already in use" in tail.lower():
                raise PortTaken(f"{slot} found its port taken:\n{tail}")
            if len(exits) >= EARLY_EXITS_MAX:
                raise ProcessFailed(f"{slot} ends right after its start ({state['description']}):\n{tail}")

    def log_path(self, slot: str) -> Path:
        return log_path(self.folder, slot=slot)

    def log_tail(self, slot: str) -> str:
        return tail_of(self.log_path(slot))

    async def _wait_until_stopped(self, slot: str) -> None:
        deadline = asyncio.get_running_loop().time() + STOP_LIMIT_S
        while (state := await self.state(slot))["statename"] not in ("STOPPED", "EXITED", "FATAL"):
            if asyncio.get_running_loop().time() > deadline:
                raise ProcessFailed(f"{slot} does not stop within {STOP_LIMIT_S:.0f} s ({state['description']}).")
            await asyncio.sleep(POLL_S)

    async def _call(self, method: str, *arguments: object) -> object:
        return await asyncio.to_thread(call, self.socket, method, *arguments)


def call(socket: Path, method: str, *arguments: object) -> object:
    """One order over a connection of its own, so that orders may run side by side."""
    transport = SupervisorTransport(None, None, f"unix://{socket}")
    try:
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
        function: Any = proxy
        for name in method.split("."):
            function = getattr(function, name)
        return function(*arguments)
    finally:
        transport.close()


@asynccontextmanager
async def running_supervisor(folder: Path) -> AsyncIterator[Supervisor]:
    """Start supervisord without any program; at the end nothing of it is left. The caller holds the folder."""
    end_leftovers(folder)
    shutil.rmtree(folder / "log", ignore_errors=True)
    (folder / "log").mkdir(parents=True)
    supervisor = Supervisor(folder, socket=new_socket_folder(folder) / "s")
    try:
        write_configuration(supervisor)
        process = spawn(folder)
        try:
            await wait_for_supervisord(supervisor, process=process)
            yield supervisor
        finally:
            await stop_everything(supervisor, process=process)
    finally:
        end_leftovers(folder)
        drop_socket_folder(folder)


def new_socket_folder(folder: Path) -> Path:
    """A Unix socket's path may have about 100 characters only, so it lies outside the checkout, in a folder that is ours alone."""
    drop_socket_folder(folder)
    made = Path(tempfile.mkdtemp(prefix="run-"))
    (folder / "socket").symlink_to(made)
    return made


def drop_socket_folder(folder: Path) -> None:
    link = folder / "socket"
    if link.is_symlink():
        shutil.rmtree(link.resolve(), ignore_errors=True)
        link.unlink()


def spawn(folder: Path) -> subprocess.Popen[bytes]:
    """A session of its own keeps Ctrl-C in the terminal for us: we stop the processes in order."""
    environment = {**os.environ, MARK: str(folder), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "supervisor.supervisord", "--nodaemon", "--configuration", str(folder / "supervisord.conf")]
    with (folder / "log" / "supervisord.out").open("wb") as out:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)


async def wait_for_supervisord(supervisor: Supervisor, *, process: subprocess.Popen[bytes]) -> None:
    deadline = asyncio.get_running_loop().time() + START_LIMIT_S
    while True:
        try:
            await asyncio.to_thread(call, supervisor.socket, "supervisor.getState")
            return
        except (OSError, xmlrpc.client.Error):
            if process.poll() is not None or asyncio.get_running_loop().time() > deadline:
                raise ProcessFailed(f"The supervisor did not start:\n{tail_of(supervisor.folder / 'log' / 'supervisord.out')}") from None
        await asyncio.sleep(POLL_S)


async def stop_everything(supervisor: Supervisor, *, process: subprocess.Popen[bytes]) -> None:
    """Last started stops first; those of one priority stop together."""
    programs = supervisor.programs.values()
    for priority in sorted({program.priority for program in programs}, reverse=True):
        with suppress(OSError, xmlrpc.client.Error, ProcessFailed):  # what does not listen is ended with the supervisor, below
            await supervisor.stop(*(program.slot for program in programs if program.priority == priority))
    with suppress(OSError, xmlrpc.client.Error):
        await asyncio.to_thread(call, supervisor.socket, "supervisor.shutdown")
    try:
        await asyncio.to_thread(process.wait, STOP_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        await asyncio.to_thread(process.wait)


def end_leftovers(folder: Path) -> None:
    """End what an earlier, killed run of this folder left running. The caller holds the folder, so no live run owns them."""
    left = [process for process in psutil.process_iter() if is_marked(process, folder=folder)]
    for send in (psutil.Process.terminate, psutil.Process.kill):
        for process in left:
            with suppress(psutil.NoSuchProcess):
                send(process)
        _, left = psutil.wait_procs(left, timeout=LEFTOVER_LIMIT_S)
        if not left:
            return
    raise ProcessFailed(f"Processes {sorted(process.pid for process in left)} of an earlier run in {folder} do not end.")


def is_marked(process: psutil.Process, *, folder: Path) -> bool:
    try:
        return process.environ().get(MARK) == str(folder)
    except (psutil.Error, OSError):
        return False  # gone, or another user's: not ours in either case


def write_configuration(supervisor: Supervisor) -> None:
    sections: list[tuple[str, Mapping[str, object]]] = [
        ("unix_http_server", {"file": supervisor.socket, "chmod": "0600"}),
        ("supervisord", supervisord_settings(supervisor.folder)),
        ("rpcinterface:supervisor", {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"}),
        *((f"program:{program.slot}", program_settings(program, folder=supervisor.folder)) for program in supervisor.programs.values()),
    ]
    write_private(supervisor.folder / "supervisord.conf", "\n".join(section(title, settings) for title, settings in sections))


def leash() -> Program:
    """Ends supervisord, and so everything, when this process is killed and cannot do it."""
    me = psutil.Process()
    command = [sys.executable, "-m", "deploy.local.leash", str(me.pid), repr(me.create_time())]
    return Program(slot="leash", command=command, priority=1, autostart=True)


def supervisord_settings(folder: Path) -> dict[str, object]:
    settings: dict[str, object] = {"logfile": folder / "log" / "supervisord.log", "pidfile": folder / "supervisord.pid", "nodaemon": "true"}
    # Said out loud, or it warns that it runs as root.
    return {**settings, "user": "root"} if os.geteuid() == 0 else settings


def program_settings(program: Program, *, folder: Path) -> dict[str, object]:
    settings: dict[str, object] = {
        "command": " ".join(quoted(word) for word in program.command),
        "directory": program.folder,
        "environment": ",".join(f"{name}={quoted(value)}" for name, value in sorted(program.environment.items())),
        "autostart": str(program.autostart).lower(),
        "autorestart": "true",
        "startsecs": 1,
        "startretries": 1_000_000,
        "stopsignal": program.stop_signal,
        "stopwaitsecs": program.stop_wait_s,
        "priority": program.priority,
        "redirect_stderr": "true",
        "stdout_logfile": log_path(folder, slot=program.slot),
        "stdout_logfile_maxbytes": LOG_BYTES_MAX,
        "stdout_logfile_backups": 1,
    }
    return {**settings, "user": program.account} if program.account else settings


def section(title: str, settings: Mapping[str, object]) -> str:
    lines = (f"{name}={str(value).replace('%', '%%')}\n" for name, value in settings.items())
    return f"[{title}]\n" + "".join(lines)


def quoted(word: str) -> str:
    """A word as supervisord's own reader takes it back; its format has no escape for these."""
    if any(sign in word for sign in ('"', "\\", "\n", " ;", " #")):
        raise ValueError(f"supervisord cannot take {word!r}: it has a quotation mark, a backslash, a line end or the start of a comment.")
    return f'"{word}"'


def log_path(folder: Path, *, slot: str) -> Path:
    return folder / "log" / f"{slot}.log"


def tail_of(path: Path) -> str:
    """The last lines of a log, for an error message."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return f"({path} was never written)"
    return "\n".join([*lines[-LOG_TAIL_LINES:], f"(the whole log: {path})"])
