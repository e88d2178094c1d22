"""Deposits: who may pay, what the queue then says, and which tokens are refused."""

from __future__ import annotations

import pytest

from rollup.codec import encode_queued_item
from rollup.transactions import Deposit
from tests.rollup.workbench import make
from tests.verifier_contracts.vault_bench import DOLLAR, SETTINGS, House, queue_hash


def test_a_deposit_opens_an_account_and_queues_what_the_rules_expect(house: House) -> None:
    done = house.send(house.function("deposit", house.bob, 25 * DOLLAR), house.alice)
    (queued,) = house.queue()
    assert queued.item == make(Deposit, 1, int(house.bob, 16), int(house.alice, 16), 25 * DOLLAR)
    assert house.events(done, "AccountOpened") == [{"account": 1, "owner": house.bob}]
    assert house.events(done, "Deposited") == [{"account": 1, "payer": house.alice, "amount": 25 * DOLLAR}]
    assert house.call("accountOf", house.bob) == 1
    assert house.call("accountOf", house.alice) == 0
    assert house.call("vaultBalance") == 25 * DOLLAR
    assert house.token.functions.balanceOf(house.address).call() == 25 * DOLLAR


def test_accounts_are_numbered_in_sequence_one_an_address(house: House) -> None:
    for person in (house.alice, house.bob, house.alice, house.carol):
        house.deposit(person)
    assert [house.call("accountOf", person) for person in (house.alice, house.bob, house.carol)] == [1, 2, 3]
    assert house.call("accountCount") == 3
    assert house.call("queueLength") == 4


def test_the_running_hash_is_that_of_the_items_as_batches_spell_them(house: House) -> None:
    for person in (house.alice, house.bob, house.alice):
        house.deposit(person)
        house.wait(7)
    items = house.queue()
    assert [house.call("queueHash", length) for length in range(4)] == [
        queue_hash(items[:length]) for length in range(4)
    ]
    assert len(encode_queued_item(items[0])) == 60


@pytest.mark.parametrize("amount", [0, 1, 10 * DOLLAR - 1])
def test_less_than_the_minimum_is_refused(house: House, amount: int) -> None:
    refusal = house.refusal(house.function("deposit", house.alice, amount), house.alice)
    assert refusal == f"DepositTooSmall({amount}, {SETTINGS['minimumDeposit']})"


def test_a_deposit_for_nobody_is_refused(house: House) -> None:
    nobody = "0x" + "00" * 20
    assert house.refusal(house.function("deposit", nobody, 10 * DOLLAR), house.alice) == "AddressIsZero()"


def test_the_vault_takes_two_to_the_sixty_two_and_not_one_more(house: House) -> None:
    house.deposit(house.alice, 50)
    room = (1 << 62) - 50 * DOLLAR
    refusal = house.refusal(house.function("deposit", house.alice, room + 1), house.alice)
    assert refusal == f"VaultFull({50 * DOLLAR}, {room + 1})"
    house.send(house.function("deposit", house.alice, room), house.alice)
    assert house.call("vaultBalance") == 1 << 62


def test_an_amount_beyond_every_width_is_refused(house: House) -> None:
    refusal = house.refusal(house.function("deposit", house.alice, 1 << 255), house.alice)
    assert refusal == f"VaultFull(0, {1 << 255})"


def test_the_last_account_number_is_given_and_no_other(house: House) -> None:
    deposit = house.function("deposit", house.alice, 10 * DOLLAR)
    last = (1 << 24) - 1
    slot, byte = house.place("accountCount")
    assert house.refusal(deposit, house.alice, storage={slot: last << 8 * byte}) == "AccountsExhausted()"
    assert house.refusal(deposit, house.alice, storage={slot: last - 1 << 8 * byte}) == "accepted"


def test_a_full_queue_takes_nothing_more(house: House) -> None:
    deposit = house.function("deposit", house.alice, 10 * DOLLAR)
    assert (
        house.refusal(deposit, house.alice, storage={house.place("queueLength")[0]: (1 << 32) - 1})
        == "QueueExhausted()"
    )


def test_a_deposit_without_allowance_fails_as_a_whole(house: House) -> None:
    house.send(house.token.functions.approve(house.address, 0), house.alice)
    assert (
        house.refusal(house.function("deposit", house.alice, 10 * DOLLAR), house.alice) == "TokenCallFailed()"
    )


def test_the_queue_takes_sixty_four_deposits_a_block(house: House) -> None:
    flooder = house.flooder()
    message = house.function("deposit", house.alice, 10 * DOLLAR)._encode_transaction_data()
    flood = flooder.functions.flood(house.address, message, 65, 0)
    assert house.refusal(flood, house.alice) == "TooManyDepositsInBlock()"
    house.send(flooder.functions.flood(house.address, message, 64, 0), house.alice)
    assert house.call("queueLength") == 64
    house.deposit(house.bob)
    assert house.call("queueLength") == 65
