"""What owners may force through the queue, what it costs, and how much of it fits a block."""

from __future__ import annotations

import pytest

from rollup.transactions import ForcedCancelOrders, ForcedWithdrawal, RegisterKey
from tests.rollup.workbench import make
from tests.verifier_contracts.vault_bench import DOLLAR, KEY_X, KEY_Y, SETTINGS, House

CHARGE = SETTINGS["forcedItemCharge"]
BURNED = "0x000000000000000000000000000000000000dEaD"
PRIME = 0x7F000001


@pytest.fixture
def owned(house: House) -> House:
    house.deposit(house.bob)
    house.deposit(house.alice)
    return house


def test_the_three_forced_items_are_queued_as_the_rules_spell_them(owned: House) -> None:
    for name, arguments in (
        ("registerKey", (77, 1, KEY_X, KEY_Y)),
        ("forceCancelOrders", (4_000_000_000,)),
        ("forceWithdrawal", ()),
    ):
        owned.send(owned.function(name, *arguments), owned.alice, CHARGE)
    alice = int(owned.alice, 16)
    assert [queued.item for queued in owned.queue(2)] == [
        make(RegisterKey, 2, alice, 77, 1, tuple(KEY_X), tuple(KEY_Y)),
        make(ForcedCancelOrders, 2, alice, 4_000_000_000),
        make(ForcedWithdrawal, 2, alice),
    ]


@pytest.mark.parametrize("place", range(14))
def test_a_key_that_is_not_canonical_is_refused(owned: House, place: int) -> None:
    coordinates = KEY_X + KEY_Y
    coordinates[place] = PRIME
    register = owned.function("registerKey", 0, 1, coordinates[:7], coordinates[7:])
    assert owned.refusal(register, owned.alice, CHARGE) == f"KeyNotCanonical({PRIME})"


def test_whoever_has_no_account_forces_nothing(owned: House) -> None:
    for name, arguments in (
        ("registerKey", (77, 1, KEY_X, KEY_Y)),
        ("forceCancelOrders", (1,)),
        ("forceWithdrawal", ()),
    ):
        refusal = owned.refusal(owned.function(name, *arguments), owned.carol, CHARGE)
        assert refusal == f"AccountUnknown({owned.carol.lower()})"


def test_the_charge_is_burned_and_the_change_comes_back(owned: House) -> None:
    balance = owned.w3.eth.get_balance
    before = balance(owned.alice)
    done = owned.send(owned.function("forceWithdrawal"), owned.alice, 5 * CHARGE)
    spent = before - balance(owned.alice) - done["gasUsed"] * done["effectiveGasPrice"]
    assert (spent, balance(BURNED), balance(owned.address)) == (CHARGE, CHARGE, 0)


def test_less_than_the_charge_is_refused(owned: House) -> None:
    refusal = owned.refusal(owned.function("forceWithdrawal"), owned.alice, CHARGE - 1)
    assert refusal == f"ChargeTooSmall({CHARGE - 1}, {CHARGE})"


def test_a_sender_that_takes_no_change_must_pay_exactly(owned: House) -> None:
    flooder = owned.flooder()
    owned.send(owned.function("deposit", flooder.address, 10 * DOLLAR), owned.bob)
    owned.send(flooder.functions.setRefusesEther(True), owned.bob)
    message = owned.function("forceWithdrawal")._encode_transaction_data()
    paying = flooder.functions.flood(owned.address, message, 1, CHARGE + 1)
    assert owned.refusal(paying, owned.bob, CHARGE + 1) == "RefundFailed()"
    owned.send(flooder.functions.flood(owned.address, message, 1, CHARGE), owned.bob, CHARGE)


def test_flooding_doubles_the_charge_and_ends_after_thirty_two_items(owned: House) -> None:
    flooder = owned.flooder()
    owned.send(owned.function("deposit", flooder.address, 10 * DOLLAR), owned.bob)
    message = owned.function("forceWithdrawal")._encode_transaction_data()
    highest = CHARGE << 8
    for times, value, expected in (
        (4, CHARGE, "accepted"),
        (5, CHARGE, f"ChargeTooSmall({CHARGE}, {2 * CHARGE})"),
        (8, 2 * CHARGE, "accepted"),
        (9, 2 * CHARGE, f"ChargeTooSmall({2 * CHARGE}, {4 * CHARGE})"),
        (32, highest, "accepted"),
        (33, highest, "TooManyForcedItemsInBlock()"),
    ):
        flood = flooder.functions.flood(owned.address, message, times, value)
        assert owned.refusal(flood, owned.bob, times * value) == expected
    before = owned.w3.eth.get_balance(BURNED)
    owned.send(flooder.functions.flood(owned.address, message, 32, highest), owned.bob, 32 * highest)
    assert owned.w3.eth.get_balance(BURNED) - before == 4 * CHARGE * (2**8 - 1)
    assert owned.call("charge") == highest
    owned.wait(2)
    assert owned.call("charge") == CHARGE
    owned.send(owned.function("forceWithdrawal"), owned.alice, CHARGE)


def test_a_flood_of_deposits_keeps_nobody_from_leaving(owned: House) -> None:
    """Both in one block: the flooder fills the deposits of the block and still forces its own withdrawal."""
    flooder = owned.flooder()
    deposit = owned.function("deposit", flooder.address, 10 * DOLLAR)._encode_transaction_data()
    leave = owned.function("forceWithdrawal")._encode_transaction_data()
    flood = flooder.functions.flood(owned.address, deposit, 64, 0)._encode_transaction_data()
    force = flooder.functions.flood(owned.address, leave, 1, CHARGE)._encode_transaction_data()
    owned.tester.disable_auto_mine_transactions()
    sent = [
        owned.w3.eth.send_transaction(
            {"from": sender, "to": flooder.address, "data": data, "gas": 16_000_000, "value": value}
        )
        for sender, data, value in ((owned.bob, flood, 0), (owned.carol, force, CHARGE))
    ]
    owned.tester.mine_block()
    owned.tester.enable_auto_mine_transactions()
    receipts = [owned.w3.eth.get_transaction_receipt(each) for each in sent]
    assert [each["status"] for each in receipts] == [1, 1]
    assert receipts[0]["blockNumber"] == receipts[1]["blockNumber"]
    assert owned.call("queueLength") == 2 + 64 + 1
