"""Loading what is told and what is reported; a wrong entry keeps the process from starting."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.notifications.policy.interface import Interface
from services.notifications.policy.wording import Wording
from shared.city import City

FOLDER = Path(__file__).parent
ROLES_FILE = FOLDER / "roles.toml"


class PolicyWrong(ValueError):
    """The data cannot be used; the message names the file or the entry. The process must not start."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    wording: Wording
    interface: Interface


def load(city: City, *, folder: Path = FOLDER) -> Policy:
    try:
        wording = Wording.model_validate(
            {
                "templates": [_read(file) for file in sorted((folder / "templates").glob("*.toml"))],
                **_read(folder / "silent.toml"),
                **_read(folder / "remedies.toml"),
            }
        )
        wording.check_city(city)
        interface = Interface.model_validate({**_read(folder / "portal" / "interface.toml"), **_read(folder / "portal" / "steps.toml")})
    except (OSError, ValueError) as wrong:
        raise PolicyWrong(f"notifications: {wrong}") from wrong
    return Policy(wording=wording, interface=interface)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as wrong:
        raise PolicyWrong(f"{file.name}: {wrong}") from wrong
