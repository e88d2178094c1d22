"""To the last coin: after a freeze at any moment all leave, in any order and at any prices, and the vault is empty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from rollup.invariants import broken_invariants
from rollup.outcome import Transaction
from rollup.transactions import Deposit, SettleGroup, Transfer, Withdrawal
from rollup.units import GroupId
from tests.conftest import LONG
from tests.rollup.workbench import CALL, PUT, UNSIGNED, make
from tests.rollup.workbench import House as Bench
from tests.verifier_contracts.exit_bench import (
    CHARGE,
    COLLECTION,
    SET_PARAMETERS,
    SILENCE,
    TIMELOCK,
    ContractRefusedError,
    Escape,
    list_market,
)
from tests.verifier_contracts.test_exits import trade
from tests.verifier_contracts.vault_bench import DOLLAR, START

HOUR = 3600
GROUPS = (7, 8, 9)
LISTED = START + 2 * TIMELOCK
"""About when the market is listed: after two notices of the governor's."""

EXPIRIES = {7: LISTED + 8 * HOUR, 8: LISTED + 16 * HOUR, 9: LISTED + 2000 * HOUR}
TRADERS = (2, 3, 4, 5)
PEOPLE = st.integers(0, 5)
SEEDS = st.integers(0, 2**32 - 1)
PRICES = st.sampled_from([0, 1, 89, 90, 95, 100, 104, 110, 150, 199, 200, 201, 10**6, 2**64 - 1])


SITUATIONS = {
    "requirements",
    "claims",
    "deposits that wait",
    "batches dropped",
    "positions in several groups",
    "fixed, nobody settled",
    "fixed, some settled",
    "price known, not proved",
    "expired without a price",
    "not expired",
}

SEEN: Counter[str] = Counter()


