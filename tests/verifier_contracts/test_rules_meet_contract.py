"""What the rules publish is what the contract takes: the queue, a batch, its proof and its claims, end to end."""

from __future__ import annotations

from rollup.batch import Batch, BatchOutcome, apply_batch
from rollup.rebuild import rebuild
from rollup.state import State
from rollup.transactions import Deposit, Withdrawal
from rollup.transition import apply_l1_item
from rollup.units import GroupId
from tests.rollup.workbench import UNSIGNED, CountingCheck, make
from tests.verifier_contracts.vault_bench import (
    DAY,
    DOLLAR,
    KEY_X,
    KEY_Y,
    ORACLES,
    SETTINGS,
    START,
    House,
    Prepared,
    data_value,
)

CHARGE = SETTINGS["forcedItemCharge"]
EXPIRY = START + 60 * DAY
LIST_GROUP, LIST_SERIES, SET_PARAMETERS = 0, 1, 2


def next_batch(house: House, state: State, *transactions: Withdrawal) -> tuple[State, Prepared]:
    """Apply a batch over everything that waits in the queue, publish it and prove it."""
    start = state.system.queue_position
    batch = make(Batch, state.system.batch_number + 1, house.now, start, house.queue(start), transactions)
    outcome = apply_batch(state, batch, CountingCheck())
    assert isinstance(outcome, BatchOutcome)
    prepared = Prepared(batch.number, outcome.published, outcome.content.claims, batch.number)
    house.publish(prepared)
    house.prove(batch.number)
    assert house.call("statement", batch.number)[10] == data_value(house, prepared)
    assert house.call("provedQueue") == outcome.state.system.queue_position
    assert house.call("batch", batch.number)[7] == outcome.state.system.parameters.version
    return outcome.state, prepared


def test_a_clearing_house_runs_from_deposit_to_claim(house: House) -> None:
    genesis = make(State.genesis, house.deployment, SETTINGS["genesisTime"])
    house.deposit(house.alice, 500)
    house.deposit(house.bob, 300)
    house.send(house.function("registerKey", 3, 1, KEY_X, KEY_Y), house.bob, CHARGE)
    state, first = next_batch(house, genesis)
    assert [account.cash for account in state.accounts()] == [500 * DOLLAR, 300 * DOLLAR]

    terms = ["uint16", "uint16", "uint48", "uint32", "uint32", "uint32"]
    house.govern(LIST_GROUP, terms, 7, 1, EXPIRY, 10_000, DOLLAR, 10_000)
    house.govern(LIST_SERIES, ["uint16", "uint32", "uint16"], 7, 5000, 1)
    house.govern(SET_PARAMETERS, ["uint16", "uint16", "uint32"], 0, 2, 1)
    state, second = next_batch(house, state)
    house.wait_until(EXPIRY)
    for oracle, price in zip(ORACLES, (4000, 4100, 20_000), strict=False):
        digest = house.call("priceDigest", 7, price)
        signed = oracle.unsafe_sign_hash(digest)
        parts = (signed.v, signed.r.to_bytes(32, "big"), signed.s.to_bytes(32, "big"))
        house.send(house.function("postPrice", 7, price, *parts), house.stranger)
    house.wait_until(EXPIRY + SETTINGS["collectionPeriod"] + 1)
    house.send(house.function("fixPrice", 7), house.stranger)
    house.send(house.function("forceWithdrawal"), house.alice, CHARGE)
    house.send(house.function("forceCancelOrders", 9), house.bob, CHARGE)
    withdrawal = make(Withdrawal, 2, 50 * DOLLAR, 0, UNSIGNED)
    state, third = next_batch(house, state, withdrawal)

    group = state.group(make(GroupId, 7))
    assert group is not None
    assert (group.settlement_price, len(group.series)) == (4100, 1)
    assert [(claim.owner, claim.amount) for claim in third.claims] == [
        (int(house.alice, 16), 500 * DOLLAR),
        (int(house.bob, 16), 50 * DOLLAR),
    ]
    house.send(house.claim(third, 0, house.carol), house.alice)
    house.send(house.claim(third, 1, house.bob), house.bob)
    assert house.call("vaultBalance") == state.system.owed == 250 * DOLLAR
    published = [batch.published for batch in (first, second, third)]
    assert rebuild(genesis, published, CountingCheck()) == state


def test_no_deposit_that_the_contract_takes_is_refused_by_the_rules(house: House) -> None:
    """A vault below its cap, accounts in sequence and one owner each leave the rules nothing to refuse."""
    state = make(State.genesis, house.deployment, SETTINGS["genesisTime"])
    house.deposit(house.alice, 10)
    house.send(house.function("deposit", house.alice, (1 << 62) - 20 * DOLLAR), house.bob)
    house.deposit(house.bob, 10)
    for queued in house.queue():
        outcome = apply_l1_item(state, queued.item, CountingCheck())
        assert isinstance(queued.item, Deposit)
        assert outcome.events[-1].claims == ()
        state = outcome.state
    assert state.system.owed == house.call("vaultBalance") == 1 << 62
