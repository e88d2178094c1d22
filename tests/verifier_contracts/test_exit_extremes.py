"""The widest accounts leave: thirty-two positions of the most lots at the widest terms, paid as the rules say."""

from __future__ import annotations

from random import Random

import pytest

from rollup.instruments import Group, series_id
from rollup.margin import group_payoff, margin_of, positions_by_group
from rollup.state import Account, Position
from rollup.units import MAX_POSITIONS, WIDTH_BITS
from tests.rollup.workbench import make
from tests.verifier_contracts.exit_bench import Escape

ALICE = 1
MOST_LOTS = (1 << WIDTH_BITS["Lots"]) - 1
DEPOSITED = 1 << 59
"""Micro-dollars in the vault: half of what a person of the bench has."""

TERMS = [((1 << 24) - 1, 256), (65_537, 65_535), (1, (1 << 32) - 1), (2, (1 << 31) - 1), (200, 1_000_000)]
"""Caps with the largest tick values that they allow, and ordinary ones."""


def widest(noise: Random, groups: int) -> tuple[list[Group], tuple[Position, ...]]:
    """Groups, some fixed, and an account's positions in them: as many as it may hold, of the most lots or a few."""
    listed, held = [], []
    for number in sorted(noise.sample([0, 1, 7, (1 << 16) - 1, *range(100, 132)], groups)):
        cap, tick_value = noise.choice(TERMS)
        strikes = noise.sample(range(1, cap), min(cap - 1, MAX_POSITIONS // groups)) if cap > 1 else []
        series = sorted(make(series_id, number, strike, noise.randrange(2)) for strike in strikes)
        held += [
            make(Position, each, noise.choice([MOST_LOTS, -MOST_LOTS, 1, -1, noise.randint(2, MOST_LOTS)]))
            for each in series
        ]
        price = noise.choice([None, 0, cap, noise.randint(0, cap)])
        terms = (number, 1, (1 << 48) - 1, cap, 1, 1, tick_value, tuple(series), price, noise.choice([-1, 1]))
        listed.append(make(Group, *terms))
    return listed, tuple(held)


@pytest.mark.parametrize("seed", range(6))
def test_the_widest_accounts_are_paid_what_the_rules_say(seed: int) -> None:
    noise = Random(seed)
    escape = Escape()
    escape.deposit(0, DEPOSITED)
    escape.batch()
    groups, positions = widest(noise, noise.choice([1, 2, 4, 16, 32]))
    named = {group.group: group for group in groups}
    required = margin_of(positions, named.get).requirement
    assert required < 1 << 61
    # Cash that covers the margin, whatever the vault holds: what it cannot pay is asked all the same.
    free = noise.choice([0, 1, 10**9])
    account: Account = escape.account(ALICE).with_holdings(required + free, positions)
    escape.seal(forged=[*groups, account])
    escape.prove()
    escape.freeze()
    escape.show_groups()
    assert escape.take_cash(ALICE) == free
    shares = {held.group.group: held for held in escape.expected_shares()[ALICE].groups}
    for number, held in positions_by_group(positions):
        group, share = named[number], shares[number]
        if group.settlement_price is None:
            arguments = (ALICE, number, escape.positions(ALICE), escape.stranger)
            assert (
                escape.refusal("takeGroup", *arguments, caller=escape.owner(ALICE))
                == f"PriceUnknown({number})"
            )
            continue
        payoff = group_payoff(held, group.settlement_price, group.tick_value)
        assert share.amount == max(payoff, 0)
        if share.amount <= escape.call("vaultBalance"):
            assert escape.take_group(ALICE, number) == share.amount
