"""The description of each service's HTTP: `python -m deploy.docs.openapi` writes tests/contract/openapi/<service>.json."""

import json
from pathlib import Path

from deploy.docs.pages import CONTRACT, write
from deploy.docs.product import app_of
from deploy.postgres.roles import SERVICES

FOLDER = CONTRACT / "openapi"


def pages() -> dict[Path, str]:
    return {FOLDER / f"{service}.json": rendered(service) for service in SERVICES}


def rendered(service: str) -> str:
    return json.dumps(app_of(service).openapi(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    write(pages())
