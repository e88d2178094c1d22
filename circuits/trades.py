"""The trades of a batch: one row a trade; its two fills, its two accounts and the treasury are other tables' rows.

published      13 words: who, which option, price, lots; who was first
premium        price x lots
fees           premium x rate + excess = fee x one million, excess below one million: rounded up, for either side
effects        buyer - premium - fee, + lots        seller + premium - fee, - lots        treasury + both fees

Amounts are in bytes, because limbs of 16 bits cannot be multiplied in this field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from circuits.account_step import AMOUNT_LIMBS, AccountStep
from circuits.buses import (
    ACCOUNT_STEP,
    BUY_FILL_STEP,
    CREDIT_STEP,
    CREDITS,
    FILLS,
    FINAL_PARAMETERS,
    GROUP_TERMS,
    OTHER_ACCOUNT_STEP,
    SELL_FILL_STEP,
    SERIES_PLACES,
    SIXTEEN_BITS,
    TWO_BYTES,
)
from circuits.gadgets.byte_limbs import Bytes
from circuits.gadgets.carries import Carries
from circuits.gadgets.limbs import LIMB_BITS
from circuits.gadgets.pieces import Pieces
from circuits.gadgets.wide import Wide
from circuits.gadgets.zero import inverses
from circuits.record import CURSOR, Cursor, constrain_record
from prover.air.builder import AirBuilder
from prover.air.expression import Expression, lift
from prover.field.koalabear import Montgomery, encode
from rollup.formulas import buyer_cash, fee_identity, premium, seller_cash
from rollup.transactions import TradeRecord
from rollup.units import MICRO, Side

NAME: Final = "trades"

TRADE: Final = ("buyer is maker", "index", "group", "option", *(f"cap value byte {i}" for i in range(4)))

PARAMETERS: Final = ("maker rate", "treasury", "has treasury")
"""The taker's rate is both parties' rates less the maker's."""

PARTY: Final = (
    *("account low", "account high", "slot", "number low", "number high"),
    *("identity", "floor low", "floor high", "nonce low", "nonce high"),
)
"""What a trade says of either party; the account is cut where the data cut it, so its low part is a byte."""

PRICE_BYTES, LOTS_BYTES, PREMIUM_BYTES, RATE_BYTES, FEE_BYTES = 4, 2, 6, 2, 6
"""A fee is below 6.6 percent of a premium of 48 bits."""

PREMIUM_CARRIES, FEE_CARRIES = 2, 3

EXCESS: Final = ("excess low", "excess high", "spare high")
"""What rounding a fee up added, in millionths, and how far it stays below a million."""

COLUMNS: Final = (
    (1 + len(TRADE) + len(PARAMETERS) + 2 * len(PARTY) + 1)
    + (PRICE_BYTES + LOTS_BYTES + PREMIUM_BYTES + PREMIUM_CARRIES)
    + 2 * (RATE_BYTES + FEE_BYTES + len(EXCESS) + FEE_CARRIES)
    + len(CURSOR)
)

MILLION_DIGITS: Final = tuple(MICRO.to_bytes(3, "little"))

Cells = dict[str, Expression]


@dataclass(frozen=True, slots=True)
class _Party:
    """One side of the trade, as its row states it."""

    cells: Cells
    rate: Expression
    fee: Wide[Expression]

    @property
    def account(self) -> Pieces:
        return Pieces.cut((self.cells["account low"], 8), (self.cells["account high"], 16))

    def pair(self, name: str) -> tuple[Expression, Expression]:
        return self.cells[f"{name} low"], self.cells[f"{name} high"]


