"""Random passwords of a profile, made once and kept in its secrets.env."""

import secrets
from collections.abc import Iterable
from pathlib import Path

from deploy.local.folders import write_private


def passwords(folder: Path, *, names: Iterable[str]) -> dict[str, str]:
    """One password a name; those that the folder's secrets.env already has stay as they are."""
    path = folder / "secrets.env"
    known = read(path) if path.exists() else {}
    missing = {name: secrets.token_urlsafe(24) for name in names if name not in known}
    if missing:
        known |= missing
        write_private(path, "".join(f"{name}={value}\n" for name, value in known.items()))
    return known


def read(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line)
