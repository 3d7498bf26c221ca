"""The policy as it ships and the published calendar, read once for all tests of the rules."""

import pytest

from services.applications import policy as policy_data
from services.applications.policy.catalogue import Catalogue, Policy
from shared import workdays


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return policy_data.load()


@pytest.fixture(scope="session")
def policy(catalogue: Catalogue) -> Policy:
    return catalogue.policy("2023-15")


@pytest.fixture(scope="session")
def calendar() -> workdays.Calendar:
    return workdays.load()