def constrain(air: AirBuilder) -> None:
    """State that two orders met as the record says, and pass on what that does to slots, accounts and treasury.

    Assumes: clocks lie below 2^29; rates of the parameters are below 2^16; the data bound words; identities, floors and
    nonces need no check here, because only the account's own are taken by the holders, and fills share them.
    Guarantees: each message it sends belongs to one trade of the data, at its clock.
    """
    is_live = air.column("is live")
    trade = dict(zip(TRADE, air.columns(*TRADE), strict=True))
    maker_rate, treasury, has_treasury = air.columns(*PARAMETERS)
    cells = [_party_cells(air, party) for party in ("buyer", "seller")]
    inverse = air.column("inverse of difference and lots")
    price = Bytes.constrain(air, "price", PRICE_BYTES, is_live)
    lots = Bytes.constrain(air, "lots", LOTS_BYTES, is_live)
    paid_bytes = Bytes.constrain(air, "premium", PREMIUM_BYTES, is_live)
    paid = Wide.of_bytes(paid_bytes.columns)
    quotient = premium(Wide.of_bytes(price.columns), Wide.of_bytes(lots.columns))
    Carries.constrain(air, "the premium is price times lots", (quotient - paid).terms, is_live)
    buyer, seller = (
        _constrain_fee(air, is_live, name, paid, found)
        for name, found in zip(("buyer", "seller"), cells, strict=True)
    )
    cursor = _constrain_record(air, is_live, trade, buyer, seller, price, lots)

    # Soundness: a trade with oneself would move nothing but could fill orders and pay fees to a treasury of one's own.
    # A trade of no lots would put an order's number into its slot without the order being filled.
    difference = buyer.account.element - seller.account.element
    air.assert_zero(
        "buyer and seller are two accounts and trade some lots", difference * lots.element * inverse - is_live
    )
    _constrain_terms(air, is_live, trade)
    is_maker = trade["buyer is maker"]
    air.assert_boolean("the buyer was first or the seller was", is_maker)
    taker_rate = buyer.rate + seller.rate - maker_rate
    air.assert_zero(
        "who was first pays the maker's rate",
        is_maker * (buyer.rate - maker_rate) + (1 - is_maker) * (seller.rate - maker_rate),
    )
    air.send(FINAL_PARAMETERS, [maker_rate, taker_rate, treasury], when=is_live)

    for party, side, step, is_first in (
        (buyer, Side.BUY, BUY_FILL_STEP, is_maker),
        (seller, Side.SELL, SELL_FILL_STEP, 1 - is_maker),
    ):
        air.send(
            FILLS,
            [
                *(cursor.clock + step, int(side), party.account.element, party.cells["slot"]),
                *(*party.pair("number"), trade["group"], trade["option"], *price.limbs, lots.element),
                *(party.rate, is_first, party.cells["identity"], *party.pair("floor")),
            ],
            when=is_live,
        )
    nothing = Wide((lift(0),))
    bought, sold = lots.element, lots.element * -1
    for party, step, change, edit in (
        (buyer, ACCOUNT_STEP, buyer_cash(nothing, paid, buyer.fee), bought),
        (seller, OTHER_ACCOUNT_STEP, seller_cash(nothing, paid, seller.fee), sold),
    ):
        AccountStep(
            cursor.clock + step,
            party.account.element,
            party.cells["identity"],
            party.pair("nonce"),
            party.pair("floor"),
            # The order is the authority, and its number and lots are used up instead.
            uses_nonce=False,
            change=change.terms,
            group=trade["group"],
            option=trade["option"],
            lots=edit,
        ).send(air, is_live)
    # Soundness: without it a trade could keep its fees from the treasury, and cash would no longer add up.
    air.assert_zero("a treasury that is named is paid", (is_live - has_treasury) * treasury)
    air.assert_zero("a dead row pays no treasury", (1 - is_live) * has_treasury)
    fees = (buyer.fee + seller.fee).terms
    missing = [0] * (AMOUNT_LIMBS - len(fees))
    air.send(CREDITS, [cursor.clock + CREDIT_STEP, treasury, *fees, *missing], when=has_treasury)


def _party_cells(air: AirBuilder, party: str) -> Cells:
    """Declare one party's columns."""
    return dict(zip(PARTY, air.columns(*(f"{party} {name}" for name in PARTY)), strict=True))


def _constrain_fee(
    air: AirBuilder, is_live: Expression, party: str, paid: Wide[Expression], cells: Cells
) -> _Party:
    """One side's rate and fee, rounded up."""
    rate = Bytes.constrain(air, f"{party} rate", RATE_BYTES, is_live)
    fee = Wide.of_bytes(Bytes.constrain(air, f"{party} fee", FEE_BYTES, is_live).columns)
    low, high, spare_high = air.columns(*(f"{party} {name}" for name in EXCESS))
    # Soundness: with an excess of a million or more the fee could be any larger one; with a negative one, smaller.
    spare_low = MICRO - 1 - low - (high + spare_high) * (1 << LIMB_BITS)
    air.send(SIXTEEN_BITS, [low], when=is_live)
    air.send(SIXTEEN_BITS, [spare_low], when=is_live)
    air.send(TWO_BYTES, [high, spare_high], when=is_live)
    million = Wide.of_bytes([lift(digit) for digit in MILLION_DIGITS])
    identity = fee_identity(paid, Wide.of_bytes(rate.columns), fee, Wide((low, high)), million)
    Carries.constrain(air, f"the {party}'s fee is its rate of the premium", identity.terms, is_live)
    return _Party(cells, rate.element, fee)


