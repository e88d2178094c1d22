"""Quantities of the clearing house: their names, their widths, and nothing that can round silently."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NewType

AccountId = NewType("AccountId", int)
Amount = NewType("Amount", int)
"""Micro-dollars, never negative."""
Price = NewType("Price", int)
"""Micro-dollars for one lot."""
Lots = NewType("Lots", int)
"""Lots of one order or one position, without sign."""
FillLots = NewType("FillLots", int)
"""Lots of one trade."""
Ticks = NewType("Ticks", int)
"""A price of the underlying, counted in the group's ticks."""
RawTicks = NewType("RawTicks", int)
"""A price of the underlying as the oracles sent it, before it is clamped."""
RatePerMillion = NewType("RatePerMillion", int)
Time = NewType("Time", int)
"""Seconds since 1970, UTC."""
Nonce = NewType("Nonce", int)
OrderNumber = NewType("OrderNumber", int)
SlotIndex = NewType("SlotIndex", int)
GroupId = NewType("GroupId", int)
SeriesIndex = NewType("SeriesIndex", int)
"""Position of a series in its group's list."""
UnderlyingId = NewType("UnderlyingId", int)
Address = NewType("Address", int)
"""An Ethereum address read as a number."""
ChainId = NewType("ChainId", int)
BatchNumber = NewType("BatchNumber", int)
QueuePosition = NewType("QueuePosition", int)
Version = NewType("Version", int)
SuiteId = NewType("SuiteId", int)
FieldElement = NewType("FieldElement", int)
"""A canonical element of the base field, 31 bits."""
Scalar = NewType("Scalar", int)
"""A number below the order of the key curve, 217 bits."""
DataLength = NewType("DataLength", int)
"""Bytes of a batch's data, header included."""
DataVersion = NewType("DataVersion", int)
Count = NewType("Count", int)
"""How many entries a section of a batch's data has."""
RawWord = NewType("RawWord", int)
"""One queue word whose meaning is checked by the rules, because the queue cannot refuse it."""
RawDoubleWord = NewType("RawDoubleWord", int)

WIDTH_BITS: dict[str, int] = {
    "AccountId": 24,
    "Amount": 64,
    "Price": 32,
    "Lots": 24,
    "FillLots": 16,
    "Ticks": 24,
    "RawTicks": 64,
    "RatePerMillion": 16,
    "Time": 48,
    "Nonce": 32,
    "OrderNumber": 32,
    "SlotIndex": 8,
    "GroupId": 16,
    "SeriesIndex": 8,
    "UnderlyingId": 16,
    "Address": 160,
    "ChainId": 64,
    "BatchNumber": 32,
    "QueuePosition": 32,
    "Version": 32,
    "SuiteId": 16,
    "FieldElement": 32,
    "Scalar": 224,
    "DataLength": 32,
    "DataVersion": 16,
    "Count": 16,
    "RawWord": 16,
    "RawDoubleWord": 32,
}
"""Declared width of every quantity, by the name of its type.

Codec, signing payload, leaf formats and the documentation all read this table.
Accounts: 24 bits and a slot's 8 share two words, so one side of a trade is four words with its number.
Price: 32 bits are 4,294 dollars a lot; lot sizes are chosen so that the cap's payoff fits, and the rules hold it there.
Position lots: 24 bits times a 32-bit payoff, summed over 32 positions, stay below 2^61.
Fill lots: 16 bits keep a trade at 26 bytes; a larger fill is two trades.
Ticks: 24 bits, so that a strike with its kind is one 25-bit field element.
"""

VAULT_CAP: Amount = Amount(1 << 62)
"""The most the clearing house may owe.

Cash can be more than is owed, because winners are paid before losers pay: by what accounts hold locked for groups that
are fixed, which is below 2^61 an account (32 positions of 24-bit lots at 32-bit payoffs). So one account's cash stays
below 2^62 + 2^61, a pool between -2^62 and 2^62, and each fits a signed 64-bit number; a sum of two amounts may not.
"""

MICRO: int = 1_000_000
"""Micro-dollars in a dollar, micro-units in a unit of the underlying, and parts in a rate of one."""

MAX_ORDER_LIFETIME_SECONDS: int = 30 * 24 * 3600
"""Thirty days: a forgotten order stops being a danger, and an old price list cannot be traded against for ever."""

MAX_POSITIONS: int = 32
"""Positions one account may hold: bounds the work of a margin check and the rows it takes to prove one."""

MAX_SERIES: int = 1 << 8
"""Series one group may list: what a one-byte index can name."""

WORD_BITS: int = 16
"""What is published or signed is whole 16-bit words: a word is a field element, bound by one range check."""


class Side(IntEnum):
    """Which way an order trades."""

    BUY = 0
    SELL = 1


class OrderKind(IntEnum):
    """What an order allows beyond its limit price."""

    LIMIT = 0
    IMMEDIATE = 1
    POST_ONLY = 2


class OptionKind(IntEnum):
    """Which way an option pays."""

    CALL = 0
    PUT = 1


ENUM_WIDTH_BITS: int = 8
"""Declared width of a closed enum: half a word, although no enum here needs it all."""


def fits(value: int, bits: int) -> bool:
    """Say whether a number is an unsigned number of that width."""
    return 0 <= value < (1 << bits)


_LIMB_READERS = tuple(Struct(f"<{words}H") for words in range(16))
"""Reads limbs out of little-endian bytes in one call: leaves and messages are full of them."""


def limbs_of(value: int, bits: int) -> tuple[int, ...]:
    """Split an unsigned number into 16-bit limbs, lowest first.

    Assumes: the number fits the width.
    """
    if not fits(value, bits):
        raise ValueError(f"{value} does not fit {bits} bits")
    words = -(-bits // WORD_BITS)
    return _LIMB_READERS[words].unpack(value.to_bytes(2 * words, "little"))


def number_of(limbs: tuple[int, ...] | list[int]) -> int:
    """Join 16-bit limbs, lowest first."""
    return sum(limb << (WORD_BITS * position) for position, limb in enumerate(limbs))
