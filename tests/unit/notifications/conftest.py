"""A copy of the policy folder that a test may spoil."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.notifications import policy
from services.notifications.policy import Policy
from shared import city as city_file


@dataclass(frozen=True)
class PolicyCopy:
    folder: Path

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.folder / file).read_text(encoding="utf-8")
        assert old in text, "the edit must hit"
        (self.folder / file).write_text(text.replace(old, new, 1), encoding="utf-8")

    def load(self) -> Policy:
        return policy.load(city_file.load(), folder=self.folder)


@pytest.fixture
def policy_copy(tmp_path: Path) -> PolicyCopy:
    return PolicyCopy(Path(shutil.copytree(policy.FOLDER, tmp_path / "policy", ignore=shutil.ignore_patterns("__pycache__"))))
