"""How each leaf is spelled as field elements: versioned formats of fixed length, limbs lowest first.

    account   24   identity digest (8) | positions digest (8) | nonce (2) | order floor (2) | cash (4)
    slot       4   number (2) | filled (2)
    group     28   underlying | expiry (3) | cap (2) | tick (2) | lot (2) | tick value (2) | is fixed | price (2)
                   | pool + 2^63 (4) | number of series | series digest (8)
    system    31   batch (2) | queue position (2) | time (3) | owed (4) | parameters version (2) | maker rate
                   | taker rate | treasury (2) | chain (4) | contract (10)

    identity  27   account (2) | owner (10) | signature suite | key (14); all zero from the suite on without a key
    positions 3n   group | strike * 2 + kind | lots + 2^24
    series     n   strike * 2 + kind

An account is hashed in two halves: who it is changes almost never, what it has with every trade.
Every number is below 2^31, canonical, and bound by a range check in the circuits.
"""

from __future__ import annotations

from enum import IntEnum

from prover.hash.domain import HashKind
from rollup.instruments import Group, group_of, option_of
from rollup.state import Account, Leaf, OrderSlot, Position, System
from rollup.units import WIDTH_BITS, limbs_of

Elements = tuple[int, ...]

FORMAT_VERSION: int = 1
"""Stands in every leaf's tag, so a leaf of a later format is never read as one of this."""

POOL_OFFSET: int = 1 << 63
"""Makes a signed pool an unsigned number of four limbs."""

LOTS_OFFSET: int = 1 << WIDTH_BITS["Lots"]
"""Makes signed lots one positive element of 25 bits."""


class LeafFormat(IntEnum):
    """What a hashed list of elements is; with the version it is the label of the hash call."""

    ACCOUNT = 1
    ORDER_SLOT = 2
    GROUP = 3
    SYSTEM = 4
    ACCOUNT_IDENTITY = 5
    ACCOUNT_POSITIONS = 6
    GROUP_SERIES = 7

    @property
    def label(self) -> int:
        """Format and version in one element."""
        return FORMAT_VERSION << 8 | self

    @property
    def kind(self) -> HashKind:
        """What the hash call is for."""
        is_positions = self is LeafFormat.ACCOUNT_POSITIONS
        return HashKind.ACCOUNT_POSITIONS if is_positions else HashKind.STATE_LEAF


def format_of(leaf: Leaf) -> LeafFormat:
    """Name the format of a leaf."""
    match leaf:
        case Account():
            return LeafFormat.ACCOUNT
        case OrderSlot():
            return LeafFormat.ORDER_SLOT
        case Group():
            return LeafFormat.GROUP
        case System():
            return LeafFormat.SYSTEM


def identity_elements(account: Account) -> Elements:
    """Spell who an account is."""
    key = (0,) * 15 if account.key is None else (account.key.suite, *account.key.x, *account.key.y)
    return (*limbs_of(account.account, 32), *limbs_of(account.owner, 160), *key)


def positions_elements(positions: tuple[Position, ...]) -> Elements:
    """Spell what an account holds; the length of the list is in the hash call."""
    elements: list[int] = []
    for series, lots in positions:
        elements += (group_of(series), option_of(series), lots + LOTS_OFFSET)
    return tuple(elements)


def series_elements(group: Group) -> Elements:
    """Spell what a group lists."""
    return tuple(option_of(series) for series in group.series)


def account_elements(account: Account, identity: Elements, positions: Elements) -> Elements:
    """Spell an account over the digests of its two lists."""
    return (
        *identity,
        *positions,
        *limbs_of(account.nonce, 32),
        *limbs_of(account.order_floor, 32),
        *limbs_of(account.cash, 64),
    )


def slot_elements(slot: OrderSlot) -> Elements:
    """Spell an order slot; whose it is, is its place."""
    return (*limbs_of(slot.number, 32), *limbs_of(slot.filled, 32))


def group_elements(group: Group, series: Elements) -> Elements:
    """Spell a group over the digest of its series."""
    return (
        group.underlying,
        *limbs_of(group.expiry, 48),
        *limbs_of(group.cap, 32),
        *limbs_of(group.tick_micro_dollars, 32),
        *limbs_of(group.lot_micro_units, 32),
        *limbs_of(group.tick_value, 32),
        int(group.settlement_price is not None),
        *limbs_of(group.settlement_price or 0, 32),
        *limbs_of(group.pool + POOL_OFFSET, 64),
        len(group.series),
        *series,
    )


def system_elements(system: System) -> Elements:
    """Spell the system leaf."""
    parameters = system.parameters
    return (
        *limbs_of(system.batch_number, 32),
        *limbs_of(system.queue_position, 32),
        *limbs_of(system.time, 48),
        *limbs_of(system.owed, 64),
        *limbs_of(parameters.version, 32),
        parameters.maker_fee_rate,
        parameters.taker_fee_rate,
        *limbs_of(parameters.treasury, 32),
        *limbs_of(system.deployment.chain, 64),
        *limbs_of(system.deployment.contract, 160),
    )
