"""Loading the budget's policy: each policy has a folder with its fund and its lines; a wrong entry keeps the process from starting."""

import functools
import tomllib
from pathlib import Path
from typing import Any

from services.budget.policy.catalogue import Catalogue, Fund

FOLDER = Path(__file__).parent
ROLES = FOLDER / "roles.toml"


def load(folder: Path = FOLDER) -> Catalogue:
    """Read every <policy>/fund.toml with the lines.toml beside it; ValueError names what is wrong."""
    return Catalogue(funds=tuple(_read_fund(file.parent) for file in sorted(folder.glob("*/fund.toml"))))


@functools.cache
def current() -> Catalogue:
    """The catalogue of this process, read once."""
    return load()


def _read_fund(folder: Path) -> Fund:
    fund, lines = _read(folder / "fund.toml"), _read(folder / "lines.toml")
    if fund.get("id") != folder.name:
        raise ValueError(f"{folder.name}/fund.toml holds the fund of {fund.get('id')!r}")
    if lines.keys() != {"line"}:
        raise ValueError(f"{folder.name}/lines.toml has [[line]] entries and nothing else, not {sorted(lines)}")
    return Fund.model_validate({**fund, "lines": lines["line"]})


def _read(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))
