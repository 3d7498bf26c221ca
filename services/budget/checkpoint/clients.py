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


def write_once(folder: Path, *, seq: int, note: str, leaves: bytes) -> None:
    """The leaves of the rows since the checkpoint before, then the note. Raises BooksContradicted when files are there and say something else."""
    kept = _create(folder / f"{seq:015d}.leaves", content=leaves)
    if kept != leaves:
        raise BooksContradicted(f"the witness has other leaves up to row {seq}")
    kept = _create(folder / f"{seq:015d}{_SUFFIX}", content=note.encode())
    if body_of(kept.decode()) != body_of(note):
        raise BooksContradicted(f"the witness has another checkpoint of row {seq}")


def _create(file: Path, *, content: bytes) -> bytes:
    """Create-only, and whole or not at all; returns what the file holds now."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    with draft.open("wb") as written:
        written.write(content)
        written.flush()
        os.fsync(written.fileno())
        os.fchmod(written.fileno(), 0o444)
    try:
        os.link(draft, file)  # unlike a rename, it never takes the place of a file
    except FileExistsError:
        return file.read_bytes()
    finally:
        draft.unlink()
    return content
