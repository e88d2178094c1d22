"""At which price a group ends after a freeze: the oracles' median, the governor's only where they are silent."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rollup.units import GroupId
from tests.verifier_contracts.exit_bench import SILENCE, TIMELOCK, Escape, list_market, settle_prices
from tests.verifier_contracts.test_exits import FAR, NEAR, everybody_leaves, market
from tests.verifier_contracts.vault_bench import ORACLES

EARLY, LATE = GroupId(7), GroupId(8)


@pytest.fixture(scope="module")
def frozen_market() -> Escape:
    escape = Escape()
    market(escape)
    escape.freeze()
    escape.show_groups()
    return escape


@pytest.fixture
def escape(frozen_market: Escape) -> Iterator[Escape]:
    """Frozen before either group expires, with all leaves shown."""
    machine, now = frozen_market.engine.machine, frozen_market.engine.now
    snapshot = machine.snapshot()
    yield frozen_market
    machine.revert(snapshot)
    frozen_market.engine.now = now


def announce(escape: Escape, group: int, price: int, caller: str | None = None) -> str:
    refusal = escape.refusal("announcePrice", group, price, caller=caller or escape.governor)
    if refusal == "accepted":
        escape.ask("announcePrice", group, price, caller=caller or escape.governor)
    return refusal


def adopt(escape: Escape, group: int) -> str:
    refusal = escape.refusal("adoptPrice", group, caller=escape.stranger)
    if refusal == "accepted":
        escape.ask("adoptPrice", group, caller=escape.stranger)
    return refusal


def test_oracles_post_and_anyone_fixes_after_a_freeze(escape: Escape) -> None:
    assert escape.price_of(EARLY) is None
    assert escape.post_price(EARLY, 0, 100) == f"GroupNotExpired({NEAR})"
    waiting = len(escape.queue)
    settle_prices(escape, {7: 104}, NEAR)
    assert escape.price_of(EARLY) == 104
    assert len(escape.queue) == escape.call("queueLength") == waiting, "no batch would serve the item"
    assert escape.price_of(LATE) is None
    settle_prices(escape, {8: 91}, FAR)
    assert (escape.price_of(EARLY), escape.price_of(LATE)) == (104, 91)


def test_a_price_that_was_fixed_before_the_freeze_and_not_served_counts() -> None:
    """The proved state holds margin for every price; the exit settles at the one that the contract has."""
    escape = Escape()
    market(escape)
    settle_prices(escape, {7: 130}, NEAR)
    escape.freeze()
    group = escape.proved_state.group(EARLY)
    assert group is not None
    assert group.settlement_price is None
    escape.show_groups()
    assert escape.price_of(EARLY) == 130
    settle_prices(escape, {8: 100}, FAR)
    held = escape.call("vaultBalance")
    assert everybody_leaves(escape) == held
    assert escape.balance(escape.house.address) == 0


def test_a_price_in_the_proved_state_is_the_leafs() -> None:
    escape = Escape()
    market(escape)
    settle_prices(escape, {7: 1000}, NEAR)
    escape.batch()
    escape.freeze()
    escape.show_groups()
    # The median as posted is 1000; the leaf holds what the rules made of it.
    assert escape.price_of(EARLY) == 200
    escape.engine.now += SILENCE + 1
    assert announce(escape, EARLY, 5) == f"OraclesHavePosted({EARLY})"


def test_the_governors_price_needs_silence_and_notice(escape: Escape) -> None:
    escape.engine.now = NEAR + SILENCE
    assert announce(escape, EARLY, 95) == f"TooEarly({NEAR + SILENCE})"
    escape.engine.now += 1
    assert announce(escape, EARLY, 95, escape.stranger) == f"NotGovernor({escape.stranger.lower()})"
    assert announce(escape, 99, 95) == "GroupUnknown(99)"
    assert announce(escape, LATE, 95) == f"TooEarly({FAR + SILENCE})"
    assert adopt(escape, EARLY) == f"NoNotice({EARLY})"
    assert announce(escape, EARLY, 95) == "accepted"
    ready = escape.engine.now + TIMELOCK
    escape.engine.now = ready - 1
    assert adopt(escape, EARLY) == f"TooEarly({ready})"
    assert escape.price_of(EARLY) is None
    escape.engine.now = ready
    assert adopt(escape, EARLY) == "accepted"
    assert escape.price_of(EARLY) == 95
    assert adopt(escape, EARLY) == f"AlreadyAdopted({EARLY})"
    assert announce(escape, EARLY, 96) == f"AlreadyAdopted({EARLY})"
    refusal = escape.refusal("withdrawPrice", EARLY, caller=escape.governor)
    assert refusal == f"AlreadyAdopted({EARLY})"


def test_silence_runs_from_the_freeze_where_that_is_later() -> None:
    escape = Escape()
    market(escape)
    escape.engine.now = NEAR + SILENCE
    escape.freeze()
    frozen = escape.call("frozenAt")
    assert announce(escape, EARLY, 95) == f"TooEarly({frozen + SILENCE})"
    escape.engine.now = frozen + SILENCE + 1
    assert announce(escape, EARLY, 95) == "accepted"


def test_a_second_notice_starts_anew_and_one_can_be_taken_back(escape: Escape) -> None:
    escape.engine.now = NEAR + SILENCE + 1
    assert announce(escape, EARLY, 95) == "accepted"
    escape.engine.now += TIMELOCK
    assert announce(escape, EARLY, 60) == "accepted"
    assert adopt(escape, EARLY) == f"TooEarly({escape.engine.now + TIMELOCK})"
    refusal = escape.refusal("withdrawPrice", EARLY, caller=escape.stranger)
    assert refusal == f"NotGovernor({escape.stranger.lower()})"
    escape.ask("withdrawPrice", EARLY, caller=escape.governor)
    assert escape.refusal("withdrawPrice", EARLY, caller=escape.governor) == f"NoNotice({EARLY})"
    escape.engine.now += TIMELOCK
    assert adopt(escape, EARLY) == f"NoNotice({EARLY})"


def test_oracles_that_speak_in_time_overrule_the_governor(escape: Escape) -> None:
    escape.engine.now = NEAR + SILENCE + 1
    assert announce(escape, EARLY, 95) == "accepted"
    escape.engine.now += TIMELOCK
    for oracle in range(2):
        assert escape.post_price(EARLY, oracle, 120) == "accepted"
    assert escape.refusal("adoptPrice", EARLY, caller=escape.stranger) == "accepted"
    assert escape.post_price(EARLY, 2, 120) == "accepted"
    assert adopt(escape, EARLY) == f"OraclesHavePosted({EARLY})"
    escape.fix_price(EARLY)
    assert adopt(escape, EARLY) == f"OraclesHavePosted({EARLY})"
    assert escape.price_of(EARLY) == 120


def test_oracles_that_speak_too_late_change_nothing(escape: Escape) -> None:
    """Whoever was paid first and whoever is paid last get the same price, and the vault ends empty."""
    escape.engine.now = NEAR + SILENCE + 1
    assert announce(escape, EARLY, 95) == "accepted"
    escape.engine.now += TIMELOCK
    assert adopt(escape, EARLY) == "accepted"
    escape.take_cash(2)
    escape.take_group(2, EARLY)
    for oracle in range(len(ORACLES)):
        # Their collection goes on at the clearing house, which knows of no exit.
        escape.post_price(EARLY, oracle, 150)
    escape.fix_price(EARLY)
    assert escape.price_of(EARLY) == 95
    settle_prices(escape, {8: 70}, FAR)
    escape.take_group(2, LATE)
    for account in (1, 3, 4):
        escape.take_cash(account)
        for group in {position >> 50 for position in escape.positions(account)}:
            escape.take_group(account, group)
    for position in escape.waiting_deposits():
        escape.refund(position)
    assert escape.balance(escape.house.address) == escape.call("vaultBalance") == 0


def test_a_group_listed_and_never_served_settles_nobody() -> None:
    """It is known to the contract and not to the proved state: nobody holds positions in it, and it cannot be shown."""
    escape = Escape()
    escape.deposit(0, 100)
    escape.batch()
    list_market(escape, [7], [FAR])
    escape.freeze()
    assert escape.proved_state.group(EARLY) is None
    refusal = escape.refusal("priceOf", EARLY, caller=escape.stranger)
    assert refusal == f"GroupNotProved({EARLY})"
    assert everybody_leaves(escape) == 100
