"""Leaves in the bytes of a checkpoint. Only the node reads them; what is hashed is in `rollup.leaf_formats`.

    slot      0, account (4), slot (1), number (4), filled (4)
    account   1, account (4), owner (20), has key (1), suite (2), key (14 x 4), nonce (4), floor (4), cash (8),
              positions (8 + 4 each)
    group     2, group (2), underlying (2), expiry (8), cap (4), tick (4), lot (4), tick value (4),
              price or minus one (8), pool (8), series (8 each)
    system    3, chain (8), contract (20), batch (4), queue (4), time (8), owed (8), version (4), fees (2 + 2),
              treasury (4)

All big-endian.
"""

from __future__ import annotations

from struct import Struct
from typing import Any

from rollup.authority import TradingKey
from rollup.instruments import Group, SeriesId
from rollup.state import (
    Account,
    Deployment,
    Leaf,
    OrderSlot,
    Parameters,
    Position,
    System,
)
from rollup.units import (
    AccountId,
    Address,
    Amount,
    BatchNumber,
    ChainId,
    GroupId,
    QueuePosition,
    RatePerMillion,
    Ticks,
    Time,
    UnderlyingId,
    Version,
)

_ACCOUNT = Struct(">BI20sBH14IIIQ")
_POSITION = Struct(">Qi")
_SLOT = Struct(">BIBII")
_GROUP = Struct(">BHHQIIIIqq")
_SERIES = Struct(">Q")
_SYSTEM = Struct(">BQ20sIIQQIHHI")
_NO_KEY = (0,) * 14
_KEY_X, _KEY_Y, _AFTER_KEY = slice(5, 12), slice(12, 19), slice(19, 22)
"""Where an account's numbers have the key's coordinates, and nonce, floor and cash behind them."""

_SLOT_KIND, _ACCOUNT_KIND, _GROUP_KIND, _SYSTEM_KIND = range(4)


def encode_leaf(leaf: Leaf) -> bytes:
    """Spell a leaf."""
    match leaf:
        case OrderSlot():
            return _SLOT.pack(_SLOT_KIND, leaf.account, leaf.slot, leaf.number, leaf.filled)
        case Account():
            key = leaf.key
            head = _ACCOUNT.pack(
                _ACCOUNT_KIND,
                leaf.account,
                leaf.owner.to_bytes(20),
                key is not None,
                0 if key is None else key.suite,
                *(_NO_KEY if key is None else key.x + key.y),
                leaf.nonce,
                leaf.order_floor,
                leaf.cash,
            )
            return head + b"".join(_POSITION.pack(*position) for position in leaf.positions)
        case Group():
            head = _GROUP.pack(
                _GROUP_KIND,
                leaf.group,
                leaf.underlying,
                leaf.expiry,
                leaf.cap,
                leaf.tick_micro_dollars,
                leaf.lot_micro_units,
                leaf.tick_value,
                -1 if leaf.settlement_price is None else leaf.settlement_price,
                leaf.pool,
            )
            return head + b"".join(_SERIES.pack(series) for series in leaf.series)
        case System():
            parameters = leaf.parameters
            return _SYSTEM.pack(
                _SYSTEM_KIND,
                leaf.deployment.chain,
                leaf.deployment.contract.to_bytes(20),
                leaf.batch_number,
                leaf.queue_position,
                leaf.time,
                leaf.owed,
                parameters.version,
                parameters.maker_fee_rate,
                parameters.taker_fee_rate,
                parameters.treasury,
            )


def decode_leaf(encoded: bytes) -> Leaf:
    """Read a leaf."""
    kind = encoded[0]
    if kind == _SLOT_KIND:
        numbers: Any = _SLOT.unpack(encoded)
        return OrderSlot(*numbers[1:])
    if kind == _ACCOUNT_KIND:
        return _decode_account(encoded)
    return _decode_group(encoded) if kind == _GROUP_KIND else _decode_system(encoded)


def _decode_account(encoded: bytes) -> Account:
    # A restart reads a hundred thousand of these: no quantity is named twice.
    numbers: Any = _ACCOUNT.unpack_from(encoded)
    owner: Any = int.from_bytes(numbers[2])
    key = TradingKey(numbers[4], numbers[_KEY_X], numbers[_KEY_Y]) if numbers[3] else None
    positions = tuple(map(Position._make, _POSITION.iter_unpack(encoded[_ACCOUNT.size :])))
    nonce, floor, cash = numbers[_AFTER_KEY]
    return Account(numbers[1], owner, key, nonce, floor, cash, positions)


def _decode_group(encoded: bytes) -> Group:
    _, group, underlying, expiry, cap, tick, lot, tick_value, price, pool = _GROUP.unpack_from(encoded)
    return Group(
        GroupId(group),
        UnderlyingId(underlying),
        Time(expiry),
        Ticks(cap),
        tick,
        lot,
        tick_value,
        tuple(SeriesId(series) for (series,) in _SERIES.iter_unpack(encoded[_GROUP.size :])),
        None if price < 0 else Ticks(price),
        pool,
    )


def _decode_system(encoded: bytes) -> System:
    _, chain, contract, batch, queue, time, owed, version, maker, taker, treasury = _SYSTEM.unpack(encoded)
    parameters = Parameters(
        Version(version), RatePerMillion(maker), RatePerMillion(taker), AccountId(treasury)
    )
    deployment = Deployment(ChainId(chain), Address(int.from_bytes(contract)))
    return System(deployment, BatchNumber(batch), QueuePosition(queue), Time(time), Amount(owed), parameters)
