"""Loading the registry's policy: the TOML files of this folder as one frozen catalogue; a wrong entry keeps the process from starting."""

import functools
import tomllib
from collections.abc import Mapping
from pathlib import Path

from services.registry.policy.catalogue import Catalogue

FOLDER = Path(__file__).parent
ROLES = FOLDER / "roles.toml"

# File -> its one table, and the field of the catalogue that holds it.
_TABLES: Mapping[str, tuple[str, str]] = {
    "businesses.toml": ("business", "businesses"),
    "ending_causes.toml": ("cause", "ending_causes"),
    "time_limits.toml": ("limit", "time_limits"),
    "kinds.toml": ("kind", "kinds"),
}


def load(folder: Path = FOLDER) -> Catalogue:
    """Read every file of the folder; ValueError names the entry that is wrong."""
    content: dict[str, object] = {}
    for name, (table, field) in _TABLES.items():
        document = tomllib.loads((folder / name).read_text(encoding="utf-8"))
        if document.keys() != {table}:
            raise ValueError(f"{name} has [[{table}]] entries and nothing else, not {sorted(document)}")
        content[field] = document[table]
    return Catalogue.model_validate(content)


@functools.cache
def current() -> Catalogue:
    """The catalogue of this process, read once."""
    return load()
