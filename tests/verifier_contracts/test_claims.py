"""Claims: out of proved batches only, by their owner only, once, to whom the owner names."""

from __future__ import annotations

import pytest

from rollup.claims import claim_path, claims_root
from rollup.units import BatchNumber
from tests.verifier_contracts.vault_bench import DOLLAR, House, Prepared


@pytest.fixture
def proved(house: House) -> tuple[House, Prepared]:
    house.deposit(house.alice)
    house.deposit(house.bob)
    owners = [house.alice, house.bob, house.alice, house.carol, house.bob]
    batch = house.proved_batch([(owner, 10 + index) for index, owner in enumerate(owners)])
    return house, batch


def test_an_owner_is_paid_at_the_address_it_names(proved: tuple[House, Prepared]) -> None:
    house, batch = proved
    done = house.send(house.claim(batch, 2, house.stranger), house.alice)
    assert house.token.functions.balanceOf(house.stranger).call() == 12
    assert house.call("vaultBalance") == 200 * DOLLAR - 12
    assert [house.call("isClaimed", 1, index) for index in range(5)] == [False, False, True, False, False]
    assert house.events(done, "Claimed") == [
        {"number": 1, "index": 2, "owner": house.alice, "recipient": house.stranger, "amount": 12}
    ]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8, 9, 257])
def test_every_claim_of_a_tree_of_any_size_can_be_claimed(house: House, count: int) -> None:
    house.deposit(house.alice)
    batch = house.proved_batch([(house.alice, 1 + index) for index in range(count)])
    assert house.call("batch", 1)[4] == claims_root(BatchNumber(1), batch.claims)
    for index in sorted({0, count // 2, count - 1}):
        house.send(house.claim(batch, index, house.bob), house.alice)
        refusal = house.refusal(house.claim(batch, index, house.bob), house.alice)
        assert refusal == f"AlreadyClaimed(1, {index})"


def test_nothing_is_claimed_twice(proved: tuple[House, Prepared]) -> None:
    house, batch = proved
    house.send(house.claim(batch, 0, house.alice), house.alice)
    for recipient in (house.alice, house.bob):
        refusal = house.refusal(house.claim(batch, 0, recipient), house.alice)
        assert refusal == "AlreadyClaimed(1, 0)"


def test_nobody_claims_for_another(proved: tuple[House, Prepared]) -> None:
    house, batch = proved
    assert house.refusal(house.claim(batch, 0, house.bob), house.bob) == "ClaimProofInvalid()"


def test_another_amount_index_path_or_batch_is_refused(proved: tuple[House, Prepared]) -> None:
    house, batch = proved
    house.proved_batch([(house.alice, 10), (house.bob, 11)])
    path = claim_path(BatchNumber(1), batch.claims, 0)
    for number, index, amount, given in (
        (1, 0, 11, path),
        (1, 2, 10, path),
        (1, 0, 10, path[:-1]),
        (1, 0, 10, [*path, bytes(32)]),
        (1, 0, 10, path[::-1]),
        (1, 0, 10, []),
        (2, 0, 10, path),
    ):
        claim = house.function("claim", number, index, amount, house.alice, given)
        assert house.refusal(claim, house.alice) == "ClaimProofInvalid()"


def test_an_inner_node_is_no_claim_and_an_index_beyond_the_list_is_none(
    proved: tuple[House, Prepared],
) -> None:
    house, batch = proved
    path = claim_path(BatchNumber(1), batch.claims, 4)
    for index in (5, 8, 1 << 200):
        claim = house.function("claim", 1, index, 14, house.alice, path)
        assert house.refusal(claim, house.alice) == f"ClaimIndexOutOfRange({index}, 5)"


def test_a_batch_that_is_not_proved_pays_nothing(house: House) -> None:
    """Its root and its claims are the sequencer's word alone."""
    house.deposit(house.alice)
    batch = house.prepare([(house.alice, 100 * DOLLAR)])
    house.publish(batch)
    for number in (0, 1, 2):
        claim = house.function("claim", number, 0, 100 * DOLLAR, house.alice, [])
        assert house.refusal(claim, house.alice) == f"BatchNotProved({number})"
    house.prove(1)
    house.send(house.claim(batch, 0, house.alice), house.alice)
    assert house.call("vaultBalance") == 0


def test_a_reverted_batch_pays_nothing(house: House) -> None:
    house.deposit(house.alice)
    batch = house.prepare([(house.alice, 100 * DOLLAR)])
    house.publish(batch)
    house.send(house.function("revertBatches"), house.sequencer)
    assert house.refusal(house.claim(batch, 0, house.alice), house.alice) == "BatchNotProved(1)"
    house.proved_batch([(house.bob, 1)])
    assert house.refusal(house.claim(batch, 0, house.alice), house.alice) == "ClaimProofInvalid()"


def test_recipients_that_would_lose_the_money_are_refused(proved: tuple[House, Prepared]) -> None:
    house, batch = proved
    for recipient in ("0x" + "00" * 20, house.address):
        refusal = house.refusal(house.claim(batch, 0, recipient), house.alice)
        assert refusal == f"RecipientRefused({recipient.lower()})"


def test_equal_claims_of_one_owner_are_each_paid(house: House) -> None:
    house.deposit(house.alice)
    batch = house.proved_batch([(house.alice, 3), (house.alice, 3)])
    for index in range(2):
        house.send(house.claim(batch, index, house.bob), house.alice)
    assert house.call("vaultBalance") == 100 * DOLLAR - 6
