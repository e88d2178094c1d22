"""Who may do what: trading keys, signatures, and the port through which the rules check them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from rollup.units import FieldElement, Scalar, SuiteId

Coordinate = tuple[
    FieldElement, FieldElement, FieldElement, FieldElement, FieldElement, FieldElement, FieldElement
]
"""An element of the key curve's field, which is of degree seven."""


class Authority(StrEnum):
    """Whose word a transaction is."""

    OWNER = "L1 queue, owner"
    GOVERNOR = "L1 queue, governor"
    ORACLES = "L1 queue, oracles"
    TRADING_KEY = "trading key, nonce"
    TWO_ORDERS = "two signed orders"
    ANYONE = "anyone"


@dataclass(frozen=True, slots=True)
class TradingKey:
    """A key as leaf and queue hold it: its suite and its affine point, whose validity the suite decides."""

    suite: SuiteId
    x: Coordinate
    y: Coordinate


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as it travels: the affine commitment point and the response, valid or not."""

    commitment_x: Coordinate
    commitment_y: Coordinate
    response: Scalar


class SignatureCheck(Protocol):
    """What the rules need of a signature scheme; the real one is `rollup.schnorr.SepticSchnorr`."""

    def accepts_key(self, key: TradingKey) -> bool:
        """Say whether the suite is known and the key may be registered under it."""
        ...

    def is_valid(self, key: TradingKey, message: tuple[int, ...], signature: Signature) -> bool:
        """Say whether the signature of these message elements verifies under the key."""
        ...
