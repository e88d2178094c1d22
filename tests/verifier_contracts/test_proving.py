"""Proofs, the way back to the last proved batch, and the freeze."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi.abi import encode

from tests.verifier_contracts.vault_bench import (
    DAY,
    DOLLAR,
    LAST_KEYS,
    SETTINGS,
    STEP_KEYS,
    TERMINAL_KEY,
    TERMINAL_WORDS,
    House,
    Key,
)

WINDOW, DEADLINE = SETTINGS["queueWindow"], SETTINGS["proofDeadline"]
SET_VERIFIER, SET_STEP_KEYS = 6, 7
KEYS = "(uint256,uint256)[]"
SLOTS = 8


@pytest.fixture
def sealed(house: House) -> House:
    """Two batches are sealed: the first serves a deposit, the second is empty."""
    house.deposit(house.alice)
    house.publish(house.prepare([(house.alice, DOLLAR)]))
    house.publish(house.prepare())
    return house


def sealed_at(house: House, number: int) -> int:
    return int(house.call("batch", number)[11])


# ------------------------------------------------------------------------------------------------------- proving


def test_anyone_may_prove_and_the_proved_queue_position_follows(sealed: House) -> None:
    done = sealed.prove(1)
    root = sealed.call("batch", 1)[0]
    assert sealed.events(done, "BatchProved") == [{"number": 1, "newRoot": root, "queueEnd": 1}]
    assert (sealed.call("provedBatch"), sealed.call("provedQueue")) == (1, 1)
    sealed.prove(2)
    assert sealed.call("provedBatch") == 2


@pytest.mark.parametrize("count", [1, 2, SLOTS])
def test_one_proof_shows_up_to_eight_batches(house: House, count: int) -> None:
    batches = []
    for _ in range(SLOTS):
        house.deposit(house.alice)
        batches.append(house.prepare())
        house.publish(batches[-1])
    keys = [STEP_KEYS[place % 2] for place in range(count)]
    proof = house.proof(1, count, keys, LAST_KEYS[1])
    done = house.send(house.proving(1, proof, count, keys, LAST_KEYS[1]), house.stranger)
    assert house.events(done, "BatchProved") == [
        {"number": batch.number, "newRoot": batch.new_root, "queueEnd": batch.number}
        for batch in batches[:count]
    ]
    assert (house.call("provedBatch"), house.call("provedQueue")) == (count, count)
    if count < SLOTS:
        house.prove(count + 1, SLOTS - count)
        assert house.call("provedBatch") == SLOTS


def test_the_verifier_is_asked_about_what_the_contract_holds_word_for_word(sealed: House) -> None:
    """The words once more, out of what was sent and not out of `statement`."""
    batches = [sealed.call("batch", number) for number in (0, 1, 2)]
    chain, contract = sealed.w3.eth.chain_id, int(sealed.address, 16)
    slots = []
    for number, key in zip((1, 2), STEP_KEYS, strict=True):
        before, batch = batches[number - 1], batches[number]
        root, digest, point, value, _, length, queue_end, parameters, version, _, time, _ = batch
        slots += [*key, version, chain, contract, number, before[0], root, 0, length, digest, point, value]
        slots += [before[6], queue_end, time, parameters]
    words = [*LAST_KEYS[0], *slots, *[0] * 17 * 6]
    assert len(words) == TERMINAL_WORDS
    proof = encode(["bytes32", "uint256[]"], [TERMINAL_KEY, words])
    sealed.send(sealed.proving(1, proof, 2, STEP_KEYS), sealed.stranger)
    assert sealed.call("provedBatch") == 2


def test_a_proof_of_any_other_word_is_refused(sealed: House) -> None:
    proof = sealed.proof(1, 2, STEP_KEYS)
    for place in range(TERMINAL_WORDS):
        other = bytearray(proof)
        other[-32 * (TERMINAL_WORDS - place) + 31] ^= 1
        refusal = sealed.refusal(sealed.proving(1, bytes(other), 2, STEP_KEYS), sealed.stranger)
        assert refusal == "NotTheExpectedStatement()"


def test_batches_are_proved_in_order_and_once(sealed: House) -> None:
    second = sealed.proving(2, sealed.proof(2))
    assert sealed.refusal(second, sealed.stranger) == "BatchNotNextToProve(2, 1)"
    first, both = sealed.proving(1, sealed.proof(1)), sealed.proving(1, sealed.proof(1, 2), 2)
    sealed.send(first, sealed.stranger)
    for again in (first, both):
        assert sealed.refusal(again, sealed.stranger) == "BatchNotNextToProve(1, 2)"


def test_slots_in_another_order_are_another_statement(sealed: House) -> None:
    def words(number: int) -> list[int]:
        return [*STEP_KEYS[0], *sealed.call("statement", number)]

    swapped = [*LAST_KEYS[0], *words(2), *words(1), *[0] * 17 * 6]
    proof = encode(["bytes32", "uint256[]"], [TERMINAL_KEY, swapped])
    assert sealed.refusal(sealed.proving(1, proof, 2), sealed.stranger) == "NotTheExpectedStatement()"


def test_a_proof_shows_between_one_batch_and_eight(house: House) -> None:
    for _ in range(SLOTS + 1):
        house.publish(house.prepare())
    none = house.function("prove", 1, [], LAST_KEYS[0], b"")
    assert house.refusal(none, house.stranger) == "BatchCountOutOfRange(0)"
    assert house.refusal(house.proving(1, b"", SLOTS + 1), house.stranger) == "BatchCountOutOfRange(9)"


def test_a_batch_that_is_not_sealed_has_no_statement_and_no_proof(house: House) -> None:
    for number in (0, 1):
        assert house.refusal(house.function("statement", number), house.alice) == f"BatchNotSealed({number})"
    assert house.refusal(house.function("batch", 1), house.alice) == "BatchNotSealed(1)"
    assert house.refusal(house.proving(1, b""), house.alice) == "BatchNotSealed(1)"
    house.publish(house.prepare())
    assert house.refusal(house.proving(1, b"", 2), house.alice) == "BatchNotSealed(2)"
    assert house.refusal(house.proving(1, b"", SLOTS), house.alice) == "BatchNotSealed(8)"


def test_a_proof_that_the_verifier_refuses_proves_nothing(sealed: House) -> None:
    for proof in (b"", sealed.proof(2), sealed.proof(1)[:-1] + b"\1", sealed.proof(1, 2)):
        refusal = sealed.refusal(sealed.proving(1, proof), sealed.stranger)
        assert refusal == "NotTheExpectedStatement()"
    assert sealed.call("provedBatch") == 0


def test_a_proof_for_another_contract_is_refused(sealed: House) -> None:
    proof = sealed.proof(1)
    other = sealed.deploy("ClearingHouse", sealed.settings())
    sealed.contract, sealed.address, kept = other, other.address, (sealed.contract, sealed.address)
    try:
        sealed.publish(sealed.prepare(items=()))
        assert sealed.refusal(sealed.proving(1, proof), sealed.stranger) == "NotTheExpectedStatement()"
    finally:
        sealed.contract, sealed.address = kept


def test_a_proof_for_another_chain_is_refused(sealed: House) -> None:
    words = [*LAST_KEYS[0], *STEP_KEYS[0], *sealed.call("statement", 1)]
    words += [0] * (TERMINAL_WORDS - len(words))
    chain = 5
    assert words[chain] == sealed.w3.eth.chain_id
    words[chain] += 1
    proof = encode(["bytes32", "uint256[]"], [TERMINAL_KEY, words])
    assert sealed.refusal(sealed.proving(1, proof), sealed.stranger) == "NotTheExpectedStatement()"


def test_the_verifier_that_refuses_everything_refuses_everything(sealed: House) -> None:
    refusing = sealed.deploy("RefusingVerifier")
    deployed = sealed.deploy("ClearingHouse", sealed.settings(verifier=refusing.address))
    sealed.contract, sealed.address, kept = deployed, deployed.address, (sealed.contract, sealed.address)
    try:
        sealed.publish(sealed.prepare(items=()))
        refusal = sealed.refusal(sealed.proving(1, sealed.proof(1)), sealed.stranger)
        assert refusal == "EveryProofIsRefused()"
    finally:
        sealed.contract, sealed.address = kept


# ------------------------------------------------------------------------------------------------------------ keys

STRANGE = [
    (STEP_KEYS[0][0], STEP_KEYS[1][1]),
    (STEP_KEYS[0][0] + 1, STEP_KEYS[0][1]),
    STEP_KEYS[0][::-1],
    LAST_KEYS[0],
    (0, 0),
]


@pytest.mark.parametrize("key", STRANGE)
def test_a_first_step_of_an_unknown_key_proves_nothing(sealed: House, key: Key) -> None:
    for keys, number in (([key, STEP_KEYS[0]], 1), ([STEP_KEYS[0], key], 2)):
        proving = sealed.proving(1, sealed.proof(1, 2, keys), 2, keys)
        assert sealed.refusal(proving, sealed.stranger) == f"StepKeyUnknown({number}, 1)"


@pytest.mark.parametrize("key", [*STEP_KEYS, (LAST_KEYS[0][0], LAST_KEYS[1][1]), (0, 0)])
def test_a_last_step_of_an_unknown_key_proves_nothing(sealed: House, key: Key) -> None:
    proving = sealed.proving(1, sealed.proof(1, last=key), last=key)
    assert sealed.refusal(proving, sealed.stranger) == "LastKeyUnknown()"


def test_batches_of_a_version_whose_keys_were_withdrawn_cannot_be_proved(house: House) -> None:
    house.publish(house.prepare())
    proving = house.proving(1, house.proof(1))
    house.govern(SET_STEP_KEYS, ["uint16", KEYS], 1, [])
    assert house.refusal(proving, house.stranger) == "StepKeyUnknown(1, 1)"
    assert house.refusal(house.begin(house.prepare()), house.sequencer) == "VersionUnknown(1)"


def test_one_key_of_several_can_be_withdrawn(house: House) -> None:
    house.publish(house.prepare())
    house.govern(SET_STEP_KEYS, ["uint16", KEYS], 1, STEP_KEYS[1:])
    gone, kept = ([key] for key in STEP_KEYS)
    assert house.refusal(house.proving(1, house.proof(1, 1, gone), 1, gone), house.stranger) == (
        "StepKeyUnknown(1, 1)"
    )
    house.send(house.proving(1, house.proof(1, 1, kept), 1, kept), house.stranger)


def test_each_batch_is_proved_under_the_version_that_it_was_begun_with(house: House) -> None:
    other: list[Key] = [(3001, 7)]
    house.publish(house.prepare())
    house.govern(SET_STEP_KEYS, ["uint16", KEYS], 2, other)
    second = house.prepare()
    published = (2).to_bytes(2, "big") + second.published[2:]
    house.publish(replace(second, published=published), version=2)
    assert [house.call("statement", number)[0] for number in (1, 2)] == [1, 2]
    for keys, number, version in (
        (STEP_KEYS, 2, 2),
        ([STEP_KEYS[0], STEP_KEYS[0]], 2, 2),
        ([*other, *other], 1, 1),
        ([*other, STEP_KEYS[0]], 1, 1),
    ):
        proving = house.proving(1, house.proof(1, 2, keys), 2, keys)
        assert house.refusal(proving, house.stranger) == f"StepKeyUnknown({number}, {version})"
    right = [STEP_KEYS[1], *other]
    house.send(house.proving(1, house.proof(1, 2, right), 2, right), house.stranger)


def test_the_last_steps_of_a_replaced_verifier_prove_nothing(house: House) -> None:
    house.publish(house.prepare())
    new: Key = (4001, 9)
    house.govern(SET_VERIFIER, ["address", "bytes32", KEYS], house.verifier.address, TERMINAL_KEY, [new])
    assert house.refusal(house.proving(1, house.proof(1)), house.stranger) == "LastKeyUnknown()"
    house.send(house.proving(1, house.proof(1, last=new), last=new), house.stranger)


def test_without_a_last_step_nothing_is_proved(house: House) -> None:
    house.publish(house.prepare())
    house.govern(SET_VERIFIER, ["address", "bytes32", KEYS], house.verifier.address, TERMINAL_KEY, [])
    for key in ((0, 0), LAST_KEYS[0]):
        proving = house.proving(1, house.proof(1, last=key), last=key)
        assert house.refusal(proving, house.stranger) == "LastKeyUnknown()"


# ------------------------------------------------------------------------------------------------------- reverting


def test_the_sequencer_goes_back_to_the_last_proved_batch_at_any_time(sealed: House) -> None:
    sealed.prove(1)
    sealed.deposit(sealed.bob)
    sealed.publish(sealed.prepare())
    done = sealed.send(sealed.function("revertBatches"), sealed.sequencer)
    assert sealed.events(done, "BatchesReverted") == [{"firstReverted": 2, "lastReverted": 3}]
    assert (sealed.call("provedBatch"), sealed.call("sealedBatch")) == (1, 1)


def test_queue_items_of_reverted_batches_are_served_again(sealed: House) -> None:
    sealed.send(sealed.function("revertBatches"), sealed.sequencer)
    again = sealed.prepare()
    assert len(again.published) == 26 + 60
    sealed.publish(again)
    sealed.prove(1)
    assert sealed.call("provedQueue") == 1


def test_a_reverted_batch_leaves_nothing_in_the_one_that_takes_its_number(sealed: House) -> None:
    old_proof = sealed.proof(1)
    sealed.send(sealed.function("revertBatches"), sealed.sequencer)
    sealed.publish(sealed.prepare(items=()))
    number, time, claims_root, claims, queue_end = 1, 10, 4, 9, 6
    batch = sealed.call("batch", number)
    assert (batch[claims_root], batch[claims], batch[queue_end]) == (bytes(32), 0, 0)
    assert batch[time] > SETTINGS["genesisTime"]
    assert sealed.refusal(sealed.proving(1, old_proof), sealed.stranger) == "NotTheExpectedStatement()"


def test_a_batch_in_progress_is_dropped_by_a_revert(house: House) -> None:
    batch = house.prepare()
    house.send(house.begin(batch), house.sequencer)
    house.send(house.function("revertBatches"), house.sequencer)
    append = house.function("append", batch.published)
    assert house.refusal(append, house.sequencer) == "NoBatchBegun()"


def test_there_must_be_something_to_revert(house: House) -> None:
    assert house.refusal(house.function("revertBatches"), house.sequencer) == "NothingToRevert()"


def test_others_revert_only_when_a_proof_is_overdue(sealed: House) -> None:
    revert = sealed.function("revertBatches")
    assert sealed.refusal(revert, sealed.stranger) == "ProofNotOverdue()"
    sealed.wait_until(sealed_at(sealed, 1) + DEADLINE)
    assert sealed.refusal(revert, sealed.stranger) == "ProofNotOverdue()"
    sealed.wait(1)
    sealed.send(revert, sealed.stranger)
    assert sealed.call("sealedBatch") == 0


def test_others_never_drop_a_batch_in_progress(house: House) -> None:
    house.send(house.begin(house.prepare()), house.sequencer)
    house.wait(100 * DAY)
    assert house.refusal(house.function("revertBatches"), house.stranger) == "ProofNotOverdue()"


# -------------------------------------------------------------------------------------------------------- freezing


def test_nothing_overdue_is_no_reason_to_freeze(house: House) -> None:
    house.wait(100 * DAY)
    assert house.refusal(house.function("freeze"), house.stranger) == "NothingOverdue()"


def test_anyone_freezes_when_a_queue_item_has_waited_longer_than_the_window(house: House) -> None:
    house.deposit(house.alice)
    queued = house.call("queueItem", 0)[1]
    freeze = house.function("freeze")
    house.wait_until(queued + WINDOW)
    assert house.refusal(freeze, house.stranger) == "NothingOverdue()"
    house.wait(1)
    done = house.send(freeze, house.stranger)
    assert house.events(done, "Frozen") == [{"time": queued + WINDOW + 1, "provedBatch": 0}]
    assert house.call("frozenAt") == queued + WINDOW + 1


def test_an_item_in_a_sealed_batch_that_is_not_proved_still_waits(house: House) -> None:
    """Soundness of the window: it runs on the proved position, so sealing without proving serves nobody."""
    house.deposit(house.alice)
    queued = house.call("queueItem", 0)[1]
    house.wait_until(queued + WINDOW - 100)
    house.publish(house.prepare())
    house.wait_until(queued + WINDOW + 1)
    house.send(house.function("freeze"), house.stranger)
    assert house.call("sealedBatch") == 0


def test_a_proved_item_no_longer_waits(house: House) -> None:
    house.deposit(house.alice)
    house.proved_batch()
    house.wait(100 * DAY)
    assert house.refusal(house.function("freeze"), house.stranger) == "NothingOverdue()"


def test_a_batch_unproved_for_the_window_is_a_reason_to_freeze(house: House) -> None:
    house.publish(house.prepare())
    house.wait_until(sealed_at(house, 1) + WINDOW)
    assert house.refusal(house.function("freeze"), house.stranger) == "NothingOverdue()"
    house.wait(1)
    house.send(house.function("freeze"), house.stranger)


def test_a_frozen_house_pays_proved_claims_and_does_nothing_else(house: House) -> None:
    house.deposit(house.alice)
    batch = house.proved_batch([(house.alice, DOLLAR)])
    unproved = house.prepare()
    house.publish(unproved)
    house.send(house.begin(house.prepare()), house.sequencer)
    proof = house.proof(2)
    house.wait(WINDOW + 2)
    house.send(house.function("freeze"), house.stranger)
    assert (house.call("provedBatch"), house.call("sealedBatch")) == (1, 1)
    zeros = [0] * 7
    for function, sender in (
        (house.function("deposit", house.alice, 10 * DOLLAR), house.alice),
        (house.function("registerKey", 0, 0, zeros, zeros), house.alice),
        (house.function("forceCancelOrders", 1), house.alice),
        (house.function("forceWithdrawal"), house.alice),
        (house.begin(unproved), house.sequencer),
        (house.function("append", b""), house.sequencer),
        (house.function("seal"), house.sequencer),
        (house.proving(2, proof), house.stranger),
        (house.function("revertBatches"), house.sequencer),
        (house.function("freeze"), house.stranger),
        (house.function("propose", 0, b""), house.governor),
        (house.function("execute", 0, 0, b""), house.governor),
    ):
        assert house.refusal(function, sender) == "IsFrozen()"
    house.send(house.claim(batch, 0, house.bob), house.alice)
    assert house.call("vaultBalance") == 99 * DOLLAR
