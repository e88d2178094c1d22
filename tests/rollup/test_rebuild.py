"""From the L1 data alone anyone reaches the same state and the same root."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import pytest

from prover.hash.poseidon import POSEIDON16_20
from rollup.codec import BatchContent, decode_batch, encode_batch
from rollup.rebuild import RebuildError, rebuild, rebuild_batch
from rollup.state_hash import KernelHasher
from rollup.state_tree import StateTree
from rollup.transactions import TRANSACTIONS
from rollup.units import QueuePosition, Time
from tests.rollup.workbench import (
    ALICE,
    BOB,
    CALL,
    CAROL,
    DOLLAR,
    GENESIS_TIME,
    HOUR,
    PUT,
    CountingCheck,
    House,
)


@lru_cache(maxsize=1)
def a_day_of_trading() -> House:
    """Three batches with every transaction of version 1, and a queue item without effect."""
    house = House()
    for account, dollars in ((ALICE, 1_000), (BOB, 1_000), (CAROL, 300)):
        house.deposit(account, dollars)
    house.set_fees(100, 300)
    house.list_group()
    call, put = house.list_series(7, 100, CALL), house.list_series(7, 90, PUT)
    house.trade(ALICE, BOB, call, 3, 7.5)
    house.trade(BOB, CAROL, put, 2, 1.25)
    house.apply(house.transfer(ALICE, CAROL, 5 * DOLLAR))
    house.apply(house.withdrawal(ALICE, 100 * DOLLAR))
    house.apply(house.cancel(BOB, 50))
    house.next_batch(GENESIS_TIME + 5 * HOUR)
    house.force_cancel(CAROL, 9)
    house.force_out(77)
    house.at(GENESIS_TIME + 24 * HOUR)
    house.fix(7, 112)
    house.force_out(BOB)
    house.settle(ALICE)
    house.settle(CAROL)
    house.seal()
    return house


def test_the_day_uses_every_transaction() -> None:
    contents = [decode_batch(published) for published in a_day_of_trading().published]
    used: set[type] = {type(queued.item) for content in contents for queued in content.items}
    used |= {type(record) for content in contents for record in content.records}
    assert used == {entry.published for entry in TRANSACTIONS}


def test_the_data_alone_gives_the_same_state_and_root() -> None:
    house = a_day_of_trading()
    assert house.genesis is not None
    check = CountingCheck()
    state = rebuild(house.genesis, house.published, check)
    assert state == house.state
    assert check.signatures == 0
    hasher = KernelHasher(POSEIDON16_20)
    assert StateTree.of_state(state, hasher).root == StateTree.of_state(house.state, hasher).root


def test_a_batch_out_of_order_is_refused() -> None:
    house = a_day_of_trading()
    assert house.genesis is not None
    with pytest.raises(RebuildError, match=r"^batch 2 does not follow batch 0$"):
        rebuild(house.genesis, house.published[1:], house.check)


def test_data_that_breaks_a_rule_is_refused() -> None:
    house = a_day_of_trading()
    content = decode_batch(house.published[0])
    again = (*content.records, content.records[1])
    breaches: list[tuple[BatchContent, str]] = [
        (replace(content, time=Time(GENESIS_TIME - 1)), "batch 1 cannot open: time_runs_backwards"),
        (replace(content, queue_start=QueuePosition(1)), "queue position 1 is not 0"),
        (replace(content, records=again), "step 16 of batch 1 breaks a rule: order_cancelled"),
        (replace(content, claims=()), "the claims of batch 1 do not follow from its steps"),
    ]
    assert house.genesis is not None
    for breach, message in breaches:
        with pytest.raises(RebuildError) as raised:
            rebuild_batch(house.genesis, encode_batch(breach), house.check)
        assert str(raised.value) == message
