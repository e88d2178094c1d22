"""A clearing house for each test, deployed once a file and set back to its first block in between."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.verifier_contracts.vault_bench import House


@pytest.fixture(scope="module")
def deployed_house() -> House:
    """A clearing house with an honest token and a verifier that accepts what repeats the statement."""
    return House()


@pytest.fixture
def house(deployed_house: House) -> Iterator[House]:
    """The clearing house as it was deployed."""
    snapshot = deployed_house.tester.take_snapshot()
    yield deployed_house
    deployed_house.tester.revert_to_snapshot(snapshot)
