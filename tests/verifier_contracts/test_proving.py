"""Proofs, the way back to the last proved batch, and the freeze."""

from __future__ import annotations

import pytest

from tests.verifier_contracts.vault_bench import DAY, DOLLAR, SETTINGS, House

WINDOW, DEADLINE = SETTINGS["queueWindow"], SETTINGS["proofDeadline"]
SET_BASE_KEY = 7


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


def test_batches_are_proved_in_order_and_once(sealed: House) -> None:
    second = sealed.function("prove", 2, sealed.proof(2))
    assert sealed.refusal(second, sealed.stranger) == "BatchNotNextToProve(2, 1)"
    first = sealed.function("prove", 1, sealed.proof(1))
    sealed.send(first, sealed.stranger)
    assert sealed.refusal(first, sealed.stranger) == "BatchNotNextToProve(1, 2)"


def test_a_batch_that_is_not_sealed_has_no_statement_and_no_proof(house: House) -> None:
    for number in (0, 1):
        assert house.refusal(house.function("statement", number), house.alice) == f"BatchNotSealed({number})"
    assert house.refusal(house.function("batch", 1), house.alice) == "BatchNotSealed(1)"
    assert house.refusal(house.function("prove", 1, b""), house.alice) == "BatchNotSealed(1)"


def test_a_proof_that_the_verifier_refuses_proves_nothing(sealed: House) -> None:
    for proof in (b"", sealed.proof(2), sealed.proof(1)[:-1] + b"\0"):
        refusal = sealed.refusal(sealed.function("prove", 1, proof), sealed.stranger)
        assert refusal == "NotTheExpectedStatement()"


def test_the_verifier_that_is_deployed_until_there_is_a_real_one_refuses_everything(sealed: House) -> None:
    refusing = sealed.deploy("RefusingVerifier")
    deployed = sealed.deploy("ClearingHouse", sealed.settings(verifier=refusing.address))
    sealed.contract, sealed.address, kept = deployed, deployed.address, (sealed.contract, sealed.address)
    try:
        sealed.publish(sealed.prepare(items=()))
        refusal = sealed.refusal(sealed.function("prove", 1, sealed.proof(1)), sealed.stranger)
        assert refusal == "EveryProofIsRefused()"
    finally:
        sealed.contract, sealed.address = kept


def test_batches_of_a_version_whose_key_was_withdrawn_cannot_be_proved(house: House) -> None:
    house.publish(house.prepare())
    proof = house.proof(1)
    house.govern(SET_BASE_KEY, ["uint16", "bytes32"], 1, bytes(32))
    assert house.refusal(house.function("prove", 1, proof), house.stranger) == "VersionUnknown(1)"


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
    assert (
        sealed.refusal(sealed.function("prove", 1, old_proof), sealed.stranger) == "NotTheExpectedStatement()"
    )


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
        (house.function("prove", 2, proof), house.stranger),
        (house.function("revertBatches"), house.sequencer),
        (house.function("freeze"), house.stranger),
        (house.function("propose", 0, b""), house.governor),
        (house.function("execute", 0, 0, b""), house.governor),
    ):
        assert house.refusal(function, sender) == "IsFrozen()"
    house.send(house.claim(batch, 0, house.bob), house.alice)
    assert house.call("vaultBalance") == 99 * DOLLAR
