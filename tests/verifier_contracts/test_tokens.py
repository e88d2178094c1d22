"""Tokens that cheat: fees, lies, silence, and calls back in the middle of a transfer."""

from __future__ import annotations

import pytest

from rollup.claims import claim_path
from rollup.units import BatchNumber
from tests.verifier_contracts.vault_bench import DOLLAR, House

HONEST, TAKES_FEE, ANSWERS_FALSE, ANSWERS_NOTHING, ANSWERS_NONSENSE, REVERTS = range(6)


@pytest.fixture(scope="module")
def deployed_house() -> House:
    """A clearing house whose token does what it is told."""
    return House(collateral="HostileToken")


@pytest.fixture
def deposited(house: House) -> House:
    house.deposit(house.alice)
    house.deposit(house.bob)
    return house


def test_a_token_that_keeps_a_fee_is_refused(deposited: House) -> None:
    deposited.send(deposited.token.functions.setMood(TAKES_FEE), deposited.stranger)
    refusal = deposited.refusal(deposited.function("deposit", deposited.alice, 10 * DOLLAR), deposited.alice)
    assert refusal == f"TokenAmountMismatch({10 * DOLLAR - 1}, {10 * DOLLAR})"


@pytest.mark.parametrize("mood", [ANSWERS_FALSE, ANSWERS_NONSENSE, REVERTS])
def test_a_token_that_says_no_moves_nothing(deposited: House, mood: int) -> None:
    batch = deposited.proved_batch([(deposited.alice, 5)])
    deposited.send(deposited.token.functions.setMood(mood), deposited.stranger)
    deposit = deposited.function("deposit", deposited.alice, 10 * DOLLAR)
    assert deposited.refusal(deposit, deposited.alice) == "TokenCallFailed()"
    claim = deposited.claim(batch, 0, deposited.carol)
    assert deposited.refusal(claim, deposited.alice) == "TokenCallFailed()"
    assert not deposited.call("isClaimed", batch.number, 0)


def test_a_token_that_answers_nothing_is_taken_at_its_balances(deposited: House) -> None:
    deposited.send(deposited.token.functions.setMood(ANSWERS_NOTHING), deposited.stranger)
    deposited.deposit(deposited.alice)
    assert deposited.call("vaultBalance") == 300 * DOLLAR


@pytest.mark.parametrize(
    "entry",
    [
        "append", "begin", "cancel", "claim", "deposit", "execute", "fixPrice", "forceCancelOrders",
        "forceWithdrawal", "freeze", "payExit", "postPrice", "propose", "prove", "registerKey", "revertBatches", "seal",
    ],
)  # fmt: skip
def test_no_entry_opens_while_a_token_calls_back(deposited: House, entry: str) -> None:
    zeros = [0] * 7
    arguments: dict[str, tuple[object, ...]] = {
        "append": (b"",),
        "begin": (1, 1, bytes(32), 26, 1),
        "cancel": (0,),
        "claim": (1, 0, 5, deposited.carol, []),
        "deposit": (deposited.alice, 10 * DOLLAR),
        "execute": (0, 0, b""),
        "fixPrice": (0,),
        "payExit": (deposited.carol, 5),
        "forceCancelOrders": (1,),
        "postPrice": (0, 0, 27, bytes(32), bytes(32)),
        "propose": (0, b""),
        "prove": (1, [], (1, 1), b""),
        "registerKey": (0, 0, zeros, zeros),
    }
    message = deposited.function(entry, *arguments.get(entry, ()))._encode_transaction_data()
    deposited.send(deposited.token.functions.setCallback(deposited.address, message), deposited.stranger)
    deposited.deposit(deposited.alice)
    assert deposited.error_name(deposited.token.functions.answer().call()) == "Reentered()"
    assert deposited.call("queueLength") == 3


def test_the_list_of_entries_above_is_every_function_that_changes_something(house: House) -> None:
    marks = test_no_entry_opens_while_a_token_calls_back.pytestmark  # type: ignore[attr-defined]
    entries = next(mark.args[1] for mark in marks if mark.name == "parametrize")
    changing = {
        part["name"]
        for part in house.contract.abi
        if part["type"] == "function" and part["stateMutability"] in {"nonpayable", "payable"}
    }
    assert set(entries) == changing


def test_a_claim_that_is_claimed_again_while_it_is_paid_is_paid_once(deposited: House) -> None:
    """The token calls back as the owner's contract would: the lock and the bit both stand in the way."""
    batch = deposited.proved_batch([(deposited.token.address, 5), (deposited.alice, 7)])
    path = claim_path(BatchNumber(batch.number), batch.claims, 0)
    again = deposited.function("claim", batch.number, 0, 5, deposited.carol, path)._encode_transaction_data()
    deposited.send(deposited.token.functions.setCallback(deposited.address, again), deposited.stranger)
    deposited.send(deposited.claim(batch, 1, deposited.carol), deposited.alice)
    assert deposited.error_name(deposited.token.functions.answer().call()) == "Reentered()"
    assert deposited.call("vaultBalance") == 200 * DOLLAR - 7


def test_a_token_without_six_decimals_is_refused(house: House) -> None:
    house.send(house.token.functions.setDecimals(18), house.stranger)
    assert house.refused_deployment() == "TokenDecimalsNotSix(18)"