class Freezes(RuleBasedStateMachine):
    """A history through rules and contract; at its end the house freezes and everybody leaves."""

    def __init__(self) -> None:
        super().__init__()
        self.escape = Escape()
        self.numbers = Bench()
        self.ending = Random(0)
        self.dropped = 0

    @initialize(seed=SEEDS)
    def people_and_a_market(self, seed: int) -> None:
        escape = self.escape
        self.ending = Random(seed)
        for person in range(5):
            escape.deposit(person, 3_000 * DOLLAR + person)
        for person in range(5):
            key = (0, 1, [1, 0, 0, 0, 0, 0, 0], [0] * 7)
            escape.enqueue("registerKey", *key, caller=escape.people[person], value=16 * CHARGE)
        escape.govern((SET_PARAMETERS, ["uint16", "uint16", "uint32"], (100, 200, 1)))
        list_market(escape, GROUPS, [EXPIRIES[group] for group in GROUPS])
        escape.batch()
        self.seal(seed, 15)
        self.prove_all()

    # --------------------------------------------------------------------------------------------- the queue

    @rule(person=PEOPLE, payer=PEOPLE, amount=st.sampled_from([1, 999_999, 50 * DOLLAR]))
    def deposit(self, person: int, payer: int, amount: int) -> None:
        self.escape.deposit(person, amount, payer)

    @rule(person=st.integers(0, 4))
    def force_out(self, person: int) -> None:
        self.escape.force_out(person)

    @rule(group=st.sampled_from(GROUPS), price=PRICES)
    def fix(self, group: int, price: int) -> None:
        """Oracles post and somebody fixes the median, in time; only for groups that expire within the history."""
        if group != GROUPS[-1]:
            self.escape.engine.now = max(self.escape.engine.now, EXPIRIES[group] + COLLECTION + 1)
            post_and_fix(self.escape, group, price)

    @rule(hours=st.sampled_from([1, 3, 9]))
    def wait(self, hours: int) -> None:
        self.escape.engine.now += hours * HOUR

    # ----------------------------------------------------------------------------------------------- batches

    @rule(seed=SEEDS, count=st.integers(0, 12))
    def seal(self, seed: int, count: int) -> None:
        """A batch of whatever the rules allow."""
        noise = Random(seed)
        wanted = [self.a_transaction(noise) for _ in range(count)]
        self.escape.seal(self.escape.allowed(wanted))

    @rule(seed=SEEDS)
    def settle_some(self, seed: int) -> None:
        """A batch that settles some of the accounts."""
        noise = Random(seed)
        wanted: list[Transaction] = [
            SettleGroup(account, group)  # type: ignore[arg-type]
            for account in (1, *TRADERS)
            for group in GROUPS
            if noise.random() < 0.5
        ]
        self.escape.seal(self.escape.allowed(wanted))

    @rule()
    def prove(self) -> None:
        if self.escape.proved < len(self.escape.sealed):
            self.escape.prove()

    @rule()
    def prove_all(self) -> None:
        while self.escape.proved < len(self.escape.sealed):
            self.escape.prove()

    @rule(is_sequencer_sorry=st.sampled_from([False, False, True]))
    def revert(self, is_sequencer_sorry: bool) -> None:
        if is_sequencer_sorry and self.escape.proved < len(self.escape.sealed):
            self.escape.revert()

    def a_transaction(self, noise: Random) -> Transaction:
        state = self.escape.current
        one, other = noise.sample(TRADERS, 2)
        kind = noise.random()
        account = state.account(one)
        if kind < 0.8 or account is None:
            group = noise.choice(GROUPS)
            name = group << 25 | noise.choice((90, 100, 110)) << 1 | noise.choice((CALL, PUT))
            lots, dollars = noise.randrange(1, 6), noise.randrange(1, 15)
            life = min(EXPIRIES[group], self.escape.engine.now + 100 * HOUR)
            found: Transaction = trade(self.numbers, one, other, name, lots, dollars, life)
            return found
        amount = noise.choice([1, account.cash // 3, account.cash])
        if kind < 0.9:
            return make(Transfer, one, other, amount, account.nonce, UNSIGNED)
        return make(Withdrawal, one, amount, account.nonce, UNSIGNED)

    # ------------------------------------------------------------------------------------------------ the end

    def teardown(self) -> None:
        """Freeze, and leave in any order; prices become known at any time in between."""
        escape = self.escape
        self.dropped = len(escape.sealed) - escape.proved
        escape.freeze()
        state = escape.proved_state
        assert broken_invariants(state) == []
        escape.show_groups()
        held = int(escape.call("vaultBalance"))
        waiting = [escape.queue[place].item for place in escape.waiting_deposits()]
        refunds = sum(item.amount for item in waiting if isinstance(item, Deposit))
        is_paid = [escape.call("isClaimed", number, index) for number, index in escape.claims()]
        assert not any(is_paid)
        claims = sum(
            claim.amount
            for sealed in escape.sealed[: escape.proved]
            for claim in sealed.outcome.content.claims
        )
        assert held == state.system.owed + refunds + claims
        self.count_situations()
        assert self.leave_in_any_order() == held
        assert escape.call("vaultBalance") == escape.balance(escape.house.address) == 0

    def count_situations(self) -> None:
        """Note what this history has come to."""
        escape, state = self.escape, self.escape.proved_state
        open_groups = {held.series >> 25 for account in state.accounts() for held in account.positions}
        requirements = [share.requirement for share in escape.expected_shares().values()]
        situations = {
            "requirements": any(requirements),
            "claims": bool(escape.claims()),
            "deposits that wait": len(escape.waiting_deposits()) > 1,
            "batches dropped": bool(self.dropped),
            "positions in several groups": len(open_groups) > 1,
        }
        for group in state.groups():
            if group.group in open_groups:
                is_fixed = group.settlement_price is not None
                is_known = escape.price_of(group.group) is not None
                is_expired = escape.engine.now >= group.expiry
                situations |= {
                    "fixed, nobody settled" if group.pool == 0 else "fixed, some settled": is_fixed,
                    "price known, not proved": is_known and not is_fixed,
                    "expired without a price": is_expired and not is_known,
                    "not expired": not is_expired,
                }
                SEEN.update(name for name, is_here in situations.items() if is_here)

    def leave_in_any_order(self) -> int:
        """Do everything there is to do, in an order that chance decides; returns what was paid."""
        actions = self.everything_there_is()
        self.ending.shuffle(actions)
        paid = 0
        while actions:
            later = []
            for action in actions:
                found = action()
                if found is None:
                    later.append(action)
                else:
                    paid += found
            assert len(later) < len(actions), "somebody can never leave"
            actions = later
        return paid

    def everything_there_is(self) -> list[Callable[[], int | None]]:
        """All payments and all prices; each answers what it paid, or nothing while its time has not come."""
        escape, state = self.escape, self.escape.proved_state
        actions: list[Callable[[], int | None]] = []
        for account in state.accounts():
            groups = {held.series >> 25 for held in account.positions}
            actions.append(partial(self.cash, account.account))
            actions += [partial(self.share, account.account, group) for group in groups]
        actions += [partial(escape.refund, place) for place in escape.waiting_deposits()]
        actions += [partial(escape.claim, *found) for found in escape.claims()]
        unknown = [group.group for group in state.groups() if escape.price_of(group.group) is None]
        actions += [partial(self.price, group) for group in unknown]
        return actions

    def cash(self, account: int) -> int:
        share = self.escape.expected_shares()[account]
        paid = self.escape.take_cash(account)
        assert paid == share.cash_at_once >= 0
        return paid

    def share(self, account: int, group: int) -> int | None:
        """Requirement and payoff of a group, as soon as the account has left and the price is known."""
        escape = self.escape
        has_left = int(escape.ask("departure", account, caller=escape.stranger)[0], 16) != 0
        if not has_left or escape.price_of(GroupId(group)) is None:
            return None
        (expected,) = [
            one.amount for one in escape.expected_shares()[account].groups if one.group.group == group
        ]
        paid = escape.take_group(account, group)
        assert paid == expected
        return paid

    def price(self, group: GroupId) -> int:
        """A price becomes known: the oracles', or the governor's where they are silent."""
        engine, number = self.escape.engine, self.ending.choice([0, 1, 95, 100, 109, 200, 201, 2**64 - 1])
        if self.ending.random() < 0.5:
            engine.now = max(engine.now, EXPIRIES[group] + COLLECTION + 1)
            post_and_fix(self.escape, group, number)
        else:
            engine.now = max(engine.now, EXPIRIES[group]) + SILENCE + 1
            self.escape.ask("announcePrice", group, number, caller=self.escape.governor)
            engine.now += TIMELOCK
            self.escape.ask("adoptPrice", group, caller=self.escape.stranger)
        return 0


def post_and_fix(escape: Escape, group: int, price: int) -> None:
    """Have three oracles post one price and fix it, unless it is fixed."""
    for oracle in range(3):
        escape.post_price(group, oracle, price)
    with suppress(ContractRefusedError):
        escape.fix_price(group)
    assert escape.call("group", group)[2]


def test_everybody_leaves_to_the_last_coin() -> None:
    """With it the proof that the histories were worth the while: every situation came up."""
    SEEN.clear()
    chosen = settings(
        max_examples=1000 if LONG else 60,
        stateful_step_count=40 if LONG else 25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    run_state_machine_as_test(Freezes, settings=chosen)
    assert set(SEEN) == SITUATIONS
