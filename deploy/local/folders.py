"""Where a run keeps its state: one folder a profile under .local/, held by one run at a time."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".local"


class AlreadyRunning(RuntimeError):
    """Another live run holds the folder."""


def profile_folder(profile: str) -> Path:
    return STATE / profile


@contextmanager
def held(folder: Path) -> Iterator[Path]:
    """Hold the folder for this process. The system lets go of it when the process dies, so a killed run leaves no lock behind."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise AlreadyRunning(f"{folder} is in use by process {lock.read() or 'unknown'}. Stop that run first, or use another profile.") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield folder


def empty_folder(folder: Path) -> None:
    """Remove everything of an earlier run but the lock, which the caller holds."""
    for entry in folder.iterdir():
        if entry.is_symlink():
            shutil.rmtree(entry.resolve(), ignore_errors=True)
            entry.unlink()
        elif entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "lock":
            entry.unlink()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, in one step."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
