"""The witness outside: a folder that checkpoints are added to, each in a file of its own that is never written again."""

import os
from pathlib import Path

from services.budget.checkpoint.rules import BooksContradicted, Witnessed, body_of, read_note

_SUFFIX = ".checkpoint"


def newest_witnessed(folder: Path) -> Witnessed | None:
    """Raises BooksContradicted for a file that cannot be read as a checkpoint: a witness that says nothing is not believed."""
    newest = max((file.name for file in folder.glob(f"*{_SUFFIX}")), default=None)
    if newest is None:
        return None
    try:
        return read_note((folder / newest).read_text(encoding="utf-8"), where=newest)
    except ValueError as error:
        raise BooksContradicted(f"{newest} is no checkpoint: {error}") from error


def write_once(folder: Path, *, seq: int, note: str) -> None:
    """Create-only, and whole or not at all. Raises BooksContradicted when the file is there and says something else."""
    file, draft = folder / f"{seq:015d}{_SUFFIX}", folder / f".{seq:015d}.{os.getpid()}"
    with draft.open("w", encoding="utf-8") as written:
        written.write(note)
        written.flush()
        os.fsync(written.fileno())
        os.fchmod(written.fileno(), 0o444)
    try:
        os.link(draft, file)  # unlike a rename, it never takes the place of a file
    except FileExistsError as error:
        if body_of(file.read_text(encoding="utf-8")) != body_of(note):
            raise BooksContradicted(f"{file.name} is of other rows than the checkpoint that is to be kept there") from error
    finally:
        draft.unlink()