def _constrain_record(
    air: AirBuilder,
    is_live: Expression,
    trade: Cells,
    buyer: _Party,
    seller: _Party,
    price: Bytes,
    lots: Bytes,
) -> Cursor:
    """Publish the trade."""
    published = {
        "buyer_is_maker": Pieces.cut((trade["buyer is maker"], 1)),
        "index": Pieces.cut((trade["index"], 8)),
        "group": Pieces.cut((trade["group"], 16)),
        "price": Pieces.of_bytes(price),
        "lots": Pieces.of_bytes(lots),
    }
    # Soundness: parts of a word must be bounded each, or one could lend to the other.
    air.send(TWO_BYTES, [trade["index"], 0], when=is_live)
    for name, party in (("buyer", buyer), ("seller", seller)):
        air.send(TWO_BYTES, [party.cells["account low"], party.cells["slot"]], when=is_live)
        published[name] = party.account
        published[f"{name}_slot"] = Pieces.cut((party.cells["slot"], 8))
        published[f"{name}_number"] = Pieces.of_limbs(party.pair("number"), 32)
    return constrain_record(air, is_live, TradeRecord, published)


def _constrain_terms(air: AirBuilder, is_live: Expression, trade: Cells) -> None:
    """The group is open and lists the option at the published index."""
    group = trade["group"]
    air.send(SERIES_PLACES, [group, trade["index"], trade["option"]], when=is_live)
    # A group that is open has no price: one is only fixed after the expiry.
    stamp, is_open, is_fixed = 0, 1, 0
    cap_value = [trade[f"cap value byte {i}"] for i in range(4)]
    air.send(GROUP_TERMS, [group, stamp, is_open, is_fixed, *cap_value], when=is_live)


@dataclass(frozen=True, slots=True)
class PartyRows:
    """One side of every trade."""

    account: NDArray[np.int64]
    slot: NDArray[np.int64]
    number: NDArray[np.int64]
    identity: NDArray[np.int64]
    floor: NDArray[np.int64]
    nonce: NDArray[np.int64]
    rate: NDArray[np.int64]
    fee: NDArray[np.int64]
    excess: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Rows:
    """One entry a trade."""

    clock: NDArray[np.int64]
    offset: NDArray[np.int64]
    claims: NDArray[np.int64]
    buyer_is_maker: NDArray[np.int64]
    index: NDArray[np.int64]
    group: NDArray[np.int64]
    option: NDArray[np.int64]
    cap_value: NDArray[np.int64]
    maker_rate: NDArray[np.int64]
    treasury: NDArray[np.int64]
    price: NDArray[np.int64]
    lots: NDArray[np.int64]
    premium: NDArray[np.int64]
    buyer: PartyRows
    seller: PartyRows

    @property
    def count(self) -> int:
        """How many trades."""
        return len(self.clock)


def fill(rows: Rows, log_height: int) -> Montgomery:
    """The trace."""
    price, lots = Bytes.fill(rows.price, PRICE_BYTES), Bytes.fill(rows.lots, LOTS_BYTES)
    paid = Bytes.fill(rows.premium, PREMIUM_BYTES)
    quotient = premium(Wide.of_bytes(tuple(price)), Wide.of_bytes(tuple(lots)))
    paid_number = Wide.of_bytes(tuple(paid))
    blocks = [
        np.stack([np.ones(rows.count, np.int64), rows.buyer_is_maker, rows.index, rows.group, rows.option]),
        Bytes.fill(rows.cap_value, 4),
        np.stack([rows.maker_rate, rows.treasury, (rows.treasury != 0).astype(np.int64)]),
        *(_fill_party(party) for party in (rows.buyer, rows.seller)),
        inverses((rows.buyer.account - rows.seller.account) * rows.lots)[None, :],
        *(price, lots, paid, Carries.fill(np.stack((quotient - paid_number).terms))),
        *(_fill_fee(party, paid_number) for party in (rows.buyer, rows.seller)),
        np.stack([rows.clock, rows.offset, rows.claims]),
    ]
    trace = np.zeros((COLUMNS, 1 << log_height), np.uint32)
    trace[:, : rows.count] = encode(np.concatenate(blocks))
    return trace


def _limbs(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Two limbs of every number: (2, n)."""
    return np.stack([values & (1 << LIMB_BITS) - 1, values >> LIMB_BITS])


def _fill_party(party: PartyRows) -> NDArray[np.int64]:
    """The columns of `PARTY`."""
    return np.stack(
        [
            *(party.account & 0xFF, party.account >> 8, party.slot, *_limbs(party.number)),
            *(party.identity, *_limbs(party.floor), *_limbs(party.nonce)),
        ]
    )


def _fill_fee(party: PartyRows, paid: Wide[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Rate, fee, excess and carries of one side."""
    rate, fee = Bytes.fill(party.rate, RATE_BYTES), Bytes.fill(party.fee, FEE_BYTES)
    low, high = _limbs(party.excess)
    million = Wide.of_bytes([np.full(1, digit) for digit in MILLION_DIGITS])
    identity = fee_identity(
        paid, Wide.of_bytes(tuple(rate)), Wide.of_bytes(tuple(fee)), Wide((low, high)), million
    )
    carries = Carries.fill(np.stack(identity.terms))
    return np.concatenate([rate, fee, np.stack([low, high, MICRO - 1 - party.excess >> LIMB_BITS]), carries])
